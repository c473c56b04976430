"""Where a new project goes: staged beside PATH, committed, and renamed into place in one step."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asyncscaffold import git, lockfile, stop
from asyncscaffold.errors import Refused
from asyncscaffold.staging import Staging

MESSAGE = "Start the project"
"""The first commit's message."""


@dataclass(frozen=True)
class Target:
    """Where a project goes: `path` (links resolved) is absent, empty, or holds only `.git`.

    `beside` is the directory above it that exists, `own_git` how `.git` stands at `path`:
    "directory", "elsewhere" (a file or a link: a worktree's, a submodule's), or "".
    """

    path: Path
    beside: Path
    exists: bool
    own_git: str

    @classmethod
    def at(cls, path: Path) -> Target:
        """Look at `path`. Raises `Refused` when something is there, or it cannot be written."""
        whole = Path(os.path.realpath(path))
        held = _held(whole)
        if held is None and os.path.lexists(path):
            raise Refused(
                f"{path} is a link to {whole}, which is not there.", "Choose another PATH."
            )
        beside = _existing_ancestor(whole.parent)
        if not beside.is_dir():
            raise Refused(f"{beside} is no directory, so {whole} cannot be made.")
        if whole == beside or os.path.ismount(whole):
            raise Refused(
                f"{whole} is a mount point, which nothing can be renamed onto.",
                "Choose a directory inside it.",
            )
        if not os.access(beside, os.W_OK | os.X_OK):
            raise Refused(f"{beside} is not writable, so no project can be made there.")
        own_git = ""
        if held:
            entry = whole / ".git"
            own_git = "elsewhere" if entry.is_symlink() or entry.is_file() else "directory"
        return cls(whole, beside, held is not None, own_git)


def _held(path: Path) -> list[str] | None:
    """What the directory `path` holds, nothing or `.git`; None when there is none."""
    try:
        held = [entry.name for entry in path.iterdir()]
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        if not os.path.lexists(path):
            return None  # a file among its parents
        raise Refused(f"{path} is a file.", "Choose another PATH.") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    if held not in ([], [".git"]):
        some = ", ".join(sorted(held)[:3]) + (", …" if len(held) > 3 else "")
        raise Refused(
            f"{path} is not empty: it holds {some}.",
            "Choose another PATH. For an existing project: asyncscaffold add, remove, update.",
        )
    return held


@dataclass
class Made:
    """What came of it: what git did, and notes for the person."""

    git: str = "skipped"
    notes: list[str] = field(default_factory=list)


def staged_project(staged: Staging, target: Target) -> Path:
    """Where `target` is rendered, below whatever directories above it are missing too."""
    return staged.project / target.path.relative_to(target.beside)


def finish(staged: Staging, target: Target, *, use_git: bool, trim: bool) -> Made:
    """Trim the lock file, make the first commit, and move the project into place.

    `trim` lets cargo run in the project, which may run what the project configures.
    """
    made, project = Made(), staged_project(staged, target)
    with suppress(OSError):
        if target.exists and Path.cwd() == target.path:
            made.notes.append("The directory you are in is replaced: `cd .` enters the new one.")
    if trim:
        _trim_lock(project, made)
    if target.own_git:
        shutil.rmtree(project / ".git", ignore_errors=True)  # a task of the template's began it
        _copy_git(target.path / ".git", project / ".git")
    if use_git:
        made.git = _commit(project, target, made)
    stop.hold()
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
    if target.own_git == "elsewhere":
        made.notes.append(
            f"{target.path} belongs to a repository elsewhere, as a worktree or a submodule: "
            "nothing was committed."
        )
        return "left alone"
    if target.own_git and git.resolve(project, "HEAD"):
        made.notes.append("The repository at PATH has a history: nothing was committed.")
        return "left alone"
    outer = None if target.own_git else git.inside_work_tree(target.path)
    if outer:
        made.notes.append(
            f"{target.path} lies in the repository {outer}: no repository of its own was made "
            "and nothing was committed."
        )
        return "inside another repository"
    if not git.init_and_commit(project, MESSAGE):
        made.notes.append(
            "git knows no name of yours, so the first commit has a placeholder: set user.name and "
            "user.email by `git config`, then `git commit --amend --reset-author`."
        )
    return "committed"


def _trim_lock(project: Path, made: Made) -> None:
    """Let cargo drop from Cargo.lock what the chosen capabilities do not need, without network."""
    if not (project / lockfile.NAME).is_file():
        return
    outcome = lockfile.settle(project, run_in=project)
    if outcome == "no cargo":
        made.notes.append(
            "cargo was not found: nothing could be checked, and Cargo.lock still lists every "
            "capability's crates. Install Rust from https://rustup.rs; the first build trims it."
        )
    elif outcome == "failed":
        made.notes.append(
            "Cargo.lock still lists every capability's crates: cargo trims it at the first build."
        )


def _place(staged: Staging, target: Target) -> None:
    """Rename the finished project to the target: the one step that makes it appear."""
    project = staged_project(staged, target)
    if not target.exists:
        top = target.path.relative_to(target.beside).parts[0]
        (staged.project / top).rename(target.beside / top)
        return
    shutil.copymode(target.path, project)
    if not target.own_git:
        project.rename(target.path)
        return
    aside = staged.before / target.path.name
    target.path.rename(aside)
    try:
        project.rename(target.path)
    except OSError:
        aside.rename(target.path)
        raise


def _copy_git(source: Path, to: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, to, symlinks=True)
    else:
        shutil.copy2(source, to, follow_symlinks=False)


def _existing_ancestor(path: Path) -> Path:
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path
