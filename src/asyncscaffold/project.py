"""An existing project, and the one door for `add`, `remove` and `update`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncscaffold import git, lockfile, merge, render, rendered, renders, report
from asyncscaffold.answers import Given, complete, gather
from asyncscaffold.decision import next_record
from asyncscaffold.errors import Refused, Usage
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.new import confirm, context
from asyncscaffold.outcome import Outcome
from asyncscaffold.questions import Questionnaire, load_answers
from asyncscaffold.renders import Side
from asyncscaffold.template import Template, checkout, find, is_at_least, shipped
from asyncscaffold.values import nearest


@dataclass(frozen=True)
class Project:
    """A project as its answers file describes it.

    `answers` are those that the tree was last rendered with, `edited` those in the file now: they
    differ where the user changed the file by hand.
    """

    root: Path
    answers_file: str
    url: str
    version: str | None
    answers: Mapping[str, Any]
    edited: Mapping[str, Any]

    @classmethod
    def load(cls, root: Path, answers_file: str | None) -> Project:
        """Read the project at `root`.

        Raises `Refused` when it is none that Copier or asyncscaffold made, `Usage` when its
        answers file cannot be read.
        """
        name = answers_file or render.DEFAULT_ANSWERS_FILE
        path = root / name
        if not path.is_file():
            raise Refused(
                f"{root} is no project made from a template: it has no {name}.",
                "Give --project its directory, or --answers-file where the file has another name.",
            )
        data = load_answers(path)
        url = data.get("_src_path")
        if not isinstance(url, str):
            raise Usage(
                f"{path} names no template: it has no _src_path.",
                "Put back the file as Copier wrote it; git log has it.",
            )
        version = data.get("_commit")
        return cls(
            root,
            name,
            url,
            str(version) if version is not None else None,
            _answers(rendered.last(root, name, data)),
            _answers(data),
        )


def _answers(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if not key.startswith("_")}


@contextmanager
def opened(options: Namespace) -> Iterator[Path]:
    """The project's directory, held by this process alone; what a killed run began is completed.

    A dry run completes nothing: it raises `Refused`.
    """
    git.version()
    root: Path = options.project.resolve()
    if not root.is_dir():
        raise Refused(f"{options.project} is no directory.", "Give --project the project's own.")
    with merge.lock(root):
        if not options.dry_run:
            _recover(root)
        elif merge.is_pending(root):
            raise Refused(
                "A run before this one was interrupted, so the tree is neither old nor new.",
                "Run this without --dry-run, or `asyncscaffold undo`: each completes it first.",
            )
        yield root


def change(options: Namespace) -> Outcome:
    """Move a project to another version, other answers, or both.

    base (its version and answers) + mine (the tree as it is) + theirs (the new version and
    answers) → merge → apply. Nothing in the tree changes before the whole merge is computed.
    """
    with opened(options) as root:
        project = Project.load(root, options.answers_file)
        if left := sorted({*merge.leftover_markers(root), *git.unmerged(root)}):
            raise Refused(
                "Conflicts are not resolved yet:\n" + _listed(left),
                "Resolve them (the markers show both sides), `git add` what git calls unmerged, "
                "and run this again; or take the update back: asyncscaffold undo.",
            )
        old = _old_template(project, options)
        new = _new_template(project, old, options)
        with checkout(new) as place:
            return _move(project, old, new, place, options)


def check(options: Namespace) -> Outcome:
    """Say whether a newer version than the project's exists: exit 5 if so. Changes nothing."""
    project = Project.load(options.project.resolve(), options.answers_file)
    old = _old_template(project, options)
    new = _new_template(project, old, options)
    newer = new != old
    document = {
        "project": str(project.root),
        "from": old.name,
        "to": new.name,
        "newer": newer,
    }
    name = project.root.name
    if not newer:
        return Outcome(document, f"Up to date: {name} is at {old.name}.")
    return Outcome(
        document, f"{name} is at {old.name}, and {new.name} is out: asyncscaffold update.", 5
    )


def _recover(root: Path) -> None:
    """Complete what a killed run began, and say so."""
    recovered = merge.recover(root)
    if recovered:
        print(
            "A run before this one was interrupted; it is completed now.\n"
            + _listed(recovered.done),
            file=sys.stderr,
        )
        if recovered.left:
            print(
                "Left alone, because they were saved since:\n" + _listed(recovered.left),
                file=sys.stderr,
            )


def _move(
    project: Project, old: Template, new: Template, place: Path, options: Namespace
) -> Outcome:
    questionnaire = Questionnaire.load(place)
    if not options.trust:
        render.refuse_code(questionnaire)
    given = gather(questionnaire, options)
    evaluator = Evaluator(questionnaire, trust=options.trust)
    already = _switch(evaluator, project.edited, options, given)
    extra = context(project.root.name, place, new, defaults=options.defaults)
    evaluation = complete(evaluator, given, options, previous=project.edited, extra=extra)
    document: dict[str, Any] = {
        "project": str(project.root),
        "from": old.name,
        "to": new.name,
        "answers": questionnaire.without_secrets(evaluation.answers),
        "dry_run": options.dry_run,
    }
    if old == new and project.answers == evaluation.answers == project.edited:
        text = already or f"Up to date: {project.root.name} is at {new.name}."
        return Outcome(document | merge.Plan().as_json(), text)
    files = merge.own_files(project.root)
    record = next_record(questionnaire, project.answers, evaluation.answers, files)
    sides = Side(old, project.answers), Side(new, {**evaluation.answers, **record})
    with renders.rendered(*sides, questionnaire, project.root.name, options) as (base, theirs):
        plan = merge.plan(
            base=base,
            theirs=theirs,
            project=project.root,
            answers_file=project.answers_file,
            labels=merge.Labels(base=old.name, theirs=f"template {new.name}"),
            skip_if_exists=questionnaire.settings.get("skip_if_exists", ()),
            held_back=renders.excluded(evaluator, project.answers, extra),
            same_version=old == new,
        )
        if options.trust or (options.template is None and project.url == str(shipped())):
            plan = lockfile.follow(plan, project.root, theirs / lockfile.NAME)
        head = project.root.name + (f": {old.name} → {new.name}" if old != new else "")
        head += " (an older version)" if old != new and is_at_least(old, new) else ""
        if options.dry_run:
            return report.dry_run(head, plan, document)
        confirm(options, report.plan_text(head, plan))
        before, after = (load_answers(side / project.answers_file) for side in (base, theirs))
        by_hand = project.answers != project.edited
        merge.apply(plan, project.root, rendered=(before if by_hand else None, after))
    return report.applied(head, plan, document, project.root)


def _old_template(project: Project, options: Namespace) -> Template:
    """The template at the version the project was rendered from."""
    if project.version is None:
        raise Refused(
            f"The project's answers file names no version of its template ({project.url}), so what "
            "the template gave and what you changed cannot be told apart.",
            "Make the template a git repository with a tag, and make the project from that.",
        )
    try:
        return find(options.template or project.url, project.version)
    except Refused as error:
        raise Refused(
            f"The version this project was made from cannot be had: {error.message}",
            "Give --template where the template lies now. A version rendered from uncommitted "
            "changes of a template is in no repository.",
        ) from error


def _new_template(project: Project, old: Template, options: Namespace) -> Template:
    """The version to move to: what --to says; for `update` the newest; else the same one."""
    url = options.template or project.url
    if options.ref is not None:
        return _same(old, find(url, options.ref))
    if options.verb != "update":
        return old
    newest = find(url, None)
    # What has everything the newest release has stays: going back is done only when said.
    return old if is_at_least(old, newest) else _same(old, newest)


def _same(old: Template, new: Template) -> Template:
    """`old` itself where both name the same commit: then nothing is new."""
    return old if old.sha is not None and old.sha == new.sha and new.ref != "HEAD" else new


def _switch(
    evaluator: Evaluator, answers: Mapping[str, Any], options: Namespace, given: Given
) -> str:
    """Turn `add`'s and `remove`'s capabilities into answers; says so where nothing changes."""
    if options.verb not in ("add", "remove"):
        return ""
    questionnaire, on = evaluator.questionnaire, options.verb == "add"
    changed = False
    known: dict[str, list[str]] = {}
    for question in questionnaire.asked:
        if question.type == "bool":
            known.setdefault(question.key, []).append(question.key)
        if question.multiselect:
            for choice in evaluator.choices(question, dict(answers)):
                known.setdefault(str(choice.value), []).append(question.key)
    for capability in options.capabilities:
        keys = known.get(capability, [])
        if len(keys) != 1:
            why = (
                f"more than one question has it ({', '.join(keys)}): use --set"
                if keys
                else f"no such capability{nearest(capability, known)}"
            )
            given.wrong(capability, why)
            continue
        key = keys[0]
        now = given.values.get(
            key, answers.get(key, questionnaire.questions[key].spec.get("default"))
        )
        if questionnaire.questions[key].multiselect:
            held = list(now) if isinstance(now, list) else []
            then: Any = [v for v in held if str(v) != capability] + ([capability] if on else [])
            changed |= (capability in map(str, held)) != on
        else:
            then = on
            changed |= now is not on
        given.values[key] = then
    there = "is there already" if on else "is not there"
    return "" if changed else f"Nothing to do: {', '.join(options.capabilities)} {there}."


def _listed(paths: Iterable[str]) -> str:
    return "\n".join(f"  {path}" for path in paths)
