"""Shows a change as git would: a unified diff, or in words where there are no lines to show."""

from __future__ import annotations

import os
from difflib import unified_diff
from io import StringIO
from itertools import islice

from asyncscaffold.merge.model import Change, Version, is_binary, shown


def unified(change: Change) -> str:
    """The difference that a change makes, three lines of context around each part of it."""
    old, new = change.old, change.new
    path = shown(change.path)
    head = [f"diff a/{path} b/{path}"]
    if old is not None and new is not None and old.git_mode != new.git_mode:
        head += [f"old mode {old.git_mode}", f"new mode {new.git_mode}"]
    elif old is None and new is not None:
        head.append(f"new file mode {new.git_mode}")
    elif old is not None and new is None:
        head.append(f"deleted file mode {old.git_mode}")
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        return "\n".join([*head, "binary files differ", ""])
    names = (
        f"a/{path}" if old is not None else os.devnull,
        f"b/{path}" if new is not None else os.devnull,
    )
    body = unified_diff(before, after, *names, lineterm="")
    lines = [*head, *islice(body, 2)]
    for line in body:
        lines.append(line.removesuffix("\n"))
        if line[0] != "@" and not line.endswith("\n"):
            lines.append("\\ No newline at end of file")
    return shown("\n".join([*lines, ""]))


def _lines(version: Version | None) -> list[str] | None:
    """The lines with their ends; a link's target is its one line. None for a binary file."""
    if version is None:
        return []
    if not version.link and is_binary(version.data):
        return None
    return list(StringIO(version.data.decode("utf-8", "surrogateescape"), newline="\n"))
