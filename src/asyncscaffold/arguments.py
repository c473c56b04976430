"""The flags of each verb; those named after questions derive from the shipped copier.yml."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from asyncscaffold.errors import Failure, Usage
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import shipped
from asyncscaffold.values import nearest
from asyncscaffold.verbs import EXITS, VERBS
from asyncscaffold.verdict import DECIDING


class _Parser(argparse.ArgumentParser):
    """argparse that raises `Usage` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message[:1].upper() + message[1:] + ".", f"See {self.prog} --help.")


def parse(verb: str, words: list[str]) -> argparse.Namespace:
    """The options of one command line.

    `flags` holds the answers by flag (key → texts), `flag_keys` every question that has a flag.
    Raises `Usage` for what `verb` does not take.
    """
    made = parser(verb)
    takes_many = verb in ("add", "remove")
    read = made.parse_known_intermixed_args if takes_many else made.parse_known_args
    options, unknown = read(words)
    if unknown:
        known = [flag for action in made._actions for flag in action.option_strings]
        wrong = [word for word in unknown if word.startswith("-")] or unknown
        named = "; ".join(f"{word}{nearest(word.split('=')[0], known)}" for word in wrong)
        stop = "" if named.endswith("?") else "."
        raise Usage(f"{verb} does not take {named}{stop}", f"See {made.prog} --help.")
    options.verb = verb
    options.flags = {
        key: values for key in options.flag_keys if (values := getattr(options, f"question_{key}"))
    }
    return options


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return Path(text)


def _inside(text: str) -> str:
    if not text or Path(text).is_absolute() or ".." in Path(text).parts:
        raise argparse.ArgumentTypeError("a path inside the project is needed")
    return text


def parser(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb."""
    made = _Parser(
        prog=f"asyncscaffold {verb}",
        description=VERBS[verb][:1].upper() + VERBS[verb][1:] + ".",
        epilog=EXITS,
        allow_abbrev=False,
        add_help=False,
    )
    renders = verb != "undo"
    changes_project = verb not in ("new", "decide")
    if verb == "new":
        made.add_argument(
            "path",
            nargs="?",
            type=_path,
            metavar="PATH",
            help="where to; ./PROJECT_NAME without it",
        )
    if verb in ("add", "remove"):
        made.add_argument("capabilities", nargs="+", metavar="CAPABILITY", help="http, actor, …")
    add = made.add_argument
    if changes_project:
        add("--project", type=_path, default=Path(), metavar="DIR", help="the project; default: .")
    if renders:
        add("--template", metavar="URL|PATH", help="another Copier template than the one shipped")
    if verb == "update":
        add("--to", "--ref", dest="ref", metavar="REF", help="the version; default: the newest")
        add("--check", action="store_true", help="only say whether a newer version exists: exit 5")
    elif renders:
        add("--ref", metavar="REF", help="the template's version: a tag, a branch, a commit")
    if renders:
        add(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="an answer, its VALUE YAML",
        )
        add("--answers", type=_path, metavar="FILE", help="answers as YAML, or an old answers file")
        add(
            "--defaults", action="store_true", help="ask nothing: defaults for what is not answered"
        )
        add("--trust", action="store_true", help="run the template's own tasks and extensions")
    if verb == "undo":
        add("--force", action="store_true", help="also where files changed since; those are kept")
    elif verb != "decide":
        add("--answers-file", metavar="NAME", type=_inside, help="default: .copier-answers.yml")
    if verb != "decide":
        add("--dry-run", action="store_true", help="show what would be done; write nothing")
        add("--yes", action="store_true", help="no confirmation")
    if verb == "new":
        add("--no-git", action="store_true", help="no repository and no first commit")
    add("--json", action="store_true", help="one JSON document on stdout")
    add("--verbose", action="store_true", help="with an error, where it came from")
    add("-h", "--help", action="store_true", help="this text")
    keys: list[str] = []
    made.set_defaults(flag_keys=keys, defaults=False, check=False)
    if not renders:
        return made
    questions = made.add_argument_group("answers to the shipped template's questions")
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
    return made


def _question_flags(verb: str) -> Iterable[tuple[str, str, str]]:
    """(key, metavar, help) of each question of the shipped template that `verb` takes."""
    try:
        asked = Questionnaire.load(shipped()).asked
    except Failure:  # the verb itself says what is wrong with it, where it needs it
        return
    if verb == "decide":
        asked = [question for question in asked if question.key in DECIDING]
    for question in asked:
        help = str(question.spec.get("help", "")).strip().replace("%", "%%")
        yield question.key, question.metavar, help if "{=" not in help else "default: the verdict"
