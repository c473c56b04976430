"""What can go wrong, said for the person who reads it; cli.py turns each into an exit code."""

from __future__ import annotations


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
