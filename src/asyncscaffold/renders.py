"""The two renders that a change compares, base and theirs, and what `_exclude` says about them."""

from __future__ import annotations

import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from asyncscaffold import beside, merge, render
from asyncscaffold.errors import Refused
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.template import Template


class Side(NamedTuple):
    """A version of the template, and the answers that it is rendered with, as Copier takes them."""

    template: Template
    answers: Mapping[str, Any]


@contextmanager
def rendered(
    base: Side, theirs: Side, name: str, options: Namespace
) -> Iterator[tuple[Path, Path]]:
    """base and theirs, rendered into directories called `name`, as the project is."""

    def one(side: Side, into: Path) -> Callable[[], None]:
        return lambda: render.render(
            side.template,
            side.answers,
            into,
            answers_file=options.answers_file,
            trust=options.trust,
            operation="update",
        )

    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as temporary:
        scratch = Path(temporary)
        places = scratch / "base" / name, scratch / "theirs" / name
        if options.trust:  # its tasks may ask on the terminal
            for side, place in zip((base, theirs), places, strict=True):
                _by_tasks_too(one(side, scratch / "at" / name), scratch / "at", place.parent)
        elif None in (base.template.sha, theirs.template.sha):
            # A remote template has one copy, which Copier brings up to date.
            beside.in_turn(one(base, places[0]), one(theirs, places[1]))
        else:
            render.load()  # once, and not in each process
            beside.at_once(one(base, places[0]), one(theirs, places[1]))
        yield places


def _by_tasks_too(work: Callable[[], None], at: Path, to: Path) -> None:
    """Render in the directory `at`, which becomes `to`.

    A task may write down where it runs: the same place for both sides is no change of the
    template's. A repository that a task begins is left out, as the project has its own.
    """
    work()
    for project in at.iterdir():
        shutil.rmtree(project / ".git", ignore_errors=True)
    at.rename(to)


def excluded(
    evaluator: Evaluator, answers: Mapping[str, Any], extra: Mapping[str, Any]
) -> Callable[[str], bool]:
    """Whether `_exclude` takes a path out of a render with `answers`.

    Where that cannot be told, because the answers no longer fit the template, nothing is.
    """
    try:
        evaluation = evaluator.evaluate(answers, defaults=True, extra=extra)
        operation = {"_copier_operation": "update"}
        patterns = evaluator.setting("exclude", {**extra, **evaluation.context, **operation})
    except Refused:
        return merge.matcher(())
    return merge.matcher(patterns)
