"""Rendering: the only module that imports copier."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from asyncscaffold import git, stop
from asyncscaffold.errors import ROOM, Refused, full_disk
from asyncscaffold.questions import Questionnaire
from asyncscaffold.template import PUBLIC_URL, Template, checkout, expand, stand_in

DEFAULT_ANSWERS_FILE = ".copier-answers.yml"

Operation = Literal["copy", "update"]
"""What a template's `_exclude` and the conditions of its tasks see as `_copier_operation`."""


def refuse_code(questionnaire: Questionnaire) -> None:
    """Raise `Refused` when the template wants to run code of its own, naming what."""
    kinds = {"tasks": "task", "migrations": "migration", "jinja_extensions": "Jinja extension"}
    wants = [
        f"{kind}: {_command(item)}"
        for setting, kind in kinds.items()
        for item in questionnaire.settings.get(setting, [])
    ]
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
    operation: Operation = "copy",
) -> None:
    """Render `template` with `answers` into the directory `into`, which need not exist.

    The template sees the directory's name, never where it lies. Raises `Refused` for whatever keeps
    the template from rendering, and for what it may not render. A repository that the tasks of a
    trusted template begin in `into` (`git init`) is theirs to make.
    """
    into.mkdir(parents=True, exist_ok=True)
    copier = load()
    with _quiet(), _instead(template) as instead, _apart(into.parent, instead, trust=trust):
        try:
            _as_operation(operation)(
                template.url,
                into.name,
                data=dict(answers),
                vcs_ref=template.ref,
                answers_file=answers_file,
                settings=copier.Settings(),  # the user's own would change what is computed
                defaults=True,
                overwrite=True,
                quiet=True,
                unsafe=trust,
            )
        except copier.errors.UnsafeTemplateError:
            with checkout(template) as root:
                refuse_code(Questionnaire.load(root))
            raise
        except Exception as error:
            stop.again()
            if full := full_disk(str(error), into):
                raise Refused(f"{into} can't be written: {full}.", ROOM) from error
            raise Refused(
                f"The template {template.url} ({template.name}) does not render: {_plain(error)}",
                "Its author can mend this; another --ref may still work.",
            ) from error
    _refuse_escapes(into, trust=trust)


def _as_operation(operation: str) -> Callable[..., object]:
    """`copier.run_copy`, for which `_copier_operation` is this one, as in Copier's own update.

    There is no public way to say so; without this one, a render counts as a copy.
    """
    copier = load()
    run_copy: Callable[..., object] = copier.run_copy
    known = getattr(copier._main, "as_operation", None)
    return cast("Callable[..., object]", known(operation)(run_copy)) if known else run_copy


def load() -> ModuleType:
    """Copier, imported when first needed: that takes a third of a second."""
    import copier

    return copier


def _refuse_escapes(root: Path, *, trust: bool) -> None:
    """Raise `Refused` for a rendered link that leads out, and for git's own files.

    git runs what a repository's configuration says; a trusted template's may, at the top.
    """
    inside = os.path.realpath(root)
    for folder, names, files in os.walk(root):
        if trust and folder == str(root) and ".git" in names:
            names.remove(".git")
        for name in names + files:
            path = Path(folder, name)
            shown = path.relative_to(root)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise Refused(
                    f"The template's link {shown} leads out of the project (to {path.readlink()}).",
                    "Its author can mend this.",
                )
            if name.lower() == ".git":
                raise Refused(
                    f"The template renders {shown}, which is git's own.",
                    "Its author can mend this.",
                )


def _plain(error: Exception) -> str:
    """One paragraph a person can read, from whatever Copier and Jinja raise."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= 600 else text[:600] + " …"
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    places.append((getattr(error, "filename", None) or "", getattr(error, "lineno", None)))
    # Jinja puts the template's own lines into the traceback.
    ours = [(name, line) for name, line in places if name and not name.endswith((".py", ">"))]
    return f"{text} (line {ours[-1][1]} of {Path(ours[-1][0]).name})" if ours else text


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Copier's warnings to itself, and what its tasks print off stdout."""
    try:
        stdout = os.dup(1)
        os.fstat(2)
    except OSError:  # one of them is closed: there is nothing to keep apart
        yield
        return
    if sys.stdout:
        sys.stdout.flush()
    try:
        os.dup2(2, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


@contextmanager
def _instead(template: Template) -> Iterator[Mapping[str, Path]]:
    """What Copier is given to clone in place of a URL.

    What is published is taken from where this package has it. In place of a local template stands
    a repository that borrows its objects: Copier looks at every path in its clone, those in `.git`
    too, and renders each before it leaves it out, so that a thousand loose objects take it as long
    as a thousand files.
    """
    if place := stand_in(template.url):
        yield {PUBLIC_URL: place}
        return
    local = expand(template.url)
    if template.sha is None or _has_submodules(Path(local), template.sha):
        yield {}  # the addresses of submodules below the template's would change, too
        return
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        place = Path(scratch, "template.git")
        yield {local: place} if git.borrow(local, place) else {}


def _has_submodules(repo: Path, sha: str) -> bool:
    name = ".gitmodules"
    return (repo / name).exists() or git.show_file(repo, sha, name) is not None


@contextmanager
def _apart(folder: Path, instead: Mapping[str, Path], *, trust: bool) -> Iterator[None]:
    """Work in `folder`, and keep the caller's GIT_* and what changes content from git's calls.

    A tool that a trusted task runs to install hooks stops where a directory of hooks is set: so
    none is, unless there is one of the user's to keep away.
    """
    from plumbum import local  # Copier's: it remembers directory and environment on its own

    wanted = git.clone_environment(instead, hooks=trust and not git.has_hooks(folder))
    with local.cwd(folder), local.env(**wanted):
        for name in local.env.getdict():
            if name.startswith("GIT_") and name not in wanted:
                del local.env[name]
        yield
