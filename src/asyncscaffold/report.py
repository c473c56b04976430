"""What people read: the verdict, the preview, and the command that makes the same again."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml

from asyncscaffold.outcome import Outcome
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import Template
from asyncscaffold.values import flag_text, uncast
from asyncscaffold.verdict import Verdict

if TYPE_CHECKING:
    from asyncscaffold.merge.model import Note, Plan

WIDTH = 88


def verdict_text(verdict: Verdict) -> str:
    """The verdict with its reasons, warnings, and what would change it."""
    lines = [f"The verdict: {verdict.runtime}", ""]
    lines += _bullets(verdict.reasons)
    if verdict.costs:
        lines += ["", "What it costs, as measured:", *_bullets([verdict.costs])]
    if verdict.warnings:
        lines += ["", "What to watch:", *_bullets(verdict.warnings)]
    if verdict.suggests:
        lines += ["", f"Worth having with it: {', '.join(verdict.suggests)}"]
    if verdict.changes:
        lines += ["", "What would change it:"]
        for change in verdict.changes:
            flag = "--" + change.question.replace("_", "-")
            lines.append(f"  - {flag} {flag_text(change.answer) or '(none)'} → {change.runtime}")
        lines += ["", "The way there and back: asyncscaffold update --set runtime=RUNTIME"]
    return "\n".join(lines)


def _bullets(sentences: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for sentence in sentences:
        lines += wrap(sentence, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return lines


def preview_text(path: Path, project: Path, files: list[Path]) -> str:
    """What will be written: every top directory with its files and lines."""
    counts: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for file in files:
        top = file.parts[0] + ("/" if len(file.parts) > 1 else "")
        counts[top] += 1
        lines[top] += _line_count(project / file)
    text = [f"{path}: {len(files)} files, {sum(lines.values())} lines"]
    width = max(map(len, counts), default=0)
    for top in sorted(counts, key=lambda name: (not name.endswith("/"), name)):
        amount = f"{_count(counts[top], 'file')}, " if top.endswith("/") else ""
        text.append(f"  {top:<{width}}  {amount}{_count(lines[top], 'line')}")
    return "\n".join(text)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _line_count(path: Path) -> int:
    return 0 if path.is_symlink() else path.read_bytes().count(b"\n")


def plan_text(head: str, plan: Plan, commands: Sequence[str] = ()) -> str:
    """What a merge changes, path by path, and everything that needs the user's eyes.

    `commands` are those of the template's own that will be run.
    """
    parts = [
        _changes_text(head, plan),
        _notes_text(plan),
        _commands_text(commands),
        conflicts_text(plan),
    ]
    return "\n\n".join(part for part in parts if part)


def dry_run(
    head: str, plan: Plan, document: dict[str, Any], commands: Sequence[str] = ()
) -> Outcome:
    """What a plan would do, with the difference it would make to each file."""
    from asyncscaffold.merge.diff import unified

    diffs = {change.path: unified(change) for change in plan.changes}
    document = document | plan.as_json(diffs) | ({"commands": commands} if commands else {})
    shown = "".join(diffs.values()).rstrip("\n")
    parts = [_changes_text(head, plan), _notes_text(plan), _commands_text(commands), shown]
    text = "\n\n".join(part for part in [*parts, "A dry run: nothing was written."] if part)
    return Outcome(document, text, 3 if plan.conflicts else 0, conflicts_text(plan))


def applied(head: str, plan: Plan, document: dict[str, Any], project: Path) -> Outcome:
    """What a plan did, and what there is to do now."""
    names = {Path(change.path).name for change in plan.changes}
    hints = []
    if plan.changes:
        hints.append("Nothing was committed: `git diff` shows the changes, `asyncscaffold undo`")
        checks = ", `cargo test` checks them" if (project / "Cargo.toml").is_file() else ""
        hints.append(f"takes them back{checks}.")
    if "Cargo.toml" in names and "Cargo.lock" not in names:
        hints.append("Cargo.lock follows with the next cargo build: commit it with them.")
    parts = [_changes_text(head, plan), _notes_text(plan), "\n".join(hints)]
    text = "\n\n".join(part for part in parts if part)
    left = conflicts_text(plan)
    if any(note.markers for note in plan.conflicts):
        left += "\nWhile markers are left, the next add, remove or update is refused."
    return Outcome(document | plan.as_json(), text, 3 if plan.conflicts else 0, left)


def _changes_text(head: str, plan: Plan) -> str:
    from asyncscaffold.merge.model import shown

    if plan.is_empty:
        return f"{head}\nNot one file changes."
    lines = (f"  {change.action:<6}  {shown(change.path)}" for change in plan.changes)
    return "\n".join([head, *lines])


def _notes_text(plan: Plan) -> str:
    listed = (
        ("Kept, because you edited them", plan.kept),
        ("Left deleted, as you deleted them", plan.deleted),
        ("Skipped", plan.skipped),
    )
    return "\n\n".join(_listed(title, notes) for title, notes in listed if notes)


def _commands_text(commands: Iterable[str]) -> str:
    return _under("The template's own commands, run in the project:", commands)


def failed_text(commands: Iterable[str]) -> str:
    """Tasks that ran well where the template was rendered, and failed in the project."""
    title = (
        "These tasks of the template did their part where it was rendered, and failed in the\n"
        "project, which keeps what was merged. See whether they have more to do here:"
    )
    return _under(title, commands)


def not_run_text(commands: Iterable[str]) -> str:
    """Commands that wait for the conflicts to be resolved."""
    title = "Not run, because of the conflicts; run it when they are resolved:"
    return _under(title, commands)


def _under(title: str, commands: Iterable[str]) -> str:
    """The commands below a title; nothing where there are none."""
    listed = [f"  {command}" for command in commands]
    return "\n".join([title, *listed]) if listed else ""


def conflicts_text(plan: Plan) -> str:
    """The conflicts by path with their reasons, or nothing."""
    title = "Conflicts: both sides are there; resolve them"
    return _listed(title, plan.conflicts) if plan.conflicts else ""


def _listed(title: str, notes: Iterable[Note]) -> str:
    from asyncscaffold.merge.model import shown

    lines = [f"{title}:"]
    for note in notes:
        beside = f" ({shown(note.beside)})" if note.beside else ""
        lines.append(f"  {shown(note.path)}: {note.reason}{beside}")
    return "\n".join(lines)


def new_command(
    options: Namespace, template: Template, questionnaire: Questionnaire, answers: Mapping[str, Any]
) -> str:
    """The command that makes the same project again without asking anything.

    It names the version found, and leaves secrets out.
    """
    flags: list[tuple[str, str | None]] = []
    if options.template is not None:
        flags.append(("--template", options.template))
        flags.append(
            (
                "--ref",
                options.ref or (template.name if template.ref not in (None, "HEAD") else None),
            )
        )
    else:
        flags.append(("--ref", options.ref))
    flags.append(("--answers-file", options.answers_file))
    for key, value in answers.items():
        question = questionnaire.questions[key]
        if question.secret:
            continue
        if key in options.flag_keys:
            flags.append((question.flag, flag_text(value)))
        else:
            flags.append(("--set", f"{key}={yaml_text(uncast(question.type, value))}"))
    words = ["asyncscaffold", "new"]
    for flag, text in flags:
        if text is not None:
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    words += [
        flag for flag in ("--trust", "--no-git") if getattr(options, flag[2:].replace("-", "_"))
    ]
    words.append("--yes")
    if options.path is not None:
        path = str(options.path)
        words += ["--", path] if path.startswith("-") else [path]
    return shlex.join(words)


def yaml_text(value: Any) -> str:
    """A value as `--set` takes it: YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
