"""The combinations of answers that exist, derived from copier.yml: a later capability adds itself.

A combination is what can be chosen after the verdict: the runtime and the capabilities. The five
answers change one file, the decision record, and are tested where the record is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import combinations
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


def _stack(evaluator: Evaluator) -> list[Asked]:
    """The questions after the verdict, as they stand when nothing is chosen yet."""
    return _evaluate(evaluator, {}).missing


@cache
def _every_capability(evaluator: Evaluator) -> set[str]:
    return {
        value
        for question in _stack(evaluator)
        if question.question.multiselect
        for value in _built(question)
    }


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
    parameters: list[tuple[str, Any, list[Any]]] = []
    for question in _stack(evaluator):
        if question.question.multiselect:
            parameters += [(question.key, value, [True, False]) for value in _built(question)]
        else:
            parameters.append((question.key, None, _built(question)))

    def chosen(row: Sequence[Any]) -> dict[str, Any]:
        """The answers that the (first) values of `row` stand for."""
        answers: dict[str, Any] = {}
        for (key, value, _), picked in zip(parameters, row, strict=False):
            if value is None:
                answers[key] = picked
            elif picked:
                answers[key] = [*answers.get(key, []), value]
        return answers

    def can_stand(row: Sequence[Any]) -> bool:
        evaluation = evaluator.evaluate({**BEFORE, **chosen(row)}, extra=EXTRA)
        return not evaluation.problems and not evaluation.unasked

    def combination(row: Sequence[Any]) -> Combination:
        lists: dict[str, Any] = {key: [] for key, value, _ in parameters if value is not None}
        return _whole(evaluator, {**lists, **chosen(row)})

    rows = AllPairs([values for _, _, values in parameters], filter_func=cache_by_row(can_stand))
    found = {made.name: made for made in map(combination, rows)}
    return list(found.values())


def cache_by_row(check: Callable[[Sequence[Any]], bool]) -> Callable[[Sequence[Any]], bool]:
    """`check`, asked once for each row."""
    cached = lru_cache(maxsize=None)(check)
    return lambda row: cached(tuple(row))


def named(name: str) -> Combination:
    """The combination with every capability, called `name`."""
    fullest = min(every(), key=lambda combination: len(combination.without))
    return fullest._replace(answers={**fullest.answers, "project_name": name})


ODD_NAMES = ["service", "domain", "core", "a-", "_", "MyApp"]
