"""The series of decision records: what makes the next one, and what becomes of those before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers import Done, call, commit, git, write

COPIER_YML = """\
_subdirectory: files
_templates_suffix: .jinja
_skip_if_exists: [/docs/*-why.md]
runtime: {type: str, choices: [tokio, threads], default: threads}
scale: {type: int, default: 3}
parts: {type: str, multiselect: true, choices: [engine, wheels], default: [engine]}
decision: {type: json, when: false, default: '{"number": 1}'}
"""

FILES = {
    "copier.yml": COPIER_YML,
    "files/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
    "files/docs/{{ '%02d' | format(decision.number) }}-why.md.jinja": "{{ runtime }} {{ scale }} "
    "{{ parts }}\n{% if decision.before %}after {{ decision.follows }}: "
    "{{ decision.before.runtime }}\n{% endif %}",
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    root = write(tmp_path / "template", FILES)
    commit(root, "v1", "v1.0.0")
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    assert call("new", tmp_path / "car", "--template", template, "--defaults").exit == 0
    return tmp_path / "car"


def update(project: Path, *words: str) -> Done:
    done = call("update", "--project", project, *words)
    assert done.exit == 0, done.err
    return done


def records(project: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((project / "docs").iterdir())}


FIRST = "threads 3 ['engine']\n"


def test_another_runtime_is_a_record_of_its_own_and_the_first_stays(project: Path) -> None:
    update(project, "--set", "runtime=tokio")
    second = "tokio 3 ['engine']\nafter 01-why.md: threads\n"
    assert records(project) == {"01-why.md": FIRST, "02-why.md": second}


def test_going_back_makes_a_third(project: Path) -> None:
    update(project, "--set", "runtime=tokio")
    update(project, "--set", "runtime=threads")
    assert list(records(project)) == ["01-why.md", "02-why.md", "03-why.md"]
    assert records(project)["03-why.md"] == "threads 3 ['engine']\nafter 02-why.md: tokio\n"


def test_one_of_the_five_answers_makes_a_record_too(project: Path) -> None:
    update(project, "--set", "scale=4")
    assert records(project)["02-why.md"].startswith("threads 4")


def test_what_decides_nothing_makes_none_and_rewrites_none(project: Path) -> None:
    update(project, "--set", "parts=[wheels]")
    assert records(project) == {"01-why.md": FIRST}


def test_the_same_answers_again_write_not_one_file(project: Path) -> None:
    update(project, "--set", "runtime=tokio")
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    update(project, "--set", "runtime=tokio")
    assert before == {path: path.stat().st_mtime_ns for path in project.rglob("*")}


def test_a_new_version_of_the_template_decides_nothing(template: Path, project: Path) -> None:
    update(project, "--set", "runtime=tokio")
    write(template, {"files/new.txt": "new\n"})
    commit(template, "v2", "v2.0.0")
    before = records(project)
    update(project)
    assert (project / "new.txt").exists()
    assert records(project) == before


def test_an_edited_record_stays_as_it_is_and_a_deleted_one_stays_deleted(project: Path) -> None:
    (project / "docs/01-why.md").write_text(FIRST + "and I know better\n")
    update(project, "--set", "runtime=tokio")
    assert records(project)["01-why.md"] == FIRST + "and I know better\n"
    (project / "docs/01-why.md").unlink()
    update(project, "--set", "runtime=threads")
    update(project, "--set", "parts=[]")
    assert list(records(project)) == ["02-why.md", "03-why.md"]


def test_no_record_takes_the_number_of_a_document_of_the_users(project: Path) -> None:
    write(project, {"docs/07-database.md": "mine\n", "elsewhere/99-why.md": "mine\n"})
    update(project, "--set", "runtime=tokio")
    assert records(project)["08-why.md"].endswith("after 01-why.md: threads\n")


def test_where_all_records_are_gone_the_next_one_follows_none(project: Path) -> None:
    (project / "docs/01-why.md").unlink()
    git(project, "commit", "-qam", "no records")
    update(project, "--set", "runtime=tokio")
    assert list(records(project)) == ["02-why.md"]
    assert "after : threads" in records(project)["02-why.md"]


def test_the_number_is_in_no_answers_file(project: Path) -> None:
    update(project, "--set", "runtime=tokio")
    assert "decision" not in yaml.safe_load((project / ".copier-answers.yml").read_text())


def test_copier_update_alone_leaves_the_records_as_they_are(project: Path) -> None:
    command = [sys.executable, "-m", "copier", "update", "--defaults", "-d", "runtime=tokio"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    assert "runtime: tokio" in (project / ".copier-answers.yml").read_text()
    assert records(project) == {"01-why.md": FIRST}
