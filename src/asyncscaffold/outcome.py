"""What a verb came to: an exit code, one JSON document, and the same for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """`document` is printed with --json, `text` without."""

    document: dict[str, Any]
    text: str
    exit: int = 0
