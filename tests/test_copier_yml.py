"""The registry: its checks against cargo's own, and our reading of it against Copier's."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asyncscaffold.evaluation import Asked, Evaluation, Evaluator
from asyncscaffold.questions import Questionnaire

Answers = dict[str, Any]
Evaluate = Callable[[Answers], Evaluation]

CAPABILITIES = ("interfaces", "patterns", "observability", "delivery")
LISTED = {
    "interfaces": ["http", "grpc", "tcp"],
    "patterns": ["actor", "compute", "outbound"],
    "observability": ["otel", "metrics", "console"],
    "delivery": ["docker", "kubernetes", "ci"],
}


@pytest.fixture(scope="session")
def evaluate(evaluator: Evaluator) -> Evaluate:
    """The answers of a run with `--defaults` in a folder called `somewhere`."""
    extra = {"_folder_name": "somewhere", "_copier_conf": {"defaults": True}}
    return lambda answers: evaluator.evaluate(answers, defaults=True, extra=extra)


@pytest.fixture(scope="session")
def asked(evaluator: Evaluator) -> dict[str, Asked]:
    """Every question as it stands to a person who has answered none."""
    evaluation = evaluator.evaluate(
        {}, extra={"_folder_name": "x", "_copier_conf": {"defaults": True}}
    )
    return {question.key: question for question in evaluation.missing}


def refusal(evaluation: Evaluation, key: str) -> str:
    """What is said against the answer to `key`, or nothing; nothing may be said of others."""
    assert {problem.key for problem in evaluation.problems} <= {key}
    return " ".join(problem.message for problem in evaluation.problems)


# Crate names

ODD_NAMES = [
    *["a", "A", "_", "__", "_a", "a-", "a--b", "a_b", "a-b", "MyApp", "x86", "r", "x" * 64],
    *["service", "domain", "core", "std", "alloc", "tokio", "proc-macro", "proc_macro", "main"],
    *["con", "nul", "NUL", "com1", "lpt9", "aux", "Test", "test_", "tests", "testing"],
    *["-", "-a", "--help", "1", "1a", "9-lives", "a.b", ".", "..", ".a", "a/b", "/a", "a\\b"],
    *["a b", " a", "a ", "a\t", "a\n", "\n", "a:b", "a@1", "a+b", "a~", "a'b", 'a"b', "a`b"],
    *["{{ a }}", "{= a =}", "//{% raw %}", "a#b", "a%", "$HOME", "*", "?", "!", "[a]", "(a)"],
    *["test", "build", "deps", "examples", "incremental", "Build", "benches", "bin", "src"],
    *["Self", "self", "super", "crate", "fn", "as", "async", "await", "dyn", "gen", "try"],
    *["abstract", "become", "box", "do", "final", "macro", "override", "priv", "typeof"],
    *["unsized", "virtual", "yield", "union", "static", "auto", "raw", "safe", "macro_rules"],
    *["true", "false", "null", "yes", "no", "on", "off", "nan", "inf", "_1", "None", "e1"],
]


@pytest.fixture(scope="session")
def cargo_takes(cargo: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bool]:
    """Whether `cargo new --name NAME` takes a name."""
    place = tmp_path_factory.mktemp("cargo-new")

    def takes(name: str) -> bool:
        done = subprocess.run(
            [cargo, "new", "--quiet", "--vcs=none", f"--name={name}", "project"],
            cwd=place,
            capture_output=True,
        )
        shutil.rmtree(place / "project", ignore_errors=True)
        return done.returncode == 0

    return takes


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_crate_name_is_taken_when_cargo_takes_it(
    evaluate: Evaluate, cargo_takes: Callable[[str], bool], name: str
) -> None:
    said = refusal(evaluate({"project_name": name}), "project_name")
    assert (said == "") == cargo_takes(name), said


NAME_LIKE = string.ascii_letters + string.digits + "-_"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.text(NAME_LIKE, max_size=64)
    | st.text([chr(code) for code in range(1, 128)], max_size=12)
    | st.from_regex(r"[a-z_][a-z0-9_-]{0,10}", fullmatch=True)
)
@example("")
def test_any_ascii_crate_name_is_taken_when_cargo_takes_it(
    evaluate: Evaluate, cargo_takes: Callable[[str], bool], name: str
) -> None:
    said = refusal(evaluate({"project_name": name}), "project_name")
    assert (said == "") == cargo_takes(name), said


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=12).filter(lambda name: not name.isascii() or "\0" in name))
@example("é")
@example("naïve")
@example("一")  # cargo takes this one; the contract says ASCII
@example("a\0")
def test_a_name_with_anything_but_printable_ascii_is_refused(evaluate: Evaluate, name: str) -> None:
    assert refusal(evaluate({"project_name": name}), "project_name")


def test_the_length_limit_of_64_is_our_own_and_is_stated(evaluate: Evaluate) -> None:
    assert not refusal(evaluate({"project_name": "x" * 64}), "project_name")
    said = refusal(evaluate({"project_name": "x" * 65}), "project_name")
    assert "at most 64 characters" in said
    assert "65" in said


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "cannot be empty"),
        ("../a", "no path"),
        ("a\\b", "no path"),
        ("9lives", "start with a digit"),
        ("-a", "starts with a letter"),
        ("a b", "only ASCII letters"),
        ("a\n", "only ASCII letters"),
        ("async", '"async" is a Rust keyword'),
        ("test", "built-in test library"),
        ("deps", "directory that cargo builds in"),
    ],
)
def test_a_refused_name_is_told_why(evaluate: Evaluate, name: str, reason: str) -> None:
    assert reason in refusal(evaluate({"project_name": name}), "project_name")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my-app", "my-app"), ("1st", "my-service"), ("test", "my-service"), ("a b", "my-service")],
)
def test_the_folder_gives_the_default_name_where_it_is_a_valid_one(
    evaluator: Evaluator, folder: str, name: str
) -> None:
    extra = {"_folder_name": folder, "_copier_conf": {"defaults": True}}
    evaluation = evaluator.evaluate({}, defaults=True, extra=extra)
    assert evaluation.answers["project_name"] == name


# The description


@pytest.mark.parametrize(
    "description",
    ["", "Keeps keys", 'It\'s "quoted" \\ {= 1 =} {{ 2 }}', "Schlüssel — 鍵 🔑", "#% if"],
)
def test_any_line_of_text_is_a_description(evaluate: Evaluate, description: str) -> None:
    evaluation = evaluate({"description": description})
    assert not evaluation.problems
    assert evaluation.answers["description"] == description


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_a_description_with_a_control_character_is_refused(evaluate: Evaluate, code: int) -> None:
    for text in (chr(code), f"a{chr(code)}b", f"a{chr(code)}"):
        assert "one line of text" in refusal(evaluate({"description": text}), "description")


# The questions as people read them


def test_the_questions_are_those_of_the_contract_in_its_order(
    questionnaire: Questionnaire,
) -> None:
    assert [question.key for question in questionnaire.asked] == [
        *["project_name", "description"],
        *["concurrent_io", "workload", "scale", "team_ready", "cancellation"],
        *["runtime", *CAPABILITIES],
    ]


def test_the_values_are_those_of_the_contract(asked: dict[str, Asked]) -> None:
    values = {key: [c.value for c in question.choices] for key, question in asked.items()}
    assert {key: found for key, found in values.items() if found} == {
        "workload": ["io", "cpu", "both"],
        "scale": ["under_500", "thousands", "over_10k"],
        "cancellation": ["known", "unsure"],
        "runtime": ["tokio", "threads", "rayon", "blocking"],
        **LISTED,
    }


def test_a_capability_has_one_id_over_all_lists(asked: dict[str, Asked]) -> None:
    ids = [choice.value for key in CAPABILITIES for choice in asked[key].choices]
    assert len(set(ids)) == len(ids)


def test_every_question_has_a_help_text_that_a_person_can_read(asked: dict[str, Asked]) -> None:
    for key, question in asked.items():
        assert 20 <= len(question.help) <= 400, key
        assert question.help[-1] in "?.)", key
        assert "{=" not in question.help, key


def test_the_five_questions_say_what_they_mean_and_where_they_stand(
    asked: dict[str, Asked],
) -> None:
    five = ["concurrent_io", "workload", "scale", "team_ready", "cancellation"]
    for number, key in enumerate(five, start=1):
        question, _, explanation = asked[key].help.partition("? ")
        assert question.startswith(f"{number}/5 ")
        assert len(explanation) > 60, key


def test_every_choice_says_more_than_its_value(asked: dict[str, Asked]) -> None:
    for question in asked.values():
        for choice in question.choices:
            assert len(choice.label) > len(str(choice.value)) + 10, choice.value


def test_the_runtime_question_shows_the_verdict_and_the_deciding_reason(
    evaluate: Evaluate, evaluator: Evaluator
) -> None:
    evaluation = evaluator.evaluate(
        {"concurrent_io": True, "workload": "io", "scale": "over_10k", "team_ready": True},
        extra={"_folder_name": "x", "_copier_conf": {"defaults": False}},
    )
    runtime = next(question for question in evaluation.missing if question.key == "runtime")
    verdict = evaluation.computed["verdict"]
    assert f"The verdict is {verdict['runtime']}: {verdict['reasons'][0]}" in runtime.help


# What is not built yet


def later(asked: dict[str, Asked]) -> list[tuple[str, str]]:
    return [(key, c.value) for key, q in asked.items() for c in q.choices if c.disabled]


def test_a_value_that_is_not_built_yet_is_refused_and_says_so(
    asked: dict[str, Asked], evaluate: Evaluate
) -> None:
    for key, value in later(asked):
        answer = [value] if key in CAPABILITIES else value
        said = refusal(evaluate({key: answer}), key)
        assert said.startswith(f"{value}: not built yet"), said


def test_every_value_that_is_not_built_yet_is_named_beside_those_that_are(
    asked: dict[str, Asked], evaluate: Evaluate
) -> None:
    for key in CAPABILITIES:
        values = [choice.value for choice in asked[key].choices]
        said = refusal(evaluate({key: values}), key)
        for choice in asked[key].choices:
            assert bool(choice.disabled) == (f"{choice.value}: not built yet" in said)


def test_a_value_that_is_built_is_recorded(asked: dict[str, Asked], evaluate: Evaluate) -> None:
    for key in ("runtime", *CAPABILITIES):
        for choice in asked[key].choices:
            if not choice.disabled:
                answer = [choice.value] if key in CAPABILITIES else choice.value
                evaluation = evaluate({key: answer})
                assert not evaluation.problems
                assert evaluation.answers[key] == answer


# What a runtime can have


@pytest.mark.parametrize(
    ("answers", "runtime", "defaults"),
    [
        ({}, "tokio", (["http"], ["actor"])),
        ({"scale": "under_500"}, "threads", (["tcp"], ["actor"])),
        ({"concurrent_io": False, "workload": "cpu"}, "rayon", (None, None)),
        ({"concurrent_io": False}, "blocking", (None, None)),
    ],
)
def test_the_verdict_is_the_default_and_gives_the_defaults_of_what_follows(
    evaluate: Evaluate, answers: Answers, runtime: str, defaults: tuple[Any, Any]
) -> None:
    evaluation = evaluate(answers)
    assert not evaluation.problems
    assert evaluation.answers["runtime"] == evaluation.computed["verdict"]["runtime"] == runtime
    found = evaluation.answers
    assert (found.get("interfaces"), found.get("patterns")) == defaults
    assert found.get("observability") == (None if defaults[0] is None else [])


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("interfaces", "http", "no blocking HTTP server"),
        ("interfaces", "grpc", "tonic, the gRPC library, has no blocking server"),
        ("patterns", "compute", "computes in place"),
        ("patterns", "outbound", "reqwest, needs tokio"),
        ("observability", "otel", "its exporters need tokio"),
        ("observability", "console", "the tasks of tokio"),
    ],
)
def test_what_threads_cannot_have_is_refused_with_the_reason(
    evaluate: Evaluate, key: str, value: str, reason: str
) -> None:
    said = refusal(evaluate({"runtime": "threads", key: [value]}), key)
    assert said.startswith(f"{value}: ")
    assert reason in said
    if key == "interfaces":
        assert "--runtime tokio" in said
        assert "--interfaces tcp" in said


def test_threads_have_tcp_an_actor_and_metrics_or_none_of_them(evaluate: Evaluate) -> None:
    values = {"interfaces": "tcp", "patterns": "actor", "observability": "metrics"}
    assert not evaluate({"runtime": "threads", **{k: [v] for k, v in values.items()}}).problems
    assert not evaluate({"runtime": "threads", **{key: [] for key in values}}).problems


@pytest.mark.parametrize("runtime", ["rayon", "blocking"])
def test_a_batch_is_asked_for_nothing_that_serves_and_has_nothing_of_it(
    evaluate: Evaluate, runtime: str
) -> None:
    given = {key: LISTED[key] for key in ("interfaces", "patterns", "observability")}
    evaluation = evaluate({"runtime": runtime, **given})
    assert evaluation.unasked == list(given)
    named = [value for values in given.values() for value in values]
    assert not any(evaluation.computed[name] for name in named)


# Our evaluation and Copier's own


@pytest.fixture(scope="session")
def ask_copier(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Answers], tuple[Answers, str]]:
    """What Copier records for the answers with `--defaults`, or what it says against them.

    It renders the answers file alone, so that many runs take little time.
    """
    template = tmp_path_factory.mktemp("questions-only")
    shutil.copy(root / "copier.yml", template)
    shutil.copytree(root / "includes", template / "includes")
    answers_file = "{= _copier_conf.answers_file =}"
    (template / "template").mkdir()
    shutil.copy(root / "template" / answers_file, template / "template" / answers_file)
    place = tmp_path_factory.mktemp("somewhere") / "somewhere"

    def ask(answers: Answers) -> tuple[Answers, str]:
        shutil.rmtree(place, ignore_errors=True)
        try:
            copier.run_copy(str(template), place, data=answers, defaults=True, quiet=True)
        except (ValueError, TypeError, copier.errors.CopierError) as error:
            return {}, str(error) or type(error).__name__
        recorded = yaml.safe_load((place / ".copier-answers.yml").read_text("utf-8"))
        return {key: value for key, value in recorded.items() if key[0] != "_"}, ""

    return ask


def some_of(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=4)


ANY_ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "project_name": st.sampled_from(ODD_NAMES),
        "description": st.sampled_from(["", "Keeps keys", "a\nb", "{= 1 =}", "'\"", "yes", "1"]),
        "concurrent_io": st.sampled_from([True, False, "yes", "no", "true", 1, 0, None]),
        "workload": st.sampled_from(["io", "cpu", "both", "IO", "", None]),
        "scale": st.sampled_from(["under_500", "thousands", "over_10k", "500", 500]),
        "team_ready": st.sampled_from([True, False, "off", "on", ""]),
        "cancellation": st.sampled_from(["known", "unsure", True]),
        "runtime": st.sampled_from(["tokio", "threads", "rayon", "blocking", "smol", ""]),
        **{key: some_of([*values, "smtp"]) for key, values in LISTED.items()},
    },
)

# Mostly valid ones: with anything from above, most runs would end at the first refusal.
GOOD_ANSWERS = st.fixed_dictionaries(
    {"runtime": st.sampled_from(["tokio", "tokio", "threads", "rayon", "blocking"])},
    optional={
        "project_name": st.sampled_from(["a", "a-", "_", "MyApp", "service", "core"]),
        "description": st.sampled_from(["", "Keeps keys", "{= 1 =}", "'\"", "yes", "1", "# a: b"]),
        "concurrent_io": st.sampled_from([True, False, "yes", "no"]),
        "workload": st.sampled_from(["io", "cpu", "both"]),
        "scale": st.sampled_from(["under_500", "thousands", "over_10k"]),
        "team_ready": st.sampled_from([True, False, "on", "off"]),
        "cancellation": st.sampled_from(["known", "unsure"]),
        "interfaces": some_of(["http", "tcp"]) | st.just("[http]"),
        "patterns": some_of(["actor"]) | st.just("[]"),
        "observability": st.just([]),
        "delivery": st.just([]),
    },
)


@settings(max_examples=50, deadline=None)
@given(ANY_ANSWERS | GOOD_ANSWERS)
@example({})
@example({"concurrent_io": False})
@example({"interfaces": ["grpc"], "runtime": "tokio"})
@example({"interfaces": ["http", "http"], "runtime": "tokio"})
@example({"interfaces": ["tcp"], "runtime": "threads"})
@example({"scale": "under_500"})
def test_copier_records_the_same_answers_and_refuses_the_same(
    evaluate: Evaluate,
    ask_copier: Callable[[Answers], tuple[Answers, str]],
    answers: Answers,
) -> None:
    ours = evaluate(answers)
    recorded, refused = ask_copier(answers)
    if ours.unasked:  # refused on the command line; Copier checks some of them, and ignores all
        return
    assert bool(ours.problems) == bool(refused), (ours.problems, refused)
    if not refused:
        assert ours.answers == recorded
        assert not ours.missing


def test_neither_yes_nor_no_is_refused_where_copier_would_take_it_for_yes(
    evaluate: Evaluate,
) -> None:
    assert "'maybe' is not true or false" in refusal(
        evaluate({"concurrent_io": "maybe"}), "concurrent_io"
    )


def test_copier_refuses_what_is_not_built_yet_with_the_same_reason(
    asked: dict[str, Asked],
    evaluate: Evaluate,
    ask_copier: Callable[[Answers], tuple[Answers, str]],
) -> None:
    for key, value in later(asked):
        answers = {"runtime": "tokio", key: [value] if key in CAPABILITIES else value}
        ours = refusal(evaluate(answers), key)
        _, refused = ask_copier(answers)
        assert refused.endswith(ours.removeprefix(f"{value}: "))


# What Copier needs to render without being trusted


def test_the_template_runs_no_code_of_its_own(questionnaire: Questionnaire) -> None:
    assert not {"tasks", "migrations", "jinja_extensions"} & set(questionnaire.settings)


def test_every_excluded_path_is_anchored_and_exists(root: Path) -> None:
    *_, table = yaml.safe_load((root / "copier.yml").read_text("utf-8"))["_exclude"]
    paths = re.findall(r"^\s*(/\S+)$", table, re.MULTILINE)
    assert paths
    for path in paths:
        assert list((root / "template").glob(path.lstrip("/"))), f"{path} excludes nothing"
