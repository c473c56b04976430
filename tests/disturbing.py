"""Watches, kills or stops a command line at each of its calls that change a file system."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from tests.helpers import call

_MUTATIONS = ("unlink", "replace", "rename", "rmdir", "mkdir", "link", "symlink", "chmod", "fsync")


@contextmanager
def before_each_change(act: Callable[[int], None]) -> Iterator[list[int]]:
    """Calls `act` with 1, 2, 3 … before each call that changes a file system; yields the count.

    What processes that this one starts do is not seen.
    """
    count, acting, process = [0], [False], os.getpid()
    originals = {name: getattr(os, name) for name in _MUTATIONS}

    def changed(name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if not acting[0] and os.getpid() == process:
                count[0] += 1
                acting[0] = True
                try:
                    act(count[0])
                finally:
                    acting[0] = False
            found: object = originals[name](*args, **kwargs)
            return found

        return call

    for name in _MUTATIONS:
        setattr(os, name, changed(name))
    try:
        yield count
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def states(project: Path, into: Path, *words: object) -> list[Path]:
    """Runs a command line; what a kill before each of its changes to `project` would leave.

    A killed process leaves the file system as it is at that moment, so that a copy made then is
    what the next run would find. Copies of the same state are made once.
    """
    found: list[Path] = []
    seen: list[object] = [_fingerprint(project)]

    def copied(number: int) -> None:
        now = _fingerprint(project)
        if now != seen[-1]:
            seen.append(now)
            found.append(into / str(number) / project.name)
            shutil.copytree(project, found[-1], symlinks=True)

    with before_each_change(copied):
        call(*words)
    return found


def _fingerprint(project: Path) -> object:
    """Changes with whatever changes in the project, or in what we keep in its git directory."""
    found = []
    for folder, folders, names in os.walk(project):
        if Path(folder).name == ".git":
            folders[:] = [name for name in folders if name == "asyncscaffold"]
        for name in [*folders, *names]:
            there = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (speed)
            found.append((folder, name, there.st_ino, there.st_mode, there.st_mtime_ns))
    return found


def signalled(number: int, at: int, *words: object) -> int:
    """Runs a command line in a child that sends itself a signal before change `at`.

    Gives its exit code; minus the signal where that ended it.
    """
    child = os.fork()
    if child == 0:
        code = 99
        try:
            with (
                Path(os.devnull).open("w") as nothing,
                redirect_stdout(nothing),
                redirect_stderr(nothing),
                before_each_change(lambda n: os.kill(os.getpid(), number) if n == at else None),
            ):
                code = call(*words).exit
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


KILL = signal.SIGKILL
