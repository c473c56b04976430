"""What a verb came to: an exit code, one JSON document, and the same for people."""

from __future__ import annotations

from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """`document` is printed with --json, `text` without."""

    document: dict[str, Any]
    text: str
    exit: int = 0
