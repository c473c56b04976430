"""The doors for `decide` and `new`: answers → verdict → preview → a project in its place."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from asyncscaffold import git, place, render, report, wizard
from asyncscaffold.answers import Given, complete, gather
from asyncscaffold.errors import Cancelled, Refused, Usage
from asyncscaffold.evaluation import Asked, Evaluation, Evaluator
from asyncscaffold.outcome import Outcome, printable
from asyncscaffold.questions import Questionnaire
from asyncscaffold.staging import Staging, staging
from asyncscaffold.template import Template, checkout, find
from asyncscaffold.values import nearest
from asyncscaffold.verdict import DECIDING, FIVE, Verdict


def decide(options: Namespace) -> Outcome:
    """The five questions and the verdict; writes nothing."""
    template = find(options.template, options.ref)
    with checkout(template) as root:
        whole = Questionnaire.load(root)
        missing = [key for key in (*DECIDING, "verdict") if key not in whole.questions]
        if missing:
            raise Usage(
                f"The template {template.url} gives no verdict: it does not ask {missing[0]}.",
                "Leave --template out for the one that does.",
            )
        if not options.trust:
            render.refuse_code(whole)
        given = gather(whole, options)
        for key in [key for key in given.values if key not in DECIDING]:
            if key not in given.filed:
                given.wrong(key, "it has no part in the verdict")
            del given.values[key]
        wanted = _interfaces(whole, given, trust=options.trust)
        answers = complete(
            Evaluator(_only(whole, (*FIVE, "verdict")), trust=options.trust),
            given,
            options,
            extra={"interfaces": wanted},
        )
    verdict = Verdict.of(answers.computed)
    if verdict is None:
        raise Refused(f"The template {template.url} gives no verdict that can be read.")
    return Outcome(
        document={"answers": answers.answers, **verdict.as_json(), "ways_back": verdict.ways_back},
        text=report.verdict_text(verdict),
    )


def _interfaces(whole: Questionnaire, given: Given, *, trust: bool) -> list[Any]:
    """The interfaces wanted, whether they are built yet or not: they weigh in the verdict."""
    wanted = given.values.pop("interfaces", [])
    choices = Evaluator(whole, trust=trust).choices(whole.questions["interfaces"], {})
    known = [str(choice.value) for choice in choices]
    if not isinstance(wanted, list):
        given.wrong("interfaces", f"{wanted!r} is not a list: write [a, b]")
        return []
    for name in wanted:
        if name not in known:
            given.wrong(
                "interfaces",
                f"{name!r} is not one of {', '.join(known)}{nearest(str(name), known)}",
            )
    return wanted


def _only(questionnaire: Questionnaire, keys: tuple[str, ...]) -> Questionnaire:
    return replace(questionnaire, questions={key: questionnaire.questions[key] for key in keys})


def new(options: Namespace) -> Outcome:
    """Ask, show the verdict and a preview, render, commit, and put the project at PATH."""
    target = place.Target.at(options.path) if options.path else None
    if not options.no_git:
        git.run(["version"])
    with staging(_beside(target, options)) as staged:
        if options.path:  # what a killed run had set aside is back by now
            target = place.Target.at(options.path)
        template = find(options.template, options.ref)
        with checkout(template) as root:
            return _ask_and_make(options, template, root, target, staged)


def _beside(target: place.Target | None, options: Namespace) -> Path:
    """Where to stage: beside PATH, but for a dry run, which writes nothing there."""
    if options.dry_run:
        return Path(tempfile.gettempdir())
    try:
        return target.beside if target else Path.cwd()
    except FileNotFoundError:
        raise Refused("The directory you are in is gone.", "Go elsewhere, or give PATH.") from None


def _ask_and_make(
    options: Namespace, template: Template, root: Path, target: place.Target | None, staged: Staging
) -> Outcome:
    questionnaire = Questionnaire.load(root)
    if not options.trust:
        render.refuse_code(questionnaire)
    if target is None and "project_name" not in questionnaire.questions:
        raise Usage("Where shall it go? This template asks no project_name.", "Give PATH.")
    given = gather(questionnaire, options)
    announced = _Announcement()
    name = target.path.name if target else str(given.values.get("project_name", "my-service"))
    evaluation = complete(
        Evaluator(questionnaire, trust=options.trust),
        given,
        options,
        extra=context(name, root, template, defaults=options.defaults),
        announce=announced,
    )
    if target is None:
        target = place.Target.at(_named(evaluation))
    return _make(options, template, questionnaire, evaluation, target, staged, announced.done)


def _make(
    options: Namespace,
    template: Template,
    questionnaire: Questionnaire,
    evaluation: Evaluation,
    target: place.Target,
    staged: Staging,
    verdict_is_known: bool,
) -> Outcome:
    verdict = Verdict.of(evaluation.computed)
    answers = evaluation.answers
    command = report.new_command(options, template, questionnaire, answers)
    project = place.staged_project(staged, target)
    render.render(
        template,
        questionnaire.for_copier(answers),
        project,
        answers_file=options.answers_file,
        trust=options.trust,
    )
    files = place.files_of(project)
    parts = [report.verdict_text(verdict)] if verdict and not verdict_is_known else []
    parts.append("Will be written:\n\n" + report.preview_text(target.path, project, files))
    parts.append("The same again, without questions:\n\n  " + command)
    review = "\n\n".join(parts)
    document = {
        "path": str(target.path),
        "template": {"url": template.url, "version": template.name},
        "answers": questionnaire.without_secrets(answers),
        "verdict": verdict.as_json() if verdict else None,
        "files": [file.as_posix() for file in files],
        "command": command,
        "dry_run": options.dry_run,
    }
    if options.dry_run:
        return Outcome(document, review + "\n\nA dry run: nothing was written.")
    shown = confirm(options, review)
    ours = options.template is None or options.trust
    made = place.finish(staged, target, use_git=not options.no_git, trim=ours)
    document |= {"git": made.git, "notes": made.notes}
    done = _next_steps(options.path or target.path.name, answers, made)
    return Outcome(document, done if shown else f"{review}\n\n{done}")


def confirm(options: Namespace, review: str) -> bool:
    """Show the review and ask, where there is a terminal; says whether it was shown.

    Raises `Cancelled` for a "no".
    """
    if options.yes or options.defaults or options.json:
        return False
    if not wizard.available():
        return False
    print(printable(f"\n{review}\n"), file=sys.stderr)
    if not wizard.confirm("Shall it be written?"):
        raise Cancelled
    return True


def context(
    folder: str, root: Path, template: Template, *, defaults: bool = False
) -> dict[str, Any]:
    """What Copier adds to a template's context beside the answers.

    Paths are pure: an expression must not reach the disk through them.
    """
    return {
        "_folder_name": folder,
        "_copier_conf": {
            "defaults": defaults or not wizard.available(),
            "src_path": PurePath(root),
            "dst_path": PurePath(folder),
            "answers_file": PurePath(render.DEFAULT_ANSWERS_FILE),
            "vcs_ref": template.ref,
            "vcs_ref_hash": template.sha,
            "sep": os.sep,
            "os": {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform),
        },
        "_copier_python": sys.executable,
        "_copier_phase": "prompt",
        "_src_path": template.url,
        "_commit": template.name if template.ref is not None else None,
    }


def _named(evaluation: Evaluation) -> Path:
    """./PROJECT_NAME, which another template may not have checked."""
    name = str(evaluation.answers.get("project_name") or "")
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Usage(f"No directory can be named after the project, {name!r}.", "Give PATH.")
    return Path(name)


class _Announcement:
    """Shows the verdict before the question that it is the default of; `done` once it has."""

    done = False

    def __call__(self, asked: Asked, evaluation: Evaluation) -> None:
        verdict = Verdict.of(evaluation.computed)
        if asked.key == "runtime" and verdict:
            print(printable(f"\n{report.verdict_text(verdict)}\n"), file=sys.stderr)
            self.done = True


def _next_steps(path: Path | str, answers: Mapping[str, Any], made: place.Made) -> str:
    lines = [f"{path} is made" + (" and committed." if made.git == "committed" else ".")]
    name = answers.get("project_name")
    if name and name != Path(path).name:
        lines[0] += f" The project is called {name}."
    lines += [f"Note: {note}" for note in made.notes]
    lines += ["", "Next:", f"  cd {shlex.quote(str(path))}"]
    if "runtime" in answers:
        serves = "interfaces" in answers
        lines += [
            "  cargo run              # starts it with no configuration"
            if serves
            else "  cargo run -- --help    # what it reads, computes and writes",
            "  cargo test             # the promises, proven by the project's own tests",
            "Why this runtime: docs/decisions/0001-runtime.md",
        ]
    return "\n".join(lines)
