"""What the command line says, gathered into answers: --answers, then flags and --set."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncscaffold.errors import Usage
from asyncscaffold.evaluation import Asked, Evaluation, Evaluator, Problem
from asyncscaffold.questions import Questionnaire, load_answers
from asyncscaffold.values import cast, flag_text, load_text, load_yaml

Announce = Callable[[Asked, Evaluation], None]


@dataclass
class Given:
    """The answers of one command line, and everything wrong with them so far.

    `filed` names those from --answers, `old` those of them from a file that Copier wrote: where
    such a question is not asked any more its answer is dropped, as Copier does; any other answer to
    a question not asked is an error.
    """

    values: dict[str, Any] = field(default_factory=dict)
    filed: set[str] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, key: str, message: str) -> None:
        self.problems.append(Problem(key, message))


def gather(questionnaire: Questionnaire, options: Namespace) -> Given:
    """The answers in `options`: `.answers` (a path), `.flags` (key → texts), `.set` (KEY=VALUE).

    Flags and --set win over the file. Raises `Usage` for a file that cannot be read.
    """
    given = Given()
    direct: dict[str, Any] = {}
    for key, texts in options.flags.items():
        for text in texts:
            if wrong := questionnaire.unknown(key):
                given.wrong(key, wrong)
                continue
            try:
                _take(questionnaire, direct, key, questionnaire.parse(key, text), given)
            except ValueError as error:
                given.wrong(key, str(error))
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals or not key:
            given.wrong("--set", f"{text!r} is not KEY=VALUE")
        elif wrong := questionnaire.unknown(key):
            given.wrong(key, wrong)
        else:
            try:
                load = load_text if questionnaire.questions[key].is_text else load_yaml
                _take(questionnaire, direct, key, load(value), given)
            except ValueError:
                given.wrong(key, f"{value!r} is no YAML value; quote it")
    if options.answers:
        _take_file(questionnaire, options, given)
    given.values.update(direct)
    given.filed -= set(direct)
    given.old -= set(direct)
    return given


def _take_file(questionnaire: Questionnaire, options: Namespace, given: Given) -> None:
    answers = load_answers(options.answers)
    by_copier = "_src_path" in answers
    for key, value in answers.items():
        wrong = questionnaire.unknown(key)
        if key.startswith("_") or (wrong and by_copier):
            continue
        if wrong:
            given.wrong(key, f"{wrong} (in {options.answers})")
        else:
            given.values[key] = value
            given.filed.add(key)
            if by_copier:
                given.old.add(key)


def _take(
    questionnaire: Questionnaire, answers: dict[str, Any], key: str, value: Any, given: Given
) -> None:
    """Take `value`, unless another flag or --set gave the same question another one."""
    question = questionnaire.questions[key]

    def normal(raw: Any) -> Any:
        if question.multiselect:
            return sorted(map(str, raw)) if isinstance(raw, list) else raw
        try:
            return cast(question.type, raw)
        except ValueError:
            return raw

    if key in answers and normal(answers[key]) != normal(value):
        given.wrong(key, f"given twice, as {answers[key]!r} and as {value!r}")
    answers[key] = value


def complete(
    evaluator: Evaluator,
    given: Given,
    options: Namespace,
    *,
    announce: Announce = lambda asked, evaluation: None,
    previous: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Evaluation:
    """The whole set of answers, asked for where there is a terminal.

    Raises `Usage` naming everything that is wrong, or else everything that is missing.
    """
    from asyncscaffold import wizard

    asks = wizard.available()
    found = evaluator.evaluate(
        given.values, previous=previous, defaults=options.defaults, extra=extra
    )
    problems = _problems(given, found, evaluator, options)
    if found.missing and asks and not problems:
        found = wizard.ask(
            evaluator, given.values, previous=previous, extra=extra, announce=announce
        )
        problems = _problems(given, found, evaluator, options)
    if problems or found.missing:
        raise _unusable(problems, found, evaluator.questionnaire, options, asks=asks)
    if options.defaults:
        for line in _stale(found):
            print(f"{line.strip()}: it takes its default.", file=sys.stderr)
    return found


def _stale(found: Evaluation) -> list[str]:
    return [f"  {p.key}: the project's answer no longer fits: {p.message}" for p in found.stale]


def _problems(
    given: Given, found: Evaluation, evaluator: Evaluator, options: Namespace
) -> list[Problem]:
    """Everything wrong with the answers that were given; answers asked for may have made it so."""
    unasked = [key for key in found.unasked if key not in given.old]
    return [
        *given.problems,
        *found.problems,
        *(Problem(key, _not_asked(key, found, evaluator, options)) for key in unasked),
    ]


def _not_asked(key: str, found: Evaluation, evaluator: Evaluator, options: Namespace) -> str:
    """Why the question `key` is not asked: the answers that it depends on, as they are given."""
    answers = [
        label(other, evaluator.questionnaire, options, flag_text(found.context[other]))
        for other in evaluator.depends_on(key)
        if other in found.context
    ]
    return f"it is not asked with {', '.join(answers) or 'these answers'}"


def _unusable(
    problems: list[Problem],
    found: Evaluation,
    questionnaire: Questionnaire,
    options: Namespace,
    *,
    asks: bool,
) -> Usage:
    """Everything that is wrong and, where nobody can be asked, everything that is missing."""
    hint = f"See asyncscaffold {options.verb} --help."
    lines = []
    if problems:
        lines.append("These answers cannot be taken:")
        lines += [f"  {label(p.key, questionnaire, options)}: {p.message}" for p in problems]
    wrong = {problem.key for problem in problems}
    missing = [
        label(asked.key, questionnaire, options)
        for asked in found.missing
        if asked.key not in wrong
    ]
    if missing and not asks:
        lines.append(
            f"Answers are missing, and there is no terminal to ask on: {', '.join(missing)}"
        )
        lines += _stale(found)
        hint = f"Give them, or --defaults to take the defaults. {hint}"
    return Usage("\n".join(lines), hint)


def label(
    key: str, questionnaire: Questionnaire, options: Namespace, value: str | None = None
) -> str:
    """How the question `key` is answered on the command line: by a flag of its own, or by --set.

    With `value`, the whole of it.
    """
    if key in options.flag_keys:
        return "--" + key.replace("_", "-") + (f" {value}" if value else "")
    return f"--set {key}={value or 'VALUE'}" if key in questionnaire.questions else key
