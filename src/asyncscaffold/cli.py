"""The command line: verbs and flags in, exit codes and JSON out. Imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from asyncscaffold import stop
from asyncscaffold.errors import Cancelled, Failure, Usage
from asyncscaffold.outcome import Outcome, printable
from asyncscaffold.verbs import HELP, VERBS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code. Every error becomes a message here."""
    words = list(sys.argv[1:] if argv is None else argv)
    flags = words[: words.index("--")] if "--" in words else words
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with stop.listening():
            outcome = run(words, flags)
    except Failure as error:
        failure = error
    except KeyboardInterrupt:
        failure = Cancelled()
    except OSError as error:  # what the system denies us is no bug
        place = f"{error.filename}: " if error.filename else ""
        failure = Failure(f"{place}{error.strerror or error}", "--verbose shows what wanted it.")
        failure.__cause__ = error
    except Exception as error:
        failure = Failure(
            f"This is a bug in asyncscaffold: {type(error).__name__}: {error}",
            "Run it again with --verbose, and report what it shows.",
        )
        failure.__cause__ = error
    else:
        return _print(outcome, as_json="--json" in flags)
    if "--verbose" in flags:
        import traceback

        print(printable("".join(traceback.format_exception(failure))), file=sys.stderr)
    if "--json" in flags:
        body = {"exit": failure.exit, "message": failure.message, "hint": failure.hint}
        return _print(Outcome({"error": body}, "", failure.exit), as_json=True)
    print(printable(f"asyncscaffold: {failure.message}"), file=sys.stderr)
    if failure.hint:
        print(printable(failure.hint), file=sys.stderr)
    return failure.exit


def _print(outcome: Outcome, *, as_json: bool) -> int:
    """Print what a verb came to. That nobody reads it changes nothing about what was done."""
    if as_json:
        import json

        text = json.dumps(outcome.document, indent=2, default=str)
    else:
        text = printable(outcome.text)
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = None  # it would be flushed again at the end
    if outcome.left:
        with suppress(OSError):
            print(printable(outcome.left), file=sys.stderr)
    return outcome.exit


def run(words: list[str], flags: list[str]) -> Outcome:
    """Do what `words` say; `flags` are those of them that stand before a `--`."""
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        return _told("help", HELP)
    if first in VERBS and ("-h" in flags or "--help" in flags):
        from asyncscaffold import arguments

        return _told("help", arguments.parser(first).format_help())
    if first == "--version" or (first in VERBS and "--version" in flags):
        from importlib.metadata import version

        return _told("version", version("asyncscaffold"))
    if first not in VERBS:
        from asyncscaffold.values import nearest

        kind = "flag" if first.startswith("-") else "verb"
        near = nearest(first, [*VERBS, "--help", "--version"]) or "."
        raise Usage(f"There is no {kind} {first!r}{near}", "See asyncscaffold --help.")
    from asyncscaffold import arguments

    options = arguments.parse(first, words[1:])
    if first in ("new", "decide"):
        from asyncscaffold import new

        return new.new(options) if first == "new" else new.decide(options)
    if first == "undo":
        from asyncscaffold import undo

        return undo.undo(options)
    from asyncscaffold import change

    return change.check(options) if options.check else change.change(options)


def _told(key: str, text: str) -> Outcome:
    told = f"asyncscaffold {text}" if key == "version" else text.rstrip("\n")
    return Outcome({key: text}, told)
