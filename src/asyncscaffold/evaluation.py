"""Answers checked against a template's questions, all at once and before any write.

The semantics are Copier's (its "Creating a template" documentation: type, choices, multiselect,
when, ask, default, validator, secret); here everything wrong and everything missing is named
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncscaffold.asked import Asked, Choice, Renderer
from asyncscaffold.errors import Refused
from asyncscaffold.questions import Question, Questionnaire
from asyncscaffold.values import MISSING, cast, nearest, uncast

__all__ = ["Asked", "Choice", "Evaluation", "Evaluator", "Problem"]


@dataclass(frozen=True)
class Problem:
    """An answer that cannot be taken, and why."""

    key: str
    message: str


@dataclass
class Evaluation:
    """What the answers given so far come to.

    `answers` are those to record, in the order of the questions; `computed` what questions that are
    not asked come to; `missing` the questions nobody answered yet, in order; `problems` everything
    that is wrong with given answers; `stale` what is wrong with a project's previous ones;
    `unasked` the given answers whose question is not asked.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    computed: dict[str, Any] = field(default_factory=dict)
    missing: list[Asked] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    stale: list[Problem] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    @property
    def context(self) -> dict[str, Any]:
        return {**self.computed, **self.answers}


class Evaluator:
    """Evaluates one questionnaire."""

    def __init__(self, questionnaire: Questionnaire, *, trust: bool = False) -> None:
        self.questionnaire = questionnaire
        self._renderer = Renderer(questionnaire, trust=trust)

    def evaluate(
        self,
        given: Mapping[str, Any],
        *,
        previous: Mapping[str, Any] | None = None,
        defaults: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Evaluation:
        """Check `given` answers (and a project's `previous` ones) in the order of the questions.

        A previous answer that is no longer valid counts as missing, as in Copier. With `defaults`
        the questions left open take their defaults. `extra` adds to the template's context
        (`_folder_name`, `_copier_conf`). Raises `Refused` for a template that does not evaluate.
        """
        result = Evaluation()
        base = {
            "_external_data": {
                name: {} for name in self.questionnaire.settings.get("external_data", {})
            },
            **self._shaped({**(previous or {}), **given}),
            **(extra or {}),
        }
        for question in self.questionnaire.questions.values():
            context = {**base, **result.context}
            context["_copier_answers"] = self._remembered(context, result.computed)
            try:
                asked = self._renderer.condition(question, "when", context)
                if asked:
                    value = self._answer(question, given, previous or {}, defaults, context, result)
                else:
                    value = self._renderer.default(question, context)
            except Refused:
                if result.missing or result.problems:
                    break  # it may only lack the answers that are open or wrong
                raise
            if asked and value is not MISSING:
                result.answers[question.key] = value
            elif not asked:
                base.pop(question.key, None)
                if question.key in given:
                    result.unasked.append(question.key)
                if value is not MISSING:
                    result.computed[question.key] = value
        return result

    def _answer(
        self,
        question: Question,
        given: Mapping[str, Any],
        previous: Mapping[str, Any],
        defaults: bool,
        context: Mapping[str, Any],
        result: Evaluation,
    ) -> Any:
        """The answer to `question`; what is wrong or missing is added to `result`.

        Where there is none the default stands in, so that later questions can be looked at too.
        """
        asked, key = self._renderer.asked(question, context), question.key
        if key in given:
            value, wrong = self._check(asked, given[key], context)
            if not wrong:
                return value
            result.problems.append(Problem(key, wrong))
            return asked.default
        if key in previous:
            value, wrong = self._check(asked, previous[key], context)
            if not wrong:
                return value
            result.stale.append(Problem(key, wrong))
        never_asked = not self._renderer.condition(question, "ask", context)
        if never_asked and asked.default is MISSING:
            return MISSING
        if not defaults and not never_asked:
            result.missing.append(asked)
        elif asked.default is MISSING:
            result.problems.append(Problem(key, "it has no default: an answer is needed"))
        else:
            value, wrong = self._check(asked, uncast(asked.type, asked.default), context)
            if not wrong:
                return value
            result.problems.append(Problem(key, f"its default cannot be taken: {wrong}"))
        return asked.default

    def _remembered(
        self, context: Mapping[str, Any], computed: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What would be recorded so far."""
        settled = [key for key in self.questionnaire.questions if key not in computed]
        known = {key: context[key] for key in settled if key in context}
        origin = {key: context[key] for key in ("_commit", "_src_path") if context.get(key)}
        return {**origin, **self.questionnaire.without_secrets(known)}

    def _shaped(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """`answers` without those whose shape would break the template's expressions."""
        questions = self.questionnaire.questions
        return {
            key: value
            for key, value in answers.items()
            if key not in questions or not questions[key].multiselect or isinstance(value, list)
        }

    def choices(self, question: Question, context: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The choices of `question`, rendered; empty for a question that takes any value."""
        return self._renderer.choices(question, context)

    def value(self, value: Any, context: Mapping[str, Any], where: str) -> Any:
        """`value` with its template rendered; `where` is for the message if that fails."""
        return self._renderer.value(value, context, where)

    def setting(self, name: str, context: Mapping[str, Any]) -> list[str]:
        """The lines of the list `_name` of the template's settings, rendered."""
        entries = self.questionnaire.settings.get(name, [])
        rendered = self._renderer.value(entries, context, f"_{name}")
        return [line for entry in rendered for line in str(entry).splitlines()]

    def depends_on(self, key: str) -> list[str]:
        """The questions whose answers decide whether `key` is asked, in order."""
        found = self._renderer.depends_on(self.questionnaire.questions[key])
        return [key for key in self.questionnaire.questions if key in found]

    def check(self, asked: Asked, raw: Any, context: Mapping[str, Any]) -> str:
        """What is wrong with `raw` as the answer to `asked`, or an empty string."""
        return self._check(asked, raw, context)[1]

    def _check(self, asked: Asked, raw: Any, context: Mapping[str, Any]) -> tuple[Any, str]:
        """The value of `raw` and what is wrong with it (empty: nothing)."""
        try:
            value = self._cast(asked, raw)
            said = self._renderer.text(asked.question, "validator", {**context, asked.key: value})
        except ValueError as error:
            return MISSING, str(error)
        except Refused as error:  # a validator that fails on an answer refuses it, as in Copier
            return MISSING, error.message
        return value, said.strip()

    def _cast(self, asked: Asked, raw: Any) -> Any:
        if not asked.question.multiselect:
            return self._one(asked, raw)
        if isinstance(raw, str):
            raw = cast("yaml", raw)
        if not isinstance(raw, list):
            raise ValueError(f"{raw!r} is not a list: write [a, b]")
        wanted, wrong = [], []
        for item in raw:
            try:
                wanted.append(self._one(asked, item))
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise ValueError("; ".join(wrong))
        return [choice.value for choice in asked.choices if choice.value in wanted]

    def _one(self, asked: Asked, raw: Any) -> Any:
        value = cast(asked.type, raw)
        if not asked.choices:
            return value
        same = [choice for choice in asked.choices if choice.value == value]
        if any(not choice.disabled for choice in same):
            return value
        if same:
            raise ValueError(f"{value}: {same[0].disabled}")
        valid = [str(c.value) for c in asked.choices if not c.disabled]
        near = nearest(str(value), [str(c.value) for c in asked.choices])
        raise ValueError(f"{value!r} is not one of {', '.join(valid) or 'any value yet'}{near}")
