"""The door for `undo`: the tree as it was before the last `add`, `remove` or `update`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from asyncscaffold import merge, report
from asyncscaffold.errors import Refused
from asyncscaffold.merge.model import Note, shown
from asyncscaffold.new import confirm
from asyncscaffold.outcome import Outcome
from asyncscaffold.project import opened


def undo(options: Namespace) -> Outcome:
    """Put back what the last run changed, files that git ignores and permission bits included.

    Raises `Refused` where files were changed since, unless `--force` is given: then what they are
    now is kept beside them.
    """
    with opened(options) as root:
        found = merge.undoing(root)
        if found is None:
            raise Refused(
                f"There is nothing to undo: no add, remove or update has changed {root} since the "
                "last undo.",
                "What git knows of, `git restore` brings back.",
            )
        if found.blocked:
            raise Refused(
                "These can't be put back:\n" + _listed(found.blocked),
                "Move what stands there out of the way, and run undo again.",
            )
        if found.changed and not options.force:
            raise Refused(
                "These have changed since, and undoing would take that with it:\n"
                + _listed(found.changed),
                "With --force it is done all the same, and what they are now is kept beside them "
                "as NAME.mine.",
            )
        head = f"{root.name}: back to before the last change"
        document: dict[str, Any] = {"project": str(root), "dry_run": options.dry_run}
        if options.dry_run:
            return report.dry_run(head, found.plan, document)
        confirm(options, report.plan_text(head, found.plan))
        before, after = found.record.rendered
        merge.apply(found.plan, root, rendered=(after, before), undoes=found.record)
    return Outcome(document | found.plan.as_json(), report.plan_text(head, found.plan))


def _listed(notes: Iterable[Note]) -> str:
    return "\n".join(f"  {shown(note.path)}: {note.reason}" for note in notes)
