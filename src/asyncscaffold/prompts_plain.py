"""Prompts line by line, without one escape code: those of TERM=dumb and NO_COLOR.

Owns numbered choices and one line read from stdin; `<` goes to the question before. All text goes
to stderr.
"""

from __future__ import annotations

import getpass
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from asyncscaffold.interview import Back, Prompt, clean, name, wrap, write
from asyncscaffold.values import MISSING, cast

NOUNS = {
    "int": "Whole number",
    "float": "Number",
    "path": "Path",
    "json": "JSON",
    "yaml": "YAML",
}


def ask(prompt: Prompt) -> Any:
    """Ask until the answer can be taken. Raises `Back`, `EOFError` or `KeyboardInterrupt`."""
    asked = prompt.asked
    write("\n" + wrap(asked.help, 0))
    for note in prompt.notes:
        write(wrap(note, 0))
    number = 0
    for choice in asked.choices:
        number += not choice.disabled
        label = choice.label if name(choice) in choice.label else f"{name(choice)} — {choice.label}"
        if choice.disabled:
            write(wrap(f"   - {label} ({choice.disabled})", 5))
        else:
            write(wrap(f"  {number}) {label}", 5))
    default = prompt.default if prompt.kind == "text" else ""
    if "\n" in default or len(default) > 60:
        write(f"Enter takes:\n{textwrap.indent(clean(default), '  ')}")
    write(f"({prompt.progress}; Ctrl-C cancels)")
    while True:
        try:
            answer = _answers[prompt.kind](prompt)
            wrong = prompt.check(answer)
        except UnicodeDecodeError:
            wrong = "that was no UTF-8 text"
        except ValueError as error:
            wrong = str(error)
        if not wrong:
            return answer
        write(wrap(f"Not taken: {wrong}", 0))


def confirm(message: str, *, default: bool) -> bool:
    """Yes or no, Enter for `default`."""
    while True:
        line = _line(f"{wrap(message, 0)}\ny or n", "y" if default else "n", back=False).strip()
        try:
            return cast("bool", line) is True if line else default
        except ValueError:
            write("Not taken: y or n is needed")


def _line(label: str, enter: str, *, back: bool = True) -> str:
    """One line from stdin; `enter` says what Enter alone means."""
    hints = [f"Enter: {enter}"] * bool(enter) + ["<: back"] * back
    write(f"{label} ({', '.join(hints)}): ", end="")
    line = _read()
    if back and line.strip() == "<":
        raise Back
    return line.rstrip("\r\n")


def _read() -> str:
    if line := sys.stdin.readline():
        return line
    raise EOFError


def _bool(prompt: Prompt) -> bool:
    standard = "" if prompt.default is MISSING else "y" if prompt.default else "n"
    line = _line("y or n", standard).strip() or standard
    if not line:
        raise ValueError("y or n is needed")
    return bool(cast("bool", line))


def _one(prompt: Prompt) -> Any:
    preset = prompt.preset[:1]
    line = _line("Number or value", "".join(map(name, preset))).strip()
    return _pick(prompt, line) if line or not preset else preset[0].value


def _many(prompt: Prompt) -> list[Any]:
    preset = ", ".join(map(name, prompt.preset)) or "none"
    line = _line("Numbers or values, by comma; - for none", preset).strip()
    if line in {"", "-"}:
        return [] if line else [choice.value for choice in prompt.preset]
    return [_pick(prompt, part.strip()) for part in line.split(",") if part.strip()]


def _pick(prompt: Prompt, text: str) -> Any:
    """The value that a number or a value stands for; the numbers shown go first."""
    if text.isdecimal() and 0 < int(text) <= len(prompt.open):
        return prompt.open[int(text) - 1].value
    for choice in prompt.asked.choices:
        if text.casefold() in {str(choice.value).casefold(), choice.label.casefold()}:
            if choice.disabled:
                raise ValueError(f"{name(choice)}: {choice.disabled}")
            return choice.value
    if not prompt.open:
        raise ValueError("none of these can be taken now")
    raise ValueError(f"{text!r} is none of them: a number up to {len(prompt.open)}, or a value")


def _secret(prompt: Prompt) -> Any:
    enter = "" if prompt.default is MISSING else "Enter: keep the default, "
    # The label comes from getpass, so that it is seen only once nothing typed is shown.
    label = f"Secret, not shown while you type ({enter}<: back): "
    line = getpass.getpass(label, stream=sys.stderr)
    if line.strip() == "<":
        raise Back
    if wrong := prompt.typed_check(line) if line else "":
        raise ValueError(wrong)
    return line if line or prompt.default is MISSING else prompt.default


def _text(prompt: Prompt) -> str:
    asked, default = prompt.asked, prompt.default
    noun = NOUNS.get(asked.type, "Text") + (", ended by a line with only a ." * asked.multiline)
    short = "\n" not in default and len(default) <= 60
    line = _line(
        noun + ('; "" for none' if default and asked.type == "str" else ""),
        clean(default) if short else "the text above",
    )
    if not line.strip():
        return str(default)
    lines = [line]
    while asked.multiline and lines[-1] != ".":
        lines.append(_read().rstrip("\r\n"))
    text = "\n".join(lines[:-1] if lines[-1] == "." else lines)
    text = "" if text == '""' and asked.type == "str" else text
    if wrong := prompt.typed_check(text):
        raise ValueError(wrong)
    return text


_answers: dict[str, Callable[[Prompt], Any]] = {
    "bool": _bool,
    "one": _one,
    "many": _many,
    "secret": _secret,
    "text": _text,
}
