"""Small templates in real repositories, and the command line, in this process or its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncscaffold.cli import main

COPIER_YML = """\
_subdirectory: files
name:
  type: str
  default: thing
  validator: "{% if 'x' in name %}no x in it{% endif %}"
size: {type: int, default: 3}
colour: {type: str, choices: [red, green], default: red}
parts: {type: str, multiselect: true, choices: [engine, wheels], default: [engine]}
shiny: {type: bool, default: false}
wax: {type: str, default: bees, when: "{{ shiny }}"}
"""

FILES = {
    "copier.yml": COPIER_YML,
    "files/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
    "files/readme.txt.jinja": "{{ name }} {{ size }} {{ colour }} {{ parts }} {{ shiny }}\n"
    "{{ _copier_conf.dst_path }}\n",
    "files/plain.txt": "{{ left alone }}\n",
    "files/deep/er/{{ name }}.txt.jinja": "{{ wax }}\n",
}

IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgSign=false")


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write `files` below `root`, which need not exist."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(root: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *args], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(root: Path, message: str, tag: str | None = None) -> str:
    """Commit everything at `root`, made a repository where it is none; gives the commit."""
    if not (root / ".git").exists():
        git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    if tag:
        git(root, "tag", tag)
    return git(root, "rev-parse", "HEAD")


@dataclass(frozen=True)
class Done:
    """One command line's exit code and output."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def error(self) -> dict[str, Any]:
        """The error document; nothing else was printed."""
        assert self.json.keys() == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert error.keys() == {"exit", "message", "hint"}
        assert error["exit"] == self.exit
        return error


def call(*words: object) -> Done:
    """Run a command line in this process, without a terminal."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    sys.stdin = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(word) for word in words])
    finally:
        sys.stdin = before
    assert "Traceback" not in out.getvalue() + err.getvalue()
    assert "This is a bug" not in out.getvalue() + err.getvalue()
    return Done(code, out.getvalue(), err.getvalue())


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "asyncscaffold", *map(str, words)]


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with `changes`; None takes a variable out."""
    env = {**os.environ, **{key: value for key, value in changes.items() if value is not None}}
    return {key: value for key, value in env.items() if changes.get(key, "") is not None}


def process(*words: object, cwd: Path, **changes: str | None) -> Done:
    """Run a command line in a process of its own, without a terminal."""
    done = subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    assert "This is a bug" not in out + err
    return Done(done.returncode, out, err)


def tool(folder: Path, name: str, script: str) -> str:
    """A program `name` that runs the shell `script`; gives a PATH that has it first."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def leftovers(folder: Path) -> list[str]:
    """What runs have left in `folder`."""
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".asyncscaffold")]
