"""Writes a plan down before it is applied, finds it again after a kill, and keeps it for `undo`."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncscaffold.errors import Refused
from asyncscaffold.merge import state
from asyncscaffold.merge.model import Change, Note, Version

_UNDER_WAY = "journal.json"
_LAST = "last.json"
_FORMAT = 2

Rendered = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Journal:
    """A plan under way, or the last that was applied: what each path was and will be.

    `token` is random, and names the temporary files of this run. `directories` are those above the
    changed paths as they were, each with its permission bits; `restores` are those that shall
    stand in the end, which an undo takes from the run that it undoes. `rendered` is what the tree
    was rendered with before and is after, as `state.remember_rendered` takes it.
    """

    project: Path
    place: Path
    changes: tuple[Change, ...]
    conflicts: tuple[Note, ...] = ()
    directories: Mapping[str, int] = field(default_factory=dict)
    restores: Mapping[str, int] = field(default_factory=dict)
    rendered: Rendered = (None, None)
    undoes: bool = False
    token: str = field(default_factory=lambda: secrets.token_hex(6))

    def temporary(self, index: int) -> str:
        """The name of the temporary file for the change with this index."""
        return f".asyncscaffold-{self.token}-{index}"

    def start(self) -> None:
        """Writes the journal: after this, a kill no longer loses anything."""
        try:
            state.make(self.place)
            state.write_file(self.place / _UNDER_WAY, self._packed())
        except OSError as error:
            with suppress(OSError):
                self.drop()
            raise Refused(
                f"The journal can't be written to {self.place}: {error.strerror}.",
                "Nothing was changed. Make room there, or see to its permissions.",
            ) from error
        except BaseException:
            with suppress(OSError):
                self.drop()  # Ctrl-C: nothing has begun, and nothing is to be completed
            raise

    def close(self) -> None:
        """The last step: from here on the plan counts as applied, and can be undone.

        Killed within it, it is done again, and comes to the same.
        """
        state.remember_conflicts(self.place, self.conflicts)
        state.remember_rendered(self.place, self.rendered[1])
        (self.place / _UNDER_WAY).replace(self.place / _LAST)
        with suppress(OSError):  # what is done is done
            for place in state.places(self.project):
                if self.undoes or place != self.place:
                    (place / _LAST).unlink(missing_ok=True)
                    state.clear(place)

    def keep(self) -> None:
        """Writes it as the last run, which it is already."""
        state.write_file(self.place / _LAST, self._packed())

    def drop(self) -> None:
        """Removes the journal of a plan that was not applied, or taken back."""
        (self.place / _UNDER_WAY).unlink(missing_ok=True)
        state.clear(self.place)

    def _packed(self) -> bytes:
        document = {
            "format": _FORMAT,
            "token": self.token,
            "undoes": self.undoes,
            "rendered": self.rendered,
            "directories": dict(self.directories),
            "restores": dict(self.restores),
            "changes": [
                {"path": c.path, "old": _packed(c.old), "new": _packed(c.new)} for c in self.changes
            ],
            "conflicts": [
                {"path": n.path, "reason": n.reason, "markers": list(n.markers)}
                for n in self.conflicts
            ],
        }
        return json.dumps(document, default=str).encode()


def under_way(project: Path) -> Journal | None:
    """The journal that a killed run left, if there is one."""
    return _find(project, _UNDER_WAY)


def last(project: Path) -> Journal | None:
    """The journal of the last run that changed something and was not undone, if there is one."""
    record = _find(project, _LAST)
    return None if record is None or record.undoes else record


def _find(project: Path, name: str) -> Journal | None:
    for place in state.places(project):
        try:
            document = json.loads((place / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise Refused(f"The journal {place / name} can't be read: {error}.") from error
        if document.get("format") != _FORMAT:
            raise Refused(
                f"The journal {place / name} was written by another version of asyncscaffold.",
                "Run the version that wrote it once more: it completes its work.",
            )
        return Journal(
            project,
            place,
            tuple(
                Change(c["path"], _unpacked(c["old"]), _unpacked(c["new"]))
                for c in document["changes"]
            ),
            tuple(
                Note(n["path"], n["reason"], markers=tuple(n["markers"]))
                for n in document["conflicts"]
            ),
            document["directories"],
            document["restores"],
            tuple(document["rendered"]),
            document["undoes"],
            document["token"],
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
