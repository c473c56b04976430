"""The table of cases through the command line; what is true after each, and after all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers import call, process
from tests.merge.cases import CASES, Case, Stage
from tests.merge.cases.stage import Ran


def asyncscaffold(stage: Stage, answers: Mapping[str, object], last: bool) -> Ran:
    """An update in this process, or where the environment counts in one of its own."""
    case = stage.case
    words = ["update", "--defaults", "--project", str(stage.project)]
    for key, value in answers.items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    words += case.words if last else ()
    if case.env or case.config:
        variables = stage.update_environment
        known = {key: variables.get(key) for key in {*variables, *os.environ}}
        done = process(*words, cwd=stage.root, **known)
    else:
        done = call(*words)
    return Ran(done.exit, done.out + done.err)


def git_state(stage: Stage) -> tuple[object, ...]:
    """Index, refs, stash and configuration of the repository that the project lies in."""
    if stage.case.place == "none":
        return ()
    place = Path(os.fsdecode(stage.git("rev-parse", "--absolute-git-dir").rstrip(b"\n")))
    files = [place / name for name in ("index", "HEAD", "config", "COMMIT_EDITMSG", "FETCH_HEAD")]
    known = [file.read_bytes() if file.is_file() else None for file in files]
    return *known, stage.git("for-each-ref"), stage.git("stash", "list"), stage.git("reflog")


class Watched(Stage):
    """A stage that knows git's state before the last update, too."""

    git_before: tuple[object, ...] = ()

    def update(self, answers: Mapping[str, object], last: bool = False) -> Ran:
        self.git_before = git_state(self)
        return super().update(answers, last)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_safe_merge(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    stage = Watched(tmp_path, case, asyncscaffold)
    stage.play()
    assert list(stage.findings(ours=True)) == [], stage.said

    assert git_state(stage) == stage.git_before
    both = [(stage.before[path], stage.after[path]) for path in stage.before.keys() & stage.after]
    assert not [old for old, new in both if old[:3] == new[:3] and old.written != new.written]
    assert not [path for path in stage.after if "/.asyncscaffold-" in f"/{path}"]

    if stage.exit == 0:
        again = stage.update(case.answers, last=True)
        assert again.exit == 0, again.said
        assert stage.after == stage.before
