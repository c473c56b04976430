"""The doors for `decide` and `new`: answers → verdict → preview → a project in its place."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncscaffold import git, place, render, report
from asyncscaffold.answers import complete, gather
from asyncscaffold.errors import Cancelled, Usage
from asyncscaffold.evaluation import Asked, Evaluation, Evaluator
from asyncscaffold.outcome import Outcome
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import Template, checkout, find
from asyncscaffold.verdict import DECIDING, FIVE, Verdict


def decide(options: Namespace) -> Outcome:
    """The five questions and the verdict; writes nothing."""
    template = find(options.template, options.ref)
    with checkout(template) as root:
        whole = Questionnaire.load(root)
        missing = [key for key in (*FIVE, "verdict") if key not in whole.questions]
        if missing:
            raise Usage(
                f"The template {template.url} gives no verdict: it does not ask {missing[0]}.",
                "Leave --template out for the one that does.",
            )
        given = gather(whole, options)
        evaluator = Evaluator(whole)
        wanted = given.values.pop("interfaces", [])
        known = [choice.value for choice in evaluator.choices(whole.questions["interfaces"], {})]
        for name in wanted if isinstance(wanted, list) else [wanted]:
            if name not in known:
                given.wrong("interfaces", f"{name!r} is not one of {', '.join(known)}")
        for key in [key for key in given.values if key not in DECIDING]:
            del given.values[key]
        evaluator = Evaluator(_only(whole, (*FIVE, "verdict")))
        answers = complete(
            evaluator, given, options, extra={"interfaces": wanted}, announce=_silent
        )
    verdict = Verdict.of(answers.computed)
    assert verdict is not None  # the template has the question, and it is computed
    return Outcome(
        document={"answers": answers.answers, **verdict.as_json(), "ways_back": verdict.ways_back},
        text=report.verdict_text(verdict),
    )


def _only(questionnaire: Questionnaire, keys: tuple[str, ...]) -> Questionnaire:
    return replace(questionnaire, questions={key: questionnaire.questions[key] for key in keys})


def new(options: Namespace) -> Outcome:
    """Ask, show the verdict and a preview, render, commit, and put the project at PATH."""
    target = place.Target.at(options.path) if options.path else None
    if not options.no_git:
        git.run(["version"])
    template = find(options.template, options.ref)
    with checkout(template) as root:
        questionnaire = Questionnaire.load(root)
        if not options.trust:
            render.refuse_code(questionnaire)
        evaluator = Evaluator(questionnaire, trust=options.trust)
        given = gather(questionnaire, options)
        name = target.path.name if target else str(given.values.get("project_name", "my-service"))
        evaluation = complete(
            evaluator,
            given,
            options,
            extra=context(name, root, template),
            announce=_announce,
        )
        if target is None:
            target = place.Target.at(Path(_named(evaluation)))
        return _make(options, template, questionnaire, evaluation, target)


def _make(
    options: Namespace,
    template: Template,
    questionnaire: Questionnaire,
    evaluation: Evaluation,
    target: place.Target,
) -> Outcome:
    verdict = Verdict.of(evaluation.computed)
    command = report.new_command(
        options.path,
        options.template,
        options.ref,
        questionnaire,
        evaluation.answers,
        options.flag_keys,
    )
    with place.staging(target, scratch=options.dry_run) as staged:
        render.render(
            template,
            evaluation.answers,
            staged.project,
            answers_file=options.answers_file,
            trust=options.trust,
        )
        files = place.files_of(staged.project)
        parts = [report.verdict_text(verdict)] if verdict else []
        parts.append(
            "Will be written:\n\n" + report.preview_text(target.path, staged.project, files)
        )
        parts.append("The same again, without questions:\n\n  " + command)
        review = "\n\n".join(parts)
        document = {
            "path": str(target.path),
            "template": {"url": template.url, "version": template.name},
            "answers": evaluation.answers,
            "verdict": verdict.as_json() if verdict else None,
            "files": [file.as_posix() for file in files],
            "command": command,
            "dry_run": options.dry_run,
        }
        if options.dry_run:
            return Outcome(document=document, text=review + "\n\nA dry run: nothing was written.")
        asked = confirm(options, review)
        made = place.finish(staged, target, use_git=not options.no_git)
    document |= {"git": made.git, "notes": made.notes}
    done = _next_steps(options.path or target.path.name, evaluation.answers, made)
    return Outcome(document=document, text=done if asked else f"{review}\n\n{done}")


def confirm(options: Namespace, review: str) -> bool:
    """Show the review and ask, where there is a terminal; says whether it was shown.

    Raises `Cancelled` for a "no".
    """
    if options.yes or options.defaults or options.json:
        return False
    from asyncscaffold import wizard

    if not wizard.available():
        return False
    print(f"\n{review}\n", file=sys.stderr)
    if not wizard.confirm("Shall it be written?"):
        raise Cancelled
    return True


def context(folder: str, root: Path, template: Template) -> dict[str, Any]:
    """What Copier adds to a template's context beside the answers."""
    return {
        "_folder_name": folder,
        "_copier_conf": {
            "defaults": not sys.stdin.isatty(),
            "src_path": root,
            "dst_path": Path(folder),
            "answers_file": render.DEFAULT_ANSWERS_FILE,
            "vcs_ref": template.ref,
            "vcs_ref_hash": template.sha,
            "sep": os.sep,
        },
        "_copier_python": sys.executable,
        "_copier_operation": "copy",
    }


def _named(evaluation: Evaluation) -> str:
    name = evaluation.answers.get("project_name")
    if not name:
        raise Usage("Where shall it go? This template asks no project_name.", "Give PATH.")
    return str(name)


def _announce(asked: Asked, evaluation: Evaluation) -> None:
    """Show the verdict before the question that it is the default of."""
    verdict = Verdict.of(evaluation.computed)
    if asked.key == "runtime" and verdict:
        print(f"\n{report.verdict_text(verdict)}\n", file=sys.stderr)


def _silent(asked: Asked, evaluation: Evaluation) -> None:
    """Announces nothing."""


def _next_steps(path: Path | str, answers: Mapping[str, Any], made: place.Made) -> str:
    lines = [f"{path} is made" + (" and committed." if made.git == "committed" else ".")]
    lines += [f"Note: {note}" for note in made.notes]
    lines += ["", "Next:", f"  cd {path}"]
    if "runtime" in answers:
        lines += [
            "  cargo run     # starts it with no configuration",
            "  cargo test    # the promises, proven by the project's own tests",
            "Why this runtime: docs/decisions/0001-runtime.md",
        ]
    return "\n".join(lines)
