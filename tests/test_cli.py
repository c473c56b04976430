"""The command line as the contract has it: verbs, flags, exit codes, JSON, and what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncscaffold import new as new_module
from asyncscaffold.questions import Questionnaire
from asyncscaffold.verbs import VERBS
from tests.helpers import FILES, call, command, commit, environment, process, write

HEAVY = ("copier", "questionary", "prompt_toolkit", "jinja2", "yaml", "rich", "pydantic")


def test_no_verb_prints_the_help() -> None:
    done = call()
    assert done.exit == 0
    assert done == call("--help") == call("-h")
    assert all(f"  {verb}" in done.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_version(verb: str) -> None:
    assert call(verb, "--help") == call(verb, "-h", "--bogus")
    assert call(verb, "--help").exit == 0
    assert f"usage: asyncscaffold {verb}" in call(verb, "--help").out
    assert call(verb, "--version") == call("--version")
    assert call("--version").out.startswith("asyncscaffold 0.")


@pytest.mark.parametrize("verb", ["new", "add", "remove", "update"])
def test_every_question_has_a_flag_in_the_help(verb: str, questionnaire: Questionnaire) -> None:
    shown = call(verb, "--help").out
    assert len(questionnaire.asked) == 12
    for question in questionnaire.asked:
        assert f"{question.flag} {question.metavar[:8]}" in " ".join(shown.split())


def test_decide_has_the_flags_that_decide() -> None:
    shown = call("decide", "--help").out
    assert "--interfaces" in shown
    assert "--project-name" not in shown
    assert "--dry-run" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nwe"], "There is no verb 'nwe'; did you mean new?"),
        (["--hepl"], "There is no flag '--hepl'; did you mean --help?"),
        (["zzzzzz"], "There is no verb 'zzzzzz'."),
        (
            ["new", "--descripton", "x"],
            "new does not take --descripton; did you mean --description?",
        ),
        (["new", "--default"], "new does not take --default; did you mean --defaults?"),
        (["decide", "--scal=x"], "decide does not take --scal=x; did you mean --scale?"),
        (["decide", "PATH"], "decide does not take PATH."),
        (["new", "a", "b"], "new does not take b."),
        (["new", ""], "Argument PATH: it is empty."),
        (["decide", "--set"], "Argument --set: expected one argument."),
        (["add"], "The following arguments are required: CAPABILITY."),
    ],
)
def test_a_wrong_call_is_named_with_the_nearest_right_one(words: list[str], message: str) -> None:
    done = call(*words)
    assert (done.exit, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"asyncscaffold: {message}"
    assert "See asyncscaffold" in done.err


def test_every_unknown_flag_is_named_at_once() -> None:
    assert "--qqq; --zzz=2." in call("new", "--qqq", "--zzz=2").err


@pytest.mark.parametrize(
    "words",
    [
        ["--json"],
        ["nwe", "--json"],
        ["new", "--json", "--bogus"],
        ["new", "--json", "--set"],
        ["decide", "--json", "--scale", "many"],
        ["decide", "--json"],
        ["add", "--json"],
    ],
)
def test_json_is_one_document_for_errors_too(words: list[str]) -> None:
    done = call(*words)
    assert done.exit == 2
    assert done.error["message"]
    assert done.err == ""


def test_json_with_help_or_version_is_one_document() -> None:
    assert call("new", "--help", "--json").json == {"help": call("new", "--help").out}
    assert call("--help", "--json").json["help"] in call("--help").out
    assert call("new", "--version", "--json").json["version"] in call("--version").out


def test_words_after_two_dashes_are_no_flags(tmp_path: Path) -> None:
    write(tmp_path / "template", FILES)
    words = ("new", "--template", tmp_path / "template", "--defaults", "--dry-run", "--")
    done = process(*words, "--json", cwd=tmp_path)
    assert done.exit == 0
    assert done.out.startswith("Will be written")
    assert process(*words, "-h", cwd=tmp_path).out.startswith("Will be written")


def test_verbose_adds_where_an_error_came_from() -> None:
    done = subprocess.run(
        command("decide", "--scale", "many", "--defaults", "--verbose", "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" in done.stderr
    assert json.loads(done.stdout)["error"]["exit"] == 2


def test_a_bug_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from asyncscaffold.cli import main

    def broken(options: object) -> None:
        raise RuntimeError("out of \x1b[31mluck")

    monkeypatch.setattr(new_module, "decide", broken)
    assert main(["decide"]) == 1
    shown = capsys.readouterr().err
    assert "This is a bug in asyncscaffold: RuntimeError: out of \\x1b[31mluck" in shown
    assert "Traceback" not in shown


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_module, "decide", interrupted)
    assert call("decide").exit == 130
    assert call("decide", "--json").error["message"] == "Cancelled: nothing was changed."


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], (*HEAVY, "argparse", "dataclasses", "pathlib", "json")),
        (["--version"], HEAVY),
        (["new", "--help"], tuple(name for name in HEAVY if name != "yaml")),
        (["decide", "--defaults"], ("copier", "questionary", "prompt_toolkit", "rich", "pydantic")),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(
    words: list[str], absent: tuple[str, ...]
) -> None:
    look = f"import sys; [print('found', n) for n in {absent!r} if n in sys.modules]"
    done = subprocess.run(
        [
            sys.executable,
            "-S",  # without the site's own .pth files
            "-c",
            f"import sys; sys.path[:0] = {sys.path!r}; from asyncscaffold.cli import main\n"
            f"main({words!r}); {look}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "found" not in done.stdout
    assert done.stdout


def test_it_runs_as_a_module_and_as_a_script() -> None:
    script = Path(sys.executable).with_name("asyncscaffold")
    said = [
        subprocess.run([*start, "--version"], capture_output=True, text=True, check=True).stdout
        for start in ([str(script)], command())
    ]
    assert said[0] == said[1]


def test_no_escape_code_reaches_a_pipe(tmp_path: Path) -> None:
    template = write(
        tmp_path / "template",
        {"copier.yml": "a: {type: str, validator: \"\x1b{{ '\\e[31mred' }}\"}\n"},
    )
    done = call(
        "new", tmp_path / "p\x1b[1m", "--template", template, "--set", "a=\x1b", "--defaults"
    )
    assert done.exit in (1, 2)
    assert "\x1b" not in done.out + done.err
    assert "\x1b" not in call("decide", "--set", "\x1b[1m=1").err
    for name in ("NO_COLOR", "TERM"):
        shown = process("new", "--help", cwd=tmp_path, **{name: "dumb", "FORCE_COLOR": "1"})
        assert "\x1b" not in shown.out


def test_a_reader_that_leaves_is_no_error() -> None:
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("new", "--help"), stdout=written, stderr=subprocess.PIPE, check=False
    )
    os.close(written)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_stdout_is_no_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command("--help"), stdout=full, stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in done.stderr


def test_an_ascii_terminal_gets_every_text() -> None:
    env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done = subprocess.run(command("decide", "--defaults"), env=env, capture_output=True, check=True)
    assert b"\\u2192 threads" in done.stdout


def test_flags_win_over_the_answers_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.yml"
    path.write_text("scale: over_10k\nworkload: cpu\n")
    answers = call("decide", "--answers", path, "--workload", "io", "--defaults", "--json").json[
        "answers"
    ]
    assert (answers["scale"], answers["workload"]) == ("over_10k", "io")


WORDS = st.text(st.characters(exclude_categories=(), exclude_characters="\0"), max_size=30)
ANSWERED = st.sampled_from(["scale", "team-ready", "workload", "interfaces", "concurrent-io"])
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@few
@given(key=ANSWERED, text=WORDS)
def test_no_text_of_a_flag_breaks_decide(template: Path, key: str, text: str) -> None:
    done = call("decide", "--template", template, "--defaults", "--json", f"--{key}={text}")
    assert done.exit in (0, 2)
    assert done.json


@few
@given(key=ANSWERED, text=WORDS)
def test_no_value_of_set_breaks_decide(template: Path, key: str, text: str) -> None:
    answer = f"{key.replace('-', '_')}={text}"
    done = call("decide", "--template", template, "--defaults", "--json", "--set", answer)
    assert done.exit in (0, 2)
    assert done.json


@few
@given(words=st.lists(WORDS, max_size=4))
def test_no_words_break_the_command_line(template: Path, words: list[str]) -> None:
    assert call("decide", "--template", template, "--defaults", *words).exit in (0, 1, 2)
    assert call(*[f"-{word}" for word in words], "--json").exit in (0, 2)


def test_the_template_of_a_repository_at_a_tag_is_read_at_that_tag(tmp_path: Path) -> None:
    template = write(tmp_path / "template", FILES)
    commit(template, "one", "v1")
    write(template, {"copier.yml": "name: {type: str, default: two}\n"})
    done = call("new", tmp_path / "p", "--template", template, "--defaults", "--dry-run", "--json")
    assert done.json["answers"]["name"] == "thing"
