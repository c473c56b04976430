"""Projects rendered in memory: each file once for every set of values that it depends on.

Rendering every combination with Copier would take the longer the more there is to choose: half a
second for each, and their number doubles with every capability. But a file only depends on the
names that stand in it, so there is little to render. That Copier gives the same, byte for byte, is
a test (`test_rendered.py`), over combinations in which every two values stand together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import meta
from pathspec import PathSpec

from asyncscaffold.evaluation import Evaluator
from asyncscaffold.expressions import environment
from asyncscaffold.questions import Questionnaire
from tests.rust.combinations import BEFORE, EXTRA, Combination


class Rendered(NamedTuple):
    """What a combination renders: its files' texts by their paths. The answers file is not among
    them: it depends on everything."""

    files: dict[str, str]
    combination: Combination


class Rendering:
    """The template in `root`, ready to render combinations."""

    def __init__(self, root: Path) -> None:
        self._questionnaire = Questionnaire.load(root)
        self._evaluator = Evaluator(self._questionnaire)
        self._environment = environment(root, self._questionnaire.settings)
        self._root = root
        self._known: dict[tuple[str, str], str] = {}

    @cached_property
    def sources(self) -> dict[str, str]:
        """The texts of the template's files, by the paths that they are rendered to.

        No answer changes a path: what stands in one is the same for all combinations.
        """
        template = self._root / "template"
        files = [path for path in sorted(template.rglob("*")) if path.is_file()]
        context = self._evaluator.evaluate(BEFORE, defaults=True, extra=EXTRA).context
        return {
            self._environment.from_string(name).render(context): path.read_text("utf-8")
            for path in files
            if "_copier_conf" not in (name := path.relative_to(template).as_posix())
        }

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        """What each source depends on: the names that it, and what it includes, do not define."""
        return {
            source: self._names_in(source)
            for source in [*self.sources.values(), *self._questionnaire.settings["exclude"]]
        }

    def _names_in(self, source: str) -> set[str]:
        parsed = self._environment.parse(source)
        names = meta.find_undeclared_variables(parsed)
        for included in meta.find_referenced_templates(parsed):
            assert included, "an include names its file, so that what it depends on is known"
            names |= self._names_in((self._root / included).read_text("utf-8"))
        return names

    def __call__(self, combination: Combination) -> Rendered:
        context = self._context(combination)
        patterns = (
            self._text(source, context) for source in self._questionnaire.settings["exclude"]
        )
        excluded = PathSpec.from_lines("gitignore", "\n".join(patterns).splitlines())
        files = {
            name: self._text(source, context)
            for name, source in self.sources.items()
            if not excluded.match_file(name)
        }
        return Rendered(files, combination)

    def _context(self, combination: Combination) -> dict[str, Any]:
        answers = {**BEFORE, **combination.answers}
        return {**self._evaluator.evaluate(answers, extra=EXTRA).context, **EXTRA}

    def _text(self, source: str, context: Mapping[str, Any]) -> str:
        """`source` rendered; the same source with the same values is rendered once."""
        values = {name: context[name] for name in sorted(self._names[source]) if name in context}
        key = (source, json.dumps(values))
        if key not in self._known:
            self._known[key] = self._environment.from_string(source).render(values)
        return self._known[key]
