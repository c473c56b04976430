"""`new`: what stands at PATH before and after, what is printed, and what the user's git may do."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers import (
    FILES,
    Done,
    call,
    command,
    commit,
    git,
    leftovers,
    process,
    tool,
    write,
)
from tests.trees import read_tree


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small template, as a plain directory."""
    template = write(tmp_path / "template", FILES)
    (template / "files/run.sh").write_text("#!/bin/sh\n")
    (template / "files/run.sh").chmod(0o755)
    return template


def make(small: Path, path: Path, *words: object) -> Done:
    return call("new", path, "--template", small, "--defaults", *words)


def test_an_absent_path_gets_the_project_and_its_first_commit(small: Path, here: Path) -> None:
    done = make(small, here / "svc", "--json")
    assert done.exit == 0
    assert done.json["git"] == "committed"
    assert git(here / "svc", "log", "--format=%s") == "Start the project"
    assert git(here / "svc", "status", "--porcelain") == ""
    assert leftovers(here) == []


def test_an_empty_directory_is_filled_and_keeps_its_mode(small: Path, here: Path) -> None:
    (here / "svc").mkdir(mode=0o750)
    assert make(small, here / "svc").exit == 0
    assert (here / "svc").stat().st_mode & 0o777 == 0o750
    assert (here / "svc/readme.txt").is_file()


def test_missing_parents_appear_with_the_project(small: Path, here: Path) -> None:
    assert make(small, here / "a/b/svc").exit == 0
    assert (here / "a/b/svc/.git").is_dir()
    assert [entry.name for entry in here.iterdir()] == ["a"]


def test_an_unborn_repository_gets_its_first_commit(small: Path, here: Path) -> None:
    git(here, "init", "-q", "-b", "trunk", "svc")
    (here / "svc/.git/mine").write_text("kept")
    assert make(small, here / "svc", "--json").json["git"] == "committed"
    assert git(here / "svc", "branch", "--show-current") == "trunk"
    assert (here / "svc/.git/mine").read_text() == "kept"
    assert git(here / "svc", "status", "--porcelain") == ""


def test_a_repository_with_a_history_is_left_alone(small: Path, here: Path) -> None:
    (here / "svc").mkdir()
    before = commit(here / "svc", "older")
    done = make(small, here / "svc", "--json").json
    assert done["git"] == "left alone"
    assert "has a history" in done["notes"][0]
    assert git(here / "svc", "rev-parse", "HEAD") == before
    assert (here / "svc/readme.txt").is_file()


@pytest.mark.parametrize("how", ["file", "link"])
def test_a_repository_that_lies_elsewhere_is_left_alone(small: Path, here: Path, how: str) -> None:
    git(here, "init", "-q", "--separate-git-dir", str(here / "elsewhere"), "svc")
    if how == "link":
        (here / "svc/.git").unlink()
        (here / "svc/.git").symlink_to(here / "elsewhere")
    before = (here / "svc/.git").is_symlink()
    done = make(small, here / "svc", "--json").json
    assert done["git"] == "left alone"
    assert (here / "svc/.git").is_symlink() == before
    assert "No commits yet" in git(here / "svc", "status")


def test_inside_another_repository_nothing_is_committed(small: Path, here: Path) -> None:
    before = commit(here, "outer")
    done = make(small, here / "crates/svc")
    assert done.exit == 0
    assert f"lies in the repository {here}" in done.out
    assert not (here / "crates/svc/.git").exists()
    assert git(here, "rev-parse", "HEAD") == before
    assert git(here, "diff", "--cached", "--name-only") == ""


def test_no_git_makes_no_repository(small: Path, here: Path) -> None:
    done = make(small, here / "svc", "--no-git", "--json").json
    assert done["git"] == "skipped"
    assert not (here / "svc/.git").exists()
    assert "--no-git" in done["command"]


def occupied(here: Path) -> dict[str, tuple[Path, str]]:
    write(here, {"full/mine.txt": "mine", "file": "mine"})
    (here / "dangling").symlink_to(here / "nowhere")
    (here / "loop").symlink_to(here / "loop")
    (here / "full-link").symlink_to(here / "full")
    return {
        "full": (here / "full", "full is not empty: it holds mine.txt."),
        "file": (here / "file", "file is a file."),
        "below a file": (here / "file/svc", "file is no directory"),
        "dangling": (here / "dangling", "dangling is a link to"),
        "loop": (here / "loop", "cannot be read: Too many levels of symbolic links"),
        "link to full": (here / "full-link", "full is not empty"),
        "root": (Path("/"), "/ is not empty"),
        "too long": (here / ("n" * 300), "cannot be read: File name too long"),
    }


@pytest.mark.parametrize(
    "case",
    ["full", "file", "below a file", "dangling", "loop", "link to full", "root", "too long"],
)
def test_a_path_that_is_taken_is_refused_and_unchanged(small: Path, here: Path, case: str) -> None:
    path, message = occupied(here)[case]
    before = sorted(map(str, here.rglob("*")))
    done = make(small, path)
    assert (done.exit, done.out) == (1, "")
    assert message in done.err
    assert sorted(map(str, here.rglob("*"))) == before


def test_a_link_to_an_empty_directory_is_followed(small: Path, here: Path) -> None:
    (here / "real").mkdir()
    (here / "svc").symlink_to(here / "real")
    assert make(small, here / "svc").exit == 0
    assert (here / "svc").is_symlink()
    assert (here / "real/readme.txt").is_file()


def test_a_parent_that_cannot_be_written_is_refused(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        here.chmod(0o555)
    else:  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    done = make(small, here / "svc")
    here.chmod(0o755)
    assert done.exit == 1
    assert f"{here} is not writable" in done.err


def test_a_read_only_file_system_and_a_mount_point_are_refused(small: Path, here: Path) -> None:
    mounted = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(here)]
    if not shutil.which("mount") or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here: a read-only file system is not checked")
    try:
        assert "is not writable" in make(small, here / "svc").err
        assert "is a mount point" in make(small, here).err
    finally:
        subprocess.run(["umount", str(here)], check=True)


@pytest.mark.parametrize("name", ["two words", "déjà-vu 日本", 'it\'s "quoted"', "n" * 255])
def test_odd_names_are_names(small: Path, here: Path, name: str) -> None:
    path = here / (name if len(name.encode()) < 256 else "n")
    assert make(small, path).exit == 0
    assert path.name in (path / "readme.txt").read_text()


def test_a_path_may_start_with_a_dash(small: Path, here: Path) -> None:
    words = ["new", "--template", small, "--defaults", "--json", "--", "--svc"]
    done = process(*words, cwd=here)
    assert done.json["path"] == str(here / "--svc")
    assert done.json["command"].endswith(" -- --svc")


def test_without_path_the_project_name_is_the_path(template: Path, here: Path) -> None:
    words = ("new", "--template", template, "--project-name", "my-svc", "--defaults", "--json")
    done = process(*words, cwd=here)
    assert done.json["path"] == str(here / "my-svc")
    assert leftovers(here) == []
    assert process(*words, "--project-name=../x", cwd=here).exit == 2


def test_a_template_without_project_name_needs_a_path(small: Path, here: Path) -> None:
    done = process("new", "--template", small, "--defaults", cwd=here)
    assert done.exit == 2
    assert "Give PATH" in done.err


def test_a_project_name_that_leads_elsewhere_is_refused(small: Path, here: Path) -> None:
    write(small, {"copier.yml": "project_name: {type: str, default: ../other}\n"})
    for name in ("../other", "..", "a/b", ""):
        words = ("new", "--template", small, "--defaults", "--set", f"project_name={name!r}")
        assert process(*words, cwd=here).exit == 2
    assert list(here.iterdir()) == []


def test_the_directory_one_stands_in_can_be_the_path(small: Path, here: Path) -> None:
    done = process("new", ".", "--template", small, "--defaults", cwd=here)
    assert done.exit == 0
    assert "`cd .`" in done.out
    assert (here / "readme.txt").is_file()


def test_a_dry_run_writes_nothing_and_exits_as_the_run_would(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = process(
        "new", "a/svc", "--template", small, "--defaults", "--dry-run", "--json",
        cwd=here, TMPDIR=str(temporary),
    )  # fmt: skip
    assert done.exit == 0
    assert done.json["dry_run"] is True
    assert "run.sh" in done.json["files"]
    assert list(temporary.iterdir()) == []
    assert list(here.iterdir()) == []
    (here / "full").mkdir()
    (here / "full/x").touch()
    assert make(small, here / "full", "--dry-run").exit == 1
    assert make(small, here / "svc", "--set", "size=x", "--dry-run").exit == 2


def test_the_json_document_says_what_was_made(small: Path, here: Path) -> None:
    done = make(small, here / "svc", "--set", "size=7", "--json")
    document = done.json
    assert list(document) == [
        "path", "template", "answers", "verdict", "files", "command", "dry_run", "git", "notes",
    ]  # fmt: skip
    assert document["template"] == {"url": str(small), "version": "unversioned"}
    assert document["answers"] == {
        "name": "thing", "size": 7, "colour": "red", "parts": ["engine"], "shiny": False,
    }  # fmt: skip
    assert document["files"] == sorted(
        [".copier-answers.yml", "deep/er/thing.txt", "plain.txt", "readme.txt", "run.sh"]
    )
    assert document["verdict"] is None
    assert done.err == ""


def test_people_read_preview_command_and_next_steps(template: Path, here: Path) -> None:
    done = call("new", here / "svc", "--template", template, "--defaults")
    assert "The verdict: tokio" in done.out
    assert f"{here / 'svc'}: " in done.out
    assert "asyncscaffold new --template" in done.out
    assert "is made and committed." in done.out
    assert "cargo run" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "name=-dash and 'quotes'", "--set", "parts=[wheels, engine]"],
        ["--set", "shiny=true", "--set", "wax=' '", "--set", "size=-4"],
        ["--set", 'name="two\\nlines"', "--no-git", "--answers-file", ".other.yml"],
    ],
)
def test_the_printed_command_makes_the_same_project(
    small: Path, here: Path, words: list[str]
) -> None:
    words = ["new", "svc", "--template", str(small), "--defaults", "--json", *words]
    first = process(*words, cwd=here).json
    (here / "svc").rename(here / "first")
    again = shlex.split(first["command"])
    assert again[0] == "asyncscaffold"
    second = process(*again[1:], "--json", cwd=here).json
    assert first == second
    assert trees(here / "first") == trees(here / "svc")


def test_the_printed_command_of_the_shipped_template_uses_its_flags(
    template: Path, here: Path
) -> None:
    words = ("--template", template, "--defaults", "--description=-x, 'y'", "--interfaces=")
    first = call("new", here / "svc", *words, "--json").json
    assert "--interfaces '' " in first["command"]
    again = shlex.split(first["command"])
    (here / "svc").rename(here / "first")
    assert call(*again[1:], "--json").json == first
    assert trees(here / "first") == trees(here / "svc")


def trees(root: Path) -> dict[str, object]:
    return {path: entry for path, entry in read_tree(root).items() if not path.startswith(".git/")}


@pytest.mark.parametrize("answers", [{}, {"shiny": "true", "wax": "none", "parts": "[wheels]"}])
def test_it_equals_what_copier_gives(small: Path, here: Path, answers: dict[str, str]) -> None:
    commit(small, "one", "v1.2")
    sets = [f"--set={key}={value}" for key, value in answers.items()]
    assert make(small, here / "svc", *sets).exit == 0
    data = [word for key, value in answers.items() for word in ("-d", f"{key}={value}")]
    (here / "copier").mkdir()
    subprocess.run(
        [
            Path(sys.executable).with_name("copier"),
            *["copy", "-q", "--defaults", *data, str(small), "svc"],
        ],
        cwd=here / "copier",
        check=True,
        capture_output=True,
    )
    assert trees(here / "svc") == trees(here / "copier/svc")
    assert (here / "svc/run.sh").stat().st_mode & 0o111


def test_the_users_git_configuration_does_not_disturb(small: Path, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "home/.gitconfig": "[commit]\n gpgSign = true\n[gpg]\n program = /nonexistent\n"
            "[init]\n defaultBranch = odd\n"
            f" templateDir = {tmp_path}/templates\n[core]\n hooksPath = {tmp_path}/hooks\n"
            " autocrlf = true\n[user]\n name = Ada\n email = ada@example.org\n",
            "templates/info/planted": "",
            "here/keep": "",
        },
    )
    for hook in ("pre-commit", "commit-msg", "post-commit", "post-checkout"):
        tool(tmp_path / "hooks", hook, f"touch {tmp_path}/hooked; exit 1")
    commit(small, "one", "v1")
    done = process(
        "new", "svc", "--template", small, "--defaults", "--json",
        cwd=tmp_path / "here",
        HOME=str(tmp_path / "home"),
        XDG_CONFIG_HOME=None,
        GIT_DIR=str(tmp_path / "nowhere"),
        GIT_INDEX_FILE=str(tmp_path / "index"),
        GIT_WORK_TREE=str(tmp_path),
    )  # fmt: skip
    project = tmp_path / "here/svc"
    assert done.json["git"] == "committed"
    assert git(project, "log", "--format=%an <%ae>") == "Ada <ada@example.org>"
    assert git(project, "branch", "--show-current") == "odd"
    assert not (project / ".git/info/planted").exists()
    assert not (tmp_path / "hooked").exists()
    assert not (tmp_path / "index").exists()
    assert b"\r" not in (project / "plain.txt").read_bytes()


def test_a_git_that_knows_nobody_still_commits(small: Path, here: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    done = process(
        "new", "svc", "--template", small, "--defaults", "--json",
        cwd=here, HOME=str(tmp_path / "home"), XDG_CONFIG_HOME=None, EMAIL=None,
        GIT_CONFIG_NOSYSTEM="1",
    )  # fmt: skip
    assert done.json["git"] == "committed"
    assert git(here / "svc", "branch", "--show-current") == "main"


def bare_path(folder: Path, *programs: str) -> str:
    """A PATH with `programs` alone."""
    folder.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


def test_without_git_it_is_refused_unless_no_git_is_wanted(
    small: Path, here: Path, tmp_path: Path
) -> None:
    words = ("new", "svc", "--template", small, "--defaults")
    path = bare_path(tmp_path / "bin")
    done = process(*words, cwd=here, PATH=path)
    assert done.exit == 1
    assert "git was not found" in done.err
    assert list(here.iterdir()) == []
    assert process(*words, "--no-git", cwd=here, PATH=path).exit == 0


@pytest.mark.parametrize("cargo", ["absent", "fails", "hangs up on its lock file"])
def test_without_cargo_it_renders_and_says_what_was_not_checked(
    template: Path, here: Path, tmp_path: Path, cargo: str
) -> None:
    path = bare_path(tmp_path / "bin", "git", "sh")
    if cargo != "absent":
        tool(tmp_path / "bin", "cargo", "echo broken > Cargo.lock; exit 101")
    words = ("new", "svc", "--template", template, "--trust", "--defaults", "--json")
    done = process(*words, cwd=here, PATH=path)
    assert done.exit == 0
    said = "cargo was not found" if cargo == "absent" else "cargo trims it at the first build"
    assert said in done.json["notes"][0]
    assert (here / "svc/Cargo.lock").read_bytes() == (
        template / "template/Cargo.lock"
    ).read_bytes().replace(b"my-service", b"svc")


def test_cargo_trims_the_lock_without_network(template: Path, here: Path, cargo: str) -> None:
    done = process(
        "new", "svc", "--template", template, "--trust", "--defaults", "--json",
        cwd=here, CARGO_NET_OFFLINE="true", https_proxy="http://127.0.0.1:1",
    )  # fmt: skip
    assert done.json["notes"] == []
    checked = ["metadata", "--offline", "--locked", "--format-version=1", "--no-deps"]
    subprocess.run([cargo, *checked], cwd=here / "svc", check=True, capture_output=True)


def test_a_template_that_is_not_ours_gets_no_cargo(small: Path, here: Path, tmp_path: Path) -> None:
    write(small, {"files/Cargo.lock": "version = 4\n"})
    path = tool(tmp_path / "bin", "cargo", f"touch {tmp_path}/ran")
    words = ("new", "svc", "--template", small, "--defaults", "--json")
    assert process(*words, cwd=here, PATH=path).json["notes"] == []
    assert not (tmp_path / "ran").exists()


def test_no_remote_is_asked_for_a_template_on_this_machine(
    small: Path, here: Path, tmp_path: Path
) -> None:
    commit(small, "one", "v1")
    real = shutil.which("git")
    path = tool(
        tmp_path / "bin",
        "git",
        f'for word in "$@"; do case $word in *://*|*@*:*) touch {tmp_path}/remote; exit 1;; esac;'
        f' done\nexec {real} "$@"',
    )
    words = ("new", "svc", "--template", small, "--defaults", "--json")
    assert process(*words, cwd=here, PATH=path).json["git"] == "committed"
    assert not (tmp_path / "remote").exists()


def test_an_old_answers_file_answers(small: Path, here: Path) -> None:
    assert make(small, here / "old", "--set", "size=9", "--set", "colour=green").exit == 0
    answers = here / "old/.copier-answers.yml"
    done = call("new", here / "svc", "--template", small, "--answers", answers, "--json")
    assert done.json["answers"] == make(small, here / "x", "--set", "size=9",
        "--set", "colour=green", "--json").json["answers"]  # fmt: skip


def test_secrets_are_neither_printed_nor_recorded(small: Path, here: Path) -> None:
    write(
        small,
        {
            "copier.yml": FILES["copier.yml"]
            + "token: {type: str, default: '', secret: true}\n"
            + "key: {type: str, default: ''}\n_secret_questions: [key]\n",
            "files/used.jinja": "{{ token }}{{ key }}",
        },
    )
    sets = ("--set", "token=hush", "--set", "key=hist")
    for words in ((), ("--json",)):
        done = make(small, here / f"svc{len(words)}", *sets, *words)
        assert "hush" not in done.out + done.err
        assert "hist" not in done.out + done.err
    assert (here / "svc0/used").read_text() == "hushhist"
    assert "hush" not in (here / "svc0/.copier-answers.yml").read_text()


def test_no_is_cancelled_and_writes_nothing(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asyncscaffold import wizard

    monkeypatch.setattr(wizard, "available", lambda: True)
    monkeypatch.setattr(wizard, "confirm", lambda message, **more: False)
    sets = [
        f"--set={answer}" for answer in ("name=a", "size=1", "colour=red", "parts=[]", "shiny=no")
    ]
    done = call("new", here / "svc", "--template", small, *sets)
    assert done.exit == 130
    assert "Will be written" in done.err
    assert list(here.iterdir()) == []
    assert call("new", here / "svc", "--template", small, *sets, "--yes").exit == 0


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(st.characters(exclude_categories=(), exclude_characters="\0"), max_size=70))
def test_no_project_name_breaks_new(template: Path, name: str) -> None:
    done = call(
        "new", "--template", template, "--defaults", "--dry-run", "--json", f"--project-name={name}"
    )
    assert done.exit in (0, 1, 2)
    assert json.loads(done.out)


def test_it_works_in_a_terminal_less_shell_that_closed_its_streams(small: Path, here: Path) -> None:
    words = shlex.join(command("new", "svc", "--template", small, "--defaults"))
    subprocess.run(["sh", "-c", f"{words} <&- >&- 2>&-"], cwd=here, check=True)
    assert (here / "svc/.git").is_dir()


def test_a_repository_that_a_trusted_task_begins_is_the_projects(here: Path) -> None:
    tasks = "_tasks: [git init -q, mkdir .git/hooks && date > .git/hooks/pre-commit]\n"
    template = write(here / "template", {"copier.yml": tasks, "a": "text"})
    (here / "svc/.git").mkdir(parents=True)
    for name in ("fresh", "svc"):
        done = call("new", here / name, "--template", template, "--defaults", "--trust")
        assert done.exit == 0, done.err
        assert git(here / name, "show", "--format=", "--name-only") == "a"
    assert (here / "fresh/.git/hooks/pre-commit").exists()
    assert not (here / "svc/.git/hooks/pre-commit").exists()
