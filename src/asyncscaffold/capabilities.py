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
            why = (
                f"more than one question has it ({', '.join(keys)}): use --set"
                if keys
                else f"no such capability{nearest(capability, known)}"
            )
            given.wrong(capability, why)
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
