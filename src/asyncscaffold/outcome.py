"""What a verb came to: an exit code, one JSON document, and the same for people."""

from __future__ import annotations

from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """`document` is printed with --json, `text` without; `left` goes to stderr either way.

    `left` is what the user has to do something about.
    """

    document: dict[str, Any]
    text: str
    exit: int = 0
    left: str = ""

    def also(self, left: str) -> Outcome:
        """The same, with more that is left to do."""
        return self._replace(left="\n\n".join(part for part in (self.left, left) if part))


_CONTROLS = {
    number: f"\\x{number:02x}"
    for number in (*range(32), *range(127, 160))
    if chr(number) not in "\n\t"
}


def printable(text: str) -> str:
    """`text` with its control characters spelled out: a path, a template may hold escape codes."""
    return text.translate(_CONTROLS)
