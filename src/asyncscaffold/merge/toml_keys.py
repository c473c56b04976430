"""Merges the data of three TOML documents by key; knows nothing of their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Path = tuple[str | int, ...]
"""Keys from the root down, with indexes into arrays of tables."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
"""Stands where a document has no such key."""


@dataclass
class Keys:
    """Merges by key; where both sides disagree, `prefer` decides and the key is in `conflicts`."""

    prefer: Literal["mine", "theirs"] = "mine"
    conflicts: list[Path] = field(default_factory=list)

    def merge(self, base: Any, mine: Any, theirs: Any, path: Path = ()) -> Any:
        """The merged value, or MISSING where the key is gone."""
        if same(mine, theirs) or same(base, theirs):
            return mine
        if same(base, mine):
            return theirs
        if _is_dependency(path):
            return self._dependency(base, mine, theirs, path)
        return self._both_changed(base, mine, theirs, path)

    def _both_changed(self, base: Any, mine: Any, theirs: Any, path: Path) -> Any:
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            before = base if isinstance(base, Mapping) else {}
            return self._tables(before, mine, theirs, path)
        if isinstance(mine, list) and isinstance(theirs, list):
            return self._arrays(base if isinstance(base, list) else [], mine, theirs, path)
        self.conflicts.append(path)
        return mine if self.prefer == "mine" else theirs

    def _tables(
        self,
        base: Mapping[str, Any],
        mine: Mapping[str, Any],
        theirs: Mapping[str, Any],
        path: Path,
    ) -> dict[str, Any]:
        merged = {
            key: self.merge(
                base.get(key, MISSING),
                mine.get(key, MISSING),
                theirs.get(key, MISSING),
                (*path, key),
            )
            for key in dict.fromkeys([*mine, *theirs])
        }
        return {key: value for key, value in merged.items() if value is not MISSING}

    def _arrays(self, base: list[Any], mine: list[Any], theirs: list[Any], path: Path) -> list[Any]:
        if not (_is_named(base) and _is_named(mine) and _is_named(theirs)):
            return merge_arrays(base, mine, theirs)
        tables = self._tables(_by_name(base), _by_name(mine), _by_name(theirs), path)
        return list(tables.values())

    def _dependency(self, base: Any, mine: Any, theirs: Any, path: Path) -> Any:
        """Cargo reads `x = "1"` as `x = { version = "1" }`, so the two merge with each other."""
        kinds = {type(mine), type(theirs)}
        if not kinds <= {str, dict} or kinds == {str}:
            return self._both_changed(base, mine, theirs, path)
        merged = self._both_changed(_detailed(base), _detailed(mine), _detailed(theirs), path)
        if isinstance(mine, str) and isinstance(merged, Mapping) and set(merged) == {"version"}:
            return merged["version"]
        return merged


def _detailed(dependency: Any) -> Any:
    return {"version": dependency} if isinstance(dependency, str) else dependency


def _is_dependency(path: Path) -> bool:
    return len(path) > 1 and str(path[-2]).endswith("dependencies")


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from true and 1.0, and finds nan like itself."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


def _is_named(array: Sequence[Any]) -> bool:
    """Whether each element is a table with a `name` of its own, as Cargo's `[[bin]]`."""
    names = [e.get("name") if isinstance(e, Mapping) else None for e in array]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _by_name(array: Sequence[Any]) -> dict[str, Any]:
    return {element["name"]: element for element in array}


def merge_arrays(base: Sequence[Any], mine: Sequence[Any], theirs: Sequence[Any]) -> list[Any]:
    """Mine without what theirs took out, with what theirs put in behind its neighbour there."""
    merged = list(mine)
    for element in _missing_from(theirs, base):
        _take(merged, element)
    added = _missing_from(base, theirs)
    for element in _missing_from(base, mine):
        _take(added, element)  # both sides added it: once is enough
    behind = 0
    for element in theirs:
        place = next((i for i, known in enumerate(merged) if same(known, element)), None)
        if _take(added, element):
            merged.insert(behind, element)
            behind += 1
        elif place is not None:
            behind = place + 1
    return merged


def _missing_from(there: Sequence[Any], here: Sequence[Any]) -> list[Any]:
    """The elements of `here` that `there` lacks, counted."""
    left = list(here)
    for element in there:
        _take(left, element)
    return left


def _take(array: list[Any], element: Any) -> bool:
    for index, known in enumerate(array):
        if same(known, element):
            del array[index]
            return True
    return False


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], path: Path = ()
) -> Iterator[tuple[Path, Any]]:
    """What turns `old` into `new`, key by key: (path, value), MISSING for a key that goes."""
    for key in old:
        if key not in new:
            yield (*path, key), MISSING
    for key, value in new.items():
        if key not in old:
            yield (*path, key), value
        elif isinstance(value, Mapping) and isinstance(old[key], Mapping):
            yield from differences(old[key], value, (*path, key))
        elif not same(old[key], value):
            yield (*path, key), value
