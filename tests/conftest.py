"""What several test modules need: the repository's template, copies of it, and tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from asyncscaffold.evaluation import Evaluator
from asyncscaffold.questions import Questionnaire
from tests.helpers import call
from tests.projects import COPIER_YML, FILES, Run, TemplateRepo

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository: the template's root as `copier copy` sees it."""
    return ROOT


@pytest.fixture(scope="session")
def questionnaire() -> Questionnaire:
    return Questionnaire.load(ROOT)


@pytest.fixture(scope="session")
def evaluator(questionnaire: Questionnaire) -> Evaluator:
    return Evaluator(questionnaire)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it stands, uncommitted edits included, as a plain directory.

    Rendering it clones nothing, and no build artefact lies in it.
    """
    copy = tmp_path_factory.mktemp("template")
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "-co",
            "--exclude-standard",
            "copier.yml",
            "includes",
            "template",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def template_repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it stands, committed and tagged v1 in a repository of its own."""
    repository = tmp_path_factory.mktemp("repository") / "template"
    shutil.copytree(template, repository)
    identity = ["-c", "user.name=Tests", "-c", "user.email=tests@example.invalid"]
    for command in (["init"], ["add", "--all"], ["commit", "-m", "v1"], ["tag", "v1"]):
        subprocess.run(
            ["git", *identity, "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false", *command],
            cwd=repository,
            check=True,
            capture_output=True,
        )
    return repository


@pytest.fixture(scope="session")
def cargo() -> str:
    """cargo's path. Without cargo a test is skipped, but fails where `CI=true`."""
    found = shutil.which("cargo")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("cargo is not there, and CI=true: nothing may be skipped")
    pytest.skip("cargo is not there: what it would check of the rendered project is not checked")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty directory, in no repository."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> TemplateRepo:
    repo = TemplateRepo(tmp_path / "template")
    repo.release("v1.0.0", {"copier.yml": COPIER_YML, **FILES})
    return repo


@pytest.fixture
def project(repo: TemplateRepo, tmp_path: Path, run: Run) -> Path:
    """A project of v1.0.0 with its defaults: an engine, no wheels, no horn."""
    path = tmp_path / "car"
    assert run("new", str(path), "--template", str(repo.path), "--defaults").exit == 0
    return path


@pytest.fixture
def run() -> Run:
    """Runs one command line in this process, with no terminal to ask on."""
    return call
