"""Records what commands of a template's own do to a project, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asyncscaffold.merge import disk, journal, state
from asyncscaffold.merge.applying import apply
from asyncscaffold.merge.journal import Journal, Rendered
from asyncscaffold.merge.model import Change, Plan, Version
from asyncscaffold.merge.sides import own_files
from asyncscaffold.merge.undoing import undoing


@dataclass
class Recording:
    """The project as it was when the recording began, and what it is rendered with."""

    project: Path
    before: dict[str, Version]
    directories: dict[str, int]
    rendered: Rendered

    def applies(self, plan: Plan, rendered: Rendered) -> None:
        """Takes note of a plan before it is applied: it may change files that git ignores."""
        for change in plan.changes:
            if change.old is not None:
                self.before.setdefault(change.path, change.old)
        for name, bits in disk.directories_at(self.project, (c.path for c in plan.changes)).items():
            if not any((self.project / name).iterdir()):  # no file told of it
                self.directories.setdefault(name, bits)
        self.rendered = rendered

    @contextmanager
    def keeping(self, decided: Iterable[str]) -> Iterator[None]:
        """Gives back, at the end, what was deleted within, and what of `decided` was changed.

        Those are the paths that the merge had a say in.
        """
        decided = set(decided)
        held = _files(self.project, {*own_files(self.project), *decided})
        yield
        now = _files(self.project, held)
        kept = {p: v for p, v in held.items() if p in decided or p not in now}
        now = {path: version for path, version in now.items() if path in kept}
        apply(Plan(tuple(_changes(now, kept))), self.project, rendered=self.rendered)

    def close(self) -> None:
        """Makes all that happened since the start the last run, which `undo` takes back."""
        last = journal.last(self.project)
        changed = [change.path for change in last.changes] if last else []
        after = _files(self.project, {*own_files(self.project), *self.before, *changed})
        changes = tuple(_changes(self.before, after))
        if changes:
            conflicts = last.conflicts if last else ()
            place = state.places(self.project)[0]
            state.make(place)
            Journal(
                self.project,
                place,
                changes,
                conflicts,
                self.directories,
                rendered=self.rendered,
            ).keep()


@contextmanager
def recorded(project: Path) -> Iterator[Recording]:
    """Within it anything may happen to the project; an error puts the project back as it was.

    A kill within leaves what the commands did, which no journal knows.
    """
    before = _files(project, own_files(project))
    was = state.remembered_rendered(project)
    recording = Recording(project, before, disk.directories_at(project, before), (was, was))
    try:
        yield recording
    except BaseException:
        recording.close()
        found = undoing(project)
        if found is not None:
            apply(found.plan, project, rendered=(None, was), undoes=found.record)
        raise
    recording.close()


def _files(project: Path, paths: Iterable[str]) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for path in paths:
        version = None if disk.link_above(project, path) else disk.look(project, path)
        if isinstance(version, Version):
            found[path] = version
    return found


def _changes(before: Mapping[str, Version], after: Mapping[str, Version]) -> Iterator[Change]:
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield Change(path, before.get(path), after.get(path))
