"""The safe merge: base, mine and theirs become a plan, and the plan is applied through a journal.

`plan` computes and touches nothing; `apply` writes; `recover` completes what a kill interrupted;
`undoing` plans the way back.
"""

from __future__ import annotations

from asyncscaffold.merge.applying import Recovered, apply, is_pending, recover
from asyncscaffold.merge.disk import look, walk
from asyncscaffold.merge.model import Change, Labels, Note, Plan, Version
from asyncscaffold.merge.planning import plan
from asyncscaffold.merge.recording import Recording, recorded
from asyncscaffold.merge.sides import likeness, matcher, own_files
from asyncscaffold.merge.state import leftover_markers, lock, remembered_rendered
from asyncscaffold.merge.undoing import Undoing, undoing

__all__ = [
    "Change",
    "Labels",
    "Note",
    "Plan",
    "Recording",
    "Recovered",
    "Undoing",
    "Version",
    "apply",
    "is_pending",
    "leftover_markers",
    "likeness",
    "lock",
    "look",
    "matcher",
    "own_files",
    "plan",
    "recorded",
    "recover",
    "remembered_rendered",
    "undoing",
    "walk",
]
