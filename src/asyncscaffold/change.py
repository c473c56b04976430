"""The one door for `add`, `remove` and `update`: to another version, other answers, or both."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asyncscaffold import git, lockfile, merge, render, rendered, renders, report, stop
from asyncscaffold.answers import complete, gather
from asyncscaffold.capabilities import switch
from asyncscaffold.decision import next_record
from asyncscaffold.errors import Refused
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.new import confirm, context
from asyncscaffold.outcome import Outcome
from asyncscaffold.project import Project, listed, opened
from asyncscaffold.questions import Questionnaire, load_answers
from asyncscaffold.renders import Side
from asyncscaffold.tasks import Tasks, attempt, run
from asyncscaffold.template import Template, checkout, find, is_at_least, is_shipped
from asyncscaffold.values import reads_otherwise, uncast


def change(options: Namespace) -> Outcome:
    """Move a project to another version, other answers, or both.

    base (its version and answers) + mine (the tree as it is) + theirs (the new version and
    answers) → merge → apply. Nothing in the tree changes before the whole merge is computed.
    """
    with opened(options) as root:
        project = Project.load(root, options.answers_file)
        if left := sorted({*merge.leftover_markers(root), *git.unmerged(root)}):
            raise Refused(
                "Conflicts are not resolved yet:\n" + listed(left),
                "Resolve them (the markers show both sides), `git add` what git calls unmerged, "
                "and run this again; or take the update back: asyncscaffold undo.",
            )
        old = _old_template(project, options)
        new = _new_template(project, old, options)
        with checkout(new) as place:
            tasks = _tasks(project, old, new, place, options)
            if not tasks or options.dry_run:
                return _merge_in(_compute(project, tasks, place, options), tasks, options)
            with merge.recorded(root) as recording:
                run(tasks.of("before"), root)
                project = Project.load(root, options.answers_file)  # one may have changed it
                move = _compute(project, tasks, place, options)
                return _merge_in(move, tasks, options, recording)


def _merge_in(
    move: Move | Outcome,
    tasks: Tasks,
    options: Namespace,
    recording: merge.Recording | None = None,
) -> Outcome:
    """Apply what was computed, or show it; with a `recording`, the template's commands follow."""
    if isinstance(move, Outcome):
        return move
    tasks = replace(tasks, context={**tasks.context, **move.context})
    if options.dry_run:
        return report.dry_run(move.head, move.plan, move.document, list(map(str, tasks.all)))
    rest = [*tasks.of("task"), *tasks.of("after")]
    confirm(options, report.plan_text(move.head, move.plan, list(map(str, rest))))
    if recording:
        recording.applies(move.plan, move.rendered)
    merge.apply(move.plan, move.root, rendered=move.rendered)
    outcome = report.applied(move.head, move.plan, move.document, move.root)
    if not recording:
        return outcome
    if move.plan.conflicts:
        return outcome.also(report.not_run_text(map(str, rest)))
    with stop.listening():  # they can still be stopped, and all is put back
        with recording.keeping(move.paths):
            failed = attempt(tasks.of("task"), move.root)
        run(tasks.of("after"), move.root)
    return outcome.also(report.failed_text(map(str, failed)))


def check(options: Namespace) -> Outcome:
    """Say whether a newer version than the project's exists: exit 5 if so. Changes nothing."""
    project = Project.load(options.project.resolve(), options.answers_file)
    old = _old_template(project, options)
    new = _new_template(project, old, options)
    newer = new != old and not (options.ref and _goes_back(old, new))
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


@dataclass(frozen=True)
class Move:
    """What a change comes to, all of it computed.

    `rendered` is for the journal, `context` what the template's expressions see of the answers;
    `paths` are those that the template has or had.
    """

    root: Path
    head: str
    plan: merge.Plan
    document: dict[str, Any]
    rendered: tuple[Mapping[str, Any] | None, Mapping[str, Any]]
    context: Mapping[str, Any]
    paths: frozenset[str]


def _tasks(
    project: Project, old: Template, new: Template, place: Path, options: Namespace
) -> Tasks:
    """What a trusted template wants to run, with the answers as they are."""
    questionnaire = Questionnaire.load(place)
    if not options.trust:
        render.refuse_code(questionnaire)
    extra = context(project.root.name, place, new, defaults=options.defaults)
    evaluator = Evaluator(questionnaire, trust=options.trust)
    return Tasks(evaluator, {**extra, **project.edited}, old, new)


def _compute(project: Project, tasks: Tasks, place: Path, options: Namespace) -> Move | Outcome:
    """The whole merge, nothing of it written; an `Outcome` where there is nothing to do."""
    old, new, evaluator = tasks.old, tasks.new, tasks.evaluator
    questionnaire = evaluator.questionnaire
    asked_then = _asked_then(project, old, new, questionnaire)
    if project.or_answers:
        several = project.answers, *project.or_answers
        shown = rendered.nearest(
            project.root,
            old,
            [asked_then.for_copier(answers) for answers in several],
            project.answers_file,
            trust=options.trust,
        )
        project = replace(project, answers=several[shown])
    given = gather(questionnaire, options)
    already = switch(evaluator, project.edited, options, given)
    extra = context(project.root.name, place, new, defaults=options.defaults)
    previous = _previous(project, asked_then, questionnaire)
    evaluation = complete(evaluator, given, options, previous=previous, extra=extra)
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
    # As in Copier, the answer to a question that this version drops is still seen by its files.
    dropped = {k: v for k, v in project.edited.items() if k not in questionnaire.questions}
    now = {**dropped, **evaluation.answers, **record}
    sides = (
        Side(old, asked_then.for_copier(project.answers)),
        Side(new, questionnaire.for_copier(now)),
    )
    with renders.rendered(*sides, project.root.name, options) as (base, theirs):
        plan = merge.plan(
            base=base,
            theirs=theirs,
            project=project.root,
            answers_file=project.answers_file,
            labels=merge.Labels(base=old.name, theirs=f"template {new.name}"),
            skip_if_exists=evaluator.setting("skip_if_exists", {**extra, **evaluation.context}),
            held_back=renders.excluded(evaluator, project.answers, extra),
            same_version=old == new,
        )
        if options.trust or (options.template is None and is_shipped(project.url)):
            plan = lockfile.follow(plan, project.root, theirs / lockfile.NAME)
        paths = frozenset({*merge.walk(base), *merge.walk(theirs)})
        before, after = (
            rendered.of(project.answers_file, load_answers(side / project.answers_file))
            for side in (base, theirs)
        )
    head = project.root.name + (f": {old.name} → {new.name}" if old != new else "")
    head += " (an older version)" if _goes_back(old, new) else ""
    by_hand = project.answers != project.edited
    known = merge.remembered_rendered(project.root) or (before if by_hand else None)
    return Move(project.root, head, plan, document, (known, after), evaluation.context, paths)


def _asked_then(
    project: Project, old: Template, new: Template, questionnaire: Questionnaire
) -> Questionnaire:
    """The old version's questions, where they may have another type for one of the answers."""
    data = {question.key for question in questionnaire.questions.values() if question.is_data}
    texts = {key: text for key, text in project.answers.items() if isinstance(text, str)}
    if old == new or not (data & texts.keys() or any(map(reads_otherwise, texts.values()))):
        return questionnaire
    with checkout(old) as place:
        return Questionnaire.load(place)


def _previous(
    project: Project, asked_then: Questionnaire, questionnaire: Questionnaire
) -> dict[str, Any]:
    """The project's answers, to be cast: text that came from YAML or JSON is not read once more."""
    now, then = questionnaire.questions, asked_then.questions
    return {
        key: uncast(now[key].type, value)
        if key in now and key in then and then[key].is_data
        else value
        for key, value in project.edited.items()
    }


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


def _goes_back(old: Template, new: Template) -> bool:
    # HEAD may be the same commit, with what is not committed yet.
    return old != new and new.ref != "HEAD" and is_at_least(old, new)


def _same(old: Template, new: Template) -> Template:
    """`old` itself where both name the same commit: then nothing is new."""
    return old if old.sha is not None and old.sha == new.sha and new.ref != "HEAD" else new
