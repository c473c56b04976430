"""`decide`: the five questions and the verdict; it reads, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncscaffold.verdict import FIVE
from tests.helpers import FILES, Done, call, git, process, write


def decide(template: Path, *words: object) -> Done:
    return call("decide", "--template", template, "--json", *words)


ROWS = [
    ("true io thousands true known", "tokio"),
    ("true io under_500 true known", "threads"),
    ("true both thousands false unsure", "threads"),
    ("true cpu over_10k false unsure", "tokio"),
    ("false io thousands true known", "blocking"),
    ("false cpu over_10k true known", "rayon"),
]


@pytest.mark.parametrize(("row", "runtime"), ROWS)
def test_five_answers_give_the_verdict(template: Path, row: str, runtime: str) -> None:
    flags = [
        f"--{key.replace('_', '-')}={text}" for key, text in zip(FIVE, row.split(), strict=True)
    ]
    document = decide(template, *flags).json
    assert list(document) == [
        "answers", "runtime", "reasons", "warnings", "costs", "suggests", "changes", "renders",
        "ways_back",
    ]  # fmt: skip
    assert list(document["answers"]) == list(FIVE)
    assert document["runtime"] == runtime
    assert document["reasons"]
    for change in document["changes"]:
        assert change.keys() == {"question", "answer", "runtime"}
        way_back = f"asyncscaffold update --set runtime={change['runtime']}"
        assert (way_back in document["ways_back"]) == (change["runtime"] in document["renders"])


def test_grpc_forces_tokio_though_it_is_not_built_yet(template: Path) -> None:
    document = decide(template, "--defaults", "--concurrent-io", "no", "--interfaces", "grpc").json
    assert document["runtime"] == "tokio"
    assert "gRPC" in document["reasons"][0]
    assert {"question": "interfaces", "answer": [], "runtime": "blocking"} in document["changes"]


def test_people_read_the_verdict_on_stdout(template: Path) -> None:
    done = call("decide", "--template", template, "--defaults", "--team-ready", "no")
    assert done.exit == 0
    assert done.out.startswith("The verdict: threads\n\n  - ")
    assert "What would change it:" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--interfaces", "htp"], "'htp' is not one of http, grpc, tcp; did you mean http?"),
        (["--set", "interfaces={a: 1}"], "is not a list"),
        (["--set", "description=x"], "it has no part in the verdict"),
        (["--set", "verdict={}"], "no question is called 'verdict'"),
        (["--workload", "gpu"], "'gpu' is not one of io, cpu, both"),
    ],
)
def test_what_it_does_not_take_is_a_usage_error(
    template: Path, words: list[str], said: str
) -> None:
    done = decide(template, "--defaults", *words)
    assert done.exit == 2
    assert said in done.error["message"]


@pytest.mark.parametrize(
    ("scale", "connections"), [("under_500", "100"), ("thousands", "5 000"), ("over_10k", "10 000")]
)
def test_what_was_measured_at_the_scale_that_is_answered_is_told(
    template: Path, tmp_path: Path, scale: str, connections: str
) -> None:
    answers = ("--defaults", "--scale", scale)
    costs = decide(template, *answers).json["costs"]
    assert costs.startswith(f"With {connections} connections, a thread each took ")
    text = call("decide", "--template", template, *answers).out
    assert f"What it costs, as measured:\n  - With {connections} connections, a thread" in text
    place = ("--template", template, "--runtime", "tokio")
    made = call("new", tmp_path / "svc", *place, *answers)
    assert made.exit == 0
    assert costs in (tmp_path / "svc/docs/decisions/0001-runtime.md").read_text()


def test_what_threads_and_tasks_cost_is_not_told_of_a_batch(template: Path) -> None:
    assert decide(template, "--defaults", "--concurrent-io", "no").json["costs"] == ""


def test_the_five_without_a_terminal_are_named(template: Path) -> None:
    done = decide(template, "--team-ready", "yes", "--cancellation", "known")
    assert done.exit == 2
    assert done.error["message"].endswith("--concurrent-io, --workload, --scale")


def test_an_old_answers_file_and_one_for_new_both_do(template: Path, tmp_path: Path) -> None:
    filed = "description: x\nscale: under_500\ninterfaces: [http]\nruntime: tokio\n"
    write(tmp_path, {"hand.yml": filed, "old.yml": f"_src_path: elsewhere\ngone: 1\n{filed}"})
    for name in ("hand.yml", "old.yml"):
        document = decide(template, "--answers", tmp_path / name, "--defaults").json
        assert document["runtime"] == "threads"


def test_it_writes_nothing(template_repository: Path, tmp_path: Path) -> None:
    for name in ("here", "temporary", "home"):
        (tmp_path / name).mkdir()
    done = process(
        "decide", "--template", template_repository, "--ref", "v1", "--defaults", "--json",
        cwd=tmp_path / "here", TMPDIR=str(tmp_path / "temporary"), HOME=str(tmp_path / "home"),
    )  # fmt: skip
    assert done.json["runtime"] == "tokio"
    assert [len(list(folder.iterdir())) for folder in tmp_path.iterdir()] == [0, 0, 0]
    assert git(template_repository, "status", "--porcelain") == ""


def test_a_template_without_a_verdict_says_so(tmp_path: Path) -> None:
    template = write(tmp_path / "template", FILES)
    done = decide(template, "--defaults")
    assert done.exit == 2
    assert "gives no verdict: it does not ask concurrent_io" in done.error["message"]


def test_it_can_be_read_by_a_pipe_with_a_dumb_terminal(template: Path, tmp_path: Path) -> None:
    done = process("decide", "--template", template, "--defaults", cwd=tmp_path, TERM="dumb")
    assert "\x1b" not in done.out + done.err
