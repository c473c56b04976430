"""Turns one TOML text into another by its data, changing the statements that must change alone.

Comments, order and formatting of everything else stay. The result is a proposal: who calls it
parses it and compares (toml.py does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncscaffold.merge.toml_keys import MISSING, Path, differences, same
from asyncscaffold.merge.toml_scan import Statement, dotted, pair, scan


def edit(mine: str, old: Mapping[str, Any], new: Mapping[str, Any], theirs: str) -> str:
    """`mine`, whose data is `old`, changed to have the data `new`.

    What is new in it is copied from the text `theirs`, comments included, where it stands there.
    """
    work = _Edit(scan(mine if mine.endswith("\n") or not mine else mine + "\n"), scan(theirs))
    for path, value in differences(old, new):
        if value is MISSING:
            work.delete(path)
        else:
            work.set(path, value)
    return "".join(statement.text for statement in work.mine)


def _below(path: Path, top: Path) -> bool:
    return path[: len(top)] == top


class _Edit:
    def __init__(self, mine: list[Statement], theirs: list[Statement]) -> None:
        self.mine = mine
        self.theirs = theirs
        self.known = {s.text.strip() for s in mine if s.kind == "comment"}
        self.offered = {s.text.strip() for s in theirs if s.kind == "comment"}

    def delete(self, path: Path) -> None:
        if not any(_below(s.path, path) for s in self.mine if s.path):
            self._change_inside(path, MISSING)
            return
        kept: list[Statement] = []
        for statement in self.mine:
            if statement.path and _below(statement.path, path):
                while kept and kept[-1].kind == "comment" and self._is_gone(kept[-1]):
                    kept.pop()
                if statement.is_header and kept and kept[-1].kind == "blank":
                    kept.pop()
            else:
                kept.append(statement)
        self.mine = kept

    def _is_gone(self, comment: Statement) -> bool:
        """Whether theirs has no such comment any more; a user's own is saved by toml.py."""
        return comment.text.strip() not in self.offered

    def set(self, path: Path, value: Any) -> None:
        at = next((i for i, s in enumerate(self.mine) if s.kind == "pair" and s.path == path), -1)
        if at >= 0:
            self.mine[at] = self._with_value(self.mine[at], value)
        elif not self._change_inside(path, value):
            if isinstance(value, list) and value and any(_is_item(s, path) for s in self.mine):
                self._set_array_of_tables(path, value)
                return
            if any(_below(s.path, path) for s in self.mine if s.path):
                self.delete(path)
            self._insert(path, value)

    def _change_inside(self, path: Path, value: Any) -> bool:
        """Changes a key of an inline table, if the path leads into one."""
        for at, statement in enumerate(self.mine):
            above = statement.path
            if statement.kind == "pair" and len(above) < len(path) and _below(path, above):
                data = _value(statement.value)
                target = data
                for key in path[len(above) : -1]:
                    target = target.setdefault(key, {})
                if value is MISSING:
                    target.pop(path[-1], None)
                else:
                    target[path[-1]] = value
                self.mine[at] = self._with_value(statement, data)
                return True
        return False

    def _with_value(self, statement: Statement, value: Any) -> Statement:
        there = self._there(statement.path, value)
        text = there.value if there is not None else _rewritten(statement.value, value)
        return pair(statement.path, statement.table, statement.key, text, statement.tail)

    def _there(self, path: Path, value: Any) -> Statement | None:
        """Their statement that gives exactly this value to this path."""
        for statement in self.theirs:
            if statement.kind == "pair" and statement.path == path:
                return statement if same(_value(statement.value), value) else None
        return None

    def _insert(self, path: Path, value: Any) -> None:
        headers = [i for i, s in enumerate(self.theirs) if s.is_header and _below(s.path, path)]
        pairs = [i for i, s in enumerate(self.theirs) if s.kind == "pair" and _below(s.path, path)]
        if headers:
            self._insert_sections(headers)
        for at in pairs:
            if not _below(self.theirs[at].table, path):
                there = self.theirs[at]
                self._insert_pair(there, self._comments_above(at), at)
        if not headers and not pairs:
            text = f"{dotted(path[-1:])} = "
            self._insert_pair(pair(path, path[:-1], text, _written(value), "\n"), [], -1)

    def _comments_above(self, at: int) -> list[Statement]:
        start = at
        while start and self.theirs[start - 1].kind == "comment":
            start -= 1
        return [s for s in self.theirs[start:at] if s.text.strip() not in self.known]

    def _insert_sections(self, headers: Sequence[int], place: int = -1) -> None:
        for at in headers:
            end = at + 1
            while end < len(self.theirs) and not self.theirs[end].is_header:
                end += 1
            block = self.theirs[at:end]
            if end < len(self.theirs):  # what stands above the next header belongs to it
                while block[-1].kind == "comment":
                    block.pop()
            while block[-1].kind == "blank":
                block.pop()
            place = self._after_sections_before(at) if place < 0 else place
            block = [*self._comments_above(at), *block]
            if place and self.mine[place - 1].kind != "blank":
                block.insert(0, Statement("blank", "\n"))
            if place < len(self.mine) and self.mine[place].kind != "blank":
                self.mine.insert(place, Statement("blank", "\n"))
            self.mine[place:place] = block
            place += len(block)

    def _after_sections_before(self, at: int) -> int:
        """The end of the nearest section before theirs that mine has too; else mine's end."""
        for before in reversed([s for s in self.theirs[:at] if s.is_header]):
            here = [i for i, s in enumerate(self.mine) if s.is_header and s.path == before.path]
            if here:
                return self._end_of_section(here[-1] + 1)
        return len(self.mine)

    def _end_of_section(self, start: int) -> int:
        """Behind the last pair of the section whose statements start here."""
        end = start
        for at in range(start, len(self.mine)):
            if self.mine[at].is_header:
                break
            if self.mine[at].kind == "pair":
                end = at + 1
        return end

    def _insert_pair(self, there: Statement, above: list[Statement], at: int) -> None:
        table, first = self._table_for(there)
        if first < 0:
            header = Statement("table", f"[{dotted(table)}]\n", table, table)
            if self.mine and self.mine[-1].kind != "blank":
                self.mine.append(Statement("blank", "\n"))
            self.mine.append(header)
            first = len(self.mine)
        key = there.key
        if table != there.table:
            key = f"{dotted(there.path[len(table) :])} = "
        tail = there.tail if there.tail.endswith("\n") else there.tail + "\n"
        place = self._place(there, at, first)
        self.mine[place:place] = [*above, pair(there.path, table, key, there.value, tail)]

    def _table_for(self, there: Statement) -> tuple[Path, int]:
        """The table in mine that takes this pair, and where its statements start (-1: nowhere)."""
        starts: dict[Path, int] = {(): 0}
        for index, statement in enumerate(self.mine):
            if statement.is_header:
                starts[statement.path] = index + 1
        if there.table in starts and there.table:
            return there.table, starts[there.table]
        parent = there.path[:-1]
        for statement in self.mine:
            if statement.kind == "pair" and _below(statement.path, parent) and parent:
                return statement.table, starts[statement.table]
        if there.table in starts:
            return there.table, starts[there.table]
        return (parent, starts[parent]) if parent in starts else (there.table, -1)

    def _place(self, there: Statement, at: int, first: int) -> int:
        """Behind the neighbour that it stands behind in theirs; else at the section's end."""
        end = self._end_of_section(first)
        for before in reversed(self.theirs[: max(at, 0)]):
            if before.is_header:
                break
            here = [
                i
                for i in range(first, end)
                if before.kind == "pair" and self.mine[i].path == before.path
            ]
            if here:
                return here[-1] + 1
        return end

    def _set_array_of_tables(self, path: Path, value: list[Any]) -> None:
        """Adds their new tables behind mine's; toml.py finds out where more is wanted."""
        count = sum(_is_item(s, path) for s in self.mine)
        theirs = [i for i, s in enumerate(self.theirs) if _is_item(s, path)]
        for index in theirs[len(theirs) - (len(value) - count) :] if len(value) > count else []:
            last = [i for i, s in enumerate(self.mine) if s.is_header and _below(s.path, path)][-1]
            self._insert_sections([index], self._end_of_section(last + 1))


def _is_item(statement: Statement, path: Path) -> bool:
    return (
        statement.kind == "array"
        and _below(statement.path, path)
        and len(statement.path) == len(path) + 1
    )


def _parsed(value: str) -> Any:
    import tomlkit

    return tomlkit.parse(f"x = {value}\n")


def _value(text: str) -> Any:
    return _parsed(text).unwrap()["x"]


def _rewritten(text: str, value: Any) -> str:
    """A value's text changed to another value, its formatting kept as far as that goes."""
    item, old = _parsed(text)["x"], _value(text)
    if isinstance(old, dict) and isinstance(value, Mapping):
        _change_table(item, old, value)
    elif isinstance(old, list) and isinstance(value, list) and "\n" in text:
        _change_array(item, old, value)
    else:
        return _written(value)
    return str(item.as_string())


def _change_table(item: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in old:
        if key not in new:
            del item[key]
    for key, value in new.items():
        if key not in old:
            item[key] = value
        elif not same(old[key], value):
            if isinstance(old[key], dict) and isinstance(value, Mapping):
                _change_table(item[key], old[key], value)
            else:
                item[key] = value


def _change_array(item: Any, old: list[Any], new: list[Any]) -> None:
    kept = list(old)
    for index in reversed(range(len(kept))):
        if not any(same(kept[index], element) for element in new):
            del item[index]
            del kept[index]
    for index, element in enumerate(new):
        if index >= len(kept) or not same(kept[index], element):
            item.insert(index, element)
            kept.insert(index, element)


def _written(value: Any) -> str:
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        return str(table.as_string())
    return str(tomlkit.item(value).as_string())
