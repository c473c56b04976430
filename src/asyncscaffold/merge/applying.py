"""Applies a plan through its journal: all of it, or nothing, or what `recover` completes."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from asyncscaffold import stop
from asyncscaffold.errors import Refused
from asyncscaffold.merge import disk, journal, state
from asyncscaffold.merge.journal import Journal
from asyncscaffold.merge.model import Change, Plan, Version, shown


@dataclass(frozen=True)
class Recovered:
    """What became of a killed run's plan: `done` paths are new now, `left` ones were not touched.

    A path is left when it is neither as it was nor as it should become: someone saved it since.
    """

    done: tuple[str, ...]
    left: tuple[str, ...]


def apply(
    plan: Plan,
    project: Path,
    *,
    rendered: journal.Rendered = (None, None),
    undoes: Journal | None = None,
) -> None:
    """Writes a plan into the project.

    `rendered` is what the tree is rendered with before and after; `undoes` the run that the plan
    takes back. Raises `Refused`, with the tree as it was, if a path is no longer what the plan was
    made for, or if it can't be written. Anything else that stops it (Ctrl-C) also takes back what
    was done; only a kill leaves a journal.
    """
    changes = _in_order(plan.changes)
    touched = [shown(c.path) for c in changes if not _is(project, c.path, c.old)]
    if touched:
        raise _changed_meanwhile(touched)
    if not changes and undoes is None:
        return
    record = Journal(
        project,
        undoes.place if undoes else state.places(project)[0],
        changes,
        plan.conflicts,
        disk.directories_at(project, (change.path for change in changes)),
        undoes.directories if undoes else {},
        rendered,
        undoes is not None,
    )
    record.start()
    where = f"The journal in {record.place}"
    try:
        # What needs room on the disk comes first, while nothing has changed.
        staged: set[int] = set()
        for index, change in enumerate(changes):
            where = shown(change.path)
            if _stage(project, change, record.temporary(index)):
                staged.add(index)
        for index, change in enumerate(changes):
            where = shown(change.path)
            if not _is(project, change.path, change.old):
                raise _changed_meanwhile([where])
            _write(project, change, record.temporary(index), staged=index in staged)
        where = f"The journal in {record.place}"
        stop.hold()  # it is all there: a Ctrl-C can't say any more that nothing was changed
        _finish(project, record)
    except BaseException as error:
        _take_back(project, record)
        if isinstance(error, OSError):
            raise Refused(
                f"{where} can't be written: {error.strerror}.", "Nothing was changed."
            ) from error
        raise


def _changed_meanwhile(paths: list[str]) -> Refused:
    return Refused(
        f"Changed while the update was being computed: {', '.join(paths)}. Nothing was changed.",
        "Run the command again: it takes the new state into account.",
    )


def is_pending(project: Path) -> bool:
    """Whether a killed run left something to complete."""
    return journal.under_way(project) is not None


def recover(project: Path) -> Recovered | None:
    """Completes what a killed run had begun; None where there is nothing to complete.

    It can itself be killed and run again. Raises `Refused` if something can't be written.
    """
    record = journal.under_way(project)
    if record is None:
        state.sweep(project)
        return None
    done: list[str] = []
    left: list[str] = []
    try:
        for index, change in enumerate(record.changes):
            _sweep(project, change.path, record.temporary(index))
            if _is(project, change.path, change.new) or _completes(
                project, change, record.temporary(index)
            ):
                done.append(change.path)
                if change.new is None:
                    disk.prune(project, change.path)
            else:
                left.append(change.path)
        _finish(project, record)
    except OSError as error:
        raise Refused(
            f"An earlier run was interrupted, and completing it failed: {error}.",
            "Mend that and run the command again; nothing is lost meanwhile.",
        ) from error
    return Recovered(tuple(map(shown, done)), tuple(map(shown, left)))


def _finish(project: Path, record: Journal) -> None:
    if record.undoes:
        paths = [change.path for change in record.changes]
        disk.restore_directories(project, paths, record.restores)
    record.close()


def _completes(project: Path, change: Change, temporary: str) -> bool:
    """Writes a change if its path is as it was; False where something else came in its way."""
    if not _is(project, change.path, change.old) or disk.link_above(project, change.path):
        return False
    try:
        _write(project, change, temporary)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            return False
        raise
    return True


def _in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """First what must make room (a file for a directory, a directory for a file), deletions last.

    Writing before deleting keeps each line of the user's in the tree at every moment, except where
    the paths forbid it.
    """
    changes = list(changes)
    written = {c.path for c in changes if c.new is not None}
    above = {name for path in written for name in disk.parents(path)}

    def rank(change: Change) -> tuple[int, str]:
        if change.new is not None:
            return 1, change.path
        blocks = change.path in above or not written.isdisjoint(disk.parents(change.path))
        return (0 if blocks else 2), change.path

    return tuple(sorted(changes, key=rank))


def _is(project: Path, path: str, version: Version | None) -> bool:
    """Whether a path is in this state; a directory without any file counts as nothing."""
    if disk.link_above(project, path):
        # The template's own link may still stand where a directory will be.
        return version is None
    found = disk.look(project, path)
    if isinstance(found, disk.Other):
        return version is None and found.directory
    return found == version


def _stage(project: Path, change: Change, temporary: str) -> bool:
    """Fills the temporary file of a change; False where its directory can't be there yet."""
    above = [project / name for name in disk.parents(change.path)]
    if change.new is None or any(
        place.is_symlink() or (place.exists() and not place.is_dir()) for place in above
    ):
        return False
    disk.stage(project, change.path, change.new, temporary)
    return True


def _write(project: Path, change: Change, temporary: str, *, staged: bool = False) -> None:
    link = disk.link_above(project, change.path)
    if link:
        raise Refused(f"{shown(change.path)} would be written through the link {shown(link)}.")
    if change.new is None:
        disk.remove(project, change.path)
        return
    if not staged:
        disk.stage(project, change.path, change.new, temporary)
    disk.put(project, change.path, temporary, create=change.old is None)


def _take_back(project: Path, record: Journal) -> None:
    """Puts the old versions back; a path that someone saved meanwhile is left as it is."""
    try:
        for index, change in reversed(list(enumerate(record.changes))):
            _sweep(project, change.path, record.temporary(index))
            if not _is(project, change.path, change.old) and _is(project, change.path, change.new):
                _write(project, change.reversed(), record.temporary(index))
        paths = [change.path for change in record.changes]
        disk.restore_directories(project, paths, record.directories)
        state.remember_rendered(record.place, record.rendered[0])
    except OSError as error:
        raise Refused(
            f"The update failed half-way, and so did taking it back: {error}.",
            "Mend that; the next add, remove, update or undo first completes this one.",
        ) from error
    record.drop()


def _sweep(project: Path, path: str, temporary: str) -> None:
    """Removes the temporary file that a kill can have left beside a path."""
    if not disk.link_above(project, path):
        with suppress(NotADirectoryError):  # its directory is a file by now
            (project / path).with_name(temporary).unlink(missing_ok=True)
