"""The order of the questions, the way back, and what Enter takes: without any terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncscaffold import interview
from asyncscaffold.evaluation import Evaluation, Evaluator
from asyncscaffold.interview import Back, Prompt
from asyncscaffold.questions import Questionnaire

BACK = object()
ENTER = object()


class Person:
    """Answers from a script, and remembers every prompt; `ENTER` takes what is highlighted."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.prompts: list[Prompt] = []

    def __call__(self, prompt: Prompt) -> Any:
        self.prompts.append(prompt)
        answer = self.script.pop(0) if self.script else ENTER
        if answer is BACK:
            raise Back
        return prompt.default if answer is ENTER else answer

    @property
    def asked(self) -> list[str]:
        return [prompt.asked.key for prompt in self.prompts]


Run = Callable[..., Evaluation]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an interview over the questions given as a mapping."""

    def go(
        questions: Mapping[str, Any],
        person: Person,
        given: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Evaluation:
        (tmp_path / "copier.yml").write_text(yaml.safe_dump(questions, sort_keys=False))
        evaluator = Evaluator(Questionnaire.load(tmp_path))
        more.setdefault("announce", lambda asked, evaluation: None)
        return interview.run(evaluator, given or {}, pose=person, **more)

    return go


BRANCHING = {
    "store": {"type": "bool", "default": True},
    "engine": {"type": "str", "when": "{{ store }}", "default": "disk"},
    "title": {"type": "str", "default": "{{ 'with ' ~ engine if store else 'without' }}"},
}


def test_enter_everywhere_gives_the_defaults(run: Run) -> None:
    result = run(BRANCHING, person := Person())
    assert person.asked == ["store", "engine", "title"]
    assert result.answers == {"store": True, "engine": "disk", "title": "with disk"}


def test_what_is_given_is_not_asked(run: Run) -> None:
    result = run(BRANCHING, person := Person(), {"engine": "tape"})
    assert person.asked == ["store", "title"]
    assert result.answers["title"] == "with tape"


def test_a_previous_answer_that_still_fits_is_not_asked_and_back_passes_over_it(run: Run) -> None:
    person = Person(ENTER, BACK, False)
    run(BRANCHING, person, previous={"engine": "tape"})
    assert person.asked == ["store", "title", "store", "title"]


def test_back_goes_over_a_question_that_was_not_asked(run: Run) -> None:
    result = run(BRANCHING, person := Person(False, BACK, True, "tape", ENTER))
    assert person.asked == ["store", "title", "store", "engine", "title"]
    assert result.answers == {"store": True, "engine": "tape", "title": "with tape"}


def test_a_question_vanishes_when_an_earlier_answer_changes(run: Run) -> None:
    result = run(BRANCHING, person := Person(ENTER, "tape", BACK, BACK, False))
    assert person.asked == ["store", "engine", "title", "engine", "store", "title"]
    assert result.answers == {"store": False, "title": "without"}
    assert not result.unasked


def test_back_at_the_first_question_stays_there(run: Run) -> None:
    result = run(BRANCHING, person := Person(BACK, BACK))
    assert person.asked == ["store", "store", "store", "engine", "title"]
    assert result.answers["store"] is True


def test_an_answer_is_the_default_when_its_question_comes_again(run: Run) -> None:
    result = run(BRANCHING, person := Person(ENTER, "tape", BACK, BACK, False, BACK, True))
    assert [p.default for p in person.prompts if p.asked.key == "engine"] == [
        "disk", "tape", "tape",
    ]  # fmt: skip
    assert result.answers["engine"] == "tape"


def test_progress_counts_what_is_open(run: Run) -> None:
    run(BRANCHING, person := Person(False))
    assert [p.progress for p in person.prompts] == ["1 of 3", "2 of 2"]


def test_a_previous_answer_that_no_longer_fits_is_asked_and_says_why(run: Run) -> None:
    questions = {"level": {"type": "str", "choices": ["low", "high"], "default": "low"}}
    result = run(questions, person := Person(), previous={"level": "medium"})
    (prompt,) = person.prompts
    assert len(prompt.notes) == 1
    assert "'medium' no longer fits" in prompt.notes[0]
    assert "not one of low, high" in prompt.notes[0]
    assert result.answers == {"level": "low"}


def test_a_secret_stands_in_no_note_and_no_summary(run: Run) -> None:
    questions = {"pin": {"type": "int", "secret": True, "default": 0}}
    run(questions, person := Person(1), previous={"pin": "hunter2"})
    (prompt,) = person.prompts
    assert prompt.notes
    assert "hunter2" not in " ".join(prompt.notes)
    assert "hunter2" not in prompt.check("hunter2")
    assert interview.summary(prompt, "hunter2") == "  pin: (not shown)"


def test_a_check_sees_earlier_answers_and_not_the_defaults_of_later_questions(run: Run) -> None:
    questions = {
        "first": {"type": "str", "default": "a"},
        "second": {
            "type": "str",
            "default": "b",
            "validator": "{% if second in [first, third] %}taken{% endif %}",
        },
        "third": {"type": "str", "default": "c"},
    }
    run(questions, person := Person("x"))
    check = person.prompts[1].check
    assert (check("x"), check("c")) == ("taken", "")


def test_an_answer_that_the_whole_refuses_is_asked_again_with_the_reason(run: Run) -> None:
    questions = {
        "size": {"type": "int", "default": 1, "validator": "{% if size > 9 %}too big{% endif %}"},
        "other": {"type": "int", "default": 2},
    }
    result = run(questions, person := Person(10, ENTER, BACK, 5))
    assert person.asked == ["size", "size", "size", "size", "other"]
    assert person.prompts[1].notes == ("Not taken: too big",)
    assert person.prompts[1].default == 10
    assert result.problems == []


def test_the_verdict_can_be_announced_before_its_question(evaluator: Evaluator, root: Path) -> None:
    seen: dict[str, str] = {}
    interview.run(
        evaluator,
        {"project_name": "demo"},
        pose=Person("d", True, "io", "over_10k"),
        announce=lambda asked, evaluation: seen.update(
            {asked.key: evaluation.context.get("verdict", {}).get("runtime", "")}
        ),
        extra={"_folder_name": "demo", "_copier_conf": {"defaults": False, "dst_path": "demo"}},
    )
    assert seen["runtime"] == "tokio"


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"type": "str", "default": "plain"}, "plain"),
        ({"type": "str"}, ""),
        ({"type": "int", "default": 7}, "7"),
        ({"type": "float", "default": 0.5}, "0.5"),
        ({"type": "json", "default": '{"a": [1]}'}, '{"a": [1]}'),
        ({"type": "json", "default": "null"}, "null"),
        ({"type": "yaml", "default": "[a, b]"}, "[a, b]"),
        ({"type": "yaml", "default": "a: 1", "multiline": True}, "a: 1"),
        ({"type": "yaml", "default": "word"}, "word"),
        ({"type": "yaml", "default": None}, ""),
    ],
)
def test_a_default_is_shown_as_it_would_be_typed(
    run: Run, spec: dict[str, Any], shown: str
) -> None:
    run({"value": spec}, person := Person("1"))
    assert person.prompts[0].default == shown


def test_defaults_of_a_list_are_cast_and_disabled_ones_left_out(run: Run) -> None:
    questions = {
        "sizes": {
            "type": "int",
            "multiselect": True,
            "choices": {"one": 1, "two": 2, "three": {"value": 3, "validator": "sold out"}},
            "default": ["2", 3],
        }
    }
    run(questions, person := Person([]))
    assert [choice.value for choice in person.prompts[0].preset] == [2]


def test_control_characters_of_a_template_never_reach_the_screen() -> None:
    assert interview.clean("red \x1b[31mtext\x07\x9b") == "red [31mtext"
