"""Rendered projects: each combination once, and one place where they are compiled in turn."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import copier
import pytest

from tests.rust.combinations import ROOT, Combination
from tests.trees import read_tree

CACHE = ROOT / ".cache"


class Project(NamedTuple):
    """A rendered project, and the answers that gave it."""

    path: Path
    combination: Combination


Render = Callable[[Combination], Project]
Cargo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def render(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Renders a combination; a second time it is the same directory."""
    rendered: dict[str, Project] = {}

    def render(combination: Combination) -> Project:
        if combination.name not in rendered:
            path = tmp_path_factory.mktemp("rendered")
            answers = combination.answers
            copier.run_copy(str(template), path, data=answers, defaults=True, quiet=True)
            rendered[combination.name] = Project(path, combination)
        return rendered[combination.name]

    return render


@pytest.fixture(scope="session")
def run_cargo(cargo: str) -> Cargo:
    """Runs cargo in a directory, without network: what the template needs is fetched first.

    One target directory serves every project and the live template (`make template`), so that
    the dependencies compile once; whole debug information would cost a third more time and space.
    """
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(CACHE / "target"),
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        "CARGO_TERM_COLOR": "never",
    }

    def run(place: Path, *words: str, offline: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [cargo, *words],
            cwd=place,
            env={**environment, "CARGO_NET_OFFLINE": "true"} if offline else environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )

    live = ROOT / "template"
    if run(live, "fetch", "--locked").returncode:
        fetched = run(live, "fetch", "--locked", offline=False)
        assert fetched.returncode == 0, fetched.stderr
    return run


@pytest.fixture(scope="session")
def one_at_a_time() -> Iterator[None]:
    """Only one of the test processes compiles: they share the place and the target directory."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "rendered.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def put(project: Project, place: Path) -> None:
    """Make `place` the same as `project`; a file that is the same already is not touched.

    cargo goes by paths and times: at one path only what differs from the project before is
    compiled again.
    """
    wanted, there = read_tree(project.path), read_tree(place)
    for name in there.keys() - wanted.keys():
        (place / name).unlink()
    for name, entry in wanted.items():
        if there.get(name) != entry:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(entry.content)
            (place / name).chmod(0o755 if entry.executable else 0o644)


@pytest.fixture(scope="session")
def place_project(one_at_a_time: None, render: Render, run_cargo: Cargo) -> Render:
    """Puts a combination where projects are compiled, with the lock file pruned as by a build."""

    def place(combination: Combination) -> Project:
        path = CACHE / "rendered"
        put(render(combination), path)
        pruned = run_cargo(path, "metadata", "--format-version=1", "--offline")
        assert pruned.returncode == 0, pruned.stderr
        return Project(path, combination)

    return place
