"""Directories for work in progress: gone afterwards, or cleared by the next run."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asyncscaffold import stop
from asyncscaffold.errors import ROOM, Refused, full_disk

_NAME = re.compile(r"\.asyncscaffold-(\d{1,9})-[0-9a-f]{8}")


@dataclass(frozen=True)
class Staging:
    """Its parts: `project` for what will be renamed into place, `before` for what makes room.

    `tmp` takes every other temporary file of this process.
    """

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def before(self) -> Path:
        return self.root / "before"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"


@contextmanager
def scratch() -> Iterator[None]:
    """Every temporary file of this process goes to one directory, gone with all of them afterwards.

    Raises `Refused` where there is no room for any.
    """
    before = tempfile.tempdir
    try:
        place = Path(tempfile.gettempdir(), f"asyncscaffold-{os.getpid()}-{os.urandom(4).hex()}")
        place.mkdir(mode=0o700)
    except OSError as error:
        raise Refused(f"No temporary file can be written: {error}.", ROOM) from error
    try:
        tempfile.tempdir = str(place)
        yield
    except OSError as error:
        if full := full_disk(str(error)):
            raise Refused(f"{error.filename or place} can't be written: {full}.", ROOM) from error
        raise
    except (KeyboardInterrupt, SystemExit):
        stop.wait_for_children()  # a git left behind would make its directories again
        raise
    finally:
        stop.hold()
        tempfile.tempdir = before
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def staging(beside: Path) -> Iterator[Staging]:
    """A staging directory in `beside`, gone afterwards, whatever happens.

    What an earlier run left in `beside` when it was killed is cleared away first, and a directory
    that it had set aside is put back. Raises `Refused` where nothing can be written.
    """
    staged = Staging(beside / f".asyncscaffold-{os.getpid()}-{os.urandom(4).hex()}")
    temporary, lock = tempfile.tempdir, None
    try:
        with _looking(beside):
            _clear_left_over(beside)
            staged.root.mkdir(mode=0o700)
            lock = _lock(staged.root)
        for part in (staged.tmp, staged.project, staged.before):
            part.mkdir()
        tempfile.tempdir = str(staged.tmp)
        yield staged
    except (KeyboardInterrupt, SystemExit):
        stop.wait_for_children()  # a git left behind would make its directories again
        raise
    except OSError as error:
        raise Refused(f"The project could not be written: {error}.") from error
    finally:
        stop.hold()
        tempfile.tempdir = temporary
        _remove(staged)
        if lock is not None:
            os.close(lock)


def _clear_left_over(beside: Path) -> None:
    for root in sorted(beside.glob(".asyncscaffold-*")):
        if root.is_symlink() or not _NAME.fullmatch(root.name):
            continue
        lock = _lock(root)
        if lock is None:
            continue  # its run is alive
        try:
            for aside in Staging(root).before.glob("*"):
                with suppress(OSError):
                    if not os.path.lexists(beside / aside.name):
                        aside.rename(beside / aside.name)
            _remove(Staging(root))
        finally:
            os.close(lock)


def _remove(staged: Staging) -> None:
    """Remove it, unless it holds what was set aside for a project that never took the place."""
    if not (any(staged.before.glob("*")) and any(staged.project.glob("*"))):
        shutil.rmtree(staged.root, ignore_errors=True)


@contextmanager
def _looking(beside: Path) -> Iterator[None]:
    """Keep other runs from taking a staging directory that is not locked yet for a left-over."""
    handle = None
    with suppress(OSError):
        handle = os.open(beside, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(root: Path) -> int | None:
    """A handle that keeps `root` locked until it is closed, or its process dies.

    None where another process has it. A lock, and not the process id alone, because ids are used
    again, and a container may never reap its dead; the id has to do where the file system has no
    locks.
    """
    try:
        handle = os.open(root, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError) or _alive(root.name):
            os.close(handle)
            return None
    return handle


def _alive(name: str) -> bool:
    found = _NAME.fullmatch(name)
    if not found or int(found[1]) == os.getpid():
        return False
    try:
        os.kill(int(found[1]), 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
