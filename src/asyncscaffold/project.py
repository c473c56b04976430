"""An existing project: its answers file, its lock, and what a killed run left in it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncscaffold import git, merge, render, rendered
from asyncscaffold.errors import Refused, Usage
from asyncscaffold.questions import load_answers
from asyncscaffold.staging import scratch


@dataclass(frozen=True)
class Project:
    """A project as its answers file describes it.

    `answers` are those that the tree was last rendered with, `edited` those in the file now: they
    differ where the user changed the file by hand. `or_answers` are others that the tree may have
    been rendered with instead.
    """

    root: Path
    answers_file: str
    url: str
    version: str | None
    answers: Mapping[str, Any]
    edited: Mapping[str, Any]
    or_answers: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def load(cls, root: Path, answers_file: str | None) -> Project:
        """Read the project at `root`.

        Raises `Refused` when it is none that Copier or asyncscaffold made, `Usage` when its
        answers file cannot be read.
        """
        name = answers_file or render.DEFAULT_ANSWERS_FILE
        path = root / name
        if not path.is_file():
            others = sorted(other.name for other in root.glob(".copier-answers*.y*ml"))
            raise Refused(
                f"{root} is no project made from a template: it has no {name}.",
                f"It has {', '.join(others)}: give one of them with --answers-file."
                if others
                else "Give --project its directory, or --answers-file where it has another name.",
            )
        data = load_answers(path)
        url = data.get("_src_path")
        if not isinstance(url, str):
            raise Usage(
                f"{path} names no template: it has no _src_path.",
                "Put back the file as Copier wrote it; git log has it.",
            )
        version = data.get("_commit")
        known = [_answers(content) for content in rendered.candidates(root, name, data)]
        return cls(
            root,
            name,
            url,
            str(version) if version is not None else None,
            known[0],
            _answers(data),
            tuple(known[1:]),
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
    with merge.lock(root), scratch():
        if not options.dry_run:
            _recover(root)
        elif merge.is_pending(root):
            raise Refused(
                "A run before this one was interrupted, so the tree is neither old nor new.",
                "Run this without --dry-run, or `asyncscaffold undo`: each completes it first.",
            )
        yield root


def _recover(root: Path) -> None:
    """Complete what a killed run began, and say so."""
    recovered = merge.recover(root)
    if recovered:
        print(
            "A run before this one was interrupted; it is completed now.\n"
            + listed(recovered.done),
            file=sys.stderr,
        )
        if recovered.left:
            print(
                "Left alone, because they were saved since:\n" + listed(recovered.left),
                file=sys.stderr,
            )


def listed(paths: Iterable[str]) -> str:
    """One path a line."""
    return "\n".join(f"  {path}" for path in paths)
