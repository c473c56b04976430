"""Says where a project's state lies, keeps two runs apart, remembers conflicts and renders."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.merge.disk import STATE_DIRECTORY, look
from asyncscaffold.merge.model import Note, Version, shown

_CONFLICTS = "conflicts.json"
_RENDERED = "rendered.json"
_UNFINISHED = ".new"


def places(project: Path) -> list[Path]:
    """The directories that may hold the project's state, the one to write to first.

    That is the repository's git directory, with a name for each project in it; without a
    repository it is in the project. Both are looked at, because `git init` may come between.
    """
    own = project / STATE_DIRECTORY
    found = git.git_directory(project)
    if found is None:
        return [own]
    directory, prefix = found
    return [directory / "asyncscaffold" / (quote(prefix.rstrip("/"), safe="") or "root"), own]


def make(place: Path) -> None:
    """Makes a state directory; one inside a project ignores itself.

    Raises `Refused` where a file has its name.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(
            f"{place} is no directory, and the state of an update must lie there.",
            "Give that file another name.",
        ) from error
    if place.name == STATE_DIRECTORY:
        (place / ".gitignore").write_text("*\n")


def clear(place: Path) -> None:
    """Removes a state directory that holds nothing any more."""
    with suppress(OSError):  # it does no harm if it stays
        if place.name == STATE_DIRECTORY and {p.name for p in place.iterdir()} == {".gitignore"}:
            (place / ".gitignore").unlink()
        if not any(place.iterdir()):
            place.rmdir()


def sweep(project: Path) -> None:
    """Removes what a kill left of a state file that was being written."""
    for place in places(project):
        with suppress(OSError):  # it does no harm if it stays
            for left in place.glob("*" + _UNFINISHED):
                left.unlink()
        clear(place)


def write_file(place: Path, data: bytes) -> None:
    """Writes a state file whole or not at all, and to the disk before it returns.

    For its owner alone: it may hold what files hold that nobody else may read.
    """
    temporary = place.with_name(place.name + _UNFINISHED)
    temporary.unlink(missing_ok=True)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def lock(project: Path) -> Iterator[None]:
    """Holds the project for this process; ends with it, however it ends.

    Raises `Refused` while another process holds it. The lock is on the project's directory itself,
    so nothing is written for it, except where the system can't lock a directory.
    """
    try:
        handle = _lock(project)
    except BlockingIOError as error:
        raise Refused(
            f"Another asyncscaffold is at work in {project}.",
            "Wait until it has ended, then run this again.",
        ) from error
    try:
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(project: Path) -> int:
        place = places(project)[0]
        make(place)
        handle = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(handle)
            raise BlockingIOError from error
        return handle

else:
    import fcntl

    def _lock(project: Path) -> int:
        try:
            return _locked(os.open(project, os.O_RDONLY))
        except BlockingIOError:
            raise
        except OSError:  # NFS locks only what is open for writing
            place = places(project)[0]
            make(place)
            return _locked(os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600))

    def _locked(handle: int) -> int:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        return handle


def remember_conflicts(place: Path, conflicts: Iterable[Note]) -> None:
    """Records the files that hold markers now, in place of those of the run before."""
    marked = [{"path": n.path, "markers": list(n.markers)} for n in conflicts if n.markers]
    if marked:
        write_file(place / _CONFLICTS, json.dumps(marked).encode())
    else:
        (place / _CONFLICTS).unlink(missing_ok=True)


def remember_rendered(place: Path, rendered: Mapping[str, Any] | None) -> None:
    """Records the answers file that the tree was rendered with; None where it is the one there."""
    if rendered is None:
        (place / _RENDERED).unlink(missing_ok=True)
    else:
        write_file(place / _RENDERED, json.dumps(rendered, default=str).encode())


def remembered_rendered(project: Path) -> dict[str, Any] | None:
    """What `remember_rendered` recorded, where it did."""
    for place in places(project):
        try:
            known = json.loads((place / _RENDERED).read_bytes())
        except (OSError, ValueError):
            continue
        return known if isinstance(known, dict) else None
    return None


def leftover_markers(project: Path) -> list[str]:
    """The files in which markers of the last run's conflicts are left."""
    left: set[str] = set()
    for place in places(project):
        try:
            recorded = json.loads((place / _CONFLICTS).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except ValueError as error:
            raise Refused(f"{place / _CONFLICTS} can't be read: {error}.") from error
        for entry in recorded:
            version = look(project, entry["path"])
            if isinstance(version, Version) and _holds(version.data, entry["markers"]):
                left.add(shown(entry["path"]))
    return sorted(left)


def _holds(data: bytes, markers: Iterable[str]) -> bool:
    lines = {line.rstrip(b"\r\n") for line in data.splitlines(keepends=True)}
    return any(marker.encode(errors="surrogateescape") in lines for marker in markers)
