"""The plan of a merge as plain data: what each path was, what it will be, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["create", "update", "delete"]


@dataclass(frozen=True)
class Version:
    """One state of a path on disk: a regular file or a symbolic link.

    `data` holds the bytes, or a link's target; `mode` the permission bits (0 for a link).
    """

    data: bytes
    mode: int = 0o644
    link: bool = False

    @property
    def executable(self) -> bool:
        return not self.link and bool(self.mode & 0o100)

    @property
    def git_mode(self) -> str:
        """The mode as git trees spell it."""
        return "120000" if self.link else "100755" if self.executable else "100644"


def is_binary(data: bytes) -> bool:
    """Whether git takes these bytes for a binary file's."""
    return b"\0" in data[:8000]


Tree = Mapping[str, Version]
"""Files by path: relative, with `/`, undecodable bytes as surrogates (`os.fsdecode`)."""


@dataclass(frozen=True)
class Labels:
    """The names of the three sides, as conflict markers show them."""

    mine: str = "your edits"
    base: str = "the template before"
    theirs: str = "the template now"

    def opening(self) -> str:
        """The line that opens a conflict."""
        return f"<<<<<<< {_one_line(self.mine)}"

    def closing(self) -> str:
        """The line that closes a conflict."""
        return f">>>>>>> {_one_line(self.theirs)}"

    def for_git(self) -> tuple[str, str, str]:
        """Mine, base and theirs, in the order of `git merge-file -L`."""
        return _one_line(self.mine), _one_line(self.base), _one_line(self.theirs)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True)
class Change:
    """One path that will be written or removed: `old` is what stands there, None where nothing."""

    path: str
    old: Version | None
    new: Version | None

    @property
    def action(self) -> Action:
        return "create" if self.old is None else "delete" if self.new is None else "update"

    def reversed(self) -> Change:
        """The change that takes this one back."""
        return Change(self.path, self.new, self.old)


@dataclass(frozen=True)
class Note:
    """Why something at `path` went otherwise than the template wanted.

    `beside` is the path where the template's version stands, "" where there is none; `markers` are
    the marker lines that a conflict left in the file.
    """

    path: str
    reason: str
    beside: str = ""
    markers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything an update will do, computed before anything is touched.

    `conflicts` need the user; `kept` was dropped by the template but edited by the user;
    `deleted` was deleted by the user and changed by the template, and stays deleted; `skipped` was
    left alone (behind a directory link, or the user's by `_skip_if_exists`).
    """

    changes: tuple[Change, ...] = ()
    conflicts: tuple[Note, ...] = ()
    kept: tuple[Note, ...] = ()
    deleted: tuple[Note, ...] = ()
    skipped: tuple[Note, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether applying it would write nothing."""
        return not self.changes

    def as_json(self, diffs: Mapping[str, str] | None = None) -> dict[str, object]:
        """The plan for scripts: `changes` of `{path, action}`, the lists of `{path, reason}`.

        With `diffs`, each change has its `diff` too.
        """
        return {
            "changes": [
                {"path": shown(c.path), "action": c.action}
                | ({"diff": diffs[c.path]} if diffs is not None else {})
                for c in self.changes
            ],
            "conflicts": _notes(self.conflicts),
            "kept": _notes(self.kept),
            "deleted": _notes(self.deleted),
            "skipped": _notes(self.skipped),
        }


def _notes(notes: tuple[Note, ...]) -> list[dict[str, str]]:
    return [
        {"path": shown(note.path), "reason": note.reason}
        | ({"beside": shown(note.beside)} if note.beside else {})
        for note in notes
    ]


def shown(path: str) -> str:
    """A path for people and JSON: bytes that are no UTF-8 become `\\xff`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def with_executable(mode: int, executable: bool) -> int:
    """Permission bits with the run bits on wherever reading is allowed, or off."""
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
