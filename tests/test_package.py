"""The package as it is installed: a template with its releases, and no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncscaffold.template import PUBLIC_URL
from tests.conftest import ROOT
from tests.helpers import commit, git, write

Installed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a clone with two releases, built and unpacked."""
    clone = tmp_path_factory.mktemp("package") / "clone"
    git(ROOT, "clone", "-q", "--no-local", str(ROOT), str(clone))
    for changed in git(ROOT, "ls-files", "--modified", "--others", "--exclude-standard").split():
        if (ROOT / changed).is_file():
            (clone / changed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / changed, clone / changed)
    commit(clone, "what is not committed yet")
    git(clone, "tag", "v0.1.0")
    write(clone, {"template/domain/NEW.md": "new in 0.2.0\n"})
    commit(clone, "the next release", "v0.2.0")
    out = clone.parent / "dist"
    for target in ("sdist", "wheel"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
        subprocess.run(build, cwd=clone, check=True, capture_output=True)
    (archive,) = out.glob("*.whl")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(out / "installed")
    return out / "installed"


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Installed:
    """Runs the installed package, where git reaches no other machine."""
    home = write(tmp_path / "home", {".gitconfig": '[protocol "https"]\n\tallow = never\n'})

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(wheel), "HOME": str(home), "XDG_CONFIG_HOME": ""}
        command = [sys.executable, "-m", "asyncscaffold", *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    return run


def test_a_project_records_the_public_address_and_its_release(
    installed: Installed, tmp_path: Path
) -> None:
    done = installed("new", "owl", "--defaults", "--no-git")
    assert done.returncode == 0, done.stderr
    answers = (tmp_path / "owl/.copier-answers.yml").read_text()
    assert f"_src_path: {PUBLIC_URL}\n" in answers
    assert "_commit: v0.2.0\n" in answers


def test_an_update_needs_no_network(installed: Installed, tmp_path: Path) -> None:
    assert installed("new", "owl", "--defaults", "--no-git", "--ref", "v0.1.0").returncode == 0
    assert not (tmp_path / "owl/domain/NEW.md").exists()
    assert installed("update", "--check", "--project", "owl").returncode == 5
    done = installed("update", "--project", "owl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "owl/domain/NEW.md").read_text() == "new in 0.2.0\n"
    assert installed("update", "--check", "--project", "owl").returncode == 0
    assert installed("add", "metrics", "--project", "owl").returncode == 0
    assert installed("undo", "--project", "owl").returncode == 0


def test_the_spelling_of_the_address_does_not_matter(installed: Installed, tmp_path: Path) -> None:
    assert installed("new", "owl", "--defaults", "--no-git").returncode == 0
    answers = tmp_path / "owl/.copier-answers.yml"
    for spelling in ("gh:asyncscaffold/asyncscaffold", PUBLIC_URL.removesuffix(".git")):
        answers.write_text(
            "".join(
                f"_src_path: {spelling}\n" if line.startswith("_src_path") else line
                for line in answers.read_text().splitlines(keepends=True)
            )
        )
        done = installed("add", "metrics", "--project", "owl")
        assert done.returncode == 0, done.stderr
        assert f"_src_path: {spelling}\n" in answers.read_text()
        assert installed("remove", "metrics", "--project", "owl").returncode == 0


def test_a_release_that_the_package_does_not_have_is_named(installed: Installed) -> None:
    assert installed("new", "owl", "--defaults", "--no-git").returncode == 0
    done = installed("update", "--to", "v9", "--project", "owl")
    assert done.returncode == 1
    assert "has no version 'v9'" in done.stderr
    assert "v0.1.0, v0.2.0" in done.stderr


def test_a_wheel_is_built_from_the_source_archive_too(wheel: Path, tmp_path: Path) -> None:
    (archive,) = wheel.parent.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    (unpacked,) = tmp_path.iterdir()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=unpacked, check=True, capture_output=True)
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(again) as packed:
        names = packed.namelist()
    assert "asyncscaffold/shipped/template.bundle" in names
    assert "asyncscaffold/shipped/copier.yml" in names
