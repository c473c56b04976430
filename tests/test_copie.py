"""The template through Copier alone, as someone without asyncscaffold uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from pytest_copie.plugin import Copie, Result

from tests.trees import Tree, read_tree

ANSWERS: dict[str, Any] = {
    "project_name": "night-owl",
    "description": 'Keeps keys: "quoted", it\'s 100 % fine',
    "concurrent_io": True,
    "workload": "both",
    "scale": "over_10k",
    "team_ready": False,
    "cancellation": "unsure",
    "runtime": "tokio",
    "interfaces": ["http"],
    "patterns": ["actor"],
    "observability": [],
    "delivery": [],
}
OVERRULED = {**ANSWERS, "concurrent_io": False, "workload": "io"}


@pytest.fixture(autouse=True)
def copie_renders_the_template(pytestconfig: pytest.Config, template_repository: Path) -> None:
    """What pytest-copie's --template says on the command line, for these tests."""
    pytestconfig.option.template = str(template_repository)


def tree_of(result: Result) -> Tree:
    assert result.project_dir is not None, result.exception
    return read_tree(result.project_dir)


def test_the_defaults_render_a_project(copie: Copie) -> None:
    result = copie.copy()
    assert result.exception is None
    assert result.exit_code == 0
    assert result.project_dir is not None
    assert (result.project_dir / "Cargo.toml").is_file()
    assert (result.project_dir / "service" / "src" / "main.rs").is_file()


def test_the_answers_file_holds_every_answer_and_where_they_came_from(
    copie: Copie, template_repository: Path
) -> None:
    result = copie.copy(extra_answers=ANSWERS)
    assert result.project_dir is not None
    recorded = yaml.safe_load((result.project_dir / ".copier-answers.yml").read_text("utf-8"))
    assert {key: value for key, value in recorded.items() if key[0] != "_"} == ANSWERS
    assert recorded["_src_path"] == str(template_repository)
    assert recorded["_commit"] == "v1"


def test_a_second_run_with_the_recorded_answers_changes_nothing(copie: Copie) -> None:
    first, second = copie.copy(extra_answers=ANSWERS), copie.copy(extra_answers=ANSWERS)
    assert tree_of(first) == tree_of(second)


def record(copie: Copie, answers: dict[str, Any]) -> str:
    """The decision record that `answers` give."""
    result = copie.copy(extra_answers=answers)
    assert result.exception is None
    assert result.project_dir is not None
    (found,) = (result.project_dir / "docs" / "decisions").glob("0001-*.md")
    return found.read_text("utf-8")


def test_the_decision_record_holds_the_five_answers(copie: Copie) -> None:
    table = re.findall(r"^\| (\d)\. .+ \| (.+) \|$", record(copie, ANSWERS), re.MULTILINE)
    assert table == [
        ("1", "yes"),
        ("2", "both"),
        ("3", "over 10 000"),
        ("4", "no"),
        ("5", "unsure"),
    ]


def test_the_decision_record_holds_the_verdict_its_reasons_and_warnings(copie: Copie) -> None:
    text = record(copie, ANSWERS)
    assert "## The verdict: tokio" in text
    assert "- More than 10 000 connections: a thread each takes five times the memory" in text
    assert "`compute`" in text
    assert "## What to watch" in text
    assert "- The team is not ready for async" in text
    assert "- Unsure what a cancelled future leaves behind" in text


def test_the_decision_record_names_each_change_that_would_give_another_runtime(
    copie: Copie,
) -> None:
    text = record(copie, ANSWERS)
    assert "- `concurrent_io: false` → rayon" in text
    assert '- `scale: "under_500"` → threads' in text
    assert '- `scale: "thousands"` → threads' in text


def test_the_decision_record_says_nothing_of_an_override_where_there_is_none(
    copie: Copie,
) -> None:
    assert "Overruled" not in record(copie, ANSWERS)


def test_an_overruled_verdict_stays_in_the_record_beside_the_choice(copie: Copie) -> None:
    text = record(copie, OVERRULED)
    assert "# 1. The runtime: tokio" in text
    assert "## The verdict: blocking" in text
    assert "- Nothing waits at the same time" in text
    assert "## Overruled: tokio" in text
    assert "The verdict was blocking" in text


def test_a_record_without_warnings_has_no_section_for_them(copie: Copie) -> None:
    calm = {**ANSWERS, "workload": "io", "team_ready": True, "cancellation": "known"}
    assert "What to watch" not in record(copie, calm)


def test_a_capability_that_is_not_built_yet_stops_the_render(copie: Copie) -> None:
    result = copie.copy(extra_answers={**ANSWERS, "delivery": ["kubernetes"]})
    assert "not built yet" in str(result.exception)
    assert not list(copie.test_dir.glob("*/*"))


CopierCopy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def copier_copy(tmp_path: Path, template_repository: Path) -> CopierCopy:
    """`copier copy` as a command, untrusted, with answers, into a folder of that name."""

    def copy(
        folder: str, answers: dict[str, Any], source: Path = template_repository
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "answers.yml").write_text(yaml.safe_dump(answers), "utf-8")
        command = [sys.executable, "-m", "copier", "copy", "--defaults", "--vcs-ref=HEAD"]
        return subprocess.run(
            [*command, "--data-file", str(tmp_path / "answers.yml"), str(source), folder],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )

    return copy


def test_copier_copy_without_trust_gives_the_same_files_as_the_python_api(
    copier_copy: CopierCopy, tmp_path: Path, template_repository: Path
) -> None:
    done = copier_copy("by-command", ANSWERS)
    assert done.returncode == 0, done.stderr
    copier.run_copy(
        str(template_repository), tmp_path / "by-api", data=ANSWERS, defaults=True, quiet=True
    )
    assert read_tree(tmp_path / "by-command") == read_tree(tmp_path / "by-api")


def test_copier_copy_says_what_to_do_next(copier_copy: CopierCopy) -> None:
    done = copier_copy("somewhere", ANSWERS)
    assert "night-owl is ready" in done.stderr
    assert "cd somewhere" in done.stderr
    assert "docs/decisions/0001-runtime.md" in done.stderr


def test_copier_copy_names_the_project_after_its_folder(
    copier_copy: CopierCopy, tmp_path: Path
) -> None:
    done = copier_copy("early-bird", {"runtime": "tokio"})
    assert done.returncode == 0, done.stderr
    manifest = (tmp_path / "early-bird" / "service" / "Cargo.toml").read_text("utf-8")
    assert 'name = "early-bird"' in manifest


def test_copier_copy_refuses_a_bad_name_and_writes_nothing(
    copier_copy: CopierCopy, tmp_path: Path
) -> None:
    done = copier_copy("somewhere", {**ANSWERS, "project_name": "async"})
    assert done.returncode != 0
    assert '"async" is a Rust keyword' in done.stderr
    assert not (tmp_path / "somewhere").exists()


def test_copier_copy_refuses_what_the_runtime_of_the_verdict_cannot_have(
    copier_copy: CopierCopy, tmp_path: Path
) -> None:
    answers = {key: value for key, value in ANSWERS.items() if key != "runtime"}
    done = copier_copy("somewhere", answers | {"scale": "under_500"})
    assert done.returncode != 0
    assert "no blocking HTTP server" in done.stderr
    assert not (tmp_path / "somewhere").exists()


def test_the_api_and_pytest_copie_render_the_same(
    copie: Copie, tmp_path: Path, template_repository: Path
) -> None:
    result = copie.copy(extra_answers=ANSWERS)
    copier.run_copy(
        str(template_repository), tmp_path / "by-api", data=ANSWERS, defaults=True, quiet=True
    )
    assert tree_of(result) == read_tree(tmp_path / "by-api")


def test_copier_copy_of_this_repository_renders_it_as_it_stands(
    copier_copy: CopierCopy, tmp_path: Path, root: Path
) -> None:
    done = copier_copy("here", ANSWERS, source=root)
    assert done.returncode == 0, done.stderr
    assert copier_copy("there", ANSWERS).returncode == 0
    here, there = read_tree(tmp_path / "here"), read_tree(tmp_path / "there")
    assert here.pop(".copier-answers.yml") != there.pop(".copier-answers.yml")  # their sources
    assert here == there
