"""undo, update --check and the diff of a dry run, through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers import command, commit, git
from tests.merge.conftest import entries
from tests.projects import Run, TemplateRepo, tree


@pytest.fixture
def updated(repo: TemplateRepo, project: Path, run: Run) -> Path:
    """A project of v1.1.0, edited before its update."""
    (project / "readme.txt").write_text("mine\n" + (project / "readme.txt").read_text())
    repo.release(
        "v1.1.0", {"files/new.txt": "new\n", "files/readme.txt.jinja": "one\n{{ name }}\nthree\n"}
    )
    assert run("update", "--project", project).exit == 0
    return project


def test_undo_takes_the_last_change_back(repo: TemplateRepo, project: Path, run: Run) -> None:
    (project / "readme.txt").chmod(0o600)
    before = entries(project)
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    assert run("update", "--set", "parts=[wheels]", "--project", project).exit == 0
    assert (project / "wheels.txt").exists()
    ran = run("undo", "--project", project, "--json")
    assert ran.exit == 0, ran.err
    assert {"path": "new.txt", "action": "delete"} in ran.json["changes"]
    assert entries(project) == before
    assert run("undo", "--project", project).exit == 1


def test_undo_leaves_index_and_commits_alone(project: Path, run: Run) -> None:
    assert run("add", "wheels", "--project", project).exit == 0
    git(project, "add", "wheels.txt")
    head, index = git(project, "rev-parse", "HEAD"), git(project, "ls-files", "--stage")
    assert run("undo", "--project", project).exit == 0
    assert git(project, "rev-parse", "HEAD") == head
    assert git(project, "ls-files", "--stage") == index
    assert not (project / "wheels.txt").exists()


def test_an_update_can_be_made_again_after_an_undo(updated: Path, run: Run) -> None:
    after = tree(updated)
    assert run("undo", "--project", updated).exit == 0
    assert tree(updated) != after
    assert run("update", "--project", updated).exit == 0
    assert tree(updated) == after


def test_answers_edited_by_hand_are_new_answers_again_after_an_undo(
    project: Path, run: Run
) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("shiny: false", "shiny: true"))
    assert run("update", "--project", project).exit == 0
    assert "it shines" in (project / "readme.txt").read_text()
    assert run("undo", "--project", project).exit == 0
    assert "it shines" not in (project / "readme.txt").read_text()
    assert run("update", "--project", project).exit == 0
    assert "it shines" in (project / "readme.txt").read_text()


def test_what_the_tree_is_rendered_with_is_known_again_after_an_undo(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    before = tree(project)
    assert run("add", "wheels", "--project", project).exit == 0
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    assert run("update", "--project", project).exit == 0
    assert run("undo", "--project", project).exit == 0
    assert run("remove", "wheels", "--project", project).exit == 0
    assert tree(project) == before


def test_undo_is_refused_where_files_changed_since_and_force_keeps_a_copy(
    updated: Path, run: Run
) -> None:
    (updated / "new.txt").write_text("mine\n")
    before = tree(updated)
    ran = run("undo", "--project", updated)
    assert (ran.exit, tree(updated)) == (1, before)
    assert "new.txt: changed since" in ran.err
    assert "--force" in ran.err
    ran = run("undo", "--project", updated, "--force")
    assert ran.exit == 0
    assert not (updated / "new.txt").exists()
    assert (updated / "new.txt.mine").read_text() == "mine\n"
    assert "new.txt.mine" in ran.out


def test_undo_is_refused_where_something_stands_in_the_way(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    (repo.path / "files/readme.txt.jinja").unlink()
    repo.release("v1.1.0", {})
    assert run("update", "--project", project).exit == 0
    (project / "readme.txt").mkdir()
    (project / "readme.txt/own").write_text("own\n")
    ran = run("undo", "--project", project, "--force")
    assert ran.exit == 1
    assert "readme.txt: there is a directory with files by now" in ran.err


def test_a_conflict_is_undone(repo: TemplateRepo, project: Path, run: Run) -> None:
    (project / "readme.txt").write_text("mine\n")
    before = entries(project)
    repo.release("v1.1.0", {"files/readme.txt.jinja": "theirs\n"})
    assert run("update", "--project", project).exit == 3
    refused = run("update", "--project", project)
    assert refused.exit == 1
    assert "asyncscaffold undo" in refused.err
    assert run("undo", "--project", project).exit == 0
    assert entries(project) == before


def test_a_dry_run_of_undo_shows_what_it_would_do(updated: Path, run: Run) -> None:
    before = tree(updated)
    ran = run("undo", "--project", updated, "--dry-run")
    assert (ran.exit, tree(updated)) == (0, before)
    assert "-new\n" in ran.out
    assert run("undo", "--project", updated).exit == 0


def test_undo_without_a_change_says_so(project: Path, run: Run) -> None:
    ran = run("undo", "--project", project)
    assert ran.exit == 1
    assert "nothing to undo" in ran.err


def test_a_killed_update_is_completed_and_then_undone(
    repo: TemplateRepo, project: Path, run: Run, tmp_path: Path
) -> None:
    before = entries(project)
    new = {f"files/new{number}.txt": "new\n" for number in range(20)}
    repo.release("v1.1.0", new)
    # Killed by its own hand, at the first file that it puts in place.
    killer = tmp_path / "sitecustomize.py"
    killer.write_text(
        "import os, signal\n"
        "link, links = os.link, []\n"
        "def killed(*args, **rest):\n"
        "    link(*args, **rest)\n"
        "    links.append(args)\n"
        "    if len(links) == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.link = killed\n"
    )
    paths = os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        command("update", "--project", project),
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    half = entries(project)
    refused = run("update", "--project", project, "--dry-run")
    assert (refused.exit, entries(project)) == (1, half)
    assert "interrupted" in refused.err
    ran = run("undo", "--project", project)
    assert ran.exit == 0, ran.err
    assert "it is completed now" in ran.err
    assert entries(project) == before


def test_check_says_whether_a_newer_version_exists(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    before = tree(project)
    ran = run("update", "--check", "--project", project)
    assert ran.exit == 0
    assert "v1.0.0" in ran.out
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    ran = run("update", "--check", "--project", project, "--json")
    assert (ran.exit, ran.json["from"], ran.json["to"]) == (5, "v1.0.0", "v1.1.0")
    assert ran.json["newer"] is True
    assert tree(project) == before
    assert run("update", "--project", project).exit == 0
    ran = run("update", "--check", "--to", "v1.0.0", "--project", project, "--json")
    assert (ran.exit, ran.json["newer"]) == (0, False)  # that one is older


def test_check_that_cannot_tell_exits_with_1(repo: TemplateRepo, project: Path, run: Run) -> None:
    repo.path.rename(repo.path.with_name("moved"))
    ran = run("update", "--check", "--project", project)
    assert ran.exit == 1
    assert "cannot be had" in ran.err


def test_check_and_update_agree_for_a_template_that_is_reached_by_url(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    url = f"file://{repo.path}"
    commit(repo.path, "since v1.0.0")
    project = tmp_path / "car"
    assert (
        run("new", project, "--template", url, "--ref", "main", "--defaults", "--no-git").exit == 0
    )
    assert "_commit: v1.0.0-1-g" in (project / ".copier-answers.yml").read_text()
    # What has all that v1.0.0 has is not taken back to it.
    assert run("update", "--check", "--project", project).exit == 0
    before = tree(project)
    assert run("update", "--project", project).exit == 0
    assert tree(project) == before
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    assert run("update", "--check", "--project", project).exit == 5
    assert run("update", "--project", project).exit == 0
    assert (project / "new.txt").exists()
    assert run("update", "--check", "--project", project).exit == 0


def test_without_tags_the_newest_commit_is_the_newest_version(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    git(repo.path, "tag", "--delete", "v1.0.0")
    project = tmp_path / "car"
    url = f"file://{repo.path}"
    assert run("new", project, "--template", url, "--defaults", "--no-git").exit == 0
    assert run("update", "--check", "--project", project).exit == 0
    commit(repo.path, "more")
    assert run("update", "--check", "--project", project).exit == 5


def test_a_dry_run_shows_the_difference(repo: TemplateRepo, project: Path, run: Run) -> None:
    repo.release(
        "v1.1.0",
        {"files/new.txt": "new", "files/readme.txt.jinja": "one\n{{ name }}\nthree\n"},
    )
    (repo.path / "files/bin").write_bytes(b"\0\1")
    repo.release("v1.2.0", {})
    ran = run("update", "--project", project, "--dry-run")
    assert ran.exit == 0
    assert "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n\\ No newline" in ran.out
    assert "--- a/readme.txt\n+++ b/readme.txt\n" in ran.out
    assert "diff a/bin b/bin\nnew file mode 100644\nbinary files differ\n" in ran.out
    changes = run("update", "--project", project, "--dry-run", "--json").json["changes"]
    assert [c["path"] for c in changes if "+new" in c["diff"]] == ["new.txt"]


def test_a_difference_that_is_shown_can_be_applied(
    repo: TemplateRepo, project: Path, run: Run, tmp_path: Path
) -> None:
    repo.release(
        "v1.1.0",
        {"files/new.txt": "new", "files/readme.txt.jinja": "-- one\nthree\nfour\x0bfive\r\n"},
    )
    ran = run("update", "--project", project, "--dry-run", "--json")
    (tmp_path / "patch").write_text("".join(change["diff"] for change in ran.json["changes"]))
    assert run("update", "--project", project).exit == 0
    after = tree(project)
    assert run("undo", "--project", project).exit == 0
    git(project, "apply", str(tmp_path / "patch"))
    assert tree(project) == after


def test_conflicts_are_listed_on_stderr_and_in_the_document(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    (project / "readme.txt").write_text("mine\n")
    repo.release("v1.1.0", {"files/readme.txt.jinja": "theirs\n"})
    dry = run("update", "--project", project, "--dry-run")
    assert (dry.exit, "readme.txt: both sides" in dry.err) == (3, True)
    ran = run("update", "--project", project, "--json")
    assert ran.exit == 3
    assert [note["path"] for note in json.loads(ran.out)["conflicts"]] == ["readme.txt"]
    assert "readme.txt: both sides changed the same lines" in ran.err
