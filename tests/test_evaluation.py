"""Answers checked against questions: what Copier takes is taken, and comes to the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asyncscaffold.errors import Refused
from asyncscaffold.evaluation import Evaluation, Evaluator
from asyncscaffold.questions import Questionnaire
from asyncscaffold.values import CASTS, cast, load_yaml, truth, uncast
from tests.helpers import write

ANSWERS = {"{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}


def evaluate(root: Path, config: str, answers: dict[str, Any], **more: Any) -> Evaluation:
    write(root, {"copier.yml": config})
    return Evaluator(Questionnaire.load(root)).evaluate(answers, **more)


def said(root: Path, config: str, answers: dict[str, Any], **more: Any) -> dict[str, str]:
    found = evaluate(root, config, answers, **more)
    return {problem.key: problem.message for problem in found.problems}


SEMANTICS: dict[str, tuple[str, dict[str, Any]]] = {
    "types": (
        """\
a: {type: int, default: 1}
b: {type: float, default: 2}
c: {type: bool}
d: {type: yaml, default: '[1, x, 2020-01-02]'}
e: {type: json, default: '{"k": null}'}
""",
        {"c": "yes", "a": "7"},
    ),
    "inferred types": ("a: 1\nb: true\nc: 1.5\nd: [x]\ne: {k: v}\nf: text\n", {"e": {"a": 1}}),
    "templated defaults": (
        """\
a: x
b: '{{ a }}{{ a | upper }}'
c: {type: int, default: '{{ 2 + 3 }}'}
d: {type: bool, default: '{{ "anything" }}'}
e: {type: bool, default: '{{ 0 }}'}
""",
        {},
    ),
    "forward reference": ("a: {type: str, default: '{{ b }}'}\nb: x\n", {"b": "given"}),
    "conditions": (
        """\
a: text
b: {type: str, default: b, when: '{{ a }}'}
c: {type: str, default: c, when: ''}
d: {type: str, default: d, when: '0'}
e: {type: str, default: e, when: '~'}
f: {type: str, default: f, when: '2'}
""",
        {},
    ),
    "computed": (
        """\
a: {type: int, default: 2}
b: {type: int, when: false, default: '{{ a * 2 }}'}
c: {type: str, default: '{{ b }}'}
d: {type: str, when: false}
e: '{{ d | default("none") }}'
""",
        {"a": 5},
    ),
    "never asked": (
        """\
a: {type: str, default: x, ask: false}
b: {type: str, ask: false}
c: '{{ a }}'
d: {type: str, default: x, ask: false}
""",
        {"d": "given"},
    ),
    "choices": (
        """\
a: {type: str, choices: {One: 1, Two: two}, default: two}
b: {type: int, choices: [[x, 1], [y, 2]], default: 2}
c: {type: yaml, choices: {List: '[1]', Null: null}, default: '[1]'}
d: {type: str, choices: '{{ "[p, q]" }}', default: q}
e: {type: str, choices: ['{{ d }}', z], default: q}
""",
        {"a": "1"},
    ),
    "choices that are closed": (
        """\
ok: false
a:
  type: str
  default: y
  choices: {X: {value: x, validator: "{% if not ok %}closed{% endif %}"}, Y: y}
b:
  type: str
  default: x
  choices: {X: {value: x, validator: closed}, XX: x}
""",
        {},
    ),
    "multiselect": (
        """\
a: {type: str, multiselect: true, choices: [p, q, r], default: [r, p]}
b: {type: int, multiselect: true, choices: [1, 2, 3], default: '[3, 1]'}
""",
        {"a": ["q", "p"]},
    ),
    "templated type": ("k: int\na: {type: '{{ k }}', default: '4'}\n", {}),
    "validator": (
        "a: {type: int, default: 4, validator: '{% if a > 9 %}too big{% endif %}'}\n",
        {"a": 9},
    ),
    "globals and filters": (
        """a: "{{ pathjoin('x', 'y') }}{{ 'A b' | regex_replace('b', 'c') }}"\n""",
        {},
    ),
    "external data": (
        """\
_external_data: {parent: gone.yml}
a: "{{ _external_data.parent.x | default('none') }}"
""",
        {},
    ),
    "what is recorded so far": (
        """\
a: x
b: {type: str, when: false, default: y}
c: "{{ _copier_answers.a }} {{ _copier_answers.b | default('-') }}"
""",
        {},
    ),
    "strict": ('_envops: {undefined: jinja2.StrictUndefined}\na: "{{ b is defined }}"\n', {}),
    "own delimiters": (
        """\
_envops: {variable_start_string: '[[', variable_end_string: ']]'}
a: x
b: '[[ a ]]{{'
""",
        {},
    ),
}


@pytest.mark.parametrize("case", SEMANTICS)
def test_it_comes_to_what_copier_comes_to(tmp_path: Path, case: str) -> None:
    config, answers = SEMANTICS[case]
    found = evaluate(tmp_path / "template", config, answers, defaults=True)
    assert not found.problems
    questions = Questionnaire.load(tmp_path / "template").questions
    shown = ", ".join(f"{key} | default('MISSING')" for key in questions)
    write(tmp_path / "template", {**ANSWERS, "all.jinja": f"{{{{ [{shown}] | to_nice_yaml }}}}"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data, name in ((answers, "asked"), (found.answers, "told")):
            copier.run_copy(
                str(tmp_path / "template"), tmp_path / name, data=data, defaults=True, quiet=True
            )
    if "_envops" not in config:
        assert (tmp_path / "asked/all").read_text() == (tmp_path / "told/all").read_text()
        recorded = yaml.safe_load((tmp_path / "asked/.copier-answers.yml").read_text())
        del recorded["_src_path"]
        assert found.answers == recorded


@pytest.mark.parametrize(
    ("config", "answers", "problems"),
    [
        ("a: {type: int}", {"a": "x"}, {"a": "'x' is not a whole number"}),
        ("a: {type: int}", {"a": 1.5}, {"a": "1.5 is not a whole number"}),
        ("a: {type: int}", {"a": True}, {"a": "True is not a whole number"}),
        ("a: {type: int}", {"a": float("inf")}, {"a": "inf is not a whole number"}),
        ("a: {type: float}", {"a": float("nan")}, {"a": "nan is not a number"}),
        ("a: {type: bool}", {"a": "maybe"}, {"a": "'maybe' is not true or false"}),
        ("a: {type: str}", {"a": None}, {"a": "an answer of type str is needed, not null"}),
        ("a: {type: str}", {"a": [1]}, {"a": "[1] is not text"}),
        ("a: {type: str, choices: [red, green]}", {"a": "gren"},
         {"a": "'gren' is not one of red, green; did you mean green?"}),
        ("a: {type: str, multiselect: true, choices: [x]}", {"a": {"x": 1}},
         {"a": "{'x': 1} is not a list: write [a, b]"}),
        ("a: {type: str, multiselect: true, choices: [xx, yy]}", {"a": ["q", "z"]},
         {"a": "'q' is not one of xx, yy; 'z' is not one of xx, yy"}),
        ("a: {type: str, choices: {X: {value: x, validator: not yet}}}", {"a": "x"},
         {"a": "x: not yet"}),
        ("a: {type: str, validator: '{{ a.no.such }}'}", {"a": "x"},
         {"a": "The template does not evaluate: question a: 'str object' has no attribute 'no'"}),
        ("a: {type: str, validator: '{% if a %} no {% endif %}'}\nb: {type: int}",
         {"a": "x", "b": "y"}, {"a": "no", "b": "'y' is not a whole number"}),
    ],
)  # fmt: skip
def test_everything_wrong_is_named_at_once(
    tmp_path: Path, config: str, answers: dict[str, Any], problems: dict[str, str]
) -> None:
    assert said(tmp_path, config, answers) == problems


def test_a_question_without_default_needs_an_answer(tmp_path: Path) -> None:
    config = (
        "a: {type: str}\nb: {type: str, default: '{{ UNSET }}'}\n"
        "c: {type: str, default: '{{ a.b.c }}'}\n"
    )
    found = evaluate(tmp_path, config, {})
    assert [asked.key for asked in found.missing] == ["a", "b"]
    assert said(tmp_path, config, {}, defaults=True) == {
        "a": "it has no default: an answer is needed",
        "b": "it has no default: an answer is needed",
    }


def test_a_default_that_is_text_is_read_once(tmp_path: Path) -> None:
    config = """a: {type: yaml, default: '"b: c"'}\nd: {type: json, default: '"text"'}\n"""
    found = evaluate(tmp_path, config, {}, defaults=True)
    assert (found.answers, found.problems) == ({"a": "b: c", "d": "text"}, [])


def test_no_secret_is_among_what_is_recorded_so_far(tmp_path: Path) -> None:
    config = "s: {type: str, secret: true, default: z}\nb: \"{{ 's' in _copier_answers }}\"\n"
    assert evaluate(tmp_path, config, {}, defaults=True).answers["b"] == "False"


def test_an_answer_to_a_question_not_asked_is_listed(tmp_path: Path) -> None:
    config = "a: false\nb: {type: str, when: '{{ a }}', default: d}\nc: '{{ b }}'\n"
    found = evaluate(tmp_path, config, {"b": "x"}, defaults=True)
    assert found.unasked == ["b"]
    assert found.answers["c"] == "d"


def test_a_previous_answer_that_no_longer_fits_is_asked_again(tmp_path: Path) -> None:
    config = "a: {type: str, choices: [x, y]}\nb: 1\nc: {type: str, ask: false, default: z}\n"
    found = evaluate(tmp_path, config, {}, previous={"a": "gone", "b": 2, "c": "kept"})
    assert [problem.key for problem in found.stale] == ["a"]
    assert [asked.key for asked in found.missing] == ["a"]
    assert (found.answers["b"], found.answers["c"]) == (2, "kept")


def test_a_template_that_does_not_evaluate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="question b: 'a' is undefined"):
        evaluate(tmp_path, "b: '{{ a.x }}'\n", {})


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def refusal(work: Callable[[], object]) -> str | None:
    """What the `ValueError` says that `work` raises, if it does."""
    try:
        work()
    except ValueError as error:
        return str(error)
    return None


@example(name="yaml", value="\N{LINEAR B SYLLABLE B008 A}\x7f\n")
@given(name=st.sampled_from(sorted(CASTS)), value=VALUES)
def test_a_cast_gives_a_value_that_casts_to_itself_or_says_why_not(name: str, value: Any) -> None:
    why = refusal(lambda: cast(name, value))
    assert why != ""
    if why is None:
        once = cast(name, value)
        assert repr(cast(name, uncast(name, once))) == repr(once)


@settings(deadline=None)
@given(
    st.text(max_size=20)
    | st.sampled_from(["2020-13-45", "!!bool x", "!!timestamp x", "0b", "[" * 500])
)
def test_yaml_is_read_or_refused_in_words(text: str) -> None:
    why = refusal(lambda: load_yaml(text))
    assert why is None or (why and "\n" not in why)


@given(VALUES)
def test_truth_is_copiers(value: Any) -> None:
    from copier._tools import cast_to_bool

    assert truth(value) == cast_to_bool(value)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(answers=st.dictionaries(st.sampled_from("abcdef"), VALUES, max_size=6))
def test_no_answer_breaks_the_evaluation(tmp_path: Path, answers: dict[str, Any]) -> None:
    config = (
        "a: {type: int}\nb: {type: bool, when: '{{ a > 3 }}'}\nc: {type: str, choices: [x, y]}\n"
        "d: {type: str, multiselect: true, choices: [p, q]}\n"
        "e: {type: yaml, validator: '{{ e.x }}'}\n"
        "f: {type: float, default: '{{ a + 1 }}'}\n"
    )
    found = evaluate(tmp_path, config, answers)
    assert len(found.problems) + len(found.missing) + len(found.answers) > 0
