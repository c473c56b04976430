"""Plans the way back: the tree as it was before the last run that changed something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncscaffold.merge import journal
from asyncscaffold.merge.disk import link_above, look
from asyncscaffold.merge.journal import Journal
from asyncscaffold.merge.model import Change, Note, Plan, Version, shown


@dataclass(frozen=True)
class Undoing:
    """`record` is the run to undo, `plan` what takes it back, keeping what was changed since.

    `changed` paths are not as that run left them: an edit made since would go with it. `blocked`
    ones can't be put back, because a link or a directory with files stands there by now.
    """

    record: Journal
    plan: Plan
    changed: tuple[Note, ...]
    blocked: tuple[Note, ...]


def undoing(project: Path) -> Undoing | None:
    """What undoing the last run would do; None where there is none to undo. Touches nothing."""
    record = journal.last(project)
    if record is None:
        return None
    changes: list[Change] = []
    changed: list[Note] = []
    blocked: list[Note] = []
    taken = {change.path for change in record.changes}
    goes = {change.path for change in record.changes if change.old is None}
    for change in record.changes:
        reason = _blocks(project, change, goes)
        if reason:
            blocked.append(Note(change.path, reason))
            continue
        now = look(project, change.path)
        now = now if isinstance(now, Version) else None
        if now == change.old:
            continue
        changes.append(Change(change.path, now, change.old))
        if now == change.new:
            continue
        if now is None:
            changed.append(Note(change.path, "deleted since"))
            continue
        copy = _free(project, change.path, taken)
        taken.add(copy)
        changes.append(Change(copy, None, now))
        changed.append(Note(change.path, "changed since", copy))
    plan = Plan(changes=tuple(sorted(changes, key=lambda change: change.path)), kept=tuple(changed))
    return Undoing(record, plan, tuple(changed), tuple(blocked))


def _blocks(project: Path, change: Change, goes: set[str]) -> str:
    """Why a path can't be put back, or nothing."""
    link = link_above(project, change.path)
    if link is not None and link not in goes:
        return f"it lies behind the link {shown(link)} by now"
    place = project / change.path
    if change.old is not None and place.is_dir() and not place.is_symlink():
        below = (str(found.relative_to(project)) for found in place.rglob("*"))
        if any(not (project / name).is_dir() and name not in goes for name in below):
            return "there is a directory with files by now"
    return ""


def _free(project: Path, path: str, taken: set[str]) -> str:
    """`PATH.mine`, or with a number where that name is taken."""
    names: Iterator[str] = (f"{path}.mine" + (f".{n}" if n > 1 else "") for n in range(1, 10**6))
    return next(n for n in names if n not in taken and look(project, n) is None)
