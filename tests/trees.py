"""Trees of files as data, for comparing them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """What stands at one path: its bytes, and whether it can be run."""

    content: bytes
    executable: bool


Tree = dict[str, Entry]


def read_tree(root: Path) -> Tree:
    """Every file below `root`, by its path with slashes."""
    return {
        path.relative_to(root).as_posix(): Entry(
            path.read_bytes(), bool(path.stat().st_mode & 0o100)
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
