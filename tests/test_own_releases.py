"""This repository's template over its own history: a project of long ago, edited everywhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import tomlkit

from tests.helpers import Done, call, git
from tests.merge.conftest import copy_tree, entries
from tests.trees import read_tree

_RELEASES = {
    "v0.1.0": "Exclude what exists",
    "v0.2.0": "Render the tests of HTTP/2 with HTTP only",
    "v0.3.0": "Follow one request through the modules, from accept to last byte",
}
"""Commits that stand for releases, by their subjects; the newest release is the newest commit."""

_ANSWERS = ".copier-answers.yml"
_COMMENTS = {".rs": "// {}", ".toml": "# {}", ".md": "<!-- {} -->", ".proto": "// {}"}
_LATEST = "v1.0.0"


@pytest.fixture(scope="module")
def releases(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, with tags of its own."""
    if not (root / ".git").exists() or git(root, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this is no whole clone: what the template was long ago is not known")
    clone = tmp_path_factory.mktemp("releases") / "template"
    subprocess.run(["git", "clone", "-q", "--no-tags", root, clone], check=True)
    for tag, subject in _RELEASES.items():
        pattern = f"--grep=^{re.escape(subject)}$"
        commit = git(clone, "log", "--format=%H", "-1", pattern)
        if not commit:
            pytest.skip(f"no commit {subject!r} is in the history: it was made anew")
        git(clone, "tag", tag, commit)
    git(clone, "tag", _LATEST, "HEAD")
    return clone


@pytest.fixture(scope="module")
def first(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the first release, untouched."""
    return _made(releases, "v0.1.0", tmp_path_factory.mktemp("first") / "night-owl")


def _made(releases: Path, ref: str, path: Path) -> Path:
    words = ("new", path, "--template", releases, "--ref", ref, "--defaults")
    ran = call(*words, "--set", "project_name=night-owl", "--set", "description=Watches.")
    assert ran.exit == 0, ran.err
    return path


def _edited(project: Path) -> set[str]:
    """Writes a line of the user's own into the middle of every file; gives them all."""
    lines: set[str] = set()
    for path, entry in read_tree(project).items():
        if path in (_ANSWERS, "Cargo.lock") or path.startswith(".git/"):
            continue
        text = entry.content.decode()
        own = f"user-{len(lines)}: mine"
        if path.endswith("Cargo.toml"):
            own = f'user-{len(lines)} = "1"'
            before, header, after = text.partition("dependencies]\n")
            assert header, path
            (project / path).write_text(f"{before}{header}{own}\n{after}")
        else:
            line = _COMMENTS.get(Path(path).suffix, "# {}").format(own) + "\n"
            there = text.splitlines(keepends=True)
            at = _between(there)
            (project / path).write_text("".join([*there[:at], line, *there[at:]]))
        lines.add(own)
    return lines


def _between(lines: list[str]) -> int:
    """The place nearest to the middle that is between two paragraphs."""
    empty = [at for at, line in enumerate(lines) if not line.strip()] or [len(lines)]
    return min(empty, key=lambda at: abs(at - len(lines) // 2))


def _own_lines(project: Path) -> set[str]:
    content = "\n".join(
        entry.content.decode(errors="replace")
        for path, entry in read_tree(project).items()
        if not path.startswith(".git/")
    )
    return set(re.findall(r'user-\d+: mine|user-\d+ = "1"', content))


def _rearranged(project: Path) -> tuple[Path, list[Path]]:
    """One file renamed, and one deleted: what it is called now, and what is gone."""
    sources = sorted((project / "service" / "src").rglob("*.rs"))
    moved = max(sources, key=lambda place: place.stat().st_size)
    renamed = moved.with_name("mine_" + moved.name)
    moved.rename(renamed)
    deleted = project / "rustfmt.toml"
    deleted.unlink()
    return renamed, [moved, deleted]


def _update(project: Path, tag: str, own: set[str]) -> Done:
    """Updates, checks every rule of the merge, and resolves the conflicts by keeping both sides."""
    before = entries(project)
    ran = call("update", "--to", tag, "--defaults", "--json", "--project", project)
    assert ran.exit in (0, 3), ran.err or ran.out
    listed = {note["path"] for note in ran.json["conflicts"]}
    assert ran.exit == (3 if listed else 0)
    assert _own_lines(project) == own
    tree = read_tree(project)
    marked = {p for p, entry in tree.items() if b"\n<<<<<<< " in b"\n" + entry.content}
    beside = {note["path"] for note in ran.json["conflicts"] if "beside" in note}
    assert marked == listed - beside
    for path in tree:
        if path.endswith(".toml") and path not in listed:
            tomlkit.parse(tree[path].content.decode())
    after = entries(project)
    assert call("undo", "--project", project).exit == 0
    assert entries(project) == before
    again = call("update", "--to", tag, "--defaults", "--json", "--project", project)
    assert (again.exit, entries(project)) == (ran.exit, after)
    for path in marked:
        text = (project / path).read_text()
        (project / path).write_text(re.sub(r"(?m)^(<{7} .*|={7}|\|{7} .*|>{7} .*)\n", "", text))
    return ran


@pytest.mark.parametrize("steps", [[*list(_RELEASES)[1:], _LATEST], [_LATEST]], ids=len)
def test_a_project_of_long_ago_with_edits_in_every_file_comes_to_the_newest_release(
    first: Path, tmp_path: Path, steps: list[str]
) -> None:
    project = tmp_path / first.name
    copy_tree(first, project)
    own = _edited(project)
    assert len(own) > 40
    renamed, gone = _rearranged(project)
    own &= _own_lines(project)  # one went with the file that was deleted
    for tag in steps:
        ran = _update(project, tag, own)
        assert renamed.exists()
        assert not any(place.exists() for place in gone)
    assert f"_commit: {_LATEST}" in (project / _ANSWERS).read_text()
    assert ran.json["to"] == _LATEST


@pytest.mark.parametrize("steps", [[*list(_RELEASES)[1:], _LATEST], [_LATEST]], ids=len)
def test_an_untouched_project_of_long_ago_becomes_what_the_newest_release_renders(
    first: Path, releases: Path, tmp_path: Path, steps: list[str]
) -> None:
    project = tmp_path / first.name
    copy_tree(first, project)
    left = {_ANSWERS}
    for tag in steps:
        ran = call("update", "--to", tag, "--defaults", "--json", "--project", project)
        assert ran.exit == 0, ran.err
        assert not [note for name in ("conflicts", "kept", "deleted") for note in ran.json[name]]
        left |= {note["path"] for note in ran.json["skipped"]}
    assert left <= {_ANSWERS, "Cargo.lock", "docs/decisions/0001-runtime.md"}  # _skip_if_exists
    fresh = _made(releases, _LATEST, tmp_path / "fresh" / first.name)
    found, wanted = (
        {p: e for p, e in entries(place).items() if p not in left} for place in (project, fresh)
    )
    assert found == wanted
    assert os.path.lexists(project / "Cargo.lock")
