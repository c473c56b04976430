"""What can go wrong, said for the person who reads it; cli.py turns each into an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Failure(Exception):
    """An expected failure: `message` says what happened and what it means, `hint` what to do.

    `exit` is the process exit code of the contract. Raised anywhere, caught in `cli.main` alone.
    """

    exit = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(Failure):
    """Refused or failed, and nothing was changed (exit 1)."""


class Usage(Failure):
    """The call is wrong: an unknown flag or key, a bad value, a bad answers file (exit 2)."""

    exit = 2


class Cancelled(Failure):
    """The user said stop: Ctrl-C, Ctrl-D, or "no" at the review (exit 130)."""

    exit = 130

    def __init__(self, message: str = "Cancelled: nothing was changed.", hint: str = "") -> None:
        super().__init__(message, hint)


class Stopped(Failure):
    """A signal other than Ctrl-C's said stop; the exit code is the shell's for it, 128 + number."""

    def __init__(self, number: int) -> None:
        super().__init__("Stopped by a signal: nothing was changed.")
        self.exit = 128 + number


ROOM = "Make room there, or let TMPDIR name another directory for what is temporary."


def full_disk(said: str, place: Path | None = None) -> str:
    """That a disk is full, where `said` by a program or the system says so, or that of `place` is.

    Not every program says why it could not write.
    """
    from shutil import disk_usage

    known = "No space left on device", "Disk quota exceeded", "File too large"
    full = place is not None and disk_usage(place).free < 1 << 20
    return next((text for text in known if text in said), known[0] if full else "")
