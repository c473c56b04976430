"""A project appears whole or not at all, whatever stops the run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from asyncscaffold import place, staging
from tests.helpers import (
    FILES,
    call,
    command,
    commit,
    environment,
    git,
    leftovers,
    process,
    tool,
    write,
)

COPIER_YML = FILES["copier.yml"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small template in a repository, at a tag that is not its newest commit."""
    template = write(tmp_path / "template", {**FILES, "files/Cargo.lock": "version = 4\n"})
    commit(template, "one", "v1")
    commit(template, "two")
    return template


MOMENTS = [
    ("git", "version"),
    ("git", "ls-remote"),
    ("git", "clone"),  # our own look at the template
    ("git", "--filter=blob:none"),  # Copier's
    ("git", "checkout"),
    ("git", "describe"),  # Copier, after the questions
    ("cargo", "update"),
    ("git", "init"),
    ("git", "add"),
    ("git", "commit"),
]


@pytest.mark.parametrize(
    ("program", "verb", "stop"),
    [(*moment, stop) for moment in MOMENTS for stop in ("SIGINT", "SIGTERM", "SIGKILL")]
    + [("git", "commit", "SIGHUP")],
)
def test_a_signal_at_any_moment_leaves_no_half_project(
    small: Path, here: Path, tmp_path: Path, program: str, verb: str, stop: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    words = command("new", "a/svc", "--template", small, "--defaults", "--trust", "--json")
    done = subprocess.run(
        words,
        cwd=here,
        env=environment(PATH=signalling(tmp_path, program, verb, stop), TMPDIR=str(temporary)),
        capture_output=True,
        check=False,
    )
    assert (tmp_path / "signalled").exists()
    assert list(temporary.iterdir()) == []
    assert not (here / "a").exists()
    if stop == "SIGKILL":
        assert done.returncode == -signal.SIGKILL
        assert verb == "version" or len(leftovers(here)) == 1
        subprocess.run(words, cwd=here, check=True, capture_output=True)
        assert [entry.name for entry in here.iterdir()] == ["a"]
        assert git(here / "a/svc", "status", "--porcelain") == ""
    else:
        assert done.returncode == 128 + signal.Signals[stop]
        assert b"nothing was changed" in done.stdout
        assert b"Traceback" not in done.stderr
        assert list(here.iterdir()) == []


def signalling(folder: Path, program: str, verb: str, stop: str) -> str:
    """A PATH on which `program VERB` first sends its parent a signal."""
    real = shutil.which(program) or "true"
    then = "exit 1" if stop == "SIGKILL" else "break"
    return tool(
        folder / "bin",
        program,
        f'for word in "$@"; do if [ "$word" = {verb} ]; then touch {folder}/signalled;'
        f' kill -{stop.removeprefix("SIG")} $PPID; {then}; fi; done\nexec {real} "$@"',
    )


class Killed(BaseException):
    """The process dies here: no clean-up runs."""


def kill_at_rename(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """Die instead of the rename of that number in `place`."""
    count, rename = 0, Path.rename

    def counted(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == which:
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", counted)


@pytest.mark.parametrize("which", [1, 2])
def test_a_repository_set_aside_by_a_killed_run_is_put_back(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    (here / "svc").mkdir()
    older = commit(here / "svc", "older")
    words = ("new", here / "svc", "--template", small, "--defaults")
    with monkeypatch.context() as patch:
        patch.setattr(staging, "_remove", lambda staged: None)
        kill_at_rename(patch, which)
        with pytest.raises(Killed):
            call(*words)
    assert (here / "svc").exists() == (which == 1)
    assert len(leftovers(here)) == 1
    assert call(*words, "--set", "size=no").exit == 2  # any next run, even one that fails
    assert git(here / "svc", "rev-parse", "HEAD") == older
    assert leftovers(here) == []
    assert call(*words).exit == 0
    assert (here / "svc/readme.txt").is_file()


def test_what_was_set_aside_is_kept_where_something_else_took_the_place(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "svc").mkdir()
    older = commit(here / "svc", "older")
    with monkeypatch.context() as patch:
        patch.setattr(staging, "_remove", lambda staged: None)
        kill_at_rename(patch, 2)
        with pytest.raises(Killed):
            call("new", here / "svc", "--template", small, "--defaults")
    (here / "svc").mkdir()
    assert call("new", here / "other", "--template", small, "--defaults").exit == 0
    [left] = leftovers(here)
    assert git(here / left / "before/svc", "rev-parse", "HEAD") == older


def test_a_rename_that_fails_puts_the_repository_back(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "svc").mkdir()
    older = commit(here / "svc", "older")
    rename, failed = Path.rename, list[Path]()

    def full(self: Path, target: Path) -> Path:
        if self.parent.name == "project" and not failed:
            failed.append(self)
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    done = call("new", here / "svc", "--template", small, "--defaults")
    assert done.exit == 1
    assert "No space left on device" in done.err
    assert git(here / "svc", "rev-parse", "HEAD") == older
    assert [entry.name for entry in here.iterdir()] == ["svc"]


@pytest.mark.parametrize("name", ["mkdir", "write_bytes", "chmod"])
def test_a_disk_that_fails_at_any_write_leaves_nothing(
    small: Path, here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real, calls = getattr(Path, name), 0
    for number in (1, 2, 3, 5, 8):
        calls = 0

        def failing(self: Path, *args: object, number: int = number, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls == number:
                raise OSError(28, "No space left on device")
            return real(self, *args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Path, name, failing)
            done = call("new", here / "svc", "--template", small, "--defaults")
        if calls >= number:
            assert done.exit == 1
            assert "No space left" in done.err
            assert list(here.iterdir()) == []
        else:
            assert done.exit == 0
            shutil.rmtree(here / "svc")


def test_a_run_that_lives_keeps_its_staging(small: Path, here: Path) -> None:
    with staging.staging(here) as other:
        (other.project / "svc").mkdir()
        assert call("new", here / "svc", "--template", small, "--defaults").exit == 0
        assert (other.project / "svc").is_dir()
        assert leftovers(here) == [other.root.name]
    assert leftovers(here) == []


def test_only_directories_of_ours_are_cleared(small: Path, here: Path) -> None:
    mine = {".asyncscaffold-notes", ".asyncscaffold-12-backup", ".asyncscaffold"}
    for name in mine:
        (here / name).mkdir()
    (here / ".asyncscaffold-1-0123abcd").symlink_to(here / ".asyncscaffold")
    (here / ".asyncscaffold-999999-0123abcd").mkdir()
    assert call("new", here / "svc", "--template", small, "--defaults").exit == 0
    assert set(leftovers(here)) == mine | {".asyncscaffold-1-0123abcd"}


def test_without_locks_the_process_id_tells_who_lives(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    parent = f".asyncscaffold-{os.getppid()}-0123abcd"
    for name in (parent, ".asyncscaffold-999999999-0123abcd"):
        (here / name).mkdir()
    with staging.staging(here) as own:
        assert set(leftovers(here)) == {parent, own.root.name}
    assert leftovers(here) == [parent]


def test_two_runs_for_one_path_leave_one_project(small: Path, here: Path) -> None:
    words = command("new", "svc", "--template", small, "--defaults", "--json")
    runs = [
        subprocess.Popen(words, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for run in runs:
        run.communicate()
    assert sorted(run.returncode for run in runs) == [0, 1]
    assert [entry.name for entry in here.iterdir()] == ["svc"]
    assert git(here / "svc", "status", "--porcelain") == ""


def test_an_ignored_signal_stays_ignored(small: Path, here: Path, tmp_path: Path) -> None:
    path = signalling(tmp_path, "git", "commit", "SIGHUP")
    words = command("new", "svc", "--template", small, "--defaults", "--json")
    subprocess.run(
        ["nohup", *words], cwd=here, env=environment(PATH=path), check=True, capture_output=True
    )
    assert (tmp_path / "signalled").exists()
    assert (here / "svc/.git").is_dir()


def test_what_is_listed_is_every_file_but_gits(tmp_path: Path) -> None:
    write(tmp_path, {"a": "", "b/c": "", ".git/x": "", "b/.gitignore": ""})
    (tmp_path / "link").symlink_to("b")
    listed = [file.as_posix() for file in place.files_of(tmp_path)]
    assert listed == ["a", "b/.gitignore", "b/c", "link"]


def test_a_stop_that_the_template_takes_for_a_failure_is_a_stop(
    small: Path, here: Path, tmp_path: Path
) -> None:
    write(
        tmp_path / "extensions",
        {
            "stubborn.py": """\
import os, signal, sys
from jinja2.ext import Extension

class Stubborn(Extension):
    def __init__(self, environment):
        super().__init__(environment)
        if "copier" in sys.modules:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except BaseException:
                raise ValueError("not now")
"""
        },
    )
    with (small / "copier.yml").open("a") as file:
        file.write("_jinja_extensions: [stubborn.Stubborn]\n")
    commit(small, "three", "v2")
    path = os.pathsep.join([str(tmp_path / "extensions"), os.environ.get("PYTHONPATH", "")])
    done = process(
        *("new", "p", "--template", small, "--trust", "--defaults"), cwd=here, PYTHONPATH=path
    )
    assert done.exit == 128 + signal.SIGTERM, done.out
    assert list(here.iterdir()) == []
