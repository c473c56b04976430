"""What a case is: a template's two versions, what a user does, and what must be true afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.merge.conftest import TEXT, Files, Link, Script
from tests.merge.conftest import write as write_files

if TYPE_CHECKING:
    from tests.merge.cases.stage import Stage

EDITED = TEXT + "my line\n"
CHANGED = "their line\n" + TEXT
MERGED = "their line\n" + TEXT + "my line\n"
MINE_IN_PLACE = TEXT.replace("line 7\n", "my line\n")
THEIRS_IN_PLACE = TEXT.replace("line 7\n", "their line\n")

Step = Callable[["Stage"], None]
"""Something that the user does."""

Check = Callable[["Stage"], "str | None"]
"""What must be true afterwards: nothing, or a few words on what is wrong instead."""

Place = Literal[
    "own", "none", "subdirectory", "ignored", "worktree", "submodule", "linked", "broken"
]
"""The repository that the project lies in: one of its own, none, a directory of a larger one, …"""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    `exit` is what the last update exits with, as asyncscaffold counts; `rewrites` says that lines
    of the user's may come out rewritten (a merge by key), so that `then` alone says what is kept.
    """

    name: str
    before: Files
    after: Files
    steps: Sequence[Step] = ()
    then: Sequence[Check] = ()
    ours: Sequence[Check] = ()
    """What only asyncscaffold has promised: names beside the user's, paths that are listed."""
    exit: int = 0
    rule: int = 1
    """The rule of the safe merge that it belongs to."""
    questions: str = ""
    questions_after: str | None = None
    made_with: Mapping[str, object] = field(default_factory=dict)
    """The answers that the project is made with."""
    answers: Mapping[str, object] = field(default_factory=dict)
    """The answers that the last update is given."""
    words: Sequence[str] = ()
    """More words for the last update; they mean the same to both tools."""
    place: Place = "own"
    folder: str = "project"
    commits: bool = True
    """Whether the edits are committed before the update."""
    config: str = ""
    """The user's git configuration, by the time of the update."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The environment of the update; {root} is where everything lies."""
    rewrites: bool = False


# What a user does


def write(files: Files) -> Step:
    """Files and links of the project are written, the folders above them made."""

    def step(stage: Stage) -> None:
        for name in files:
            place = stage.project / name
            if place.is_symlink():
                place.unlink()
        write_files(stage.project, files)

    return step


def edit(*names: str, to: str | bytes = EDITED) -> Step:
    return write(dict.fromkeys(names, to))


def delete(*names: str) -> Step:
    def step(stage: Stage) -> None:
        for name in names:
            (stage.project / name).unlink()
            for above in (stage.project / name).relative_to(stage.project).parents:
                if above.parts and not any((stage.project / above).iterdir()):
                    (stage.project / above).rmdir()

    return step


def rename(old: str, new: str) -> Step:
    def step(stage: Stage) -> None:
        (stage.project / new).parent.mkdir(parents=True, exist_ok=True)
        (stage.project / old).rename(stage.project / new)

    return step


def chmod(name: str, mode: int) -> Step:
    return lambda stage: (stage.project / name).chmod(mode)


def folder(name: str) -> Step:
    return lambda stage: (stage.project / name).mkdir(parents=True)


def git(*words: str) -> Step:
    """git, in the project."""

    def step(stage: Stage) -> None:
        stage.git(*words)

    return step


def outside(files: Files) -> Step:
    """Files beside the project."""
    return lambda stage: write_files(stage.root / "outside", files)


def link_out(name: str) -> Step:
    """A directory of the project goes beside it, and a link stands in its place."""

    def step(stage: Stage) -> None:
        (stage.project / name).rename(stage.root / "outside")
        (stage.project / name).symlink_to(stage.root / "outside")

    return step


def update(words: Sequence[str] = (), **answers: object) -> Step:
    """An update before the last one, whatever it comes to; what it leaves is committed."""

    def step(stage: Stage) -> None:
        stage.commit("before an update")
        stage.update(answers, words)
        stage.commit("an update")

    return step


def release(tag: str, files: Files) -> Step:
    """The template gets a version beyond the second."""
    return lambda stage: stage.release(tag, files, stage.case.questions)


# What must be true


def holds(name: str, *pieces: str | bytes) -> Check:
    """The file has these bytes in it."""

    def check(stage: Stage) -> str | None:
        data = stage.data(name)
        if data is None:
            return f"no {shown(name)}"
        lacking = [p for p in pieces if as_bytes(p) not in data]
        return f"{shown(name)} without {shown(lacking[0])!r}" if lacking else None

    return check


def lacks(name: str, *pieces: str | bytes) -> Check:
    def check(stage: Stage) -> str | None:
        found = [p for p in pieces if as_bytes(p) in (stage.data(name) or b"")]
        return f"{shown(name)} still with {shown(found[0])!r}" if found else None

    return check


def shows(*pieces: str | bytes) -> Check:
    """The template's bytes are somewhere in the tree."""

    def check(stage: Stage) -> str | None:
        everything = b"\n".join(entry.data for entry in stage.after.values())
        lacking = [p for p in pieces if as_bytes(p) not in everything]
        return "template's change missing" if lacking else None

    return check


def keeps(*pieces: str | bytes) -> Check:
    """The user's bytes are somewhere in the tree; else an edit is lost."""

    def check(stage: Stage) -> str | None:
        everything = b"\n".join(entry.data for entry in stage.after.values())
        return LOST if any(as_bytes(p) not in everything for p in pieces) else None

    return check


LOST = "edit lost"


def is_(name: str, content: str | bytes | Link | Script) -> Check:
    """The path is exactly this."""

    def check(stage: Stage) -> str | None:
        entry = stage.after.get(name)
        if entry is None:
            return f"no {shown(name)}"
        if isinstance(content, Link):
            right = entry.link and entry.data == os.fsencode(content.target)
            return None if right else f"{shown(name)} is not the link"
        if entry.link:
            return f"{shown(name)} is a link"
        data = as_bytes(content.text if isinstance(content, Script) else content)
        if entry.data != data:
            return f"{shown(name)} {_difference(entry.data, data)}"
        if isinstance(content, Script) and not entry.mode & 0o100:
            return f"{shown(name)} lost its run bit"
        return None

    return check


def _difference(data: bytes, wanted: bytes) -> str:
    if b"<<<<<<< " in data:
        return "with conflict markers"
    here, there = data.split(b"\n"), wanted.split(b"\n")
    lacking = [line for line in there if line not in here]
    more = [line for line in here if line not in there]
    if lacking:
        return f"without {shown(lacking[0])!r}"
    return f"still with {shown(more[0])!r}" if more else "has other content"


def gone(*names: str) -> Check:
    def check(stage: Stage) -> str | None:
        found = [name for name in names if os.path.lexists(stage.project / name)]
        return f"{shown(found[0])} still there" if found else None

    return check


def mode(name: str, bits: int) -> Check:
    def check(stage: Stage) -> str | None:
        entry = stage.after.get(name)
        if entry is None or entry.mode != bits:
            return f"{shown(name)} is {entry.mode:o}, not {bits:o}" if entry else f"no {name}"
        return None

    return check


def is_folder(name: str) -> Check:
    return lambda stage: None if (stage.project / name).is_dir() else f"no folder {name}"


def beside(name: str, content: str | bytes) -> Check:
    """A file outside of the project has this content."""

    def check(stage: Stage) -> str | None:
        place = stage.root / "outside" / name
        same = place.is_file() and place.read_bytes() == as_bytes(content)
        return None if same else f"{name} outside of the project was touched"

    return check


def lists(*names: str) -> Check:
    """The update names these paths."""

    def check(stage: Stage) -> str | None:
        missing = [name for name in names if name not in stage.said]
        return f"{missing[0]} not named" if missing else None

    return check


def untouched() -> Check:
    """Not one file is written."""
    return lambda stage: None if stage.after == stage.before else "the tree was touched"


def toml(name: str, **keys: object) -> Check:
    """The file parses, and its tables (`__` between keys) have these values."""

    def check(stage: Stage) -> str | None:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            found = tomlkit.parse((stage.data(name) or b"").decode()).unwrap()
        except (ValueError, TOMLKitError):
            return f"{name} does not parse"
        for path, value in keys.items():
            at: object = found
            for key in path.split("__"):
                at = at.get(key) if isinstance(at, dict) else None
            if at != value:
                return f"{path.replace('__', '.')} is {at}"
        return None

    return check


def as_bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode(errors="surrogateescape")


def shown(name: str | bytes) -> str:
    """For a table: one line, in what every font has."""
    text = os.fsdecode(name) if isinstance(name, bytes) else name
    return text.encode("ascii", "backslashreplace").decode().replace("\n", "\\n")[:40]
