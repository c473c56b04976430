"""The two renders that a change compares, base and theirs, and what `_exclude` says about them."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from asyncscaffold import beside, merge, render
from asyncscaffold.errors import Refused
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import Template


class Side(NamedTuple):
    """A version of the template, and what it is rendered with."""

    template: Template
    answers: Mapping[str, Any]


@contextmanager
def rendered(
    base: Side, theirs: Side, questionnaire: Questionnaire, name: str, options: Namespace
) -> Iterator[tuple[Path, Path]]:
    """base and theirs, rendered into directories called `name`, as the project is."""

    def one(side: Side, into: Path) -> Callable[[], None]:
        return lambda: render.render(
            side.template,
            questionnaire.for_copier(side.answers),
            into,
            answers_file=options.answers_file,
            trust=options.trust,
        )

    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        places = Path(scratch, "base", name), Path(scratch, "theirs", name)
        work = one(base, places[0]), one(theirs, places[1])
        # What is trusted may ask on the terminal; a remote template has one copy, which Copier
        # brings up to date.
        if options.trust or None in (base.template.sha, theirs.template.sha):
            beside.in_turn(*work)
        else:
            render.load()  # once, and not in each process
            beside.at_once(*work)
        yield places


def excluded(
    evaluator: Evaluator, answers: Mapping[str, Any], extra: Mapping[str, Any]
) -> Callable[[str], bool]:
    """Whether `_exclude` takes a path out of a render with `answers`.

    Where that cannot be told, because the answers no longer fit the template, nothing is.
    """
    try:
        evaluation = evaluator.evaluate(answers, defaults=True, extra=extra)
        patterns = evaluator.setting("exclude", {**extra, **evaluation.context})
    except Refused:
        return merge.matcher(())
    return merge.matcher(patterns)
