"""copier.yml as typed questions, and answers files, as Copier reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncscaffold.errors import Usage
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.questions import Questionnaire, load_answers, load_config
from tests.helpers import write


def test_documents_and_includes_are_merged_as_copier_merges_them(tmp_path: Path) -> None:
    from copier._template import load_template_config

    write(
        tmp_path,
        {
            "copier.yml": "a: 1\n_exclude: [x]\n_tasks: [one]\n"
            "d: {choices: !include shared/c.yml}\n"
            "---\n!include shared/*.yaml\n---\nb: 2\n_exclude: [y]\n_tasks: [two]\na: 3\n",
            "shared/one.yaml": "c: 4\n_skip_if_exists: [s]\n",
            "shared/c.yml": "[p, q]\n",
        },
    )
    ours, theirs = load_config(tmp_path), load_template_config(tmp_path / "copier.yml")
    assert ours == theirs
    assert [key for key in ours if key in "abcd"] == [key for key in theirs if key in "abcd"]


def test_a_question_knows_its_flag_type_and_metavar(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "copier.yml": "two_words: x\nflag: {type: bool}\nn: 3\npick: {type: str, choices:"
            " {A: a, B: {value: b}}}\nmany: {type: str, multiselect: true, choices: [c, d]}\n"
            "data: {default: [1]}\nhidden: {type: int, when: false, default: 1}\nnone:\n"
            "secret: {type: str, secret: true}\n",
        },
    )
    questionnaire = Questionnaire.load(tmp_path)
    shown = {q.key: (q.flag, q.type, q.metavar) for q in questionnaire.asked}
    assert shown == {
        "two_words": ("--two-words", "str", "TEXT"),
        "flag": ("--flag", "bool", "true|false"),
        "n": ("--n", "int", "INT"),
        "pick": ("--pick", "str", "a|b"),
        "many": ("--many", "str", "c,d"),
        "data": ("--data", "yaml", "YAML"),
        "none": ("--none", "yaml", "YAML"),
        "secret": ("--secret", "str", "TEXT"),
    }
    assert questionnaire.questions["hidden"].computed
    assert questionnaire.questions["secret"].secret


def test_flags_take_booleans_and_lists(questionnaire: Questionnaire) -> None:
    assert [questionnaire.parse("team_ready", text) for text in ("true", "NO", "yes", "False")] == [
        True, False, True, False,
    ]  # fmt: skip
    for text in ("1", "on", "", "maybe"):
        with pytest.raises(ValueError, match="not one of true, false, yes, no"):
            questionnaire.parse("team_ready", text)
    assert questionnaire.parse("interfaces", " http, grpc,") == ["http", "grpc"]
    assert questionnaire.parse("interfaces", "") == []
    assert questionnaire.parse("description", "a, b") == "a, b"


def test_an_unknown_key_is_named_with_the_nearest(questionnaire: Questionnaire) -> None:
    assert questionnaire.unknown("interface") == (
        "no question is called 'interface'; did you mean interfaces?"
    )
    assert questionnaire.unknown("verdict").startswith("no question is called 'verdict'")
    assert questionnaire.unknown("runtime") == ""


def test_no_value_of_a_list_question_holds_a_comma(questionnaire: Questionnaire) -> None:
    for question in questionnaire.asked:
        if question.multiselect:
            choices = Evaluator(questionnaire).choices(question, {})
            assert len(choices) == 3
            assert not [choice for choice in choices if "," in choice.value]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00binary", "cannot be read"),
        (b"- a\n- b\n", "no `key: value` lines"),
        (b"just text", "no `key: value` lines"),
        (b"a: [", "cannot be read"),
        (b"a: !!python/object:os.system x", "cannot be read"),
        (b"a: 2020-13-45", "cannot be read"),
        (None, "No such file or directory"),
    ],
)
def test_an_answers_file_that_is_broken_is_a_usage_error(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "answers.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Usage) as raised:
        load_answers(path)
    assert said in raised.value.message
    assert str(path) in raised.value.message
    with pytest.raises(Usage, match="Is a directory"):
        load_answers(tmp_path)


def test_an_empty_answers_file_answers_nothing(tmp_path: Path) -> None:
    (tmp_path / "answers.yml").write_text("# nothing\n")
    assert load_answers(tmp_path / "answers.yml") == {}
