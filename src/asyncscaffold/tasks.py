"""The commands of a trusted template: its tasks and migrations, run as `copier update` does.

Copier's documentation, "tasks" and "migrations", says what they are given: the answers and
`_stage`, `_version_from`, … as variables of their templates, and `STAGE`, `VERSION_FROM`, … in
their environment. A task is written for a fresh render: it deletes and moves what was rendered, and
appends to it. So Copier runs it there, on both sides of the merge, and what it does to those files
is merged. It is run in the project too, for whatever else it does; there it may find nothing to do,
and fail.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.version import Version

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.evaluation import Evaluator
from asyncscaffold.template import Template, release, released
from asyncscaffold.values import truth

Stage = Literal["before", "task", "after"]


@dataclass(frozen=True)
class Task:
    """One command of a template, rendered: a line for the shell, or a program with its arguments.

    `directory` is relative to the project; `variables` go into its environment.
    """

    command: str | list[str]
    directory: str = "."
    variables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.command if isinstance(self.command, str) else shlex.join(self.command)

    def run(self, project: Path) -> None:
        """Run it in the project; what it prints goes to stderr. Raises `Refused` if it fails."""
        # A repository that the caller's variables name is not the project's.
        own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        sys.stderr.flush()
        try:
            done = subprocess.run(
                self.command,
                shell=isinstance(self.command, str),
                cwd=project / self.directory,
                env={**own, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=2,
                check=False,
            )
        except OSError as error:
            raise _failed(self, f"it can't be started: {error.strerror}") from error
        if done.returncode:
            raise _failed(self, f"its exit code is {done.returncode}")


def _failed(task: Task, why: str) -> Refused:
    return Refused(
        f"The template wants `{task}` run, and that failed: {why}.",
        "The project was put back as it was. Mend what the command complains of, or tell the "
        "template's author.",
    )


@dataclass(frozen=True)
class Tasks:
    """What a template wants run when a project goes from `old` to `new`."""

    evaluator: Evaluator
    context: Mapping[str, Any]
    old: Template
    new: Template

    def __bool__(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.all)

    @property
    def all(self) -> list[Task]:
        """The commands of every stage, in their order."""
        return [*self.of("before"), *self.of("task"), *self.of("after")]

    def of(self, stage: Stage) -> list[Task]:
        """The commands of one stage in their order; those whose `when` does not hold left out."""
        found = self._tasks() if stage == "task" else self._migrations(stage)
        return [task for entry, extra in found if (task := self._task(entry, extra)) is not None]

    def _tasks(self) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        for entry in self._entries("tasks"):
            yield {"when": "true", **_as_mapping(entry)}, {"stage": "task"}

    def _migrations(self, stage: Stage) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        (source, before), (target, now) = self._version(self.old), self._version(self.new)
        extra: dict[str, Any] = {
            "stage": stage,
            "version_from": source,
            "version_to": target,
            "version_pep440_from": before,
            "version_pep440_to": now,
        }
        for entry in self._entries("migrations"):
            migration = _as_mapping(entry)
            current = release(str(migration.get("version", "")))
            if current is not None:
                if not now >= current > before:
                    continue
                at = {"version_current": migration["version"], "version_pep440_current": current}
                extra = {**extra, **at}
            elif "version" in migration:
                continue
            if {"before", "after"} & migration.keys():  # the format before Copier 9.3
                for command in migration.get(stage, []):
                    yield {"command": command, "when": "true"}, extra
            else:
                yield {"when": self._default_condition(), **migration}, extra

    def _version(self, template: Template) -> tuple[str, Version]:
        """What a migration is told of `template`, as Copier counts: below any tag it is 0."""
        if (known := released(template)) is not None:
            return template.name, known
        name = git.describe(self.evaluator.questionnaire.root, template.sha or template.ref)
        return name or template.name, release(name or "") or Version("0")

    def _entries(self, setting: str) -> Iterable[Any]:
        entries: list[Any] = self.evaluator.questionnaire.settings.get(setting) or []
        return entries

    def _default_condition(self) -> str:
        envops = self.evaluator.questionnaire.settings.get("envops", {})
        start = envops.get("variable_start_string", "{{")
        return f'{start} _stage == "after" {envops.get("variable_end_string", "}}")}'

    def _task(self, entry: Mapping[str, Any], extra: Mapping[str, Any]) -> Task | None:
        variables = {**extra, "copier_operation": "update"}
        context = {**self.context, **{f"_{name}": value for name, value in variables.items()}}

        def rendered(text: object) -> str:
            return str(self.evaluator.value(str(text), context, "_tasks"))

        if not truth(rendered(entry["when"])):
            return None
        command = entry.get("command")
        if not command:
            raise Refused(f"The template's copier.yml is broken: no command in {dict(entry)}.")
        return Task(
            [rendered(part) for part in command]
            if isinstance(command, list)
            else rendered(command),
            rendered(entry.get("working_directory", ".")),
            {name.upper(): str(value) for name, value in variables.items()},
        )


def _as_mapping(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, dict) else {"command": entry}


def run(tasks: Iterable[Task], project: Path) -> None:
    """Run them one after the other, saying which. Raises `Refused` at the first that fails."""
    for task in tasks:
        print(f"Running {task}", file=sys.stderr)
        task.run(project)


def attempt(tasks: Iterable[Task], project: Path) -> list[Task]:
    """Run them all; gives those that failed."""
    failed = []
    for task in tasks:
        try:
            run([task], project)
        except Refused:
            failed.append(task)
    return failed
