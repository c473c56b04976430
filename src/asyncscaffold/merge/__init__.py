"""The safe merge: base, mine and theirs become a plan, and the plan is applied through a journal.

`plan` computes and touches nothing; `apply` writes; `recover` completes what a kill interrupted.
"""

from __future__ import annotations

from asyncscaffold.merge.applying import Recovered, apply, recover
from asyncscaffold.merge.disk import look
from asyncscaffold.merge.model import Change, Labels, Note, Plan, Version
from asyncscaffold.merge.planning import plan
from asyncscaffold.merge.sides import matcher, own_files
from asyncscaffold.merge.state import leftover_markers, lock

__all__ = [
    "Change",
    "Labels",
    "Note",
    "Plan",
    "Recovered",
    "Version",
    "apply",
    "leftover_markers",
    "lock",
    "look",
    "matcher",
    "own_files",
    "plan",
    "recover",
]
