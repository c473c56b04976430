"""A project, the renders before and after, and one call that updates it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asyncscaffold import merge

Files = Mapping[str, "str | bytes | Link | Script"]

TEXT = "".join(f"line {number}\n" for number in range(1, 21))
"""Long enough for git to see a rename through an edit."""


@dataclass(frozen=True)
class Link:
    """A symbolic link, by its target."""

    target: str


@dataclass(frozen=True)
class Script:
    """A file with its run bit."""

    text: str


def write(root: Path, files: Files) -> None:
    """Makes a directory with these files."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            place.symlink_to(content.target)
            continue
        if place.is_symlink():
            place.unlink()
        text = content.text if isinstance(content, Script) else content
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        if isinstance(content, Script):
            place.chmod(0o755)


def files(root: Path) -> dict[str, bytes | tuple[str, ...]]:
    """What a directory holds, for comparing: bytes, links, and whether a file can be run."""
    found: dict[str, bytes | tuple[str, ...]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", ".asyncscaffold")]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in [*names, *links]:
            place = Path(folder, name)
            path = place.relative_to(root).as_posix()
            if place.is_symlink():
                found[path] = ("link", os.fspath(place.readlink()))
            elif place.stat().st_mode & 0o100:
                found[path] = ("script", place.read_bytes().decode("latin-1"))
            else:
                found[path] = place.read_bytes()
    return found


def entries(root: Path) -> dict[str, object]:
    """Everything in a directory with its permission bits, empty directories included."""
    found: dict[str, object] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", ".asyncscaffold")]
        for name in [*names, *folders]:
            place = Path(folder, name)
            bits = place.lstat().st_mode
            if place.is_symlink():
                found[place.relative_to(root).as_posix()] = os.fspath(place.readlink())
            elif place.is_dir():
                found[place.relative_to(root).as_posix()] = bits
            else:
                found[place.relative_to(root).as_posix()] = bits, place.read_bytes()
    return found


def copy_tree(source: Path, target: Path) -> None:
    """Puts a copy of a directory in place of another."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def git(where: Path, *args: str) -> str:
    """Runs git for a test's own ends."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *args], cwd=where, check=True, capture_output=True, text=True
    )
    return done.stdout


@dataclass
class Case:
    """A project rendered from `base`, and the renders on disk."""

    root: Path
    labels: merge.Labels

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def theirs(self) -> Path:
        return self.root / "theirs"

    def template(self, before: Files, after: Files) -> Case:
        """The template's two versions; the project is a fresh render of the first."""
        write(self.base, before)
        write(self.theirs, after)
        write(self.project, before)
        return self

    def edit(self, changed: Files) -> Case:
        write(self.project, changed)
        return self

    def plan(
        self,
        *,
        skip_if_exists: tuple[str, ...] = (),
        held_back: Sequence[str] = (),
        same_version: bool = False,
    ) -> merge.Plan:
        return merge.plan(
            base=self.base,
            theirs=self.theirs,
            project=self.project,
            answers_file=".copier-answers.yml",
            labels=self.labels,
            skip_if_exists=skip_if_exists,
            held_back=merge.matcher(held_back),
            same_version=same_version,
        )

    def update(self, **ways: Any) -> merge.Plan:
        plan = self.plan(**ways)
        merge.apply(plan, self.project)
        return plan

    def read(self, name: str) -> str:
        return (self.project / name).read_bytes().decode()

    def has(self, name: str) -> bool:
        return os.path.lexists(self.project / name)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A project without a repository."""
    return Case(tmp_path, merge.Labels("your edits", "template 1.0", "template 2.0"))


@pytest.fixture
def in_git(case: Case) -> Callable[[], Case]:
    """Puts the case's project into a repository of its own, everything committed."""

    def commit() -> Case:
        git(case.project, "init", "--quiet")
        git(case.project, "add", "--all", "--force")
        git(case.project, "commit", "--quiet", "--message", "first")
        return case

    return commit
