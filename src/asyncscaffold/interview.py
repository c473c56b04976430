"""The order of the questions and the way back; what one prompt is, wherever it is shown.

Owns which question comes next, what Enter takes there and why a question is asked again, and the
text that wizard.py and prompts_plain.py share: each poses a `Prompt` in its own way.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import yaml

from asyncscaffold.errors import Failure
from asyncscaffold.evaluation import Asked, Choice, Evaluation, Evaluator
from asyncscaffold.values import MISSING, cast


class Back(Exception):
    """The person wants the question before."""


@dataclass(frozen=True)
class Prompt:
    """One question on the screen.

    `default` is what Enter takes (raw text where text is typed; `MISSING`: nothing), `notes` why it
    is asked (again), `progress` like "3 of 11". `check` says what is wrong with an answer, or "".
    """

    asked: Asked
    default: Any
    notes: tuple[str, ...]
    progress: str
    check: Callable[[Any], str]

    @property
    def kind(self) -> str:
        return kind(self.asked)

    @property
    def open(self) -> list[Choice]:
        """The choices that can be taken now."""
        return [choice for choice in self.asked.choices if not choice.disabled]

    @property
    def preset(self) -> list[Choice]:
        """The choices that the default stands for; a disabled one never is."""
        if self.kind != "many":
            wanted = [self.default]
        else:
            wanted = self.default if isinstance(self.default, list) else []
            wanted = [_as(self.asked.type, item) for item in wanted]
        return [choice for choice in self.open if choice.value in wanted]

    def typed_check(self, text: str) -> str:
        """What is wrong with typed `text`, or an empty string."""
        allowed = "\t\n" if self.asked.multiline else "\t"
        if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in text):
            return "there are control characters in it, as some keys send them; type it once more"
        return self.check(text)


def run(
    evaluator: Evaluator,
    given: Mapping[str, Any],
    *,
    previous: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    announce: Callable[[Asked, Evaluation], None],
    pose: Callable[[Prompt], Any],
) -> Evaluation:
    """Pose every question that is open, until none is: see `wizard.ask`.

    `pose` asks one and gives an answer that `Prompt.check` accepts, or raises `Back`.
    """
    answered: dict[str, Any] = {}  # in the order of asking, which is the way back
    kept: dict[str, Any] = {}
    wrong: dict[str, str] = {}

    def evaluate() -> Evaluation:
        return evaluator.evaluate({**given, **answered}, previous=previous, extra=extra)

    while True:
        evaluation = evaluate()
        refused = {p.key: p.message for p in evaluation.problems if p.key in answered}
        if gone := refused.keys() | (answered.keys() & set(evaluation.unasked)):
            wrong |= refused
            answered = {key: value for key, value in answered.items() if key not in gone}
            continue
        if not evaluation.missing:
            return evaluation
        asked = evaluation.missing[0]
        announce(asked, evaluation)
        base = {**(previous or {}), **given, **answered, **(extra or {})}
        prompt = Prompt(
            asked,
            kept[asked.key] if asked.key in kept else _default(asked),
            tuple(_notes(asked, evaluation, previous or {}, kept, wrong)),
            f"{len(answered) + 1} of {len(answered) + len(evaluation.missing)}",
            _checker(evaluator, asked, evaluation, base),
        )
        wrong.pop(asked.key, None)
        try:
            answer = pose(prompt)
        except Back:
            while answered:
                key, _ = answered.popitem()
                if any(question.key == key for question in evaluate().missing):
                    break
            continue
        kept[asked.key] = answered[asked.key] = answer


def _default(asked: Asked) -> Any:
    return draft(asked, asked.default) if kind(asked) == "text" else asked.default


def _notes(
    asked: Asked,
    evaluation: Evaluation,
    previous: Mapping[str, Any],
    kept: Mapping[str, Any],
    wrong: Mapping[str, str],
) -> Iterator[str]:
    """Why `asked` is asked again, if it is."""
    for problem in evaluation.stale:
        if problem.key == asked.key:
            old = previous[asked.key]
            shown = "" if asked.question.secret else f" {clean(str(old))!r}"
            why = _discreet(asked, old, problem.message)
            yield f"The project's answer{shown} no longer fits: {why}"
    if asked.key in wrong:
        yield f"Not taken: {_discreet(asked, kept[asked.key], wrong[asked.key])}"


def _discreet(asked: Asked, value: Any, message: str) -> str:
    """`message` about `value`, without the value where it is a secret."""
    return message.replace(repr(value), "it") if asked.question.secret else message


def _checker(
    evaluator: Evaluator, asked: Asked, evaluation: Evaluation, base: Mapping[str, Any]
) -> Callable[[Any], str]:
    """The check of an answer to `asked`, which sees what the questions before it came to."""
    known = evaluation.context
    earlier = takewhile(asked.key.__ne__, evaluator.questionnaire.questions)
    context = {**base, **{key: known[key] for key in earlier if key in known}}

    def check(answer: Any) -> str:
        try:
            return _discreet(asked, answer, evaluator.check(asked, answer, context))
        except Failure as error:
            return error.message

    return check


def kind(asked: Asked) -> str:
    """How a question is answered: "many", "one", "bool", "secret" or "text"."""
    if asked.question.multiselect:
        return "many"
    if asked.choices:
        return "one"
    if asked.type == "bool":
        return "bool"
    return "secret" if asked.question.secret else "text"


def _as(type_name: str, value: Any) -> Any:
    try:
        return cast(type_name, value)
    except ValueError:
        return MISSING


def draft(asked: Asked, value: Any) -> str:
    """A default of `asked` as the text a person would type for it."""
    if value is MISSING or (value is None and asked.type != "json"):
        return ""
    if asked.type == "json":
        return json.dumps(value, ensure_ascii=False, indent=2 if asked.multiline else None)
    if asked.type == "yaml":
        flow = not asked.multiline
        text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, width=10**9)
        return str(text).removesuffix("...\n").strip()
    return str(value)


def summary(prompt: Prompt, answer: Any) -> str:
    """The line that stays on the screen once a question is answered."""
    if prompt.asked.question.secret:
        shown = "(not shown)"
    elif prompt.kind == "many":
        shown = ", ".join(name(c) for c in prompt.asked.choices if c.value in answer) or "none"
    elif prompt.kind == "one":
        shown = next((name(c) for c in prompt.open if c.value == answer), str(answer))
    elif prompt.kind == "bool":
        shown = "yes" if answer else "no"
    else:
        first, *more = str(answer).splitlines() or [""]
        shown = first + (" …" if more else "")
    return f"  {prompt.asked.key}: {clean(shown)}"


def name(choice: Choice) -> str:
    """The shortest text that stands for a choice: its value, if that can be typed."""
    plain = isinstance(choice.value, (str, int, float)) and str(choice.value)
    return clean(plain or choice.label)


def clean(text: str) -> str:
    """`text` without control characters: a template's own escape codes never reach a terminal."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})


def wrap(text: str, indent: int) -> str:
    """`text` wrapped to the terminal; lines after the first start at column `indent`."""
    width = max(screen().columns - 1 - indent, 20)
    lines = [
        part for line in clean(text).splitlines() for part in textwrap.wrap(line, width) or [""]
    ]
    return ("\n" + " " * indent).join(lines)


def screen() -> os.terminal_size:
    """The size of the terminal behind stderr."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    return os.terminal_size((columns or 80, lines or 24))


def write(text: str, end: str = "\n") -> None:
    """Write to the person, who looks at stderr."""
    sys.stderr.write(text + end)
    sys.stderr.flush()
