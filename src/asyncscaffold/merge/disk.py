"""Touches single paths of the working tree: looks at them, writes, removes; never through links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from asyncscaffold.errors import Refused
from asyncscaffold.merge.model import Version, shown

STATE_DIRECTORY = ".asyncscaffold"
"""Where journal and state lie in a project without a repository; never part of the project."""


class Other:
    """Something that is neither a file nor a link nor absent: a directory, a pipe, a device."""

    def __init__(self, directory: bool) -> None:
        self.directory = directory


def look(root: Path, path: str) -> Version | Other | None:
    """What stands at a path. Raises `Refused` where it can't be read."""
    place = root / path
    try:
        found = place.lstat()
        if stat.S_ISLNK(found.st_mode):
            return Version(os.fsencode(place.readlink()), 0, link=True)
        if stat.S_ISREG(found.st_mode):
            return Version(place.read_bytes(), stat.S_IMODE(found.st_mode))
        return Other(stat.S_ISDIR(found.st_mode))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(f"{shown(path)} can't be read: {error.strerror}.") from error


def parents(path: str) -> Iterator[str]:
    """The directories above a path, outermost first: `a/b/c` gives `a`, `a/b`."""
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)


def link_above(root: Path, path: str) -> str | None:
    """The symbolic link among the directories above a path, if there is one."""
    return next((above for above in parents(path) if (root / above).is_symlink()), None)


def walk(root: Path) -> Iterator[str]:
    """Every path below `root` that is no directory (a link to one is no directory), in order."""
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        start = "" if below == "." else below.replace(os.sep, "/") + "/"
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links) - {".git"})
        for name in sorted([*files, *links]):
            if name != ".git":
                yield start + name


def stage(root: Path, path: str, new: Version, temporary: str) -> None:
    """Fills a temporary file beside a path, in directories made for it where there are none.

    `temporary` is the file's name, so that what a kill leaves can be found again.
    """
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(temporary)
    beside.unlink(missing_ok=True)
    try:
        _fill(beside, new)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def put(root: Path, path: str, temporary: str, *, create: bool) -> None:
    """Renames the staged file to its path.

    With `create`, something that appeared at the path meanwhile is an error, not overwritten.
    """
    place = root / path
    beside = place.with_name(temporary)
    try:
        _make_room(root, path)
        if create:
            _move_to_free(beside, place)
        else:
            beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def _fill(place: Path, new: Version) -> None:
    if new.link:
        place.symlink_to(os.fsdecode(new.data))
        return
    # Private until the bits are set: the file may hold secrets.
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(new.data)
    place.chmod(new.mode)


def _move_to_free(beside: Path, place: Path) -> None:
    """Renames without overwriting; a hard link fails where the name is taken, a rename does not."""
    try:
        os.link(beside, place, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # no hard links on this file system
        if place.is_symlink() or place.exists():
            raise
        beside.replace(place)


def _make_room(root: Path, path: str) -> None:
    """Removes a directory in the way if no file is in it; anything else there stays."""
    place = root / path
    if place.is_dir() and not place.is_symlink():
        for folder, _, _ in os.walk(place, topdown=False):
            Path(folder).rmdir()


def remove(root: Path, path: str) -> None:
    """Removes a file or link, and the directories that this leaves empty."""
    (root / path).unlink()
    prune(root, path)


def prune(root: Path, path: str) -> None:
    """Removes the directories above a path that hold nothing."""
    for above in reversed(list(parents(path))):
        try:
            if not link_above(root, above + "/"):
                (root / above).rmdir()
        except OSError:
            break


def directories_at(root: Path, paths: Iterable[str]) -> dict[str, int]:
    """The directories above, at and below these paths, each with its permission bits."""
    found: dict[str, int] = {}
    for path in paths:
        for name in (*parents(path), path):
            place = root / name
            if name in found or place.is_symlink() or not place.is_dir():
                continue
            found[name] = stat.S_IMODE(place.stat().st_mode)
            if name == path:
                below = (Path(folder) for folder, _, _ in os.walk(place))
                bits = {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in below}
                found |= bits
    return found


def restore_directories(root: Path, paths: Iterable[str], wanted: Mapping[str, int]) -> None:
    """Makes the directories around `paths` those in `wanted`, as far as files allow it.

    Those that are gone are made again; those that are new go if nothing is in them.
    """
    for name in sorted({name for path in paths for name in parents(path)} - wanted.keys())[::-1]:
        if link_above(root, name) is None:
            with suppress(OSError):
                (root / name).rmdir()
    for name in sorted(wanted):
        if link_above(root, name) is None and not os.path.lexists(root / name):
            with suppress(NotADirectoryError, FileNotFoundError):  # a file stands above it
                (root / name).mkdir()
    for name, bits in wanted.items():
        place = root / name
        stands = link_above(root, name + "/") is None and place.is_dir()
        if stands and stat.S_IMODE(place.stat().st_mode) != bits:
            place.chmod(bits)
