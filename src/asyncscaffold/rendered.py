"""Remembers what a project's tree was last rendered with, so that answers edited by hand stand out.

The answers file says what the project should be; after an edit by hand the tree is not that yet.
What the tree is, is known from the last change made here, or else from the commits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from asyncscaffold import git, merge, render
from asyncscaffold.errors import Refused
from asyncscaffold.merge import state
from asyncscaffold.template import Template

Content = Mapping[str, Any]
"""What an answers file holds."""

_FILE = "_answers_file"
"""Where what is remembered says which of a project's answers files it is of."""


def of(answers_file: str, content: Content) -> Content:
    """What is to be remembered: the content of this answers file."""
    return {**content, _FILE: answers_file}


def candidates(root: Path, answers_file: str, now: Content) -> list[Content]:
    """What the answers file can have held when the tree was rendered, the likeliest first.

    `now` is its content at present. Where it is not what was remembered or committed of this
    version, it was edited by hand, or else Copier has rendered the tree with it.
    """
    found: list[Content] = []
    known = state.remembered_rendered(root)
    if known and known.get(_FILE) == answers_file and _is_of(now, known):
        found.append(known)
        if known == of(answers_file, now):
            return found
    for data in git.file_history(root, answers_file):
        content = _loaded(data)
        if content is None or not _is_of(now, content):
            break
        found.append(of(answers_file, content))
    found.append(of(answers_file, now))
    return [content for number, content in enumerate(found) if content not in found[:number]]


def _is_of(now: Content, content: Content) -> bool:
    """Whether both are of one version of one template."""
    return all(content.get(key) == now.get(key) for key in ("_commit", "_src_path"))


def _loaded(data: bytes) -> Content | None:
    try:
        content = yaml.safe_load(data)
    except yaml.YAMLError:
        return None
    return content if isinstance(content, dict) else None


def nearest(
    root: Path, template: Template, several: Sequence[Content], answers_file: str, *, trust: bool
) -> int:
    """Which of several sets of answers, given as Copier takes them, the tree at `root` shows.

    Each is rendered, unless it does not render; where they come to the same for the tree, it is
    the first.
    """
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        places = [Path(scratch, str(number), root.name) for number in range(len(several))]
        rendered: list[Path] = []
        for answers, into in zip(several, places, strict=True):
            try:
                render.render(template, answers, into, answers_file=answers_file, trust=trust)
            except Refused:
                continue
            (into / answers_file).unlink(missing_ok=True)
            rendered.append(into)
        likeness = merge.likeness(root, rendered)
    return places.index(rendered[likeness.index(max(likeness))]) if rendered else 0
