"""git is run alone with what a call needs; the user's configuration counts where it should."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from asyncscaffold import git
from asyncscaffold.errors import Refused


@pytest.fixture
def unconfigured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which git knows nobody."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


def _made(path: Path) -> Path:
    path.mkdir()
    (path / "a").write_text("a\n")
    git.init_and_commit(path, "first")
    return path


def _said(where: Path, *args: str) -> str:
    return git.run(args, cwd=where, user_config=True).stdout.decode().strip()


def test_a_first_commit_needs_no_configuration(unconfigured: Path, tmp_path: Path) -> None:
    project = _made(tmp_path / "project")
    assert _said(project, "log", "--format=%an %s") == "asyncscaffold first"
    assert _said(project, "branch", "--show-current") == "main"
    assert _said(project, "status", "--porcelain") == ""


def test_a_first_commit_bears_the_users_name_and_branch(unconfigured: Path, tmp_path: Path) -> None:
    (unconfigured / ".gitconfig").write_text(
        "[user]\nname = Ada\nemail = ada@x\n[init]\ndefaultBranch = trunk\n"
    )
    project = _made(tmp_path / "project")
    assert _said(project, "log", "--format=%an %ae") == "Ada ada@x"
    assert _said(project, "branch", "--show-current") == "trunk"


def test_a_first_commit_takes_the_name_of_the_environment(
    unconfigured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Env")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "env@x")
    assert _said(_made(tmp_path / "project"), "log", "--format=%an %ce") == "Env env@x"


def test_a_first_commit_runs_no_hook_template_or_signature(
    unconfigured: Path, tmp_path: Path
) -> None:
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (unconfigured / ".gitconfig").write_text(
        f"[core]\nhooksPath = {hooks}\n[init]\ntemplateDir = {hooks.parent}\n"
        "[commit]\ngpgSign = true\n[gpg]\nprogram = false\n"
    )
    project = _made(tmp_path / "project")
    assert _said(project, "rev-list", "--count", "HEAD") == "1"
    assert not (project / ".git/hooks/pre-commit").exists()


def test_git_variables_of_the_caller_do_not_count(
    unconfigured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    project = _made(tmp_path / "project")
    assert git.inside_work_tree(project / "not" / "there") == project
    assert git.git_directory(project) == (project / ".git", "")


def test_no_repository_is_no_work_tree(tmp_path: Path) -> None:
    assert git.inside_work_tree(tmp_path) is None
    assert git.git_directory(tmp_path) is None


def test_tags_name_commits_annotated_or_not(unconfigured: Path, tmp_path: Path) -> None:
    project = _made(tmp_path / "project")
    _said(project, "tag", "v1.9.0")
    _said(project, "-c", "user.name=t", "-c", "user.email=t", "tag", "-m", "x", "v1.10.0")
    _said(project, "tag", "v2.0.0rc1")
    _said(project, "tag", "nightly")
    head = _said(project, "rev-parse", "HEAD")
    tags = git.tags(project)
    assert set(tags) == {"v1.9.0", "v1.10.0", "v2.0.0rc1", "nightly"}
    assert set(tags.values()) == {head}
    assert git.newest_tag(project) == "v1.10.0"
    assert git.newest_tag(project, prereleases=True) == "v2.0.0rc1"


def test_a_repository_without_a_version_has_no_newest_tag(
    unconfigured: Path, tmp_path: Path
) -> None:
    assert git.newest_tag(_made(tmp_path / "project")) is None


def test_a_repository_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        git.tags(tmp_path / "nowhere")


def test_a_file_is_shown_at_a_revision(unconfigured: Path, tmp_path: Path) -> None:
    project = _made(tmp_path / "project")
    assert git.show_file(project, "HEAD", "a") == b"a\n"
    assert git.show_file(project, "HEAD", "b") is None
    assert git.show_file(project, "--batch", "a") is None


def test_a_clone_under_the_clone_environment_converts_nothing(
    unconfigured: Path, tmp_path: Path
) -> None:
    project = _made(tmp_path / "project")
    (unconfigured / ".gitconfig").write_text("[core]\nautocrlf = true\n")
    subprocess.run(
        ["git", "clone", "--quiet", project, tmp_path / "clone"],
        env={**os.environ, **git.clone_environment()},
        check=True,
    )
    assert (tmp_path / "clone/a").read_bytes() == b"a\n"


def test_git_that_is_absent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    git.version.cache_clear()
    with pytest.raises(Refused, match="git was not found") as raised:
        git.version()
    assert raised.value.hint


@pytest.mark.parametrize(("said", "fits"), [("2.37.9", False), ("2.38.0", True), ("3.1", True)])
def test_git_that_is_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, fits: bool
) -> None:
    (tmp_path / "git").write_text(f"#!/bin/sh\necho git version {said} x\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    git.version.cache_clear()
    try:
        if fits:
            assert git.version() >= git.MINIMUM
        else:
            with pytest.raises(Refused, match="too old"):
                git.version()
    finally:
        git.version.cache_clear()
