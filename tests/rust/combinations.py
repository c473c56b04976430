"""The combinations of answers that exist, derived from copier.yml: a later capability adds itself.

A combination is what can be chosen after the verdict: the runtime and the capabilities. The five
answers change one file, the decision record, and are tested where the record is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

from allpairspy import AllPairs

from asyncscaffold.evaluation import Asked, Evaluation, Evaluator
from asyncscaffold.questions import Questionnaire

NAME = "night-owl"
"""A project name that the template itself holds nowhere."""

BEFORE = {
    "project_name": NAME,
    "description": "Keeps keys",
    "concurrent_io": True,
    "workload": "io",
    "scale": "thousands",
    "team_ready": True,
    "cancellation": "known",
}
EXTRA = {"_folder_name": NAME, "_copier_conf": {"defaults": True}}

ROOT = Path(__file__).resolve().parents[2]


class Combination(NamedTuple):
    """One set of answers, and which of the built capabilities it leaves out."""

    answers: dict[str, Any]
    without: frozenset[str]

    @property
    def capabilities(self) -> list[str]:
        return [value for answer in self.answers.values() if is_list(answer) for value in answer]

    @property
    def name(self) -> str:
        """`tokio+http+actor`, or the project's name where that is what is odd."""
        if self.answers["project_name"] != NAME:
            return f"name:{self.answers['project_name']}"
        return "+".join([self.answers["runtime"], *self.capabilities])


def is_list(answer: Any) -> bool:
    return isinstance(answer, list)


def _evaluate(evaluator: Evaluator, answers: dict[str, Any]) -> Evaluation:
    evaluation = evaluator.evaluate({**BEFORE, **answers}, extra=EXTRA)
    assert not evaluation.problems, evaluation.problems
    return evaluation


def _built(question: Asked) -> list[Any]:
    return [choice.value for choice in question.choices if not choice.disabled]


def _options(question: Asked) -> list[Any]:
    """Every answer to a question that the template can render now."""
    values = _built(question)
    if not question.question.multiselect:
        return values
    return [list(some) for size in range(len(values) + 1) for some in combinations(values, size)]


def _whole(evaluator: Evaluator, chosen: dict[str, Any]) -> Combination:
    """`chosen` as a combination, without answers to what is not asked then."""
    asked = evaluator.evaluate({**BEFORE, **chosen}, extra=EXTRA)
    answers = {key: value for key, value in asked.answers.items() if key not in asked.unasked}
    capabilities = {value for answer in answers.values() if is_list(answer) for value in answer}
    return Combination(answers, frozenset(_every_capability(evaluator) - capabilities))


def _stack(evaluator: Evaluator, chosen: dict[str, Any] | None = None) -> list[Asked]:
    """The questions after the verdict, as they stand when nothing else than `chosen` is."""
    return _evaluate(evaluator, chosen or {}).missing


@cache
def _every_capability(evaluator: Evaluator) -> set[str]:
    return {
        value
        for question in _stack(evaluator)
        if question.question.multiselect
        for value in _built(question)
    }


@cache
def every() -> list[Combination]:
    """Every combination of the answers that exist."""
    evaluator = Evaluator(Questionnaire.load(ROOT))
    done: list[Combination] = []
    open_: list[dict[str, Any]] = [{}]
    while open_:
        chosen = open_.pop()
        missing = _evaluate(evaluator, chosen).missing
        if missing:
            open_ += [{**chosen, missing[0].key: option} for option in _options(missing[0])]
        else:
            done.append(_whole(evaluator, chosen))
    return sorted(done, key=lambda combination: (len(combination.name), combination.name))


def pairwise() -> list[Combination]:
    """A set in which every two values that can stand together do so at least once."""
    evaluator = Evaluator(Questionnaire.load(ROOT))
    runtime = next(question for question in _stack(evaluator) if question.key == "runtime")
    rows = [row for value in _built(runtime) for row in _pairs(evaluator, {"runtime": value})]
    return list({row.name: row for row in rows}.values())


def _pairs(evaluator: Evaluator, chosen: dict[str, Any]) -> list[Combination]:
    """The pairwise set of what is left to choose beside `chosen`; each of it is there or not."""
    lists = [question for question in _stack(evaluator, chosen) if question.question.multiselect]
    values = [(question.key, value) for question in lists for value in _built(question)]

    def answers(row: Sequence[Any]) -> dict[str, Any]:
        """The answers that the (first) values of `row` stand for."""
        picked = [pair for pair, is_there in zip(values, row, strict=False) if is_there]
        there = {
            question.key: [v for key, v in picked if key == question.key] for question in lists
        }
        return {**chosen, **there}

    if len(values) < 2:
        rows: Iterable[Sequence[Any]] = product([True, False], repeat=len(values))
    else:
        rows = AllPairs([[True, False]] * len(values))
    return [_whole(evaluator, answers(row)) for row in rows]


def named(name: str, runtime: str = "tokio") -> Combination:
    """The combination of `runtime` with every capability that it can have, called `name`."""
    those = [combination for combination in every() if combination.answers["runtime"] == runtime]
    fullest = min(those, key=lambda combination: len(combination.without))
    return fullest._replace(answers={**fullest.answers, "project_name": name})


ODD_NAMES = [
    *[named(name) for name in ("service", "domain", "core", "a-", "_", "MyApp")],
    *[named(name, "threads") for name in ("threaded", "resp")],
    named("batch", "rayon"),
]
"""Projects whose names are those of their crates, or what else cargo may stumble over."""
