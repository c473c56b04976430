"""Remembers what a project's tree was last rendered with, so that answers edited by hand stand out.

The answers file says what the project should be; after an edit by hand the tree is not that yet.
What the tree is, is known from the last change made here, or else from the last commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asyncscaffold import git
from asyncscaffold.merge import state


def last(root: Path, answers_file: str, now: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of the answers file that the tree at `root` was rendered with.

    `now` is its content at present, and the answer where nothing else is known of this version:
    after `copier update`, say.
    """
    known = state.remembered_rendered(root) or _committed(root, answers_file)
    return known if known and known.get("_commit") == now.get("_commit") else now


def _committed(root: Path, answers_file: str) -> Mapping[str, Any] | None:
    held = git.show_file(root, "HEAD", f"./{answers_file}")
    try:
        data = yaml.safe_load(held) if held else None
    except yaml.YAMLError:
        return None
    return data if isinstance(data, dict) else None
