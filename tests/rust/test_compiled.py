"""A pairwise set of the combinations, compiled, linted and tested with real cargo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests.rust.combinations import ODD_NAMES, ROOT, pairwise
from tests.rust.conftest import Cargo, Project, Render

pytestmark = [pytest.mark.compiles, pytest.mark.xdist_group("cargo")]

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@pytest.fixture(
    scope="session", params=pairwise(), ids=lambda combination: f"pair:{combination.name}"
)
def project(request: pytest.FixtureRequest, place_project: Render) -> Project:
    return place_project(request.param)


def passes(cargo: Cargo, project: Project, *words: str) -> str:
    """cargo's stdout; fails with everything cargo said."""
    done = cargo(project.path, *words)
    assert done.returncode == 0, f"cargo {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def packages(lock: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """A lock file's packages by name and version."""
    parsed = tomlkit.parse(lock.read_text("utf-8")).unwrap()
    return {(package["name"], package["version"]): package for package in parsed["package"]}


def test_cargo_fmt_has_nothing_to_change(run_cargo: Cargo, project: Project) -> None:
    passes(run_cargo, project, "fmt", "--all", "--check")


def test_clippy_has_nothing_to_say(run_cargo: Cargo, project: Project) -> None:
    passes(
        run_cargo,
        project,
        *["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    )


def test_its_own_tests_pass(run_cargo: Cargo, project: Project) -> None:
    passes(run_cargo, project, "test", "--workspace", "--locked")


def test_the_lock_file_is_a_part_of_the_templates(run_cargo: Cargo, project: Project) -> None:
    passes(run_cargo, project, "metadata", "--format-version=1", "--locked")
    pruned = packages(project.path / "Cargo.lock")
    tested_together = packages(ROOT / "template" / "Cargo.lock")
    assert set(pruned) <= set(tested_together)
    assert ("domain", "0.1.0") in pruned


def test_every_package_comes_from_crates_io_with_its_checksum(
    run_cargo: Cargo, project: Project
) -> None:
    told = passes(run_cargo, project, "metadata", "--format-version=1", "--locked")
    members = {package["name"] for package in json.loads(told)["packages"] if not package["source"]}
    for (name, _), package in packages(project.path / "Cargo.lock").items():
        if name in members:
            assert "source" not in package
        else:
            assert package["source"] == CRATES_IO
            assert len(package["checksum"]) == 64


def test_no_setting_of_cargos_takes_packages_from_elsewhere(project: Project) -> None:
    for config in project.path.glob("**/.cargo/config*"):
        said = tomlkit.parse(config.read_text("utf-8")).unwrap()
        assert not {"source", "registry", "registries", "patch", "paths"} & said.keys()


@pytest.fixture(scope="session", params=ODD_NAMES, ids=lambda combination: combination.name)
def odd(request: pytest.FixtureRequest, place_project: Render) -> Project:
    return place_project(request.param)


def test_a_project_with_an_odd_name_runs_under_it(run_cargo: Cargo, odd: Project) -> None:
    name = odd.combination.answers["project_name"]
    assert name in passes(run_cargo, odd, "run", "--quiet", "--locked", "--", "--help")


def test_a_project_with_an_odd_name_passes_clippy(run_cargo: Cargo, odd: Project) -> None:
    passes(
        run_cargo,
        odd,
        *["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    )
