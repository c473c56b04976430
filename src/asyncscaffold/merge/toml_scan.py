"""Cuts a TOML text into statements, each with the keys it sets; joined, they are the text again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from asyncscaffold.merge.toml_keys import Path

_STRING = (
    r'"""(?:\\[\s\S]|(?!""")[^\\])*"{3,5}'
    r"|'''(?:(?!''')[\s\S])*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_TOKEN = re.compile(rf"(?P<string>{_STRING})|(?P<comment>\#[^\n]*)|(?P<other>[\s\S])")
_KEY = re.compile(r"""[ \t]*("(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*(\.?)""")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Unreadable(ValueError):
    """The text is no TOML that this scanner can cut up."""


@dataclass(frozen=True)
class Statement:
    """One statement with its line end.

    `path` is absolute, and holds the index of an array's table; `table` is the header that it
    stands under. For a pair, `text` is `key` + `value` + `tail`: `key` up to the value, `tail` from
    the value's end on (blanks, a comment, the line end).
    """

    kind: Literal["blank", "comment", "table", "array", "pair"]
    text: str
    path: Path = ()
    table: Path = ()
    key: str = ""
    value: str = ""
    tail: str = ""

    @property
    def is_header(self) -> bool:
        return self.kind in ("table", "array")


def pair(path: Path, table: Path, key: str, value: str, tail: str) -> Statement:
    """A `key = value` statement."""
    return Statement("pair", key + value + tail, path, table, key, value, tail)


def scan(text: str) -> list[Statement]:
    """The statements of a text with `\\n` line ends. Raises `Unreadable`."""
    found: list[Statement] = []
    table: Path = ()
    arrays: dict[Path, int] = {}
    at = 0
    while at < len(text):
        end = _end(text, at)
        line = text[at:end]
        words = line.lstrip(" \t")
        if not words.strip():
            found.append(Statement("blank", line, table=table))
        elif words.startswith("#"):
            found.append(Statement("comment", line, table=table))
        elif words.startswith("["):
            is_array = words.startswith("[[")
            keys = _keys(words.lstrip("["))[0]
            table = _resolve(keys if not is_array else keys[:-1], arrays)
            if is_array:
                here = (*table, keys[-1])
                arrays[here] = arrays.get(here, -1) + 1
                table = (*here, arrays[here])
            found.append(Statement("array" if is_array else "table", line, table, table))
        else:
            found.append(_pair(line, table))
        at = end
    return found


def _resolve(keys: list[str], arrays: dict[Path, int]) -> Path:
    """A header's path: the last table of each array on the way is meant."""
    path: Path = ()
    for key in keys:
        path = (*path, key)
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _end(text: str, start: int) -> int:
    """Where the statement that starts here ends: its line end outside of strings and brackets."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        word = token["other"]
        if word == "\n" and depth <= 0:
            return token.end()
        if word and word in "[{":
            depth += 1
        elif word and word in "]}":
            depth -= 1
    return len(text)


def _pair(line: str, table: Path) -> Statement:
    keys, rest = _keys(line)
    if not line[rest:].startswith("="):
        raise Unreadable(line)
    start = rest + 1 + len(line[rest + 1 :]) - len(line[rest + 1 :].lstrip(" \t"))
    end = start
    depth = 0
    for token in _TOKEN.finditer(line, start):
        word = token["other"] or ""
        depth += (word in ("[", "{")) - (word in ("]", "}"))
        if token["comment"] is None and word.strip() + (token["string"] or ""):
            end = token.end()
        elif token["comment"] is not None and depth <= 0:
            break
    return pair((*table, *keys), table, line[:start], line[start:end], line[end:])


def _keys(line: str) -> tuple[list[str], int]:
    """The dotted key at the start of a line, and where it ends."""
    keys: list[str] = []
    at = 0
    while found := _KEY.match(line, at):
        keys.append(_unquoted(found[1]))
        at = found.end()
        if not found[2]:
            return keys, at
    raise Unreadable(line)


def _unquoted(key: str) -> str:
    if not key.startswith('"'):
        return key.strip("'")
    if "\\" not in key:
        return key[1:-1]
    import tomlkit

    return next(iter(tomlkit.parse(f"{key} = 0").unwrap()))


def dotted(keys: Path) -> str:
    """Keys as TOML writes them."""
    return ".".join(_quoted(str(key)) for key in keys)


def _quoted(key: str) -> str:
    if _BARE.fullmatch(key):
        return key
    import tomlkit

    return tomlkit.key(key).as_string() if '"' in key or "\\" in key else f'"{key}"'


_COMMENT = re.compile(rf"(?:{_STRING})|(#[^\n]*)")


def comments(text: str) -> Iterator[str]:
    """The comments of a text, without surrounding blanks."""
    for found in _COMMENT.finditer(text):
        if found[1]:
            yield found[1].strip()
