"""Answers checked against a template's questions, all at once and before any write.

The semantics are Copier's (its "Creating a template" documentation: type, choices, multiselect,
when, default, validator, secret); here everything wrong and everything missing is named together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import yaml

from asyncscaffold import expressions
from asyncscaffold.errors import Refused
from asyncscaffold.questions import Question, Questionnaire
from asyncscaffold.values import MISSING, cast, nearest

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


@dataclass(frozen=True)
class Choice:
    """One rendered choice; `disabled` says why it cannot be taken now, or is empty."""

    label: str
    value: Any
    disabled: str = ""


@dataclass(frozen=True)
class Asked:
    """A question as it stands to a person at this moment: everything rendered."""

    question: Question
    help: str
    type: str
    choices: tuple[Choice, ...]
    default: Any
    placeholder: str = ""
    multiline: bool = False

    @property
    def key(self) -> str:
        return self.question.key


@dataclass(frozen=True)
class Problem:
    """An answer that cannot be taken, and why."""

    key: str
    message: str


@dataclass
class Evaluation:
    """What the answers given so far come to.

    `answers` are those to record, in the order of the questions; `computed` what `when: false`
    questions come to; `missing` the questions nobody answered yet, in order; `problems` everything
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
    """Evaluates one questionnaire; Jinja is loaded when the first answer is checked."""

    def __init__(self, questionnaire: Questionnaire, *, trust: bool = False) -> None:
        self.questionnaire = questionnaire
        self._trust = trust
        self._env: SandboxedEnvironment | None = None

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
        base = {**self._shaped({**(previous or {}), **given}), **(extra or {})}
        for question in self.questionnaire.questions.values():
            context = {**base, **result.context}
            if self._bool(question, "when", context, default=True):
                asked = self._render(question, context)
                value = self._answer(asked, given, previous or {}, defaults, context, result)
                if value is not MISSING:
                    result.answers[question.key] = value
                continue
            if question.key in given:
                result.unasked.append(question.key)
            value = self._default(question, context)
            if value is not MISSING:
                result.computed[question.key] = value
        return result

    def _answer(
        self,
        asked: Asked,
        given: Mapping[str, Any],
        previous: Mapping[str, Any],
        defaults: bool,
        context: Mapping[str, Any],
        result: Evaluation,
    ) -> Any:
        """The answer to `asked`; what is wrong or missing is added to `result`.

        Where there is none the default stands in, so that later questions can be looked at too.
        """
        key = asked.key
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
        if not defaults:
            result.missing.append(asked)
        elif asked.default is MISSING:
            result.problems.append(Problem(key, "it has no default: an answer is needed"))
        else:
            value, wrong = self._check(asked, asked.default, context)
            if not wrong:
                return value
            result.problems.append(Problem(key, wrong))
        return asked.default

    def _shaped(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """`answers` without those whose shape would break the template's expressions."""
        questions = self.questionnaire.questions
        return {
            key: value
            for key, value in answers.items()
            if key not in questions or not questions[key].multiselect or isinstance(value, list)
        }

    def check(self, asked: Asked, raw: Any, context: Mapping[str, Any]) -> str:
        """What is wrong with `raw` as the answer to `asked`, or an empty string."""
        return self._check(asked, raw, context)[1]

    def _check(self, asked: Asked, raw: Any, context: Mapping[str, Any]) -> tuple[Any, str]:
        """The value of `raw` and what is wrong with it (empty: nothing)."""
        try:
            value = self._cast(asked, raw)
        except ValueError as error:
            return MISSING, str(error)
        validator = asked.question.spec.get("validator", "")
        wrong = self._string(validator, {**context, asked.key: value}, asked.key)
        return value, str(wrong).strip()

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
        for choice in asked.choices:
            if choice.value == value:
                if choice.disabled:
                    raise ValueError(f"{value}: {choice.disabled}")
                return value
        valid = [str(c.value) for c in asked.choices if not c.disabled]
        near = nearest(str(value), [str(c.value) for c in asked.choices])
        raise ValueError(f"{value!r} is not one of {', '.join(valid) or 'any value yet'}{near}")

    def _render(self, question: Question, context: Mapping[str, Any]) -> Asked:
        spec = question.spec
        asked = Asked(
            question=question,
            help=str(self._string(spec.get("help", ""), context, question.key)).strip()
            or question.key,
            type=str(self._string(question.type, context, question.key)),
            choices=self.choices(question, context),
            default=MISSING,
            placeholder=str(self._string(spec.get("placeholder", ""), context, question.key)),
            multiline=self._bool(question, "multiline", context, default=False),
        )
        return replace(asked, default=self._default(question, context, asked))

    def choices(self, question: Question, context: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The choices of `question`, rendered; empty for a question that takes any value."""
        raw = question.spec.get("choices", [])
        if isinstance(raw, str):
            raw = yaml.safe_load(str(self._string(raw, context, question.key)))
        type_name = str(self._string(question.type, context, question.key))
        choices = []
        for item in raw.items() if isinstance(raw, dict) else raw:
            label, value, disabled = item, item, ""
            if isinstance(item, (tuple, list)):
                label, value = item
                if isinstance(value, dict):
                    disabled = str(
                        self._string(value.get("validator", ""), context, question.key)
                    ).strip()
                    value = value["value"]
            label = str(self._string(label, context, question.key))
            value = cast(type_name, self._string(value, context, question.key))
            choices.append(Choice(label, value, disabled))
        return tuple(choices)

    def _default(
        self, question: Question, context: Mapping[str, Any], asked: Asked | None = None
    ) -> Any:
        raw = question.spec.get("default", MISSING)
        value = MISSING if raw is MISSING else self._string(raw, context, question.key)
        if value is MISSING:
            return MISSING
        if question.multiselect:
            return yaml.safe_load(value) if isinstance(value, str) else value
        try:
            return cast(
                asked.type if asked else str(self._string(question.type, context, question.key)),
                value,
            )
        except (ValueError, TypeError) as error:
            raise Refused(
                f"The template's default for {question.key} is broken: {error}"
            ) from error

    def _bool(
        self, question: Question, part: str, context: Mapping[str, Any], *, default: bool
    ) -> bool:
        value = self._string(question.spec.get(part, default), context, question.key)
        return bool(cast("bool", value))

    def _string(self, value: Any, context: Mapping[str, Any], key: str) -> Any:
        """Render `value` where it is a template, lists item by item."""
        if isinstance(value, list):
            return [self._string(item, context, key) for item in value]
        if not isinstance(value, str) or not value:
            return value
        if self._env is None:
            self._env = expressions.environment(
                self.questionnaire.root, self.questionnaire.settings, trust=self._trust
            )
        return expressions.render(self._env, value, context, where=f"question {key}")
