"""Where a new project goes: staged beside PATH, committed, and renamed into place in one step."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from asyncscaffold import git
from asyncscaffold.errors import Refused

MESSAGE = "Start the project"
"""The first commit's message."""


@dataclass(frozen=True)
class Target:
    """Where a project goes: `path` (links resolved) is absent, empty, or holds only `.git`."""

    path: Path
    exists: bool
    own_git: bool

    @classmethod
    def at(cls, path: Path) -> Target:
        """Look at `path`. Raises `Refused` when something is there, or it cannot be written."""
        path = Path(os.path.realpath(path))
        try:
            held = [entry.name for entry in path.iterdir()]
        except FileNotFoundError:
            ancestor = _existing_ancestor(path)
            if not ancestor.is_dir():
                raise Refused(f"{ancestor} is no directory, so {path} cannot be made.") from None
            held = None
        except NotADirectoryError:
            raise Refused(f"{path} is a file.", "Choose another PATH.") from None
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}") from error
        if held and held != [".git"]:
            some = ", ".join(sorted(held)[:3]) + (", …" if len(held) > 3 else "")
            raise Refused(
                f"{path} is not empty: it holds {some}.",
                "Choose another PATH. For an existing project: asyncscaffold add, remove, update.",
            )
        beside = _existing_ancestor(path.parent)
        if not os.access(beside, os.W_OK | os.X_OK):
            raise Refused(f"{beside} is not writable, so no project can be made there.")
        if path == beside or os.path.ismount(path):
            raise Refused(
                f"{path} is a mount point, which nothing can be renamed onto.",
                "Choose a directory inside it.",
            )
        return cls(path, held is not None, held == [".git"])


@dataclass
class Staging:
    """A hidden directory beside the target: what a kill leaves is found there, and only there."""

    root: Path
    project: Path


@dataclass
class Made:
    """What came of it: the paths that were written, what git did, and notes for the person."""

    files: list[Path] = field(default_factory=list)
    git: str = "skipped"
    notes: list[str] = field(default_factory=list)


@contextmanager
def staging(target: Target, *, scratch: bool = False) -> Iterator[Staging]:
    """A staging directory on the target's file system, gone afterwards, whatever happens.

    Everything temporary of this process goes there too. What an earlier run left when it was
    killed is cleaned away first, and a project it had set aside is put back. A `scratch` staging
    lies among the machine's temporary files instead: for what is never put in place.
    """
    if scratch:
        with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as temporary:
            yield Staging(Path(temporary), Path(temporary, target.path.name))
        return
    beside = _existing_ancestor(target.path.parent)
    _clean_left_over(target, beside)
    root = beside / f".{target.path.name}.asyncscaffold-{os.getpid()}"
    try:
        (root / "tmp").mkdir(parents=True)
        (root / "project").mkdir()
    except OSError as error:
        raise Refused(f"Nothing can be written in {beside}: {error.strerror}") from error
    before = tempfile.tempdir
    tempfile.tempdir = str(root / "tmp")
    try:
        yield Staging(root, root / "project" / target.path.name)
    except OSError as error:
        raise Refused(f"The project could not be written: {error}") from error
    finally:
        tempfile.tempdir = before
        shutil.rmtree(root, ignore_errors=True)


def finish(staged: Staging, target: Target, *, use_git: bool) -> Made:
    """Trim the lock file, make the first commit, and move the project into place."""
    made = Made(files=files_of(staged.project))
    _trim_lock(staged.project, made)
    if target.own_git:
        _copy_git(target.path / ".git", staged.project / ".git")
    made.git = _commit(staged.project, target, made) if use_git else "skipped"
    _place(staged, target)
    return made


def files_of(project: Path) -> list[Path]:
    """Every file of a rendered project, relative to it, sorted; git's own are left out."""
    found = []
    for folder, names, files in os.walk(project):
        if Path(folder) == project and ".git" in names:
            names.remove(".git")
        links = [name for name in names if Path(folder, name).is_symlink()]
        found += [Path(folder, name).relative_to(project) for name in files + links]
    return sorted(found)


def _commit(project: Path, target: Target, made: Made) -> str:
    """Make the repository and its first commit; says what was done, or why not."""
    if target.own_git:
        if git.resolve(project, "HEAD"):
            made.notes.append("The repository at PATH has a history: nothing was committed.")
            return "left alone"
    else:
        outer = git.inside_work_tree(target.path)
        if outer:
            made.notes.append(
                f"{target.path} lies in the repository {outer}: no repository of its own was made "
                "and nothing was committed."
            )
            return "inside another repository"
    git.init_and_commit(project, MESSAGE)
    return "committed"


def _trim_lock(project: Path, made: Made) -> None:
    """Let cargo drop from Cargo.lock what the chosen capabilities do not need, without network."""
    if not (project / "Cargo.lock").is_file():
        return
    cargo = shutil.which("cargo")
    if cargo is None:
        made.notes.append(
            "cargo was not found: nothing could be checked, and Cargo.lock still lists every "
            "capability's crates. Install Rust from https://rustup.rs; the first build trims it."
        )
        return
    before = (project / "Cargo.lock").read_bytes()
    done = subprocess.run(
        [cargo, "update", "--workspace", "--offline", "--quiet"],
        cwd=project,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        (project / "Cargo.lock").write_bytes(before)
        made.notes.append(
            "Cargo.lock still lists every capability's crates: cargo trims it at the first build."
        )


def _place(staged: Staging, target: Target) -> None:
    """Rename the finished project to the target: the one step that makes it appear."""
    aside = None
    if target.exists:
        shutil.copymode(target.path, staged.project)
    if target.own_git:
        aside = staged.root.with_name(staged.root.name + "-before")
        target.path.rename(aside)
    elif not target.exists:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            staged.project.rename(target.path)
        except FileExistsError:  # Windows renames onto nothing, not even an empty directory
            target.path.rmdir()
            staged.project.rename(target.path)
    except OSError:
        if aside:
            aside.rename(target.path)
        raise
    if aside:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_git(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, symlinks=True)
    else:
        shutil.copy2(source, to)


def _clean_left_over(target: Target, beside: Path) -> None:
    """Remove what killed runs left; where one had set the target aside, put that back."""
    prefix = f".{target.path.name}.asyncscaffold-"
    for entry in sorted(beside.iterdir()):
        name = entry.name
        if not name.startswith(prefix):
            continue
        pid, _, kind = name[len(prefix) :].partition("-")
        if not pid.isdigit() or _alive(int(pid)):
            continue
        if kind == "before" and not target.path.exists():
            entry.rename(target.path)
        else:
            shutil.rmtree(entry, ignore_errors=True)


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    with suppress(ProcessLookupError):
        with suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False


def _existing_ancestor(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
