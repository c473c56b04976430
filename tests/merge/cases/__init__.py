"""The table of cases: what a safe update must do, as data, for any tool that updates projects."""

from __future__ import annotations

from tests.merge.cases import (
    contents,
    edits,
    features,
    links,
    manifests,
    names,
    places,
    questions,
    renames,
)
from tests.merge.cases.model import Case
from tests.merge.cases.stage import Stage

CASES: tuple[Case, ...] = (
    *edits.CASES,
    *renames.CASES,
    *contents.CASES,
    *links.CASES,
    *names.CASES,
    *manifests.CASES,
    *features.CASES,
    *questions.CASES,
    *places.CASES,
)

__all__ = ["CASES", "Case", "Stage"]
