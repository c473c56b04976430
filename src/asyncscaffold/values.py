"""An answer's value: text and YAML cast to a question's type, with messages for people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from typing import Any

import yaml

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""No value: a question without a default, or one that nobody answered."""

TRUE = {"true", "yes", "y", "t", "on", "1"}
FALSE = {"false", "no", "n", "f", "off", "0", "~", "null", "none", ""}


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for the nearest of `known`, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def load_yaml(text: str) -> Any:
    """`text` as YAML. Raises `ValueError` for whatever PyYAML stumbles over, on one line."""
    try:
        return yaml.safe_load(text)
    except Exception as error:  # a bad date is a ValueError, a bad !!bool a KeyError, and so on
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def load_text(text: str) -> Any:
    """`text` as YAML whose plain words are text as they stand: `no`, `1.10` and `2024-01-01` too.

    Raises `ValueError` as `load_yaml` does.
    """
    try:
        return "" if (value := yaml.load(text, yaml.BaseLoader)) is None else value
    except Exception as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def truth(value: Any) -> bool:
    """What a template's expression comes to as a condition: anything unknown is true, as in Copier.

    A person's answer is read by `cast`, which takes no such guess.
    """
    try:
        return bool(float(value))
    except (TypeError, ValueError):
        return value.strip().lower() not in FALSE if isinstance(value, str) else bool(value)


def cast(type_name: str, value: Any) -> Any:
    """`value` as the question's type. Raises `ValueError`, with a person's message."""
    if type_name not in CASTS:
        raise ValueError(f"the template asks for an unknown type {type_name!r}")
    if value is None and type_name not in {"json", "yaml"}:
        raise ValueError(f"an answer of type {type_name} is needed, not null")
    return CASTS[type_name](value)


def flag_text(value: Any) -> str:
    """A value as its flag takes it: `true`, `a,b`, or the text itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def uncast(type_name: str, value: Any) -> Any:
    """What `cast` turns into `value`: JSON and YAML that came to text must be quoted once more."""
    if not isinstance(value, str) or type_name not in {"json", "yaml"}:
        return value
    if type_name == "json":
        return json.dumps(value)
    return yaml.safe_dump(value, default_style='"', width=10**9).removesuffix("\n")


def reads_otherwise(text: str) -> bool:
    """Whether `text` comes to something else once it is read as YAML."""
    try:
        return bool(load_yaml(text) != text)
    except ValueError:
        return True


def _to_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise ValueError(f"{value!r} is not true or false")


def _to_number(kind: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            number = kind("" if isinstance(value, bool) else value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{value!r} is not {name}") from None
        if isinstance(value, float) and number != value:
            raise ValueError(f"{value!r} is not {name}")
        return number

    return convert


def _to_str(value: Any) -> str:
    if isinstance(value, (dict, list, set, tuple, bytes)):
        raise ValueError(f"{value!r} is not text")
    return str(value)


def _to_data(load: Callable[[str], Any], name: str) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return load(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{value!r} is not {name}: {error}") from None

    return convert


CASTS: dict[str, Callable[[Any], Any]] = {
    "bool": _to_bool,
    "int": _to_number(int, "a whole number"),
    "float": _to_number(float, "a number"),
    "str": _to_str,
    "path": _to_str,
    "json": _to_data(json.loads, "JSON"),
    "yaml": _to_data(load_yaml, "YAML"),
}
