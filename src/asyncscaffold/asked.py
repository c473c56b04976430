"""A question as it stands to a person at one moment: its spec with every expression rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncscaffold import expressions
from asyncscaffold.errors import Refused
from asyncscaffold.questions import Question, Questionnaire
from asyncscaffold.values import CASTS, MISSING, cast, load_yaml, truth

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
    """A question with everything rendered."""

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


class Renderer:
    """Renders one questionnaire's specs; Jinja is loaded when the first expression is met.

    Every method raises `Refused`, naming the question, for a template that does not evaluate.
    """

    def __init__(self, questionnaire: Questionnaire, *, trust: bool) -> None:
        self._questionnaire = questionnaire
        self._trust = trust
        self._env: SandboxedEnvironment | None = None

    def asked(self, question: Question, context: Mapping[str, Any]) -> Asked:
        spec = question.spec
        return Asked(
            question=question,
            help=self.text(question, "help", context).strip() or question.key,
            type=self.type(question, context),
            choices=self.choices(question, context),
            default=self.default(question, context),
            placeholder=self.text(question, "placeholder", context),
            multiline=truth(self.value(spec.get("multiline", False), context, question.key)),
        )

    def condition(self, question: Question, part: str, context: Mapping[str, Any]) -> bool:
        """Whether `when` or `ask` holds; both do where the template does not say."""
        return truth(self.value(question.spec.get(part, True), context, question.key))

    def depends_on(self, question: Question) -> set[str]:
        """The questions that decide whether `question` is asked: those in its `when`.

        For a computed one of them stand those that it is computed from.
        """
        found: set[str] = set()
        wanted = [str(question.spec.get("when", ""))]
        known = self._questionnaire.questions
        while wanted:
            names = expressions.names(self._environment(), wanted.pop()) & known.keys() - found
            found |= names
            wanted += [str(known[n].spec.get("default", "")) for n in names if known[n].computed]
        return {name for name in found if not known[name].computed}

    def text(self, question: Question, part: str, context: Mapping[str, Any]) -> str:
        return str(self.value(question.spec.get(part, ""), context, question.key))

    def type(self, question: Question, context: Mapping[str, Any]) -> str:
        name = str(self.value(question.type, context, question.key))
        if name not in CASTS:
            raise _broken(question, f"its type is {name!r}, not one of {', '.join(CASTS)}")
        return name

    def choices(self, question: Question, context: Mapping[str, Any]) -> tuple[Choice, ...]:
        """The choices of `question`; empty for a question that takes any value."""
        raw = question.spec.get("choices", [])
        type_name = self.type(question, context)
        try:
            if isinstance(raw, str):
                raw = load_yaml(str(self.value(raw, context, question.key)))
            items = raw.items() if isinstance(raw, dict) else raw
            return tuple(self._choice(item, type_name, context, question.key) for item in items)
        except (ValueError, TypeError, KeyError) as error:
            raise _broken(question, f"its choices cannot be read: {error}") from error

    def _choice(self, item: Any, type_name: str, context: Mapping[str, Any], key: str) -> Choice:
        label, value = item if isinstance(item, (tuple, list)) else (item, item)
        disabled = ""
        if isinstance(item, (tuple, list)) and isinstance(value, dict):
            disabled = str(self.value(value.get("validator", ""), context, key)).strip()
            value = value["value"]
        value = cast(type_name, self.value(value, context, key))
        return Choice(str(self.value(label, context, key)), value, disabled)

    def default(self, question: Question, context: Mapping[str, Any]) -> Any:
        """The default as a value of the question's type; `MISSING` where there is none."""
        raw = question.spec.get("default", MISSING)
        value = MISSING if raw is MISSING else self.value(raw, context, question.key)
        if value is MISSING:
            return MISSING
        try:
            if question.multiselect:
                return load_yaml(value) if isinstance(value, str) else value
            type_name = self.type(question, context)
            return truth(value) if type_name == "bool" else cast(type_name, value)
        except ValueError as error:
            raise _broken(question, f"its default: {error}") from error

    def value(self, value: Any, context: Mapping[str, Any], key: str) -> Any:
        """Render `value` where it is a template, lists item by item."""
        if isinstance(value, list):
            return [self.value(item, context, key) for item in value]
        if not isinstance(value, str) or not value:
            return value
        return expressions.render(self._environment(), value, context, where=f"question {key}")

    def _environment(self) -> SandboxedEnvironment:
        if self._env is None:
            self._env = expressions.environment(
                self._questionnaire.root, self._questionnaire.settings, trust=self._trust
            )
        return self._env


def _broken(question: Question, why: str) -> Refused:
    return Refused(
        f"The template's question {question.key} is broken: {why}",
        "Its author can mend this; another --ref may still work.",
    )
