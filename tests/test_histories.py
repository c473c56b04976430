"""Whole lives of projects, at random: releases, edits of every kind, and every verb in any order.

`HISTORIES=500 pytest tests/test_histories.py` goes on for longer, and never the same way twice.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomlkit
import yaml
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from asyncscaffold import merge
from asyncscaffold.merge import Version
from tests.helpers import Done, call, git
from tests.merge.conftest import entries

_HISTORIES = int(os.environ.get("HISTORIES", "0"))

_SELDOM = st.sampled_from([False, False, False, True])

_ANSWERS = ".copier-answers.yml"
_COPIER_YML = """\
_subdirectory: files
_templates_suffix: .jinja
_preserve_symlinks: true
_exclude: ["{% if not wheels %}wheels{% endif %}", nothing]
wheels: {type: bool, default: false}
size: {type: int, default: 1}
"""
_FEATURE = "{% if wheels %}[wheels]\nround = {{ size }}\n{% endif %}"

_NAMES = [
    "readme.txt",
    "README.txt",
    "src/a.rs",
    "src/b.rs",
    "src",
    "lib/a.rs",
    "deep/er/c.txt",
    "deep",
    "Cargo.toml",
    "settings.toml",
    "run.sh",
    "data.bin",
    "wheels/w.txt",
    "new.txt",
    "new/n.txt",
    "odd 'name\" \\.txt",
    "ünï.txt",
    "notes.log",
    "link",
]

Tree = dict[str, Version]


def _text(name: str, lines: int = 12) -> Version:
    """A text that is like no other file's."""
    return Version("".join(f"{name} {number}\n" for number in range(lines)).encode())


def _toml(name: str) -> Version:
    text = f'[package]\nname = "{name}"\n\n[dependencies]\none = "1"\ntwo = "2"\n'
    return Version(text.encode())


_FIRST: Tree = {
    "readme.txt": _text("readme"),
    "src/a.rs": _text("a"),
    "src/b.rs": _text("b"),
    "deep/er/c.txt": _text("c"),
    "Cargo.toml": _toml("cargo"),
    "settings.toml": _toml("settings"),
    "run.sh": replace(_text("run"), mode=0o755),
    "data.bin": Version(b"\0\1\2" * 20),
    "wheels/w.txt": _text("wheel"),
    "wheels/x/y.txt": _text("spoke"),
    "notes.log": _text("notes"),
    "link": Version(b"readme.txt", 0, link=True),
    ".gitignore": Version(b"*.log\nignored\n"),
}


def _fits(tree: Tree) -> Tree:
    """Without files that stand where another one needs a directory."""
    return {p: v for p, v in tree.items() if not any(o.startswith(p + "/") for o in tree)}


class _Rendered(NamedTuple):
    """What a tree was rendered with."""

    version: str
    wheels: bool
    size: int


@dataclass(frozen=True)
class _Last:
    """The last run that changed something: the tree before it and after, and what it listed."""

    before: dict[str, object]
    after: dict[str, object]
    changed: frozenset[str]
    rendered: _Rendered


class Histories(RuleBasedStateMachine):
    """One project and its template; the invariants hold after every verb."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="history-"))
        self.template = self.root / "template"
        self.project = self.root / "thing"
        self.temporary = self.root / "tmp"
        self.temporary.mkdir()
        self.releases: dict[str, Tree] = {}
        self.number = 0
        self.last: _Last | None = None
        self.touched = False
        self.environment = pytest.MonkeyPatch()
        self.environment.setenv("TMPDIR", str(self.temporary))
        self.environment.setattr(tempfile, "tempdir", str(self.temporary))

    def teardown(self) -> None:
        self.environment.undo()
        shutil.rmtree(self.root)

    @initialize(in_git=st.booleans(), wheels=st.booleans())
    def new(self, in_git: bool, wheels: bool) -> None:
        (self.template / "files").mkdir(parents=True)
        self._release(_FIRST)
        words = ["new", self.project, "--template", self.template, "--set", f"wheels={wheels}"]
        assert call(*words, "--defaults", *([] if in_git else ["--no-git"])).exit == 0
        self.rendered = self._answers()
        self._is_fresh()

    # The template's side.

    @rule(data=st.data(), mutations=st.integers(1, 6))
    def release(self, data: st.DataObject, mutations: int) -> None:
        tree = dict(self._newest())
        for _ in range(mutations):
            tree = _fits(self._mutated(data, tree))
        self._release(tree)

    def _newest(self) -> Tree:
        return list(self.releases.values())[-1]

    def _mutated(self, data: st.DataObject, tree: Tree) -> Tree:
        kinds = ["change", "change", "add", "drop", "move", "turn", "directory", "file", "link"]
        kind = data.draw(st.sampled_from(kinds))
        path = data.draw(st.sampled_from(sorted(tree)))
        name = data.draw(st.sampled_from(_NAMES))
        old = tree[path]
        note(f"template: {kind} {path} {name}")
        if kind == "change":
            return tree | {path: self._changed(data, path, old, "template")}
        if kind == "add":
            return _without(tree, name) | {name: self._made(name)}
        if kind == "drop":
            return {p: v for p, v in tree.items() if p != path} if len(tree) > 3 else tree
        if kind == "move":
            return {p: v for p, v in _without(tree, name).items() if p != path} | {name: old}
        if kind == "turn" and not old.link:
            return tree | {path: replace(old, mode=old.mode ^ 0o111)}
        if kind == "directory":
            return _without(tree, path) | {f"{path}/inner.txt": old}
        if kind == "file":
            above = path.split("/")[0]
            return _without(tree, above) | {above: self._made(above)}
        if kind == "link":
            return tree | {path: Version(name.encode(), 0, link=True)}
        return tree

    def _made(self, name: str) -> Version:
        self.number += 1
        return _toml(f"made{self.number}") if name.endswith(".toml") else _text(f"{self.number}")

    def _changed(self, data: st.DataObject, path: str, old: Version, who: str) -> Version:
        """One line more, or one in place of another; a binary or a link gets a new tail."""
        self.number += 1
        token = f"{who}-{self.number}".encode()
        if old.link:
            return replace(old, data=token)
        if b"\0" in old.data or not old.data.endswith(b"\n"):
            return replace(old, data=old.data + token)
        lines = old.data.splitlines(keepends=True)
        at = data.draw(st.integers(1, len(lines)))
        end = at + (0 if path.endswith(".toml") else data.draw(st.integers(0, 1)))
        line = token + (b" = 1" if path.endswith(".toml") else b" is a line")
        line += b"\r\n" if lines[0].endswith(b"\r\n") else b"\n"
        return replace(old, data=b"".join([*lines[:at], line, *lines[end:]]))

    def _release(self, tree: Tree) -> None:
        files = self.template / "files"
        shutil.rmtree(files)
        answers = Version(b"{{ _copier_answers | to_nice_yaml }}")
        for path, version in {**tree, "{{ _copier_conf.answers_file }}.jinja": answers}.items():
            if path == "settings.toml" and not version.link:
                version = replace(version, data=version.data + _FEATURE.encode())
                path += ".jinja"
            _put(files / path, version)
        (self.template / "copier.yml").write_text(_COPIER_YML)
        tag = f"v{len(self.releases) + 1}.0.0"
        if not self.releases:
            git(self.template, "init", "-q")
        git(self.template, "add", "--all", "--force")  # it has a .gitignore among its files
        git(self.template, "commit", "-q", "--allow-empty", "-m", tag)
        git(self.template, "tag", tag)
        self.releases[tag] = tree

    def _render(self, rendered: _Rendered) -> dict[str, tuple[bytes, str]]:
        """What a fresh project has, by path."""
        found = {}
        for path, version in self.releases[rendered.version].items():
            if not rendered.wheels and f"{path}/".startswith("wheels/"):
                continue
            if path == "settings.toml" and not version.link and rendered.wheels:
                feature = f"[wheels]\nround = {rendered.size}\n".encode()
                version = replace(version, data=version.data + feature)
            found[path] = version.data, version.git_mode
        return found

    # The user's side.

    @rule(data=st.data(), edits=st.integers(1, 6))
    def edit(self, data: st.DataObject, edits: int) -> None:
        self.touched = True
        for _ in range(edits):
            kind = data.draw(st.sampled_from(sorted(_EDITS)))
            paths = sorted(p for p in _tree(self.project) if p != _ANSWERS)
            path = data.draw(st.sampled_from(paths)) if paths else "own.txt"
            name = data.draw(st.sampled_from(_NAMES))
            note(f"user: {kind} {path} {name}")
            _EDITS[kind](self, data, self.project / path, self.project / name)

    # Without a repository, and before the first change, nobody knows what the answers had been.
    @precondition(lambda self: (self.project / ".git").is_dir() or self.last)
    @rule(wheels=st.booleans(), size=st.integers(1, 3))
    def edit_answers(self, wheels: bool, size: int) -> None:
        self.touched = True
        place = self.project / _ANSWERS
        text = re.sub(r"(?m)^wheels: .*$", f"wheels: {str(wheels).lower()}", place.read_text())
        place.write_text(re.sub(r"(?m)^size: .*$", f"size: {size}", text))

    @precondition(lambda self: (self.project / ".git").is_dir())
    @rule(everything=st.booleans())
    def commit(self, everything: bool) -> None:
        git(self.project, "add", "--all", *(["--force"] if everything else []))
        git(self.project, "commit", "-q", "--allow-empty", "-m", "more")

    @rule(also_beside=st.booleans())
    def resolve(self, also_beside: bool) -> None:
        """Takes the marker lines out, and leaves what stands between them."""
        self.touched = True
        for path, (content, mode) in _tree(self.project).items():
            if mode != "120000" and _MARKER.search(content):
                place = self.project / path
                place.chmod(0o644)
                place.write_bytes(_MARKER.sub(b"", content))
            if also_beside and path.endswith(".theirs"):
                (self.project / path).unlink()

    # What is run.

    @rule(dry=_SELDOM)
    def update(self, dry: bool) -> None:
        self._change(dry, "update")
        if not dry and not _marked(self.project):
            before = _stamps(self.project)
            assert call("update", "--project", self.project, "--defaults").exit == 0
            assert _stamps(self.project) == before

    @rule(data=st.data(), dry=_SELDOM)
    def update_to(self, data: st.DataObject, dry: bool) -> None:
        tag = data.draw(st.sampled_from(sorted(self.releases)))
        size = data.draw(st.integers(1, 3))
        self._change(dry, "update", "--to", tag, "--set", f"size={size}")

    @rule(verb=st.sampled_from(["add", "remove"]))
    def switch(self, verb: str) -> None:
        self._change(False, verb, "wheels")

    def _change(self, dry: bool, *words: str) -> None:
        before, lines, git_before = self._seen()
        mine = _tree(self.project)
        parsing = {p for p in mine if p.endswith(".toml") and _parses(mine[p][0])}
        marked = _marked(self.project)
        flags = ["--project", self.project, "--defaults", "--json"]
        if dry or self.number % 3 == 0:
            tried = call(*words, *flags, "--dry-run")
            assert entries(self.project) == before
        if dry:
            self._left_nothing(git_before)
            return
        ran = call(*words, *flags)
        note(f"run: {words} {ran.exit} {_short(ran)}")
        self._left_nothing(git_before)
        after = entries(self.project)
        if ran.exit == 1:
            assert after == before
            named = {p for p in mine if p in ran.json["error"]["message"]}
            assert marked
            assert marked <= named
            return
        if self.number % 3 == 0:
            assert tried.exit == ran.exit
            assert _without_diffs(tried.json) == ran.json | {"dry_run": True}
        self._holds(ran, mine, lines, parsing)
        changed = frozenset(change["path"] for change in ran.json["changes"])
        paths = {
            path
            for path in before.keys() | after.keys()
            if _file(before.get(path)) != _file(after.get(path))
        }
        assert {_spelled(p) for p in paths} == changed
        if changed:
            self.last = _Last(before, after, frozenset(paths), self.rendered)
        self.rendered = self._answers()
        if not self.touched:
            self._is_fresh()

    def _holds(
        self,
        ran: Done,
        mine: dict[str, tuple[bytes, str]],
        lines: set[bytes],
        parsing: set[str],
    ) -> None:
        """The rules of the safe merge, for a run that was not refused."""
        document = ran.json
        after = _tree(self.project)
        conflicts = {note["path"]: note for note in document["conflicts"]}
        assert ran.exit == (3 if conflicts else 0)
        assert not lines - _lines(self.project)
        for path in _marked(self.project) - {p for p, v in mine.items() if after.get(p) == v}:
            assert _spelled(path) in conflicts
        for path in conflicts:
            assert _spelled(path) in ran.err
        for path in parsing & after.keys():
            linked = after[path][1] == "120000"
            assert linked or path in conflicts or _parses(after[path][0]), after[path]

        base, theirs = self._render(self.rendered), self._render(self._answers())
        kinds = ("conflicts", "kept", "deleted", "skipped")
        notes = [note for kind in kinds for note in document[kind]]
        listed = "\n".join(text for note in notes for text in note.values())
        for path in base.keys() | theirs.keys():
            was, new, now = base.get(path), theirs.get(path), after.get(path)
            if was and new and path not in mine:
                assert now is None, f"{path} was deleted, and came back"
            if any(name in listed for name in (path, *merge.disk.parents(path))):
                continue
            if was == new and was is not None:
                assert now == mine.get(path), f"{path} was changed by nobody but the user"
            elif mine.get(path) == was is not None:
                assert now == new, f"{path} is not what the template has now"
            elif was is None and path not in mine:
                assert now is not None, f"{path} did not come, and nobody says why"

    @precondition(lambda self: self.last)
    @rule(force=st.booleans(), dry=_SELDOM)
    def undo(self, force: bool, dry: bool) -> None:
        before, lines, git_before = self._seen()
        words = ["undo", "--project", self.project, *(["--force"] if force else [])]
        if dry:
            call(*words, "--dry-run")
            assert entries(self.project) == before
            return
        ran = call(*words)
        note(f"run: undo {ran.exit} {ran.err}")
        self._left_nothing(git_before)
        after = entries(self.project)
        last = self.last
        if ran.exit == 1:
            assert after == before
            assert last is None or before != last.after
            return
        assert ran.exit == 0
        assert last is not None
        assert not lines - _lines(self.project)
        for path in last.changed:
            assert after.get(path) == last.before.get(path)
        if before == last.after:
            assert after == last.before
        self.rendered = last.rendered
        self.last = None

    def _seen(self) -> tuple[dict[str, object], set[bytes], dict[str, object]]:
        return entries(self.project), _lines(self.project), _repository(self.project)

    def _left_nothing(self, repository: dict[str, object]) -> None:
        assert list(self.temporary.iterdir()) == []
        assert _repository(self.project) == repository
        assert not list(self.project.rglob(".asyncscaffold-*"))

    def _answers(self) -> _Rendered:
        answers: dict[str, Any] = yaml.safe_load((self.project / _ANSWERS).read_text())
        return _Rendered(answers["_commit"], answers["wheels"], answers["size"])

    def _is_fresh(self) -> None:
        found = _tree(self.project)
        del found[_ANSWERS]
        assert found == self._render(self.rendered)


def _without(tree: Tree, name: str) -> Tree:
    """Without what is at a name, below it, or a file above it."""
    return {
        path: version
        for path, version in tree.items()
        if not (path + "/").startswith(name + "/") and not name.startswith(path + "/")
    }


def _put(place: Path, version: Version) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if version.link:
        place.symlink_to(os.fsdecode(version.data))
    else:
        place.write_bytes(version.data)
        place.chmod(version.mode)


def _tree(project: Path) -> dict[str, tuple[bytes, str]]:
    """Every file and link with its bytes or target and git's mode for it."""
    found: dict[str, tuple[bytes, str]] = {}
    for path in entries(project):
        place = project / path
        if place.is_symlink():
            found[path] = os.fsencode(place.readlink()), "120000"
        elif place.is_file():
            run = place.stat().st_mode & 0o100
            found[path] = place.read_bytes(), "100755" if run else "100644"
    return found


def _lines(project: Path) -> set[bytes]:
    """The lines of the user's, wherever they stand."""
    contents = b"\n".join(content for content, _ in _tree(project).values())
    return set(re.findall(rb"user-\d+", contents))


_MARKER = re.compile(rb"(?m)^(<{7} |={7}\r?$|>{7} |\|{7} ).*\n?")


def _marked(project: Path) -> set[str]:
    return {p for p, (content, _) in _tree(project).items() if re.search(rb"(?m)^<{7} ", content)}


def _stamps(project: Path) -> dict[str, tuple[int, int, int]]:
    found = {path: (project / path).lstat() for path in entries(project)}
    return {path: (s.st_mtime_ns, s.st_ino, s.st_mode) for path, s in found.items()}


def _repository(project: Path) -> dict[str, object]:
    """What must stay as it is in the repository: all except our own state."""
    found = entries(project / ".git") if (project / ".git").is_dir() else {}
    return {path: entry for path, entry in found.items() if not path.startswith("asyncscaffold")}


def _file(entry: object) -> object:
    """What `entries` has of a file or link; None for a directory."""
    return None if isinstance(entry, int) else entry


def _spelled(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _without_diffs(document: dict[str, Any]) -> dict[str, Any]:
    changes = [{"path": c["path"], "action": c["action"]} for c in document["changes"]]
    return document | {"changes": changes}


def _short(ran: Done) -> str:
    kinds = ("error", "changes", "conflicts", "kept", "deleted", "skipped")
    return json.dumps({k: v for k, v in ran.json.items() if k in kinds and v})


def _parses(data: bytes) -> bool:
    try:
        tomlkit.parse(data.decode())
    except (ValueError, tomlkit.exceptions.TOMLKitError):
        return False
    return True


# Edits: each takes the machine, a source of choices, a file of the project, and a name.


def _line(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    if place.is_symlink():
        m.number += 1
        place.unlink()
        place.symlink_to(f"user-{m.number}")
    elif place.is_file():
        changed = m._changed(data, place.name, Version(place.read_bytes()), "user")
        place.write_bytes(changed.data)


def _clear(place: Path) -> None:
    """Makes a name free, whatever stands there or above it."""
    for above in reversed(place.parents):
        if above.is_symlink() or above.is_file():
            above.unlink()
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)


def _add(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    m.number += 1
    _clear(name)
    line = f"user-{m.number} = 1\n" if name.suffix == ".toml" else f"user-{m.number}\n"
    name.write_text(line * 5 if name.suffix != ".toml" else line)


def _delete(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    place.unlink(missing_ok=True)


def _delete_directory(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    above = m.project / place.relative_to(m.project).parts[0]
    if above.is_dir() and not above.is_symlink():
        shutil.rmtree(above)


def _move(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    apart = place != name and name not in place.parents and place not in name.parents
    if apart and os.path.lexists(place):
        _clear(name)
        place.rename(name)


def _move_directory(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    if place.parent != m.project and not os.path.lexists(m.project / "elsewhere"):
        place.parent.rename(m.project / "elsewhere")


def _chmod(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    if place.is_file() and not place.is_symlink():
        place.chmod(data.draw(st.sampled_from([0o600, 0o755, 0o444, 0o664, 0o500])))


def _crlf(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    if place.is_file() and not place.is_symlink() and b"\0" not in place.read_bytes():
        place.write_bytes(place.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _link(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    m.number += 1
    _clear(place)
    place.symlink_to(f"user-{m.number}")


def _link_directory(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    if place.parent != m.project and not os.path.lexists(m.project / "real"):
        above = place.parent
        above.rename(m.project / "real")
        above.symlink_to(m.project / "real")


def _directory(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    _clear(place)
    m.number += 1
    place.mkdir()
    (place / "own.txt").write_text(f"user-{m.number}\n")


def _empty_directory(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    (m.project / "empty/deep").mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(name) and name.parent.is_dir():
        name.mkdir()


def _ignored(m: Histories, data: st.DataObject, place: Path, name: Path) -> None:
    m.number += 1
    (m.project / "ignored").mkdir(exist_ok=True)
    (m.project / "ignored" / f"{m.number}.txt").write_text(f"user-{m.number}\n")
    if (m.project / ".git/info").is_dir():
        with (m.project / ".git/info/exclude").open("a") as exclude:
            exclude.write(f"/{place.relative_to(m.project).as_posix()}\n")


_EDITS: dict[str, Callable[[Histories, st.DataObject, Path, Path], None]] = {
    "line": _line,
    "another line": _line,
    "add": _add,
    "delete": _delete,
    "delete directory": _delete_directory,
    "move": _move,
    "move directory": _move_directory,
    "chmod": _chmod,
    "crlf": _crlf,
    "link": _link,
    "link directory": _link_directory,
    "directory": _directory,
    "empty directory": _empty_directory,
    "ignored": _ignored,
}

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=_HISTORIES or 25,
    stateful_step_count=14,
    deadline=None,
    derandomize=not _HISTORIES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
