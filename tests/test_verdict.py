"""The verdict on every combination of the answers, against a table written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest

from asyncscaffold.evaluation import Evaluator
from asyncscaffold.questions import Questionnaire

Answers = dict[str, Any]
Verdict = dict[str, Any]
VerdictOn = Callable[[Answers], Verdict]

# Each cell: the runtime; `+` where the compute capability is suggested; after `!` the warnings,
# in their order:
#   c  what threads cost at this scale        g  nothing but gRPC asks for async
#   t  the team is not ready, and must learn  u  unsure what a cancelled future leaves behind
TABLES = {
    ("no gRPC", "known"): """
    concurrent workload | under_500         | thousands          | over_10k
                        | ready   not_ready | ready    not_ready | ready    not_ready
    yes        io       | threads threads   | tokio    threads!c | tokio    tokio!t
    yes        cpu      | threads threads   | tokio+   threads!c | tokio+   tokio+!t
    yes        both     | threads threads   | tokio+   threads!c | tokio+   tokio+!t
    no         io       | blocking blocking | blocking blocking  | blocking blocking
    no         cpu      | rayon   rayon     | rayon    rayon     | rayon    rayon
    no         both     | rayon   rayon     | rayon    rayon     | rayon    rayon
    """,
    ("no gRPC", "unsure"): """
    concurrent workload | under_500         | thousands          | over_10k
                        | ready   not_ready | ready    not_ready | ready    not_ready
    yes        io       | threads threads   | tokio!u  threads!c | tokio!u  tokio!tu
    yes        cpu      | threads threads   | tokio+!u threads!c | tokio+!u tokio+!tu
    yes        both     | threads threads   | tokio+!u threads!c | tokio+!u tokio+!tu
    no         io       | blocking blocking | blocking blocking  | blocking blocking
    no         cpu      | rayon   rayon     | rayon    rayon     | rayon    rayon
    no         both     | rayon   rayon     | rayon    rayon     | rayon    rayon
    """,
    ("gRPC", "known"): """
    concurrent workload | under_500           | thousands           | over_10k
                        | ready     not_ready | ready     not_ready | ready     not_ready
    yes        io       | tokio     tokio!t   | tokio     tokio!t   | tokio     tokio!t
    yes        cpu      | tokio+    tokio+!t  | tokio+    tokio+!t  | tokio+    tokio+!t
    yes        both     | tokio+    tokio+!t  | tokio+    tokio+!t  | tokio+    tokio+!t
    no         io       | tokio!g   tokio!gt  | tokio!g   tokio!gt  | tokio!g   tokio!gt
    no         cpu      | tokio+!g  tokio+!gt | tokio+!g  tokio+!gt | tokio+!g  tokio+!gt
    no         both     | tokio+!g  tokio+!gt | tokio+!g  tokio+!gt | tokio+!g  tokio+!gt
    """,
    ("gRPC", "unsure"): """
    concurrent workload | under_500            | thousands            | over_10k
                        | ready     not_ready  | ready     not_ready  | ready     not_ready
    yes        io       | tokio!u   tokio!tu   | tokio!u   tokio!tu   | tokio!u   tokio!tu
    yes        cpu      | tokio+!u  tokio+!tu  | tokio+!u  tokio+!tu  | tokio+!u  tokio+!tu
    yes        both     | tokio+!u  tokio+!tu  | tokio+!u  tokio+!tu  | tokio+!u  tokio+!tu
    no         io       | tokio!gu  tokio!gtu  | tokio!gu  tokio!gtu  | tokio!gu  tokio!gtu
    no         cpu      | tokio+!gu tokio+!gtu | tokio+!gu tokio+!gtu | tokio+!gu tokio+!gtu
    no         both     | tokio+!gu tokio+!gtu | tokio+!gu tokio+!gtu | tokio+!gu tokio+!gtu
    """,
}

WARNINGS = {
    "c": "What that costs: a stack and a context switch for every connection",
    "g": "Nothing else here asks for async: without gRPC the verdict would be another.",
    "t": "The team is not ready for async, and this needs it all the same. Learn first:",
    "u": "Unsure what a cancelled future leaves behind:",
}

# The deciding reason comes first.
GRPC = "gRPC is wanted, and tonic, the gRPC library, has no blocking server"
DECIDES = {
    ("blocking", scale): "Nothing waits at the same time: plain blocking code does the job"
    for scale in ("under_500", "thousands", "over_10k")
} | {
    ("rayon", scale): "The time goes into computing, and nothing waits at the same time"
    for scale in ("under_500", "thousands", "over_10k")
}
DECIDES |= {
    ("threads", "under_500"): "Under 500 connections a thread each costs little",
    ("threads", "thousands"): "The team cannot afford async now",
    ("tokio", "thousands"): "Thousands of connections that mostly wait",
    ("tokio", "over_10k"): "More than 10 000 connections",
}


class Row(NamedTuple):
    """One combination of answers, and what the table says of it."""

    answers: Answers
    runtime: str
    suggests_compute: bool
    warnings: str

    @property
    def name(self) -> str:
        concurrent, workload, scale, team, cancellation, *grpc = self.answers.values()
        words = [
            "concurrent" if concurrent else "one-at-a-time",
            workload,
            scale,
            "ready" if team else "not-ready",
            cancellation,
        ]
        return "-".join([*words, "grpc"] if grpc else words)


def rows() -> list[Row]:
    """The tables' cells, each with the answers that its place stands for."""
    found = []
    for (grpc, cancellation), table in TABLES.items():
        _, _, *lines = table.strip().splitlines()
        for line in lines:
            concurrent, workload, *cells = line.replace("|", " ").split()
            places = product(["under_500", "thousands", "over_10k"], [True, False])
            for (scale, ready), cell in zip(places, cells, strict=True):
                answers = {
                    "concurrent_io": concurrent == "yes",
                    "workload": workload,
                    "scale": scale,
                    "team_ready": ready,
                    "cancellation": cancellation,
                }
                if grpc == "gRPC":
                    answers["interfaces"] = ["grpc"]
                runtime, _, warnings = cell.partition("!")
                found.append(Row(answers, runtime.rstrip("+"), "+" in runtime, warnings))
    return found


ROWS = rows()
every_combination = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def verdict_on(questionnaire: Questionnaire) -> VerdictOn:
    """The computed answer `verdict` of the repository's copier.yml, each set of answers once."""
    deciding = ("concurrent_io", "workload", "scale", "team_ready", "cancellation", "verdict")
    questions = {key: questionnaire.questions[key] for key in deciding}
    evaluator = Evaluator(replace(questionnaire, questions=questions))
    known: dict[str, Verdict] = {}

    def evaluate(answers: Answers) -> Verdict:
        if repr(answers) not in known:
            # Whether gRPC can be had already is another question's matter.
            wanted = {"interfaces": answers["interfaces"]} if "interfaces" in answers else {}
            five = {key: value for key, value in answers.items() if key not in wanted}
            evaluation = evaluator.evaluate(five, extra=wanted)
            assert not evaluation.problems
            assert not evaluation.missing
            known[repr(answers)] = evaluation.computed["verdict"]
        return known[repr(answers)]

    return evaluate


def test_the_table_holds_every_combination_once() -> None:
    every = {
        tuple(combination)
        for combination in product(
            [True, False],
            ["io", "cpu", "both"],
            ["under_500", "thousands", "over_10k"],
            [True, False],
            ["known", "unsure"],
            [True, False],
        )
    }
    held = [(*list(row.answers.values())[:5], "interfaces" in row.answers) for row in ROWS]
    assert len(held) == 144
    assert set(held) == every


@every_combination
def test_the_runtime_is_the_one_in_the_table(verdict_on: VerdictOn, row: Row) -> None:
    assert verdict_on(row.answers)["runtime"] == row.runtime


@every_combination
def test_the_warnings_are_those_in_the_table_and_in_its_order(
    verdict_on: VerdictOn, row: Row
) -> None:
    given = verdict_on(row.answers)["warnings"]
    assert len(given) == len(row.warnings)
    for warning, letter in zip(given, row.warnings, strict=True):
        assert warning.startswith(WARNINGS[letter])


@every_combination
def test_computing_beside_the_runtime_is_suggested_where_the_table_says_so(
    verdict_on: VerdictOn, row: Row
) -> None:
    verdict = verdict_on(row.answers)
    assert verdict["suggests"] == (["compute"] if row.suggests_compute else [])
    named = any("`compute`" in reason for reason in verdict["reasons"])
    assert named == row.suggests_compute


@every_combination
def test_the_deciding_reason_comes_first(verdict_on: VerdictOn, row: Row) -> None:
    first = verdict_on(row.answers)["reasons"][0]
    grpc = "interfaces" in row.answers
    assert first.startswith(GRPC if grpc else DECIDES[row.runtime, row.answers["scale"]])


@every_combination
def test_no_reason_or_warning_says_what_an_answer_denies(verdict_on: VerdictOn, row: Row) -> None:
    verdict = verdict_on(row.answers)
    said = " ".join(verdict["reasons"] + verdict["warnings"])
    if row.answers["team_ready"]:
        assert "team is not ready" not in said
        assert "team cannot afford" not in said
    else:
        assert "team can afford" not in said
    if row.answers["cancellation"] == "known":
        assert "Unsure" not in said
    if "interfaces" not in row.answers:
        assert "gRPC" not in said


@every_combination
def test_every_reason_and_warning_is_a_whole_sentence_said_once(
    verdict_on: VerdictOn, row: Row
) -> None:
    verdict = verdict_on(row.answers)
    said = verdict["reasons"] + verdict["warnings"]
    assert len(set(said)) == len(said)
    for sentence in said:
        assert sentence[0].isupper() or sentence.startswith("gRPC")
        assert sentence.endswith(".")
        assert "  " not in sentence


@every_combination
def test_each_change_gives_the_runtime_that_it_promises(verdict_on: VerdictOn, row: Row) -> None:
    for change in verdict_on(row.answers)["changes"]:
        assert change["runtime"] != row.runtime
        changed = {**row.answers, change["question"]: change["answer"]}
        assert verdict_on(changed)["runtime"] == change["runtime"]


@every_combination
def test_every_answer_that_would_change_the_runtime_is_named(
    verdict_on: VerdictOn, row: Row
) -> None:
    named = [
        (change["question"], str(change["answer"]), change["runtime"])
        for change in verdict_on(row.answers)["changes"]
    ]
    expected = {
        (key, str(other.answers.get(key, [])), other.runtime)
        for other in ROWS
        if other.runtime != row.runtime
        for key in [only_difference(row.answers, other.answers)]
        # Wanting gRPC is no answer that the verdict proposes; giving it up is one.
        if key and not (key == "interfaces" and "interfaces" in other.answers)
    }
    assert len(set(named)) == len(named)
    assert set(named) == expected


def only_difference(one: Answers, other: Answers) -> str:
    """The one question that the two answer differently, or nothing when they are more."""
    one, other = {"interfaces": [], **one}, {"interfaces": [], **other}
    different = [key for key in one if one[key] != other[key]]
    return different[0] if len(different) == 1 else ""


def test_giving_up_grpc_keeps_the_other_interfaces(verdict_on: VerdictOn) -> None:
    wanted = {
        "concurrent_io": False,
        "workload": "io",
        "scale": "thousands",
        "team_ready": True,
        "cancellation": "known",
        "interfaces": ["http", "grpc", "tcp"],
    }
    changes = verdict_on(wanted)["changes"]
    assert {
        "question": "interfaces",
        "answer": ["http", "tcp"],
        "runtime": "blocking",
    } in changes


def test_other_interfaces_than_grpc_do_not_touch_the_verdict(verdict_on: VerdictOn) -> None:
    for row in ROWS:
        if "interfaces" not in row.answers:
            reached = {**row.answers, "interfaces": ["http", "tcp"]}
            assert verdict_on(reached) == verdict_on(row.answers)
