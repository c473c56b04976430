"""Rendering: the only module that imports copier."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import Template

DEFAULT_ANSWERS_FILE = ".copier-answers.yml"


def refuse_code(questionnaire: Questionnaire) -> None:
    """Raise `Refused` when the template wants to run code of its own, naming what."""
    wants = []
    for task in questionnaire.settings.get("tasks", []):
        wants.append(f"task: {_command(task)}")
    for migration in questionnaire.settings.get("migrations", []):
        wants.append(f"migration: {_command(migration)}")
    for extension in questionnaire.settings.get("jinja_extensions", []):
        wants.append(f"Jinja extension: {extension}")
    if wants:
        raise Refused(
            "The template wants to run code of its own:\n  " + "\n  ".join(wants),
            "Read it, and give --trust if you trust whoever wrote it.",
        )


def _command(task: Any) -> str:
    if isinstance(task, dict):
        task = task.get("command", task.get("before", task.get("after", task)))
    return " ".join(map(str, task)) if isinstance(task, list) else str(task)


def render(
    template: Template,
    answers: Mapping[str, Any],
    into: Path,
    *,
    answers_file: str | None = None,
    trust: bool = False,
) -> None:
    """Render `template` with `answers` into the directory `into`, which need not exist.

    Raises `Refused` for whatever keeps the template from rendering, and for links that lead out.
    """
    with _quiet(), _clean_git():
        import copier

        try:
            copier.run_copy(
                template.url,
                into,
                data=dict(answers),
                vcs_ref=template.ref,
                answers_file=answers_file,
                defaults=True,
                overwrite=True,
                quiet=True,
                unsafe=trust,
            )
        except Exception as error:
            raise Refused(
                f"The template {template.url} ({template.name}) does not render: {_plain(error)}",
                "Its author can mend this; another --ref may still work.",
            ) from error
    _refuse_links_out(into)


def _refuse_links_out(root: Path) -> None:
    """Raise `Refused` when a rendered link leads out of the project."""
    inside = root.resolve()
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise Refused(
                    f"The template's link {path.relative_to(root)} leads out of the project "
                    f"(to {path.readlink()}).",
                    "Its author can mend this.",
                )


def _plain(error: Exception) -> str:
    """One paragraph a person can read, from whatever Copier and Jinja raise."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines) or type(error).__name__
    return text if len(text) <= 600 else text[:600] + " …"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Copier's warnings to itself, and what its tasks print off stdout."""
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        os.dup2(2, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


@contextmanager
def _clean_git() -> Iterator[None]:
    """Keep the caller's GIT_* and settings that change content from Copier's git calls."""
    from plumbum import local

    wanted = git.clone_environment()
    with local.env(**wanted):
        for name in local.env.getdict():
            if name.startswith("GIT_") and name not in wanted:
                del local.env[name]
        yield
