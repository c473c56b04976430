"""Random template versions and random edits: what must hold for every update."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncscaffold import merge
from tests.merge.conftest import Case, files, git, write

_NAMES = st.sampled_from(
    ["a.txt", "b.txt", "c.toml", "Cargo.toml", "d/a.txt", "d/e/a.bin", "d", "x/y.rs", "x", "odd \n"]
)
_TEXT = st.lists(st.sampled_from([f"line {n}" for n in range(9)]), min_size=6, max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)
_TOML = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=5).map(
    lambda keys: "[dependencies]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
)
_BINARY = st.binary(min_size=1, max_size=8).map(lambda data: b"\0" + data)
_Tree = dict[str, bytes]


def _fits(tree: _Tree) -> _Tree:
    """Without files that stand where another file needs a directory."""
    return {
        path: data
        for path, data in tree.items()
        if not any(other.startswith(path + "/") for other in tree)
    }


@st.composite
def _content(draw: st.DrawFn, path: str) -> bytes:
    if path.endswith(".bin"):
        return draw(_BINARY)
    return draw(_TOML if path.endswith(".toml") else _TEXT).encode()


@st.composite
def _trees(draw: st.DrawFn) -> _Tree:
    paths = draw(st.lists(_NAMES, unique=True, max_size=6))
    return _fits({path: draw(_content(path)) for path in paths})


@st.composite
def _next_version(draw: st.DrawFn, before: _Tree) -> _Tree:
    after: _Tree = {}
    for path, data in before.items():
        what = draw(st.sampled_from(["keep", "keep", "change", "drop", "move"]))
        if what == "keep":
            after[path] = data
        elif what == "change":
            after[path] = _changed(draw, path, data, b"new")
        elif what == "move":
            after[draw(_NAMES)] = data
    return _fits(after | draw(_trees()))


def _changed(draw: st.DrawFn, path: str, data: bytes, word: bytes) -> bytes:
    if path.endswith(".bin"):
        return data + word
    lines = data.splitlines(keepends=True)
    at = draw(st.integers(0, len(lines)))
    number = draw(st.integers(0, 999))
    line = b"%s-%d\n" % (word, number)
    if path.endswith(".toml"):
        line = b"%s-%d = 1 # %s %d\n" % (word, number, word, number)
        at = max(at, 1)
    return b"".join([*lines[:at], line, *lines[at + draw(st.integers(0, 1)) :]])


@st.composite
def _edited(draw: st.DrawFn, before: _Tree) -> tuple[_Tree, set[bytes]]:
    """A user's tree, and the lines (or binaries) that are the user's own."""
    mine: _Tree = {}
    own: set[bytes] = set()
    for path, data in before.items():
        what = draw(st.sampled_from(["keep", "edit", "edit", "delete", "move", "crlf"]))
        if what == "keep":
            mine[path] = data
        elif what == "crlf":
            mine[path] = data if b"\0" in data else data.replace(b"\n", b"\r\n")
        elif what in ("edit", "move"):
            name = path if what == "edit" else draw(_NAMES)
            mine[name] = _changed(draw, path, data, b"user")
    for name in draw(st.lists(_NAMES, unique=True, max_size=2)):
        mine.setdefault(name, _changed(draw, name, draw(_content(name)), b"user"))
    mine = _fits(mine)
    for data in mine.values():
        if b"\0" in data:
            own |= {data} - set(before.values())
        else:
            own |= {line.strip() for line in data.split(b"\n") if b"user-" in line}
    return mine, own


@st.composite
def _histories(draw: st.DrawFn) -> tuple[_Tree, _Tree, _Tree, set[bytes]]:
    before = draw(_trees())
    return before, draw(_next_version(before)), *draw(_edited(before))


@contextmanager
def _case(before: _Tree, after: _Tree, mine: _Tree, repository: bool = False) -> Iterator[Case]:
    root = Path(tempfile.mkdtemp())
    try:
        case = Case(root, merge.Labels())
        write(case.base, before)
        write(case.theirs, after)
        write(case.project, mine)
        if repository:
            git(case.project, "init", "--quiet")
        yield case
    finally:
        shutil.rmtree(root)


@settings(max_examples=50, deadline=None)
@given(_histories(), st.booleans())
def test_no_line_of_the_users_is_ever_lost(
    history: tuple[_Tree, _Tree, _Tree, set[bytes]], repository: bool
) -> None:
    before, after, mine, own = history
    with _case(before, after, mine, repository) as case:
        plan = case.update()
        everything = b"\n".join(
            path.read_bytes()
            for path in case.project.rglob("*")
            if path.is_file() and not {".git", ".asyncscaffold"} & set(path.parts)
        )
        lost = [line for line in own if line not in everything]
        assert not lost, (lost, plan)


@settings(max_examples=60, deadline=None)
@given(_histories())
def test_an_untouched_project_becomes_the_new_render(
    history: tuple[_Tree, _Tree, _Tree, set[bytes]],
) -> None:
    before, after, _, _ = history
    with _case(before, after, before) as case:
        plan = case.update()
        assert files(case.project) == files(case.theirs)
        assert plan.conflicts + plan.kept + plan.deleted + plan.skipped == ()


@settings(max_examples=50, deadline=None)
@given(_histories())
def test_the_same_version_again_plans_nothing(
    history: tuple[_Tree, _Tree, _Tree, set[bytes]],
) -> None:
    before, _, mine, _ = history
    with _case(before, before, mine) as case:
        assert case.plan() == merge.Plan()


@settings(max_examples=50, deadline=None)
@given(_histories())
def test_a_second_update_changes_nothing(
    history: tuple[_Tree, _Tree, _Tree, set[bytes]],
) -> None:
    before, after, mine, _ = history
    with _case(before, after, mine) as case:
        case.update()
        shutil.rmtree(case.base)
        shutil.copytree(case.theirs, case.base)
        assert case.plan() == merge.Plan()
        assert not os.path.lexists(case.project / ".git")
