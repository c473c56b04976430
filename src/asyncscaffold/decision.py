"""The next record of a project's decision: which answers decide, and what the record is given.

A template with a computed question `decision` keeps a series of records, of which the first begins
with a number and which it leaves to the user (`_skip_if_exists`). When answers that decide change,
it is given the next number, the name of the record that it follows, and the answers before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from asyncscaffold.merge import matcher
from asyncscaffold.questions import Questionnaire
from asyncscaffold.verdict import FIVE

KEY = "decision"
DECIDED = (*FIVE, "runtime")
"""The answers that make a new record when they change."""


def next_record(
    questionnaire: Questionnaire,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    files: Iterable[str],
) -> dict[str, Any]:
    """The data to render `after` with, beside the answers: empty where nothing is decided anew.

    `files` are the paths of the project. A number that one of them has is not given again.
    """
    question = questionnaire.questions.get(KEY)
    if question is None or not question.computed:
        return {}
    if all(before.get(key) == after.get(key) for key in DECIDED):
        return {}
    is_users = matcher(questionnaire.settings.get("skip_if_exists", ()))
    numbered = {
        path: int(found[0])
        for path in map(PurePosixPath, files)
        if (found := re.match(r"\d+", path.name))
    }
    last = max(
        (path for path in numbered if is_users(str(path))), key=numbered.__getitem__, default=None
    )
    taken = [number for path, number in numbered.items() if last and path.parent == last.parent]
    return {
        KEY: {
            "number": max([1, *taken]) + 1,
            "follows": last.name if last else "",
            "before": dict(before),
        }
    }
