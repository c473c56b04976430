"""The table of cases through the command line; what is true after each, and after all of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.helpers import call, process
from tests.merge.cases import CASES, Case, Stage
from tests.merge.cases.stage import Ran, tree


def asyncscaffold(stage: Stage, answers: Mapping[str, object], words: Sequence[str]) -> Ran:
    """An update in this process, or where the environment counts in one of its own."""
    given = [f"--set={key}={json.dumps(value)}" for key, value in answers.items()]
    return run(stage, "update", "--defaults", *given, *words)


def run(stage: Stage, *words: str) -> Ran:
    case = stage.case
    words = *words, "--project", str(stage.project)
    if case.env or case.config:
        variables = stage.update_environment
        known = {key: variables.get(key) for key in {*variables, *os.environ}}
        done = process(*words, cwd=stage.root, **known)
    else:
        done = call(*words)
    return Ran(done.exit, done.out + done.err)


def git_state(stage: Stage) -> tuple[object, ...]:
    """Index, refs, stash and configuration of the repository that the project lies in."""
    if stage.case.place in ("none", "broken"):
        return ()
    place = Path(os.fsdecode(stage.git("rev-parse", "--absolute-git-dir").rstrip(b"\n")))
    files = [
        place / name
        for name in ("index", "HEAD", "config", "COMMIT_EDITMSG", "FETCH_HEAD", "logs/HEAD")
    ]
    known = [file.read_bytes() if file.is_file() else None for file in files]
    return *known, stage.git("for-each-ref"), stage.git("stash", "list")


class Watched(Stage):
    """A stage that knows git's state before the last update, too."""

    git_before: tuple[object, ...] = ()

    def update(self, answers: Mapping[str, object], words: Sequence[str]) -> Ran:
        self.git_before = git_state(self)
        return super().update(answers, words)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_safe_merge(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    stage = Watched(tmp_path, case, asyncscaffold)
    stage.play()
    assert list(stage.findings(ours=True)) == [], stage.said

    assert git_state(stage) == stage.git_before
    both = [(stage.before[path], stage.after[path]) for path in stage.before.keys() & stage.after]
    assert not [old for old, new in both if old[:3] == new[:3] and old.written != new.written]
    assert not [path for path in stage.after if re.search(r"\.asyncscaffold-[0-9a-f]{12}", path)]

    before, changed = stage.before, stage.after
    if stage.exit == 0:
        again = stage.update(case.answers, case.words)
        assert again.exit == 0, again.said
        assert stage.after == stage.before

    if changed != before:
        undone = run(stage, "undo")
        assert undone.exit == 0, undone.said
        assert {path: entry[:3] for path, entry in tree(stage.project).items()} == {
            path: entry[:3] for path, entry in before.items()
        }
