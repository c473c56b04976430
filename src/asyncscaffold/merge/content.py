"""Merges what base, mine and theirs have in one regular file: text, TOML, line ends, binaries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from asyncscaffold.merge.lines import merge_file
from asyncscaffold.merge.model import Labels, is_binary
from asyncscaffold.merge.toml import merge_toml


@dataclass(frozen=True)
class Content:
    """The merged bytes; a `conflict` left markers in them, a `binary` one left mine as it was."""

    data: bytes
    conflict: str = ""
    binary: bool = False


_Ending = Literal["lf", "crlf", "none", "mixed"]


def merge(path: str, base: bytes, mine: bytes, theirs: bytes, labels: Labels) -> Content:
    """Merges three versions of a file's bytes; an absent base is empty."""
    if mine == theirs or base == theirs:
        return Content(mine)
    if mine == base:
        return Content(theirs)
    if any(map(is_binary, (base, mine, theirs))):
        return Content(mine, "both sides changed a binary file", binary=True)
    endings = [_ending(side) for side in (base, mine, theirs)]
    if "crlf" not in endings or "mixed" in endings:
        return _lines(path, base, mine, theirs, labels)
    # Line ends are one more thing with three versions; the words are merged without them.
    merged = _lines(path, _unix(base), _unix(mine), _unix(theirs), labels)
    if _wins(*endings) == "crlf":
        return Content(merged.data.replace(b"\n", b"\r\n"), merged.conflict, merged.binary)
    return merged


def _unix(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _ending(data: bytes) -> _Ending:
    crlf, lf = data.count(b"\r\n"), data.count(b"\n")
    return "none" if not lf else "lf" if not crlf else "crlf" if crlf == lf else "mixed"


def _wins(base: _Ending, mine: _Ending, theirs: _Ending) -> _Ending:
    return theirs if mine in (base, "none") and theirs != "none" else mine


def _lines(path: str, base: bytes, mine: bytes, theirs: bytes, labels: Labels) -> Content:
    if mine == theirs or base == theirs:
        return Content(mine)
    if mine == base:
        return Content(theirs)
    if re.search(r"\.toml$", path, re.IGNORECASE):
        try:
            texts = base.decode(), mine.decode(), theirs.decode()
        except UnicodeDecodeError:
            pass
        else:
            merged = merge_toml(*texts, labels=labels)
            disputed = ", ".join(merged.conflicts)
            reason = f"both sides changed {disputed}" if disputed else ""
            return Content(merged.text.encode(), reason)
    by_line = merge_file(base, mine, theirs, labels.for_git())
    if by_line is None:
        return Content(mine, "both sides changed a file that git takes for binary", binary=True)
    data, conflict = by_line
    return Content(data, "both sides changed the same lines" if conflict else "")
