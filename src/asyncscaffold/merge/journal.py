"""Writes a plan down before it is applied, and finds it again after a kill."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncscaffold.errors import Refused
from asyncscaffold.merge import state
from asyncscaffold.merge.model import Change, Note, Version

_NAME = "journal.json"
_FORMAT = 1


@dataclass(frozen=True)
class Journal:
    """A plan under way: what each path was and will be, and the conflicts to remember.

    `token` is random, and names the temporary files of this run.
    """

    place: Path
    token: str
    changes: tuple[Change, ...]
    conflicts: tuple[Note, ...]

    def temporary(self, index: int) -> str:
        """The name of the temporary file for the change with this index."""
        return f".asyncscaffold-{self.token}-{index}"

    def close(self) -> None:
        """The last step: from here on the plan counts as applied."""
        state.remember_conflicts(self.place, self.conflicts)
        (self.place / _NAME).unlink(missing_ok=True)
        state.clear(self.place)

    def drop(self) -> None:
        """Removes the journal of a plan that was taken back."""
        (self.place / _NAME).unlink(missing_ok=True)
        state.clear(self.place)


def start(project: Path, changes: Sequence[Change], conflicts: Sequence[Note]) -> Journal:
    """Writes the journal: after this, a kill no longer loses anything."""
    place = state.places(project)[0]
    journal = Journal(place, secrets.token_hex(6), tuple(changes), tuple(conflicts))
    document = {
        "format": _FORMAT,
        "token": journal.token,
        "changes": [
            {"path": c.path, "old": _packed(c.old), "new": _packed(c.new)} for c in changes
        ],
        "conflicts": [
            {"path": n.path, "reason": n.reason, "markers": list(n.markers)} for n in conflicts
        ],
    }
    try:
        state.make(place)
        state.write_file(place / _NAME, json.dumps(document).encode())
    except OSError as error:
        raise Refused(f"The journal can't be written to {place}: {error.strerror}.") from error
    except BaseException:
        journal.drop()  # Ctrl-C: nothing has begun, and nothing is to be completed
        raise
    return journal


def find(project: Path) -> Journal | None:
    """The journal that a killed run left, if there is one."""
    for place in state.places(project):
        try:
            document = json.loads((place / _NAME).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise Refused(f"The journal {place / _NAME} can't be read: {error}.") from error
        if document.get("format") != _FORMAT:
            raise Refused(
                f"The journal {place / _NAME} was written by another version of asyncscaffold.",
                "Run the version that wrote it once more: it completes its work.",
            )
        return Journal(
            place,
            document["token"],
            tuple(
                Change(c["path"], _unpacked(c["old"]), _unpacked(c["new"]))
                for c in document["changes"]
            ),
            tuple(
                Note(n["path"], n["reason"], markers=tuple(n["markers"]))
                for n in document["conflicts"]
            ),
        )
    return None


def _packed(version: Version | None) -> dict[str, Any] | None:
    if version is None:
        return None
    data = base64.b64encode(version.data).decode()
    return {"data": data, "mode": version.mode, "link": version.link}


def _unpacked(entry: dict[str, Any] | None) -> Version | None:
    if entry is None:
        return None
    return Version(base64.b64decode(entry["data"]), entry["mode"], entry["link"])
