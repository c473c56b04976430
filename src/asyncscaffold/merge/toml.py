"""Merges TOML by key, not by line, and keeps the user's comments, order and formatting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from asyncscaffold.merge.lines import merge_file
from asyncscaffold.merge.model import Labels
from asyncscaffold.merge.toml_edit import edit
from asyncscaffold.merge.toml_keys import Keys, same
from asyncscaffold.merge.toml_scan import Unreadable, comments, dotted

_LINES = "the same lines"
"""What is in conflict where no key can be named."""


_ODD = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError)
"""What tomlkit lets out on odd input, besides its own errors."""


@dataclass(frozen=True)
class TomlResult:
    """The merged text, and the dotted keys in conflict; then markers stand in the text."""

    text: str
    conflicts: tuple[str, ...] = ()


def merge_toml(base: str, mine: str, theirs: str, labels: Labels | None = None) -> TomlResult:
    """Merges three TOML texts with `\\n` line ends.

    Three attempts, each taken only if it parses to what the merge of the data gives and loses no
    comment of the user's: the merge by line, which keeps comments best; mine, edited key by key;
    for keys in conflict, two such texts, which differ at those keys alone, with markers around.
    What is no TOML, or defeats all three, is merged by line.
    """
    labels = labels or Labels()
    text, marked = _by_line(base, mine, theirs, labels)
    before, ours, other = (_data(side) for side in (base, mine, theirs))
    if before is None or ours is None or other is None:
        return TomlResult(text, (_LINES,) if marked else ())
    keys = Keys("mine")
    merged = keys.merge(before, ours, other)
    if not keys.conflicts and not marked and _is(text, merged):
        return TomlResult(text)
    own_comments = set(comments(mine)) - set(comments(base))
    here = _edited(mine, ours, merged, theirs, own_comments)
    if not keys.conflicts:
        if here is not None:
            return TomlResult(here)
    else:
        there_data = Keys("theirs").merge(before, ours, other)
        there = _edited(mine, ours, there_data, theirs, set())
        if here is not None and there is not None:
            disputed = tuple(dict.fromkeys(dotted(path) for path in keys.conflicts))
            return TomlResult(_beside(here, there, labels), disputed)
    names = tuple(dict.fromkeys(dotted(path) for path in keys.conflicts)) or (_LINES,)
    return TomlResult(text if marked else _beside(mine, theirs, labels), names)


def _by_line(base: str, mine: str, theirs: str, labels: Labels) -> tuple[str, bool]:
    merged = merge_file(base.encode(), mine.encode(), theirs.encode(), labels.for_git())
    if merged is None:
        return _beside(mine, theirs, labels), True
    return merged[0].decode(), merged[1]


def _data(text: str) -> dict[str, Any] | None:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text).unwrap()
    except (TOMLKitError, *_ODD):
        return None


def _is(text: str, data: Mapping[str, Any]) -> bool:
    found = _data(text)
    return found is not None and same(found, data)


def _edited(
    mine: str, ours: dict[str, Any], wanted: dict[str, Any], theirs: str, keep: set[str]
) -> str | None:
    """Mine with the wanted data, or None where the edit did not come out right."""
    from tomlkit.exceptions import TOMLKitError

    if same(ours, wanted):
        return mine
    try:
        text = edit(mine, ours, wanted, theirs)
    except (Unreadable, TOMLKitError, *_ODD):
        return None
    return text if _is(text, wanted) and keep <= set(comments(text)) else None


def _beside(here: str, there: str, labels: Labels) -> str:
    """Two texts as one, with markers around the lines in which they differ."""
    return "".join(_hunks(_lines(here), _lines(there), labels))


def _lines(text: str) -> list[str]:
    """As TOML tells lines: `str.splitlines` also ends them at U+2028, U+0085 and more."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _hunks(here: list[str], there: list[str], labels: Labels) -> Iterator[str]:
    matcher = SequenceMatcher(None, here, there, autojunk=False)
    for kind, start, end, start_there, end_there in matcher.get_opcodes():
        if kind == "equal":
            yield from here[start:end]
            continue
        yield labels.opening() + "\n"
        yield from map(_whole, here[start:end])
        yield "=======\n"
        yield from map(_whole, there[start_there:end_there])
        yield labels.closing() + "\n"


def _whole(line: str) -> str:
    return line if line.endswith("\n") else line + "\n"
