"""Ctrl-C, SIGTERM and SIGHUP: each stops the run once, and never what cleans up after it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from asyncscaffold.errors import Stopped

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
CHILDREN_SECONDS = 5
_received: int | None = None


class Stop(SystemExit):
    """A signal said stop; no `except Exception` on the way up takes it for a failure."""


@contextmanager
def listening() -> Iterator[None]:
    """Turn the signals into exceptions: `KeyboardInterrupt`, and `Stopped` for the others.

    A signal that the caller ignores (nohup, a shell's background job) stays ignored.
    """
    global _received
    before, _received = {}, None
    if threading.current_thread() is threading.main_thread():
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _raise)
    try:
        yield
    except Stop as stop:
        raise Stopped(int(str(stop.code))) from stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hold() -> None:
    """Nothing stops the run any more: it puts its work in place, or clears it away."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _raise:
            # A function, and not SIG_IGN, which git and cargo would inherit.
            signal.signal(number, _pass)


def wait_for_children() -> None:
    """Wait, but not for ever, until every process that this one had started has ended."""
    until = time.monotonic() + CHILDREN_SECONDS
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return


def wait_for(child: int) -> None:
    """Wait for one process that this one had started, and kill it if it takes too long to end."""
    until = time.monotonic() + 2 * CHILDREN_SECONDS  # it waits for its own children, too
    with suppress(ChildProcessError):
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)


def _pass(number: int, frame: Any) -> None:
    """Ignores a signal."""


def again() -> None:
    """Raise what a signal raised once more, where other code on its way up made a failure of it."""
    if _received is not None:
        _stop(_received)


def _raise(number: int, frame: Any) -> NoReturn:
    global _received
    hold()
    _received = number
    _stop(number)


def _stop(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Stop(number)
