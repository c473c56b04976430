"""Runs pieces of work beside each other, in processes that end with this one.

Copier keeps its working directory and environment for the whole process, so threads will not do.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import NoReturn

from asyncscaffold import stop
from asyncscaffold.errors import Refused

Work = Callable[[], None]

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_SIGNALS |= {signal.SIGHUP} if hasattr(signal, "SIGHUP") else set()


class Elsewhere(Exception):
    """What a failure in another process was raised from, as text."""


def in_turn(first: Work, last: Work) -> None:
    """Do one after the other."""
    first()
    last()


def at_once(first: Work, last: Work) -> None:
    """Do both at the same time: `first` in a process of its own, `last` in this one.

    Raises what `first` raised, or else what `last` did. Where there is one processor, or a process
    cannot be doubled safely, they are done in turn.
    """
    if not _can_double():
        in_turn(first, last)
        return
    with _started(first) as result:
        failure: Exception | None = None
        try:
            last()
        except Exception as error:
            failure = error
        if raised := result() or failure:
            raise raised


def _can_double() -> bool:
    """Whether fork is safe and gains anything: system libraries of macOS do not survive it."""
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and threading.current_thread() is threading.main_thread()
        and threading.active_count() == 1
    )


@contextmanager
def _started(work: Work) -> Iterator[Callable[[], BaseException | None]]:
    """Start `work` in a process of its own; gives what waits for it, and says what it raised.

    It is stopped when an exception comes out of the block, and when this process dies. It stays in
    this one's group, so that what a terminal or a supervisor sends to the group reaches both.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or read by nobody
            stream.flush()  # both would write what is held back
    result, says = os.pipe()
    parent, alive = os.pipe()
    with os.fdopen(result, "rb") as pipe, os.fdopen(alive, "wb"):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            child = os.fork()
            if child == 0:
                _live(work, says, parent, mask)
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise Refused(f"No process can be started: {error.strerror}.") from error
        finally:
            os.close(says)
            os.close(parent)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            yield lambda: _unpacked(pipe.read())
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
            raise
        finally:
            stop.wait_for(child)


def _live(work: Work, says: int, parent: int, mask: set[signal.Signals | int]) -> NoReturn:
    """The other process's life; it never returns to what its parent is in the middle of."""
    raised: BaseException | None = None
    try:
        # Nothing else stays open: the project's lock has to end with the parent.
        for low, high in pairwise([2, *sorted((says, parent)), os.sysconf("SC_OPEN_MAX")]):
            os.closerange(low + 1, high)
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
    except BaseException as error:
        raised = error
        if not isinstance(error, Exception):
            stop.wait_for_children()  # they write where the parent clears up next
    finally:
        try:
            with os.fdopen(says, "wb") as pipe:
                pipe.write(_packed(raised))
        finally:
            os._exit(0)


def _end_with(parent: int) -> None:
    """Wait until nobody can write to this pipe any more: then the parent is dead."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _packed(raised: BaseException | None) -> bytes:
    if raised is None:
        return pickle.dumps((None, ""))
    text = "".join(traceback.format_exception(raised))
    try:
        packed = pickle.dumps((raised, text))
        pickle.loads(packed)
    except Exception:
        packed = pickle.dumps((RuntimeError(f"{type(raised).__name__}: {raised}"), text))
    return packed


def _unpacked(packed: bytes) -> BaseException | None:
    if not packed:
        return Refused("A process of this run was killed: nothing was changed.")
    raised: BaseException | None
    raised, text = pickle.loads(packed)
    if isinstance(raised, Exception):
        raised.__cause__ = Elsewhere(text)
    return raised  # a signal that stopped the other process alone stops this one too
