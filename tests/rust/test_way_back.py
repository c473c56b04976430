"""From threads to tokio and back with a user's edits in the project: it compiles at every stop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers import call, commit
from tests.rust.combinations import Combination, every
from tests.rust.conftest import Cargo, Render

pytestmark = [pytest.mark.compiles, pytest.mark.xdist_group("cargo")]

ASYNC = {"axum", "h2", "hyper", "hyper-util", "mio", "tokio", "tokio-util", "tonic", "tower"}
"""What is there for tokio alone."""

MINE = "\n/// What only I need.\npub const MINE: u8 = 7;\n"


def locked(project: Path) -> set[str]:
    return set(re.findall(r'^name = "(.+)"$', (project / "Cargo.lock").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    "combination",
    [combination for combination in every() if combination.answers["runtime"] != "tokio"],
    ids=lambda combination: combination.name,
)
def test_without_tokio_no_crate_of_its_is_locked(
    place_project: Render, combination: Combination
) -> None:
    assert not locked(place_project(combination).path) & ASYNC


def test_a_project_compiles_there_and_back(
    template_repository: Path, tmp_path: Path, run_cargo: Cargo, one_at_a_time: None
) -> None:
    project = tmp_path / "svc"
    ours = ("--template", template_repository, "--trust", "--defaults")
    assert call("new", project, *ours, "--runtime", "threads").exit == 0
    edited = [project / "domain/src/key.rs", project / "threaded/src/net.rs"]
    for path in edited:
        path.write_text(path.read_text("utf-8") + MINE, "utf-8")
    commit(project, "mine")
    before = [path.read_bytes() for path in edited]
    for runtime in ("threads", "tokio", "threads"):
        words = ("--set", f"runtime={runtime}", "--trust", "--defaults")
        done = call("update", "--project", project, *words)
        assert done.exit == 0, done.err
        checked = run_cargo(project, "check", "--workspace", "--all-targets", "--locked")
        assert checked.returncode == 0, checked.stderr
        assert [path.read_bytes() for path in edited] == before
        assert bool(locked(project) & ASYNC) == (runtime == "tokio")
