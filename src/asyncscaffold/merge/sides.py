"""Reads base, mine and theirs from disk, and takes out what the merge must leave alone."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.merge.disk import STATE_DIRECTORY, Other, link_above, look, parents, walk
from asyncscaffold.merge.model import Note, Version, shown

_WITNESS = ".asyncscaffold-witness"
"""A made-up file that tells git of a directory whose files are not read."""


@dataclass
class Sides:
    """The three trees, ready to merge, and what was left out of them."""

    base: dict[str, Version]
    theirs: dict[str, Version]
    mine: dict[str, Version] = field(default_factory=dict)
    answers: Version | None = None
    skipped: list[Note] = field(default_factory=list)
    invented: set[str] = field(default_factory=set)
    """Paths in `mine` that are not on disk."""

    @property
    def alike(self) -> set[str]:
        """Paths that are the same in all three trees."""
        return {
            path
            for path, version in self.base.items()
            if _same(version, self.theirs.get(path)) and _same(version, self.mine.get(path))
        }


def _same(one: Version, other: Version | None) -> bool:
    return other is not None and one.data == other.data and one.git_mode == other.git_mode


def read_sides(
    base: Path, theirs: Path, project: Path, answers_file: str, skip_if_exists: Sequence[str]
) -> Sides:
    """Everything a merge reads. `mine` holds what can matter to it, not every file of a project."""
    sides = Sides(read_render(base), read_render(theirs))
    sides.base.pop(answers_file, None)
    sides.answers = sides.theirs.pop(answers_file, None)
    if sides.answers is not None and link_above(project, answers_file):
        raise Refused(f"{shown(answers_file)} lies behind a symbolic link, and is not written.")
    _leave_out_special(sides, project)
    _read_mine(sides, project)
    is_users = matcher(skip_if_exists)
    _leave_to_user(sides, is_users)
    _read_rename_targets(sides, project, lambda path: path == answers_file or is_users(path))
    return sides


def read_render(root: Path) -> dict[str, Version]:
    """The files and links of a directory that Copier made."""
    found: dict[str, Version] = {}
    for path in walk(root):
        version = look(root, path)
        if isinstance(version, Version):
            found[path] = version
    return found


def _leave_out_special(sides: Sides, project: Path) -> None:
    """Takes out paths behind a directory link of the user's, in `.git`, or on a device."""
    reasons: dict[str, str] = {}
    for path in sides.base.keys() | sides.theirs.keys():
        parts = path.casefold().split("/")
        if ".git" in parts or parts[0] == STATE_DIRECTORY:
            reasons[path] = "it would lie in a directory that is not the template's"
        elif (link := link_above(project, path)) and not _is_templates(sides, project, link):
            reasons[path] = f"it lies behind your link {shown(link)}"
        elif any(_is_special(project, name) for name in (*parents(path), path)):
            reasons[path] = "there is something here that is neither file, link nor directory"
    for path, reason in reasons.items():
        old, new = sides.base.pop(path, None), sides.theirs.pop(path, None)
        if old != new:
            sides.skipped.append(Note(path, reason))


def _is_templates(sides: Sides, project: Path, link: str) -> bool:
    version = look(project, link)
    return isinstance(version, Version) and version == sides.base.get(link)


def _is_special(project: Path, path: str) -> bool:
    found = look_at_kind(project, path)
    return found == "other"


def look_at_kind(project: Path, path: str) -> str:
    """`file`, `link`, `directory`, `other` or `` for nothing, without reading."""
    place = project / path
    if place.is_symlink():
        return "link"
    if place.is_dir():
        return "directory"
    if place.is_file():
        return "file"
    return "other" if place.exists() else ""


def _read_mine(sides: Sides, project: Path) -> None:
    """Reads every path of base and theirs, ignored or not, and what stands in its way."""
    for path in sides.base.keys() | sides.theirs.keys():
        blocked = next((a for a in parents(path) if not _is_plain_directory(project / a)), None)
        found = look(project, blocked or path)
        if isinstance(found, Version):
            sides.mine[blocked or path] = found
        elif isinstance(found, Other) and not blocked and _holds_own_files(sides, project, path):
            witness = f"{path}/{_WITNESS}"
            sides.mine[witness] = Version(b"")
            sides.invented.add(witness)


def _is_plain_directory(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _holds_own_files(sides: Sides, project: Path, path: str) -> bool:
    """Whether a directory holds anything besides files that base and theirs have too."""
    names = (f"{path}/{name}" for name in walk(project / path))
    if any(n not in sides.base and n not in sides.theirs for n in names):
        return True
    return any(place.name == ".git" for place in (project / path).rglob(".git"))


def _leave_to_user(sides: Sides, is_users: Callable[[str], bool]) -> None:
    """Copier's `_skip_if_exists`: what exists stays, so neither side seems to have changed it."""
    for path in [path for path in sides.base.keys() | sides.theirs.keys() if is_users(path)]:
        before, after, mine = (tree.get(path) for tree in (sides.base, sides.theirs, sides.mine))
        if mine is not None:
            sides.base[path] = sides.theirs[path] = mine
            if before != after and not _same(mine, after):
                sides.skipped.append(Note(path, "the template leaves it to you once it exists"))
        elif after is None:  # both have it no more: nothing can have been renamed from it
            del sides.base[path]


def take_back(sides: Sides, came: Iterable[str]) -> set[str]:
    """The files among `came` that the user kept when the template dropped them.

    The template's own, which they are edits of, is what they are merged from: nothing conflicts.
    """
    kept = {path for path in came if path in sides.mine and _is_edit(sides, path)}
    sides.base |= {path: sides.theirs[path] for path in kept}
    return kept


def _is_edit(sides: Sides, path: str) -> bool:
    """Whether mine is an edit of theirs: at least half of it is the same, as git tells renames."""
    mine, theirs = sides.mine[path], sides.theirs[path]
    lines = mine.data.splitlines(), theirs.data.splitlines()
    return mine.link == theirs.link and SequenceMatcher(None, *lines).ratio() >= 0.5


def likeness(project: Path, renders: Sequence[Path]) -> list[int]:
    """For each render how much the project is like it, by the lines that not all of them have."""
    trees = [read_render(render) for render in renders]
    found = []
    for tree in trees:
        score = 0
        for path, version in tree.items():
            if not all(other.get(path) == version for other in trees):
                there = look(project, path)
                lines = set(there.data.split(b"\n") if isinstance(there, Version) else ())
                score += sum(1 if line in lines else -1 for line in version.data.split(b"\n"))
        found.append(score)
    return found


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is among those that `patterns` name, as Copier reads them."""
    if not patterns:
        return lambda path: False
    import pathspec  # Copier's own dependency, and its way to read these patterns

    normalized = [unicodedata.normalize("NFD", pattern) for pattern in patterns]
    try:
        return pathspec.PathSpec.from_lines("gitignore", normalized).match_file
    except LookupError:  # before pathspec 1.0
        return pathspec.PathSpec.from_lines("gitwildmatch", normalized).match_file


def _read_rename_targets(sides: Sides, project: Path, is_none: Callable[[str], bool]) -> None:
    """Adds the files that a file missing from mine can have been renamed to.

    git takes two files for one renamed if at least half is alike, so what is more than twice as
    long, or less than half, need not be read. `is_none` says what was never renamed to.
    """
    sizes = [len(sides.base[path].data) for path in sides.base.keys() - sides.mine.keys()]
    if not sizes:
        return
    for path in own_files(project):
        if path in sides.mine or is_none(path) or link_above(project, path):
            continue
        size = _size(project / path)
        if size is not None and any(size <= 2 * s and s <= 2 * size for s in sizes):
            found = look(project, path)
            if isinstance(found, Version):
                sides.mine[path] = found


def own_files(project: Path) -> Iterable[str]:
    """The paths of a project's files; what git ignores is left out, and what is ours."""
    listed = git.list_files(project)
    paths = listed if listed is not None else walk(project)
    # The folder for temporary files may lie in the project, or be one of ours in there.
    temporary = os.path.relpath(tempfile.gettempdir(), project)
    above, name, _ = f"{temporary}/asyncscaffold-".partition("asyncscaffold-")
    ours = f"{STATE_DIRECTORY}/", above + name
    return (p for p in paths if not p.endswith("/") and not p.startswith(ours))


def _size(place: Path) -> int | None:
    if place.is_symlink():
        return len(str(place.readlink()).encode(errors="surrogateescape"))
    return place.stat().st_size if place.is_file() else None
