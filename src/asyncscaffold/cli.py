"""The command line: verbs and flags in, exit codes and JSON out. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from asyncscaffold.errors import Cancelled, Failure, Usage
from asyncscaffold.outcome import Outcome

VERBS = {
    "new": "ask, show the verdict and a preview, and render a project at PATH",
    "decide": "the five questions and the verdict with its reasons; writes nothing",
    "add": "give an existing project more capabilities",
    "remove": "take capabilities from an existing project",
    "update": "move an existing project to a newer template version, or to other answers",
}

DESCRIPTION = """\
Asks whether to go async at all, renders the Rust project that fits, and follows it for years
without losing an edit."""

EXITS = """\
exit codes: 0 done; 1 refused or failed, nothing changed; 2 wrong usage; 3 done, but conflicts are
left in the tree; 130 cancelled, nothing changed"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code. Every error becomes a message here."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in words
    try:
        outcome = run(words)
        if outcome is None:
            return 0
        print(json.dumps(outcome.document, indent=2) if as_json else outcome.text, flush=True)
    except (Failure, KeyboardInterrupt) as error:
        failure = error if isinstance(error, Failure) else Cancelled()
    except BrokenPipeError:
        sys.stdout = None  # type: ignore[assignment]  # whoever read it has gone: nothing to flush
        return 1
    except Exception as error:
        failure = Failure(
            f"This is a bug in asyncscaffold: {type(error).__name__}: {error}",
            "Run it again with --verbose, and report what it shows.",
        )
        failure.__cause__ = error
    else:
        return outcome.exit
    _say(failure, as_json=as_json, verbose="--verbose" in words)
    return failure.exit


def _say(failure: Failure, *, as_json: bool, verbose: bool) -> None:
    if verbose:
        import traceback

        traceback.print_exception(failure)
    if as_json:
        body = {"exit": failure.exit, "message": failure.message, "hint": failure.hint}
        print(json.dumps({"error": body}, indent=2), flush=True)
        return
    print(f"asyncscaffold: {failure.message}", file=sys.stderr)
    if failure.hint:
        print(failure.hint, file=sys.stderr)


def run(words: list[str]) -> Outcome | None:
    """Do what `words` say; None where help or the version was printed."""
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        _top_parser().print_help()
        return None
    if first == "--version":
        from importlib.metadata import version

        print(f"asyncscaffold {version('asyncscaffold')}")
        return None
    if first not in VERBS:
        from asyncscaffold.values import nearest

        kind = "flag" if first.startswith("-") else "verb"
        raise Usage(
            f"There is no {kind} {first!r}{nearest(first, [*VERBS, '--help', '--version'])}.",
            "See asyncscaffold --help.",
        )
    if "-h" in words or "--help" in words:
        _parser(first).print_help()
        return None
    if "--version" in words:
        return run(["--version"])
    options = _parse(first, words[1:])
    signal.signal(signal.SIGTERM, _terminate)
    if first in ("new", "decide"):
        from asyncscaffold import new

        return new.new(options) if first == "new" else new.decide(options)
    from asyncscaffold import project

    return project.change(options)


def _terminate(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


class _Parser(argparse.ArgumentParser):
    """argparse that raises `Usage` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message[:1].upper() + message[1:] + ".", f"See {self.prog} --help.")


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {does}" for verb, does in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="asyncscaffold",
        usage="asyncscaffold VERB …",
        description=f"{DESCRIPTION}\n\nverbs (each takes --help):\n{verbs}",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="this text")
    parser.add_argument("--version", action="store_true", help="the version")
    return parser


def _parse(verb: str, words: list[str]) -> argparse.Namespace:
    parser = _parser(verb)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        from asyncscaffold.values import nearest

        flags = [flag for action in parser._actions for flag in action.option_strings]
        named = "; ".join(f"{word}{nearest(word.split('=')[0], flags)}" for word in unknown)
        raise Usage(f"{verb} does not take {named}.", f"See {parser.prog} --help.")
    options.verb = verb
    options.flags = {
        key: values for key in options.flag_keys if (values := getattr(options, f"question_{key}"))
    }
    return options


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"asyncscaffold {verb}",
        description=VERBS[verb][:1].upper() + VERBS[verb][1:] + ".",
        epilog=EXITS,
        allow_abbrev=False,
        add_help=False,
    )
    changes_project = verb in ("add", "remove", "update")
    if verb == "new":
        parser.add_argument(
            "path", nargs="?", type=Path, metavar="PATH", help="where to; ./PROJECT_NAME without it"
        )
    if verb in ("add", "remove"):
        parser.add_argument("capabilities", nargs="+", metavar="CAPABILITY", help="http, actor, …")
    add = parser.add_argument
    if changes_project:
        add("--project", type=Path, default=Path(), metavar="DIR", help="the project; default: .")
    add("--template", metavar="URL|PATH", help="another Copier template than the one shipped")
    if verb == "update":
        add("--to", "--ref", dest="ref", metavar="REF", help="the version; default: the newest")
    else:
        add("--ref", metavar="REF", help="the template's version: a tag, a branch, a commit")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="an answer; VALUE is YAML")
    add("--answers", type=Path, metavar="FILE", help="answers as YAML, or an old answers file")
    add("--defaults", action="store_true", help="ask nothing: defaults for what is not answered")
    add("--trust", action="store_true", help="run the template's own tasks and extensions")
    if verb != "decide":
        add("--answers-file", metavar="NAME", help="default: .copier-answers.yml")
        add("--dry-run", action="store_true", help="show what would be done; write nothing")
        add("--yes", action="store_true", help="no confirmation")
    if verb == "new":
        add("--no-git", action="store_true", help="no repository and no first commit")
    add("--json", action="store_true", help="one JSON document on stdout")
    add("--verbose", action="store_true", help="with an error, where it came from")
    add("-h", "--help", action="store_true", help="this text")
    questions = parser.add_argument_group("answers to the shipped template's questions")
    keys = []
    for key, metavar, help in _question_flags(verb):
        questions.add_argument(
            "--" + key.replace("_", "-"),
            dest=f"question_{key}",
            action="append",
            default=[],
            metavar=metavar,
            help=help,
        )
        keys.append(key)
    parser.set_defaults(flag_keys=keys)
    return parser


def _question_flags(verb: str) -> Iterable[tuple[str, str, str]]:
    """(key, metavar, help) of each question of the shipped template that `verb` takes."""
    from asyncscaffold.questions import Questionnaire
    from asyncscaffold.template import shipped

    try:
        asked = Questionnaire.load(shipped()).asked
    except Failure:  # the verb itself says what is wrong with it, where it needs it
        return
    if verb == "decide":
        from asyncscaffold.verdict import DECIDING

        asked = [question for question in asked if question.key in DECIDING]
    for question in asked:
        help = str(question.spec.get("help", "")).strip().replace("%", "%%")
        yield question.key, question.metavar, help if "{=" not in help else "default: the verdict"
