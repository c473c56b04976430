"""Asks git which paths of the three trees belong together: renames, deletions, collisions.

git decides about paths alone. Every path is marked `merge=binary`, so that whatever changed on
both sides comes back as base, mine and theirs, renames followed, and its content is merged here.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.merge.model import Tree, Version


@dataclass
class Disputed:
    """A path that both sides changed, with what base, mine and theirs have there."""

    path: str
    base: Version | None = None
    mine: Version | None = None
    theirs: Version | None = None
    moved: frozenset[str] = frozenset()
    """The sides ("mine", "theirs") that git moved aside because the other is in the way."""
    elsewhere: str = ""
    """Where the template renamed to what the user renamed to `path`."""
    collided: dict[str, Disputed] = field(default_factory=dict)
    """By side, the file that it renamed to here, where the other has another file: both changed
    what was renamed, so that comes first."""

    @property
    def of_two_types(self) -> bool:
        """Whether one side has a link here and the other a file; git moves one of them aside."""
        return bool(self.mine and self.theirs and self.mine.link != self.theirs.link)


@dataclass
class Merged:
    """What git made of the trees: `clean` paths are decided, `disputed` ones are not."""

    clean: dict[str, Version] = field(default_factory=dict)
    disputed: list[Disputed] = field(default_factory=list)


def merge(base: Tree, mine: Tree, theirs: Tree, came: Collection[str] = ()) -> Merged:
    """Merges three trees by path. Files that are alike in all three stay out of the result.

    `came` are paths of theirs that no file of base was renamed to, however alike they are.
    """
    # git looks for renames by content: these show it one that is like no other.
    masks = {path: replace(theirs[path], data=b"came: " + os.fsencode(path)) for path in came}
    merged = _merge(base, mine, {**theirs, **masks})
    for path, mask in masks.items():
        if merged.clean.get(path) == mask:
            merged.clean[path] = theirs[path]
    for item in merged.disputed:
        if item.theirs is not None and item.theirs == masks.get(item.path):
            item.theirs = theirs[item.path]
    return merged


def _merge(base: Tree, mine: Tree, theirs: Tree) -> Merged:
    alike = {
        path
        for path, version in base.items()
        if _same(version, mine.get(path)) and _same(version, theirs.get(path))
    }
    trees = [
        {path: version for path, version in tree.items() if path not in alike}
        for tree in (base, mine, theirs)
    ]
    if trees[0] == trees[2]:
        return Merged(clean=trees[1])  # the template did not change: mine it is
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as temporary:
        return _by_git(Path(temporary), *trees)


def _same(one: Version, other: Version | None) -> bool:
    return other is not None and one.data == other.data and one.git_mode == other.git_mode


def _by_git(place: Path, base: Tree, mine: Tree, theirs: Tree) -> Merged:
    # git appends `~BRANCH` to a path that it moves out of the way: no file is called so.
    branch = "asyncscaffold-"
    while any(branch in path for path in (*base, *mine, *theirs)):
        branch += "-"
    moved_aside = re.compile(rf"(.*)~{branch}(mine|theirs)(?:_\d+)?", re.DOTALL)
    git.run(["init", "--quiet", "--bare", "--object-format=sha1", "--template=", place])
    (place / "info").mkdir(exist_ok=True)
    (place / "info" / "attributes").write_text("* merge=binary\n")
    # Odd names are fine: nothing is ever checked out from here.
    names = ["core.protectNTFS=false", "core.protectHFS=false"]
    stream = b"".join(
        [
            *_commit(f"{branch}base", 1, base),
            *_commit(f"{branch}mine", 2, mine),
            *_commit(f"{branch}theirs", 3, theirs),
            b"done\n",
        ]
    )
    git.run(["fast-import", "--quiet", "--done"], git_dir=place, input=stream, config=names)
    merged = git.run(
        ["merge-tree", "--write-tree", "-z", "--messages", f"{branch}mine", f"{branch}theirs"],
        git_dir=place,
        check=False,
        config=[
            *names,
            "core.attributesFile=/dev/null",
            "merge.renames=true",
            "merge.directoryRenames=false",
            "merge.renameLimit=20000",
        ],
    )
    if merged.returncode not in (0, 1):
        said = merged.stderr.decode(errors="replace").strip()
        raise Refused(f"git merge-tree failed: {said}")
    versions: _Versions = {}
    for tree in (base, theirs, mine):  # mine last: its permission bits win
        for version in tree.values():
            versions.setdefault(_blob_id(version.data), {})[version.git_mode] = version
    head, *rest = os.fsdecode(merged.stdout).split("\0")
    listing = git.run(["ls-tree", "-r", "-z", head], git_dir=place)
    clean = dict(_tree(os.fsdecode(listing.stdout), versions))
    disputed = _disputed(rest, versions, moved_aside) if merged.returncode else {}
    for new, old in _collided(rest):
        side = "theirs" if old in mine else "mine"
        here = mine.get(old if old in mine else new), theirs.get(old if old in theirs else new)
        if new in disputed:
            disputed[new].collided[side] = Disputed(new, base.get(old), *here)
    for item in disputed.values():
        clean.pop(item.path, None)
        clean.pop(item.elsewhere, None)
    return Merged(
        {path: version for path, version in clean.items() if not moved_aside.fullmatch(path)},
        list(disputed.values()),
    )


def _commit(branch: str, mark: int, tree: Tree) -> Iterator[bytes]:
    yield b"commit refs/heads/%s\nmark :%d\n" % (branch.encode(), mark)
    yield b"committer asyncscaffold <asyncscaffold@localhost> 0 +0000\ndata 0\n"
    if mark > 1:
        yield b"from :1\n"
    yield b"deleteall\n"
    for path, version in tree.items():
        raw = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        quoted = raw.replace(b"\n", b"\\n")
        yield b'M %s inline "%s"\n' % (version.git_mode.encode(), quoted)
        yield b"data %d\n" % len(version.data)
        yield version.data
        yield b"\n"


def _blob_id(data: bytes) -> str:
    header = b"blob %d\0" % len(data)
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


_Versions = dict[str, dict[str, Version]]
"""By git's name for the bytes, and by mode."""


def _tree(listing: str, versions: _Versions) -> Iterator[tuple[str, Version]]:
    for entry in listing.split("\0"):
        if entry:
            meta, _, path = entry.partition("\t")
            mode, _, blob = meta.split(" ")
            yield path, _version(mode, blob, versions)


def _version(mode: str, blob: str, versions: _Versions) -> Version:
    known = versions[blob]
    if mode in known:
        return known[mode]
    # The run bit of one side with the bytes of another.
    data = next(iter(known.values())).data
    return Version(data, 0o755 if mode == "100755" else 0o644, mode == "120000")


def _disputed(
    rest: list[str], versions: _Versions, moved_aside: re.Pattern[str]
) -> dict[str, Disputed]:
    """Reads the stages that merge-tree lists, and joins what both sides renamed apart.

    The format: `MODE BLOB STAGE\\tPATH` each, an empty one, then messages, each as a count of
    paths, the paths, a type and a text (git-merge-tree(1), "OUTPUT").
    """
    found: dict[str, Disputed] = {}
    for entry in rest[: rest.index("")]:
        meta, _, path = entry.partition("\t")
        mode, blob, stage = meta.split(" ")
        moved = moved_aside.fullmatch(path)
        item = found.setdefault(moved[1] if moved else path, Disputed(moved[1] if moved else path))
        if moved:
            item.moved |= {moved[2]}
        setattr(item, ("base", "mine", "theirs")[int(stage) - 1], _version(mode, blob, versions))
    for kind, paths in _messages(rest):
        if not kind.startswith("CONFLICT (rename/rename)") or len(paths) != 3:
            continue
        old, ours, others = paths
        source, here, there = found.get(old), found.get(ours), found.get(others)
        if source and here and there and not here.theirs and not there.mine:
            here.base, here.theirs, here.elsewhere = source.base, there.theirs, others
            del found[others]
    return {path: item for path, item in found.items() if item.mine or item.theirs}


def _collided(rest: list[str]) -> Iterator[tuple[str, str]]:
    """What was renamed to a name that the other side has for another file: (new, old)."""
    for kind, paths in _messages(rest):
        if kind == "CONFLICT (rename involved in collision)":
            yield paths[0], paths[1]


def _messages(rest: list[str]) -> Iterator[tuple[str, list[str]]]:
    at = rest.index("") + 1
    while at < len(rest) and rest[at].isdigit():
        count = int(rest[at])
        yield rest[at + 1 + count], rest[at + 1 : at + 1 + count]
        at += count + 3
