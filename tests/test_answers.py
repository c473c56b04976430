"""What the command line says, gathered into answers; everything wrong or missing named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import Done, call, write

CONFIG = """\
name: {type: str, default: thing}
size: {type: int, default: 3}
shiny: {type: bool, default: false}
wax: {type: str, default: bees, when: "{{ shiny }}"}
parts: {type: str, multiselect: true, choices: [engine, wheels], default: []}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "template", {"copier.yml": CONFIG, "x": ""})


def dry(template: Path, *words: object) -> Done:
    """A dry run, for the answers it comes to."""
    path = template.parent / "svc"
    return call("new", path, "--template", template, "--dry-run", "--json", *words)


def usage(template: Path, *words: object) -> tuple[str, str]:
    done = dry(template, *words)
    assert done.exit == 2
    return done.error["message"], done.error["hint"]


def test_missing_answers_are_all_named_by_flag_of_the_shipped_template(template: Path) -> None:
    message, hint = usage(template, "--scale", "thousands")
    flags = "project-name description concurrent-io workload team-ready cancellation runtime"
    flags += " interfaces patterns observability delivery"
    assert message == (
        "Answers are missing, and there is no terminal to ask on: "
        + ", ".join(f"--{flag}" for flag in flags.split())
    )
    assert "--defaults" in hint


def test_missing_answers_of_another_template_are_named_by_set(small: Path) -> None:
    message, _ = usage(small)
    assert message.endswith(
        "to ask on: --set name=VALUE, --set size=VALUE, --set shiny=VALUE, --set parts=VALUE"
    )


def test_what_is_wrong_and_what_is_missing_are_said_together(small: Path) -> None:
    message, _ = usage(
        small, "--set", "size=x", "--set", "nmae=y", "--set", "parts=[motor]", "--set", "nonsense"
    )
    assert message.splitlines() == [
        "These answers cannot be taken:",
        "  nmae: no question is called 'nmae'; did you mean name?",
        "  --set: 'nonsense' is not KEY=VALUE",
        "  --set size=VALUE: 'x' is not a whole number",
        "  --set parts=VALUE: 'motor' is not one of engine, wheels",
        "Answers are missing, and there is no terminal to ask on: "
        "--set name=VALUE, --set shiny=VALUE",
    ]


def test_defaults_fill_in(small: Path) -> None:
    assert dry(small, "--defaults", "--set", "name=x").json["answers"] == {
        "name": "x", "size": 3, "shiny": False, "parts": [],
    }  # fmt: skip


def test_the_value_of_set_is_yaml(small: Path) -> None:
    sets = (
        "--set",
        "parts=[wheels]",
        "--set",
        "shiny=yes",
        "--set",
        "name='1'",
        "--set",
        "wax=a=b",
    )
    assert dry(small, "--defaults", *sets).json["answers"] == {
        "name": "1", "size": 3, "shiny": True, "wax": "a=b", "parts": ["wheels"],
    }  # fmt: skip
    message, _ = usage(small, "--defaults", "--set", "name=[", "--set", "size=2020-13-45")
    assert "--set name=VALUE: '[' is no YAML value; quote it" in message
    assert "--set size=VALUE: '2020-13-45' is no YAML value" in message


@pytest.mark.parametrize("text", ["no", "1.10", "007", "1:30", "0x1F", "null", "~", ""])
def test_a_plain_word_of_set_is_text_where_text_is_asked(tmp_path: Path, text: str) -> None:
    config = f"""a: {{type: str, default: x}}
b: {{type: path, default: x}}
c: {{type: str, multiselect: true, choices: ['{text}', x], default: [x]}}
"""
    template = write(tmp_path / "template", {"copier.yml": config, "x": ""})
    item = text or "''"
    sets = "--set", f"a={text}", "--set", f"b={text}", "--set", f"c=[{item}]"
    answers = dry(template, "--defaults", *sets).json["answers"]
    assert answers == {"a": text, "b": text, "c": [text]}


def test_flag_and_set_that_disagree_are_refused(template: Path, small: Path) -> None:
    agree = ("--scale", "thousands", "--set", "scale=thousands", "--interfaces", "http,http")
    words = ("--template", template, "--defaults", "--json")
    assert call("decide", *words, *agree[:4]).exit == 0
    done = call("decide", *words, "--scale", "over_10k", "--set", "scale=thousands")
    assert done.exit == 2
    assert "--scale: given twice, as 'over_10k' and as 'thousands'" in done.error["message"]
    assert call("decide", *words, "--team-ready", "yes", "--set", "team_ready=true").exit == 0
    assert "given twice" in usage(small, "--defaults", "--set", "size=1", "--set", "size=2")[0]
    order = ("--set", "parts=[engine, wheels]", "--set", "parts=[wheels, engine]")
    assert dry(small, "--defaults", *order).exit == 0


def test_an_answer_to_a_question_not_asked_is_refused(small: Path) -> None:
    message, _ = usage(small, "--defaults", "--set", "wax=bee")
    assert message.splitlines()[1] == "  --set wax=VALUE: it is not asked with --set shiny=false"
    assert dry(small, "--defaults", "--set", "wax=bee", "--set", "shiny=true").exit == 0


def test_a_flag_of_the_shipped_template_is_unknown_to_another(small: Path) -> None:
    message, _ = usage(small, "--defaults", "--scale", "thousands", "--project-name", "x")
    assert "--scale: no question is called 'scale'" in message
    assert "--project-name: no question is called 'project_name'" in message


def test_answers_come_from_a_file_and_lose_to_set(small: Path, tmp_path: Path) -> None:
    write(tmp_path, {"answers.yml": "name: filed\nsize: 8\n"})
    words = ("--answers", tmp_path / "answers.yml", "--defaults", "--set", "size=9")
    answers = dry(small, *words).json["answers"]
    assert (answers["name"], answers["size"]) == ("filed", 9)


def test_a_file_by_hand_must_fit_and_copiers_own_may_be_older(small: Path, tmp_path: Path) -> None:
    filed = "name: filed\nwax: bee\ndropped: 1\n_internal: 2\n"
    write(tmp_path, {"hand.yml": filed, "old.yml": f"_src_path: x\n_commit: v1\n{filed}"})
    message, _ = usage(small, "--answers", tmp_path / "hand.yml", "--defaults")
    assert "dropped: no question is called 'dropped' (in " in message
    assert "wax=VALUE: it is not asked" in message
    done = dry(small, "--answers", tmp_path / "old.yml", "--defaults")
    assert done.json["answers"]["name"] == "filed"
    write(tmp_path, {"old.yml": "_src_path: x\nsize: big\n"})
    assert (
        "'big' is not a whole" in usage(small, "--answers", tmp_path / "old.yml", "--defaults")[0]
    )


def test_an_answers_file_that_cannot_be_read_is_a_usage_error(small: Path, tmp_path: Path) -> None:
    write(tmp_path, {"list.yml": "[a]", "empty.yml": ""})
    (tmp_path / "binary.yml").write_bytes(b"\x00\xff")
    for name in ("list.yml", "binary.yml", "gone.yml", "."):
        message, _ = usage(small, "--answers", tmp_path / name, "--defaults")
        assert f"The answers file {tmp_path / name} cannot be read" in message
    assert dry(small, "--answers", tmp_path / "empty.yml", "--defaults").exit == 0
