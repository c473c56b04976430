"""Asks a person the open questions, one after the other, with a way back.

Owns what a prompt looks like on a terminal; everything is drawn on stderr. The only module that
imports questionary and prompt_toolkit, and only once a prompt is drawn. Where nothing can be drawn
(TERM=dumb), or not one escape code is wanted (NO_COLOR), prompts_plain.py asks instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asyncscaffold import interview, prompts_plain
from asyncscaffold.errors import Cancelled
from asyncscaffold.evaluation import Asked, Evaluation, Evaluator
from asyncscaffold.interview import Back, Prompt, clean, screen, summary, wrap, write
from asyncscaffold.values import MISSING

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from questionary import Choice as Row
    from questionary import Question as Drawn

ESCAPE_SECONDS = 0.1
"""How long a lone Esc may still become an arrow key. prompt_toolkit waits 0.5 s, Vim 0.1 s."""

BACK = -1
"""The row that stands for no choice at all."""

STYLE = [("answer", "noinherit"), ("highlighted", "bold"), ("validation-toolbar", "noinherit")]
KEYS = {
    "many": "arrows · Space: tick · Enter: take",
    "one": "arrows · Enter: take",
    "bool": "y, n or arrows · Enter: take",
    "text": "Enter: take",
    "secret": "Enter: take",
}


def available() -> bool:
    """Whether a person can be asked: stdin and stderr are terminals."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(
    evaluator: Evaluator,
    given: Mapping[str, Any],
    *,
    previous: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    announce: Callable[[Asked, Evaluation], None] = lambda asked, evaluation: None,
) -> Evaluation:
    """Ask what `given` and a project's `previous` answers leave open; nothing is missing then.

    `announce` is called before each prompt. What is wrong with `given` itself is left in
    `problems` and `unasked`. Raises `Cancelled`, and `Refused` for a template that does not
    evaluate.
    """
    pose = prompts_plain.ask if _plain() else _draw
    with _cancelling():
        return interview.run(
            evaluator, given, previous=previous, extra=extra, announce=announce, pose=pose
        )


def confirm(message: str, *, default: bool = True) -> bool:
    """Yes or no, Enter for `default`. Raises `Cancelled` on Ctrl-C and Ctrl-D."""
    with _cancelling():
        _forget_typed_ahead()
        if _plain():
            return prompts_plain.confirm(message, default=default)
        import questionary

        drawn = questionary.confirm(wrap(message, 2), default, **_look())
        return bool(_run(drawn, back=False))


def _forget_typed_ahead() -> None:
    """Drop keys that were pressed before there was something to say yes to."""
    with suppress(ImportError, OSError):
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _plain() -> bool:
    """Whether the prompts go line by line, without escape codes."""
    term = os.environ.get("TERM", "" if os.name == "posix" else "windows")
    return term in {"", "dumb", "unknown"} or bool(os.environ.get("NO_COLOR"))


@contextmanager
def _cancelling() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        write("")
        raise Cancelled from None


def _draw(prompt: Prompt) -> Any:
    """Ask `prompt` on the terminal, again while the answer cannot be taken."""
    drawers = {"many": _many, "one": _one, "bool": _bool, "secret": _text, "text": _text}
    while True:
        answer = drawers[prompt.kind](prompt)
        if not (wrong := prompt.check(answer)):
            write(summary(prompt, answer))
            return answer
        prompt = replace(prompt, default=answer, notes=(f"Not taken: {wrong}",))


def _one(prompt: Prompt) -> Any:
    choices = prompt.asked.choices
    rows = _rows(prompt)
    if not prompt.open:
        rows.append(_row("None of these can be taken: back to the question before", BACK))
    default = choices.index(prompt.preset[0]) if prompt.preset else None
    index = _select(prompt, rows, default)
    if index == BACK:
        raise Back
    return choices[index].value


def _many(prompt: Prompt) -> list[Any]:
    import questionary

    rows = _rows(prompt)
    if not prompt.open:
        _select(prompt, [*rows, _row("None of these for now", BACK)], None)
        return []
    text, hint = _head(prompt)
    drawn = questionary.checkbox(f"{text}\n ", rows, instruction=hint, **_look())
    return [prompt.asked.choices[index].value for index in _run(drawn)]


def _bool(prompt: Prompt) -> bool:
    rows = [_row("Yes", 1, shortcut_key="y"), _row("No", 0, shortcut_key="n")]
    default = None if prompt.default is MISSING else int(bool(prompt.default))
    return _select(prompt, rows, default, use_shortcuts=True, use_jk_keys=False) == 1


def _select(prompt: Prompt, rows: list[Row], default: int | None, **options: Any) -> int:
    """The value of the row taken."""
    import questionary

    text, hint = _head(prompt)
    options |= _look() | {"default": default}
    drawn = questionary.select(f"{text}\n ", rows, instruction=hint, **options)
    return int(_run(drawn))


def _rows(prompt: Prompt) -> list[Row]:
    """The choices, wrapped, with reasons; each stands for its index, as values can be anything."""
    rows = []
    for index, choice in enumerate(prompt.asked.choices):
        # A reason handed to questionary itself would be cut off at the edge of the terminal.
        reason = f" ({choice.disabled})" if choice.disabled else ""
        rows.append(
            _row(
                choice.label + reason, index, disabled=bool(reason), checked=choice in prompt.preset
            )
        )
    return rows


def _row(title: str, value: int, **options: Any) -> Row:
    import questionary

    return questionary.Choice(wrap(title, 5) or " ", value, **options)


def _text(prompt: Prompt) -> Any:
    import questionary

    secret = prompt.kind == "secret"
    standard = prompt.default if secret and prompt.default is not MISSING else ""

    def valid(text: str) -> bool | str:
        return wrap(prompt.typed_check(text) if text else prompt.check(standard), 0) or True

    text, hint = _head(prompt)
    drawn = questionary.text(
        f"{text}\n",
        "" if secret else prompt.default,
        valid,
        instruction=f"{hint}\n>",
        multiline=_multiline(prompt),
        is_password=secret,
        placeholder=clean(prompt.asked.placeholder),
        **_look(),
    )
    keys = _editing(drawn.application.current_buffer, select=not _multiline(prompt))
    return _run(drawn, keys) or standard


def _multiline(prompt: Prompt) -> bool:
    return prompt.kind == "text" and prompt.asked.multiline


def _head(prompt: Prompt) -> tuple[str, str]:
    """The question, and what stands below it: why it is asked again, and the keys."""
    keys = "Alt-Enter or Ctrl-O: take" if _multiline(prompt) else KEYS[prompt.kind]
    if prompt.kind == "secret" and prompt.default is not MISSING:
        keys = "Enter alone: keep the default"
    notes = [*prompt.notes, f"({prompt.progress} · {keys} · Esc: back · Ctrl-C: cancel)"]
    text = wrap(prompt.asked.help, 2)
    if text.count("\n") >= screen().lines // 3:
        # It scrolls, and so leaves room for the choices, which questionary would squeeze out.
        write(wrap(prompt.asked.help, 0))
        text = prompt.asked.key
    return text, "\n  ".join(wrap(note, 2) for note in notes)


def _look() -> dict[str, Any]:
    """What every prompt is drawn with: the style, and stderr as the screen."""
    from prompt_toolkit.output.defaults import create_output
    from prompt_toolkit.output.vt100 import Vt100_Output
    from prompt_toolkit.styles import Style

    output = create_output(stdout=sys.stderr)
    if isinstance(output, Vt100_Output):
        # Asking for the cursor's position costs a second and a warning on terminals that do not
        # answer, and a late answer ends up as text in the next prompt.
        output.enable_cpr = False
    return {"style": Style(STYLE), "output": output}


def _run(drawn: Drawn, editing: KeyBindings | None = None, *, back: bool = True) -> Any:
    """Run one prompt, with the keys that all of them share; it is erased when it is answered.

    `editing` are the keys of one where text is typed. Raises `Back`, `KeyboardInterrupt` or
    `EOFError`.
    """
    from prompt_toolkit.filters import to_filter
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
    from prompt_toolkit.layout import FormattedTextControl

    app, keys = drawn.application, editing or KeyBindings()

    def leave(key: str, error: type[BaseException], *, eager: bool = True) -> None:
        @keys.add(key, eager=eager)
        def _(event: KeyPressEvent) -> None:
            if not event.app.is_done:
                event.app.exit(exception=error())

    leave("c-c", KeyboardInterrupt)
    leave("<sigint>", KeyboardInterrupt)
    leave("c-d", EOFError)
    if back:
        app.erase_when_done = True
        # Where text is typed, Esc must leave Alt and a letter alone.
        leave("escape", Back, eager=editing is None)
    for window in app.layout.find_all_windows():
        if isinstance(window.content, FormattedTextControl):
            window.wrap_lines = to_filter(True)
            if window.height == 1:  # where a validator speaks
                window.height = None
                window.dont_extend_height = to_filter(True)
    app.key_bindings = merge_key_bindings([app.key_bindings or KeyBindings(), keys])
    app.ttimeoutlen = app.timeoutlen = ESCAPE_SECONDS
    sys.stderr.flush()
    return drawn.unsafe_ask()


def _editing(buffer: Buffer, *, select: bool) -> KeyBindings:
    """The keys where text is typed; the default is selected: typing replaces it, arrows edit it."""
    from prompt_toolkit.filters import has_selection
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.keys import Keys
    from prompt_toolkit.selection import SelectionState

    keys = KeyBindings()
    if buffer.text and select:
        buffer.selection_state = SelectionState(0)
        buffer.selection_state.enter_shift_mode()

    @keys.add(Keys.BracketedPaste, eager=True)
    def _(event: KeyPressEvent) -> None:
        buffer.cut_selection()
        buffer.insert_text(event.data.replace("\r\n", "\n").replace("\r", "\n"))

    @keys.add("c-u", filter=has_selection)
    @keys.add("c-w", filter=has_selection)
    @keys.add("delete", filter=has_selection)
    def _(event: KeyPressEvent) -> None:
        buffer.cut_selection()

    @keys.add("c-o", eager=True)
    def _(event: KeyPressEvent) -> None:
        buffer.validate_and_handle()

    return keys
