"""Capabilities by name: a yes/no question, or a value of a multiselect, whatever the template."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from asyncscaffold.answers import Given
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.values import nearest


def switch(
    evaluator: Evaluator, answers: Mapping[str, Any], options: Namespace, given: Given
) -> str:
    """Turn `add`'s and `remove`'s capabilities into answers; says so where nothing changes."""
    if options.verb not in ("add", "remove"):
        return ""
    questionnaire, on = evaluator.questionnaire, options.verb == "add"
    changed = False
    known: dict[str, list[str]] = {}
    for question in questionnaire.asked:
        if question.type == "bool":
            known.setdefault(question.key, []).append(question.key)
        if question.multiselect:
            for choice in evaluator.choices(question, dict(answers)):
                known.setdefault(str(choice.value), []).append(question.key)
    for capability in options.capabilities:
        keys = known.get(capability, [])
        if len(keys) != 1:
            why = f"there is none of that name{nearest(capability, known)}"
            if keys:
                why = f"more than one question has it ({', '.join(keys)}): use --set"
            elif answer := _another_answer(evaluator, answers, capability):
                why = f"that is another kind of answer: update --set {answer}"
            given.wrong(f"capability {capability}", why)
            continue
        key = keys[0]
        now = given.values.get(
            key, answers.get(key, questionnaire.questions[key].spec.get("default"))
        )
        if questionnaire.questions[key].multiselect:
            held = list(now) if isinstance(now, list) else []
            then: Any = [v for v in held if str(v) != capability] + ([capability] if on else [])
            changed |= (capability in map(str, held)) != on
        else:
            then = on
            changed |= now is not on
        given.values[key] = then
    there = "is there already" if on else "is not there"
    return "" if changed else f"Nothing to do: {', '.join(options.capabilities)} {there}."


def _another_answer(evaluator: Evaluator, answers: Mapping[str, Any], name: str) -> str:
    """KEY=VALUE of the first question that takes `name` for its one answer, or ""."""
    for question in evaluator.questionnaire.asked:
        if any(str(choice.value) == name for choice in evaluator.choices(question, dict(answers))):
            return f"{question.key}={name}"
    return ""
