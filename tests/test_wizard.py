"""The prompts on a real pseudo-terminal: drawn, and line by line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

ENTER, SPACE, UP, DOWN, ESC = "\r", " ", "\x1b[A", "\x1b[B", "\x1b"
CTRL_C, CTRL_D, CTRL_U = "\x03", "\x04", "\x15"
ESCAPES = r"\x1b\[[0-9;?]*[A-Za-z]"

ASK = """
import json, sys
from pathlib import Path
from asyncscaffold import wizard
from asyncscaffold.errors import Cancelled
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.questions import Questionnaire

for line in Path(sys.argv[1]).read_text().splitlines():
    job = json.loads(line)
    try:
        if "confirm" in job:
            print(json.dumps(wizard.confirm(job["confirm"], default=job["default"])))
            continue
        result = wizard.ask(
            Evaluator(Questionnaire.load(Path(job["template"]))),
            job.get("given", {}),
            previous=job.get("previous"),
            extra={"_folder_name": "demo", "_copier_conf": {"defaults": False}},
            announce=lambda asked, evaluation: print("::", asked.key, file=sys.stderr),
        )
        print(json.dumps(result.answers))
    except Cancelled as error:
        print('"cancelled"')
        print("== cancelled", error.exit, file=sys.stderr)
print("== end", file=sys.stderr)
"""


class Terminal:
    """A person's terminal, with the wizard on it; its stdout goes to a file, as in `decide > f`."""

    def __init__(self, folder: Path, jobs: list[dict[str, Any]], env: dict[str, str]) -> None:
        (folder / "ask.py").write_text(ASK)
        (folder / "jobs").write_text("\n".join(map(json.dumps, jobs)))
        self.out = folder / "out"
        keep = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES"}}
        self.child = pexpect.spawn(
            "/bin/sh",
            ["-c", 'exec "$0" ask.py jobs > out', sys.executable],
            cwd=str(folder),
            env={**keep, "TERM": "xterm-256color", "PYTHONUTF8": "1", **env},
            encoding="utf-8",
            timeout=60,
            dimensions=(40, 80),
        )
        self.child.delaybeforesend = None
        self.seen = ""

    def see(self, text: str) -> None:
        """Wait until `text` is drawn, however it is wrapped and coloured."""
        gap = rf"(?:\s|{ESCAPES})+"
        self.child.expect(gap.join(map(re.escape, text.split())))
        self.seen += self.child.before + self.child.after

    def asks(self, key: str, *keys: str) -> None:
        """Wait for the prompt of the question `key`, and send `keys`."""
        self.see(f":: {key} ")
        self.see("back")
        self.send(*keys)

    def send(self, *keys: str) -> None:
        self.child.send("".join(keys))

    def end(self) -> list[Any]:
        """Wait for the end; what every job gave."""
        self.see("== end")
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before
        self.child.close()
        assert self.child.exitstatus == 0
        return [json.loads(line) for line in self.out.read_text().splitlines()]


Open = Callable[..., Terminal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a terminal on questions (a template's path, or a mapping)."""
    terminals: list[Terminal] = []

    def open_(*jobs: dict[str, Any], **env: str) -> Terminal:
        for number, job in enumerate(jobs):
            if isinstance(questions := job.get("template"), dict):
                template = tmp_path / f"template{number}"
                template.mkdir()
                text = yaml.safe_dump(questions, sort_keys=False)
                (template / "copier.yml").write_text(text)
                job["template"] = str(template)
        terminals.append(Terminal(tmp_path, list(jobs), env))
        return terminals[-1]

    yield open_
    for terminal in terminals:
        terminal.child.close(force=True)


LEVEL = {
    "type": "str",
    "choices": {"Low": "low", "Middle": {"value": "mid", "validator": "sold out"}, "High": "high"},
    "default": "low",
}
PARTS = {
    "type": "str",
    "multiselect": True,
    "choices": {"Bread": "bread", "Fish": {"value": "fish", "validator": "sold out"}, "Tea": "tea"},
    "default": ["bread"],
}
KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "str", "default": "words"},
    "lines": {"type": "str", "multiline": True, "default": "words"},
    "number": {"type": "int", "default": 3},
    "sure": {"type": "bool", "default": True},
    "level": LEVEL,
    "parts": PARTS,
    "token": {"type": "str", "secret": True, "default": "s3cret"},
}
DUMB = {"TERM": "dumb"}
NO_COLOR = {"NO_COLOR": "1"}


@pytest.mark.parametrize("env", [{}, DUMB, NO_COLOR], ids=["drawn", "dumb", "no-color"])
def test_enter_at_every_question_of_the_shipped_template_gives_its_defaults(
    opened: Open, root: Path, env: dict[str, str]
) -> None:
    terminal = opened({"template": str(root)}, **env)
    keys = ["project_name", "description", "concurrent_io", "workload", "scale", "team_ready"]
    keys += ["cancellation", "runtime", "interfaces", "patterns", "observability", "delivery"]
    for key in keys:
        terminal.asks(key, ENTER)
    (answers,) = terminal.end()
    assert list(answers) == keys
    assert answers["project_name"] == "demo"
    assert (answers["workload"], answers["runtime"]) == ("io", "tokio")
    assert (answers["interfaces"], answers["delivery"]) == (["http"], [])
    assert ("\x1b" in terminal.seen) == (not env)


@pytest.mark.parametrize("env", [{}, DUMB], ids=["drawn", "dumb"])
def test_ctrl_c_and_ctrl_d_cancel_at_every_kind_of_prompt(
    opened: Open, env: dict[str, str]
) -> None:
    jobs = [{"template": {key: spec}} for key, spec in KINDS.items() for _ in range(2)]
    jobs += [{"confirm": "Shall it be?", "default": True}] * 2
    terminal = opened(*jobs, **env)
    for key in KINDS:
        for stop in (CTRL_C, CTRL_D):
            terminal.asks(key, stop)
            terminal.see("== cancelled 130")
    for stop in (CTRL_C, CTRL_D):
        terminal.see("Shall it be?")
        terminal.send(stop)
        terminal.see("== cancelled 130")
    assert set(terminal.end()) == {"cancelled"}


@pytest.mark.parametrize(("env", "back"), [({}, ESC), (DUMB, "<\r")], ids=["drawn", "dumb"])
def test_back_changes_an_earlier_answer_and_what_follows_from_it(
    opened: Open, env: dict[str, str], back: str
) -> None:
    questions = {
        "sure": {"type": "bool", "default": True},
        "depth": {"type": "int", "default": 3, "when": "{{ sure }}"},
        "level": LEVEL,
        "parts": PARTS,
    }
    terminal = opened({"template": questions}, **env)
    terminal.asks("sure", back)
    terminal.asks("sure", ENTER)
    terminal.asks("depth", "7", ENTER)
    terminal.asks("level", "high\r" if env else DOWN + ENTER)
    terminal.asks("parts", back)
    terminal.asks("level", back)
    terminal.asks("depth", back)
    terminal.asks("sure", "n", ENTER)
    terminal.asks("level", ENTER)  # what was answered before is the default now
    terminal.asks("parts", ENTER)
    assert terminal.end() == [{"sure": False, "level": "high", "parts": ["bread"]}]


def test_the_back_key_stands_with_every_drawn_prompt(opened: Open) -> None:
    terminal = opened({"template": KINDS})
    for key in KINDS:
        terminal.see(f":: {key} ")
        terminal.see("Esc: back · Ctrl-C: cancel")
        terminal.send("\x0f" if key == "lines" else ENTER)
    (answers,) = terminal.end()
    assert answers == {key: spec["default"] for key, spec in KINDS.items()}
    assert "s3cret" not in terminal.seen


def test_the_arrows_pass_over_a_disabled_choice_whose_reason_is_shown(opened: Open) -> None:
    terminal = opened({"template": {"level": LEVEL}}, {"template": {"level": LEVEL}})
    terminal.see("Middle (sold out)")
    terminal.send(DOWN, ENTER)
    terminal.see("Middle (sold out)")
    terminal.send(DOWN, UP, ENTER)
    assert terminal.end() == [{"level": "high"}, {"level": "low"}]


def test_a_default_that_is_disabled_is_not_taken(opened: Open) -> None:
    level = {**LEVEL, "default": "mid"}
    parts = {**PARTS, "default": ["fish", "tea"]}
    job = {"template": {"level": level, "parts": parts}}
    terminal = opened(job)
    terminal.asks("level", ENTER)
    terminal.asks("parts", ENTER)
    assert terminal.end() == [{"level": "low", "parts": ["tea"]}]


@pytest.mark.parametrize("env", [{}, DUMB], ids=["drawn", "dumb"])
def test_where_no_choice_can_be_taken_a_list_is_empty_and_a_single_one_goes_back(
    opened: Open, env: dict[str, str]
) -> None:
    gone = {"value": "x", "validator": "{% if not open %}closed{% endif %}"}
    questions = {
        "open": {"type": "bool", "default": False},
        "parts": {"type": "str", "multiselect": True, "choices": {"X": gone}, "default": []},
        "level": {"type": "str", "choices": {"X": gone}},
    }
    terminal = opened({"template": questions}, **env)
    terminal.asks("open", ENTER)
    terminal.see("X (closed)")
    terminal.send(ENTER)
    terminal.asks("level", "<\r" if env else ENTER)
    terminal.asks("parts", "<\r" if env else ESC)
    terminal.asks("open", "y", ENTER)
    terminal.asks("parts", "1\r" if env else SPACE + ENTER)
    terminal.asks("level", "1\r" if env else ENTER)
    assert terminal.end() == [{"open": True, "parts": ["x"], "level": "x"}]


def test_space_ticks_and_unticks(opened: Open) -> None:
    terminal = opened({"template": {"parts": PARTS}}, {"template": {"parts": PARTS}})
    terminal.asks("parts", SPACE, DOWN, SPACE, ENTER)
    terminal.asks("parts", SPACE, ENTER)
    assert terminal.end() == [{"parts": ["tea"]}, {"parts": []}]


def test_a_list_and_a_choice_that_the_template_refuses_are_asked_again(opened: Open) -> None:
    parts = {**PARTS, "validator": "{% if not parts %}take one at least{% endif %}"}
    level = {**LEVEL, "validator": "{% if level == 'low' %}not so low{% endif %}"}
    sure = {"type": "bool", "default": False, "validator": "{% if not sure %}be sure{% endif %}"}
    terminal = opened({"template": {"parts": parts, "level": level, "sure": sure}})
    terminal.asks("parts", SPACE, ENTER)
    terminal.see("Not taken: take one at least")
    terminal.send(SPACE, ENTER)
    terminal.asks("level", ENTER)
    terminal.see("Not taken: not so low")
    terminal.send(DOWN, ENTER)
    terminal.asks("sure", ENTER)
    terminal.see("Not taken: be sure")
    terminal.send("y", ENTER)
    assert terminal.end() == [{"parts": ["bread"], "level": "high", "sure": True}]


def test_typing_is_checked_while_it_goes_on_and_the_whole_message_is_shown(opened: Open) -> None:
    why = "this name is taken by another one, and that is a message far longer than one line of it"
    name = {
        "type": "str",
        "default": "fine",
        "validator": "{% if name == 'bad' %}" + why + "{% endif %}",
    }
    terminal = opened({"template": {"name": name, "count": {"type": "int", "default": 3}}})
    terminal.asks("name", "bad")
    terminal.see(why)
    terminal.send(ENTER, "ger", ENTER)
    terminal.asks("count", "x")
    terminal.see("'x' is not a whole number")
    terminal.send(CTRL_U, "42", ENTER)
    assert terminal.end() == [{"name": "badger", "count": 42}]


def test_typing_or_pasting_replaces_the_default_and_arrows_edit_it(opened: Open) -> None:
    text = {"template": {"text": KINDS["text"]}}
    terminal = opened(*[dict(text) for _ in range(6)])
    terminal.asks("text", "new", ENTER)
    terminal.asks("text", "\x1b[200~pasted\x1b[201~", ENTER)
    terminal.asks("text", "\x1b[D", "X", ENTER)
    terminal.asks("text", "\x7f", ENTER)
    terminal.asks("text", CTRL_U, ENTER)
    terminal.asks("text", ENTER)
    got = [answers["text"] for answers in terminal.end()]
    assert got == ["new", "pasted", "wordXs", "", "", "words"]


def test_several_lines_are_taken_by_ctrl_o(opened: Open) -> None:
    terminal = opened({"template": {"lines": {"type": "str", "multiline": True}}})
    terminal.asks("lines", "one", ENTER, "two", "\x0f")
    assert terminal.end() == [{"lines": "one\ntwo"}]


@pytest.mark.parametrize("env", [{}, DUMB], ids=["drawn", "dumb"])
def test_a_secret_is_never_on_the_screen(opened: Open, env: dict[str, str]) -> None:
    token = {**KINDS["token"], "validator": "{% if token == 'wrong' %}not that one{% endif %}"}
    terminal = opened({"template": {"token": token}}, {"template": {"token": token}}, **env)
    terminal.asks("token", "wrong", ENTER)
    terminal.see("not that one")
    if env:
        terminal.see("back")
    terminal.send(*[CTRL_U] * (not env), "hunter2", ENTER)
    terminal.asks("token", ENTER)
    assert terminal.end() == [{"token": "hunter2"}, {"token": "s3cret"}]
    assert "hunter2" not in terminal.seen
    assert "s3cret" not in terminal.seen


@pytest.mark.parametrize("env", [{}, DUMB], ids=["drawn", "dumb"])
def test_an_old_answer_that_no_longer_fits_shows_why(opened: Open, env: dict[str, str]) -> None:
    job = {"template": {"level": LEVEL}, "previous": {"level": "mid"}}
    terminal = opened(job, **env)
    terminal.see("The project's answer 'mid' no longer fits: mid: sold out")
    terminal.send(ENTER)
    assert terminal.end() == [{"level": "low"}]


@pytest.mark.parametrize("env", [{}, DUMB], ids=["drawn", "dumb"])
def test_choices_of_a_foreign_template_may_be_anything(opened: Open, env: dict[str, str]) -> None:
    questions = {
        "port": {"type": "int", "choices": [["web", 0], ["alt", 1]]},
        "python": {"type": "float", "choices": [3.11, 3.12], "default": 3.12},
        "extra": {"type": "yaml", "choices": {"nothing": "null", "map": "{a: [1]}"}},
        "any": {"type": "json", "default": '{"a": 1}'},
        "plain": 5,
    }
    terminal = opened({"template": questions}, **env)
    terminal.asks("port", "1\r" if env else ENTER)
    terminal.asks("python", ENTER)
    terminal.asks("extra", "map\r" if env else DOWN + ENTER)
    terminal.asks("any", ENTER)
    terminal.asks("plain", ENTER)
    want = {"port": 0, "python": 3.12, "extra": {"a": [1]}, "any": {"a": 1}, "plain": 5}
    assert terminal.end() == [want]


def test_a_long_help_is_wrapped_at_words(opened: Open) -> None:
    words = " ".join(f"word{n}" for n in range(40))
    long = {**LEVEL, "help": words, "choices": {words: "low", "short": "high"}}
    terminal = opened({"template": {"level": long}})
    terminal.asks("level")
    terminal.see("short")
    terminal.send(ENTER)
    terminal.end()
    lines = re.sub(ESCAPES, "", terminal.seen).splitlines()
    whole = " ".join(" ".join(lines).split())
    assert whole.count(words) == 2
    assert max(map(len, lines)) <= 80


def test_a_help_as_long_as_the_screen_leaves_room_for_choices_and_keys(opened: Open) -> None:
    long = {**LEVEL, "help": "\n".join(f"line {n}" for n in range(45))}
    terminal = opened({"template": {"level": long}})
    for text in ("line 0", "line 44", "Esc: back", "Low", "Middle (sold out)", "High"):
        terminal.see(text)
    terminal.send(DOWN, ENTER)
    assert terminal.end() == [{"level": "high"}]


@pytest.mark.parametrize(
    ("env", "talk"),
    [
        ({}, [("(Y/n)", ENTER, "Yes"), ("(Y/n)", "n", "No"), ("(y/N)", "y", "Yes")]),
        (
            DUMB,
            [
                ("(Enter: y)", ENTER, ""),
                ("(Enter: y)", "no\r", ""),
                ("(Enter: n)", "maybe\ry\r", ""),
            ],
        ),
    ],
    ids=["drawn", "dumb"],
)
def test_a_review_is_confirmed_or_not(
    opened: Open, env: dict[str, str], talk: list[tuple[str, str, str]]
) -> None:
    defaults = [True, True, False]
    terminal = opened(*[{"confirm": "Write it?", "default": d} for d in defaults], **env)
    for hint, keys, answered in talk:
        terminal.see("Write it?")
        terminal.see(hint)
        terminal.send(keys)
        if answered:
            terminal.see(f"Write it? {answered}")
    assert terminal.end() == [True, False, True]


def test_plain_prompts_explain_bad_input_and_ask_again(opened: Open) -> None:
    terminal = opened({"template": KINDS}, **DUMB)

    def refused(text: str, why: str) -> None:
        terminal.send(text, ENTER)
        terminal.see(why)
        terminal.see("back")

    terminal.asks("text")
    refused("a\x1bOAb", "control characters")
    terminal.send('""', ENTER)
    terminal.asks("lines", "  one", ENTER, "two", ENTER, ".", ENTER)
    terminal.asks("number")
    refused("three", "'three' is not a whole number")
    terminal.send("4", ENTER)
    terminal.asks("sure")
    refused("perhaps", "not true or false")
    terminal.send("no", ENTER)
    terminal.asks("level")
    refused("mid", "mid: sold out")
    refused("3", "'3' is none of them")
    terminal.send("2", ENTER)
    terminal.asks("parts")
    refused("bread, 9", "'9' is none of them")
    refused("fish", "fish: sold out")
    terminal.send("tea, 1", ENTER)
    terminal.asks("token", ENTER)
    want = {
        "text": "",
        "lines": "  one\ntwo",
        "number": 4,
        "sure": False,
        "level": "high",
        "parts": ["bread", "tea"],
        "token": "s3cret",
    }
    assert terminal.end() == [want]
    assert "\x1b" not in terminal.seen


def test_a_list_is_emptied_by_a_dash_in_plain_prompts(opened: Open) -> None:
    terminal = opened({"template": {"parts": PARTS}}, **DUMB)
    terminal.asks("parts", "-", ENTER)
    assert terminal.end() == [{"parts": []}]


def test_a_person_is_asked_only_where_stdin_and_stderr_are_terminals(tmp_path: Path) -> None:
    code = "from asyncscaffold import wizard; open('out', 'a').write(f'{wizard.available()} ')"
    for stdin, stderr in [("", ""), ("< /dev/null", ""), ("", "2> err")]:
        command = f'exec "$0" -c "$1" {stdin} {stderr}'
        child = pexpect.spawn(
            "/bin/sh", ["-c", command, sys.executable, code], cwd=str(tmp_path), timeout=60
        )
        child.expect(pexpect.EOF)
        child.close()
    assert (tmp_path / "out").read_text().split() == ["True", "False", "False"]


def test_importing_the_wizard_loads_no_prompt_library() -> None:
    code = "import sys; from asyncscaffold import wizard; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "questionary" not in loaded
    assert "prompt_toolkit" not in loaded
