"""Computes the plan: the trees of base, mine and theirs, git's verdict, and our rules on top."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.merge import content, trees
from asyncscaffold.merge.disk import link_above, look
from asyncscaffold.merge.model import Change, Labels, Note, Plan, Version, shown, with_executable
from asyncscaffold.merge.sides import Sides, read_sides, take_back

_LONGEST_NAME = 255
"""In bytes, on the file systems that are common."""


def plan(
    *,
    base: Path,
    theirs: Path,
    project: Path,
    answers_file: str,
    labels: Labels | None = None,
    skip_if_exists: Sequence[str] = (),
    held_back: Callable[[str], bool] = lambda path: False,
    same_version: bool = False,
) -> Plan:
    """Merges what turned the render `base` into the render `theirs` into the project.

    Touches nothing. `skip_if_exists` are the template's patterns for files that stay the user's
    once they exist. `held_back` says which paths the answers before kept out: such a file of theirs
    came with the new answers, and is none of base's under another name. With `same_version` nothing
    else than the answers has changed. Raises `Refused` where something can't be read or git can't
    be run.
    """
    git.version()
    sides = read_sides(base, theirs, project, answers_file, skip_if_exists)
    came = {path for path in sides.theirs.keys() - sides.base.keys() if held_back(path)}
    if same_version:
        came -= take_back(sides, came)
    work = _Merge(project, sides, labels or Labels())
    work.decide(trees.merge(sides.base, sides.mine, sides.theirs, came))
    changes = [*work.changes(), *_answers(project, answers_file, sides)]
    return Plan(
        changes=tuple(sorted(changes, key=lambda change: change.path)),
        conflicts=_sorted(work.conflicts),
        kept=_sorted(work.kept),
        deleted=_sorted(work.deleted),
        skipped=_sorted(sides.skipped),
    )


def _sorted(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: note.path))


def _answers(project: Path, path: str, sides: Sides) -> list[Change]:
    """The answers file becomes what theirs has; it is Copier's, and never merged."""
    new = sides.answers
    if new is None:
        return []
    old = look(project, path)
    if old is None:
        return [Change(path, None, new)]
    if not isinstance(old, Version) or old.link:
        raise Refused(f"{shown(path)} is no regular file, so the answers can't be written to it.")
    if old.data.replace(b"\r\n", b"\n") == new.data.replace(b"\r\n", b"\n"):
        return []
    return [Change(path, old, replace(new, mode=old.mode))]


def _with_ending(path: str, ending: str) -> str:
    """A path with an ending, its name cut where file systems take no longer one."""
    folder, slash, name = path.rpartition("/")
    while len(os.fsencode(name + ending)) > _LONGEST_NAME:
        name = name[:-1]
    return folder + slash + name + ending


@dataclass
class _Merge:
    """The decisions path by path; `result` is the tree that comes out."""

    project: Path
    sides: Sides
    labels: Labels
    result: dict[str, Version] = field(default_factory=dict)
    conflicts: list[Note] = field(default_factory=list)
    kept: list[Note] = field(default_factory=list)
    deleted: list[Note] = field(default_factory=list)

    def decide(self, merged: trees.Merged) -> None:
        self.result = dict(merged.clean)
        in_the_way: list[str] = []
        for item in merged.disputed:
            if item.mine is not None and "mine" in item.moved and not item.of_two_types:
                in_the_way.append(item.path)
            self._decide(item)
        for path in in_the_way:
            self._set_directory_aside(path)

    def _decide(self, item: trees.Disputed) -> None:
        for side, renamed in item.collided.items():
            setattr(item, side, self._merged(renamed) or getattr(item, side))
        path, mine, theirs = item.path, item.mine, item.theirs
        if mine is None:
            self._only_theirs(item)
        elif theirs is None:
            self.result[path] = mine
            if item.base is not None:
                reason = (
                    "the template has it no more, nor what it was made for: "
                    "delete it, or move what you need"
                )
                self.kept.append(Note(path, reason))
        elif mine.link or theirs.link:
            reason = "one side has a symbolic link here and the other side changed it"
            self._aside(path, mine, theirs, reason)
        else:
            self._contents(item, mine, theirs)

    def _only_theirs(self, item: trees.Disputed) -> None:
        theirs = item.theirs
        if theirs is None:
            return
        if item.base is not None:
            reason = "you deleted it; the template has a new version of it"
            self.deleted.append(Note(item.path, reason))
        elif "theirs" in item.moved:
            self.result[self._beside_directory(item.path)] = theirs
        else:
            self.result[item.path] = theirs

    def _beside_directory(self, path: str) -> str:
        beside = self._free(path)
        reason = "you have a directory where the template has a file"
        self.conflicts.append(Note(path, reason, beside))
        return beside

    def _merged(self, item: trees.Disputed) -> Version | None:
        """What both sides made of a file, before it meets another one; None where that is a link.

        Markers that stand in it then are in what meets the other.
        """
        base, mine, theirs = item.base, item.mine, item.theirs
        if not (base and mine and theirs) or base.link or mine.link or theirs.link:
            return None
        merged = content.merge(item.path, base.data, mine.data, theirs.data, self.labels)
        return replace(mine, data=merged.data)

    def _contents(self, item: trees.Disputed, mine: Version, theirs: Version) -> None:
        base = item.base if item.base is not None and not item.base.link else None
        before = base.data if base is not None else b""
        merged = content.merge(item.path, before, mine.data, theirs.data, self.labels)
        turned = base is not None and base.executable == mine.executable
        mode = with_executable(mine.mode, theirs.executable if turned else mine.executable)
        # The template moved it to where the user has a directory: the edits go along, beside that.
        path = self._beside_directory(item.path) if "theirs" in item.moved else item.path
        if merged.binary:
            self._aside(path, replace(mine, mode=mode), theirs, merged.conflict)
            return
        self.result[path] = Version(merged.data, mode)
        if merged.conflict:
            markers = (self.labels.opening(), self.labels.closing())
            self.conflicts.append(Note(path, merged.conflict, markers=markers))
        elif item.elsewhere:
            where = shown(item.elsewhere)
            reason = f"you renamed it, and the template renamed it to {where}: your name stays"
            self.kept.append(Note(path, reason))

    def _aside(self, path: str, mine: Version, theirs: Version, reason: str) -> None:
        self.result[path] = mine
        beside = self._free(path, theirs)
        self.result[beside] = theirs
        self.conflicts.append(Note(path, reason, beside))

    def _set_directory_aside(self, path: str) -> None:
        """A file of the user's stands where the template has a directory: that one goes aside."""
        below = [name for name in self.result if name.startswith(path + "/")]
        if not below:
            return
        beside = self._free(path)
        for name in below:
            self.result[beside + name[len(path) :]] = self.result.pop(name)
        moved = {name: beside + name[len(path) :] for name in below}
        self._rename_notes(lambda name: moved.get(name, name))
        reason = "you have a file where the template has a directory"
        self.conflicts.append(Note(path, reason, beside))

    def _rename_notes(self, name: Callable[[str], str]) -> None:
        for notes in (self.conflicts, self.kept):
            notes[:] = [replace(note, path=name(note.path)) for note in notes]

    def _free(self, path: str, version: Version | None = None) -> str:
        """`PATH.theirs`, or with a number where that name is taken by something else."""
        number = 1
        while True:
            name = _with_ending(path, ".theirs" if number == 1 else f".theirs.{number}")
            known = self.result.get(name) or look(self.project, name)
            if known is None:
                return name
            if version is not None and isinstance(known, Version) and known.data == version.data:
                return name
            number += 1

    def changes(self) -> list[Change]:
        """What the result changes on disk; permission bits of the user's are kept."""
        found: list[Change] = []
        mine = self.sides.mine
        for path, new in self.result.items():
            old = mine.get(path)
            if old is not None and old.data == new.data and old.git_mode == new.git_mode:
                continue
            if old is None and not link_above(self.project, path):
                there = look(self.project, path)
                old = there if isinstance(there, Version) else None
                if old is not None and old.data == new.data and old.link == new.link:
                    continue
            found.append(Change(path, old, self._with_bits(path, old, new)))
        gone = mine.keys() - self.result.keys() - self.sides.alike - self.sides.invented
        found += [Change(path, mine[path], None) for path in gone]
        return found

    def _with_bits(self, path: str, old: Version | None, new: Version) -> Version:
        if new.link:
            return replace(new, mode=0)
        if old is not None and not old.link:
            return replace(new, mode=with_executable(old.mode, new.executable))
        template = self.sides.theirs.get(path)
        if template is not None and template.data == new.data and not template.link:
            return replace(new, mode=with_executable(template.mode, new.executable))
        return new
