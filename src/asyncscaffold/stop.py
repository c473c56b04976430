"""Ctrl-C, SIGTERM and SIGHUP: each stops the run once, and never what cleans up after it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from asyncscaffold.errors import Stopped

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop(SystemExit):
    """A signal said stop; no `except Exception` on the way up takes it for a failure."""


@contextmanager
def listening() -> Iterator[None]:
    """Turn the signals into exceptions: `KeyboardInterrupt`, and `Stopped` for the others.

    A signal that the caller ignores (nohup, a shell's background job) stays ignored.
    """
    before = {}
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


def _pass(number: int, frame: Any) -> None:
    """Ignores a signal."""


def _raise(number: int, frame: Any) -> NoReturn:
    hold()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Stop(number)
