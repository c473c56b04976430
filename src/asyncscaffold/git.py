"""Runs git: the only module that does.

Every call drops the caller's `GIT_*` variables, speaks the C locale, and runs no hook. Work in our
own temporary repositories sees no user configuration at all; work in the user's repository and on
remotes sees it, because `safe.directory`, `core.excludesFile`, credentials and `insteadOf` live
there, and with it the variables that say how repositories are reached.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from asyncscaffold import reaching
from asyncscaffold.errors import ROOM, Refused, full_disk

MINIMUM = (2, 38)
"""`git merge-tree --write-tree` came with git 2.38."""

_QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false")

_IDENTITY = tuple(
    f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
)


def environment(*, user_config: bool = False, keep: Sequence[str] = ()) -> dict[str, str]:
    """The environment for a git process: no `GIT_*` of the caller's except those in `keep`.

    With `user_config`, those that say how repositories are reached stay too; without it, neither
    the system's nor the user's configuration and attributes count.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in keep}
    env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    if user_config:
        env |= reaching.variables()
    else:
        env |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
        }
    return env


def run(
    args: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    work_tree: Path | None = None,
    input: bytes | None = None,
    check: bool = True,
    config: Sequence[str] = (),
    user_config: bool = False,
    keep: Sequence[str] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Runs `git ARGS` and returns the finished process, its output as bytes.

    `config` holds `KEY=VALUE` settings for this call. Raises `Refused` where git is absent, and
    where it fails unless `check` is off.
    """
    command: list[str | Path] = ["git"]
    for setting in (*_QUIET, *config):
        command += ["-c", setting]
    if git_dir is not None:
        command += ["--git-dir", git_dir]
    if work_tree is not None:
        command += ["--work-tree", work_tree]
    try:
        done = subprocess.run(
            [*command, *args],
            cwd=cwd,
            env=environment(user_config=user_config, keep=keep),
            stdin=subprocess.DEVNULL if input is None else None,
            input=input,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not Path(cwd).is_dir():
            raise Refused(f"{cwd} is not a directory.") from error
        raise _absent() from error
    except NotADirectoryError as error:
        raise Refused(f"{cwd} is not a directory.") from error
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise Refused(
            f"git {args[0]} failed: {said or f'exit code {done.returncode}'}",
            ROOM if full_disk(said) else "",
        )
    return done


@cache
def version() -> tuple[int, ...]:
    """git's version, as (2, 47, 3). Raises `Refused` where git is absent or older than MINIMUM."""
    said = run(["version"]).stdout.decode(errors="replace")
    found = re.search(r"(\d+(?:\.\d+)+)", said)
    numbers = tuple(int(part) for part in found[1].split(".")) if found else ()
    if numbers < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        raise Refused(
            f"git {found[1] if found else said.strip()} is too old: {wanted} or newer is needed.",
            "Install a newer git: https://git-scm.com/downloads",
        )
    return numbers


def _absent() -> Refused:
    return Refused(
        "git was not found, and nothing works without it.",
        "Install it (https://git-scm.com/downloads) and see that it is on your PATH.",
    )


def in_repository(
    args: Sequence[str | Path], *, cwd: Path, config: Sequence[str] = (), check: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Runs git in the user's repository, under the user's configuration; no check by default."""
    return run(args, cwd=cwd, config=config, check=check, user_config=True)


def inside_work_tree(path: Path) -> Path | None:
    """The top directory of the repository that `path` (which need not exist) lies in, or None."""
    start = path.absolute()
    while not start.is_dir() and start != start.parent:
        start = start.parent
    done = in_repository(["rev-parse", "--show-toplevel"], cwd=start)
    top = _line(done.stdout)
    return Path(top) if done.returncode == 0 and top else None


def git_directory(project: Path) -> tuple[Path, str] | None:
    """The repository's own directory (a worktree's or submodule's too) and the project in it.

    The second part is the project's path below the top of the work tree, as `services/api/`, or
    "". None where there is no repository, or none that git wants to work with.
    """
    done = in_repository(["rev-parse", "--absolute-git-dir", "--show-prefix"], cwd=project)
    if done.returncode:
        return None
    place, _, prefix = os.fsdecode(done.stdout).removesuffix("\n").partition("\n")
    return Path(place), prefix


def init_and_commit(path: Path, message: str) -> bool:
    """A repository at `path` with all its files in a first commit; signing and hooks stay off.

    The name and address are the user's; where git knows none, a placeholder stands in, so that a
    project can be made on a machine that nobody has configured. Returns whether they are known.
    """
    known = True
    settings = ["init.templateDir=", "commit.gpgSign=false", "core.attributesFile=/dev/null"]
    if not _configured(path, "init.defaultBranch"):
        settings.append("init.defaultBranch=main")
    run(["init", "--quiet"], cwd=path, config=settings, user_config=True)
    for key, stand_in in (("name", "asyncscaffold"), ("email", "asyncscaffold@localhost")):
        given = any(os.environ.get(v) for v in _IDENTITY if v.endswith(key.upper()))
        if not given and not _configured(path, f"user.{key}"):
            settings.append(f"user.{key}={stand_in}")
            known = False
    run(["add", "--all"], cwd=path, config=settings, user_config=True)
    commit = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--allow-empty", "-m", message]
    run(commit, cwd=path, config=settings, user_config=True, keep=_IDENTITY)
    return known


def _configured(path: Path, key: str) -> bool:
    return in_repository(["config", "--get", key], cwd=path).stdout.strip() != b""


def has_hooks(path: Path) -> bool:
    """Whether the configuration that counts at `path` names a directory of hooks."""
    done = in_repository(["config", "--get-all", "core.hooksPath"], cwd=path)
    return len(done.stdout.splitlines()) > 1  # one is of our own making


def clone_environment(
    instead: Mapping[str, Path] | None = None, *, hooks: bool = False
) -> dict[str, str]:
    """Variables for a clone that Copier makes: credentials stay usable, the rest is kept away.

    They neutralise hooks (not with `hooks`), template directory, line-end conversion and attributes
    of the user's; `instead` names what is cloned in place of a URL. Set them after every other
    `GIT_*` variable has been dropped.
    """
    settings = {
        **({} if hooks else {"core.hooksPath": os.devnull}),
        "init.templateDir": "",
        "core.autocrlf": "false",
        "core.attributesFile": os.devnull,
        "core.fsmonitor": "false",
        **{f"url.{place}.insteadOf": url for url, place in (instead or {}).items()},
    }
    return reaching.variables(list(settings.items()))


def tags(url: str | Path) -> dict[str, str]:
    """The tags of a repository, by URL or path, each with the commit that it names."""
    found: dict[str, str] = {}
    for line in _list_remote("--tags", "--", str(url)).splitlines():
        sha, _, ref = line.partition("\t")
        name = ref.removeprefix("refs/tags/")
        if name.endswith("^{}"):
            found[name.removesuffix("^{}")] = sha  # an annotated tag's commit, listed after the tag
        else:
            found.setdefault(name, sha)
    return found


def newest_tag(url: str | Path, *, prereleases: bool = False) -> str | None:
    """The tag with the highest version (PEP 440, as Copier orders them), or None without any."""
    from packaging.version import InvalidVersion, Version

    versions: list[tuple[Version, str]] = []
    for name in tags(url):
        try:
            number = Version(name)
        except InvalidVersion:
            continue
        if prereleases or not number.is_prerelease:
            versions.append((number, name))
    return max(versions)[1] if versions else None


def newest_commit(url: str) -> str | None:
    """The commit that a repository shows by default, or None where it has none yet."""
    return _list_remote("--", url, "HEAD").partition("\t")[0] or None


def _list_remote(*words: str) -> str:
    away = Path(tempfile.gettempdir())  # a broken repository where we stand would stop git
    done = run(["ls-remote", *words], cwd=away, user_config=True)
    return done.stdout.decode(errors="surrogateescape")


def is_repository_root(path: Path) -> bool:
    """Whether `path` is the top of a repository's work tree, or a bare repository."""
    place = git_directory(path)
    return place is not None and ((path / ".git").exists() or place[0] == path.resolve())


def refuses(repo: Path) -> str:
    """Why git does not work with the repository at `repo` (broken, somebody else's), or ""."""
    done = in_repository(["rev-parse", "--git-dir"], cwd=repo)
    said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
    return said if done.returncode else ""


def resolve(repo: Path, ref: str) -> str | None:
    """The commit that `ref` names in a local repository, or None."""
    wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"]
    return _line(in_repository(wanted, cwd=repo).stdout) or None


def describe(repo: Path, ref: str | None) -> str | None:
    """The newest tag that `ref` has, and how far it is from there; None where it has no tag."""
    for name in (ref or "HEAD", f"refs/remotes/origin/{ref}"):  # a clone has branches there alone
        if sha := resolve(repo, name):
            return _line(in_repository(["describe", "--tags", sha], cwd=repo).stdout) or None
    return None


def is_clean(repo: Path) -> bool:
    """Whether nothing in the work tree differs from the last commit, untracked files included."""
    done = in_repository(["status", "--porcelain"], cwd=repo)
    return done.returncode == 0 and not done.stdout


def contains(repo: Path, newer: str, older: str) -> bool:
    """Whether commit `older` is `newer` or one of its ancestors."""
    wanted = ["merge-base", "--is-ancestor", older, newer]
    return in_repository(wanted, cwd=repo).returncode == 0


def clone(url: str, into: Path, ref: str) -> None:
    """A clone of `url` at `into`, with `ref` checked out as it was committed.

    Raises `Refused` when the repository cannot be reached, or has no such ref.
    """
    config = ["core.autocrlf=false", "core.attributesFile=/dev/null", "init.templateDir="]
    run(["clone", "--quiet", "--no-checkout", "--", url, into], config=config, user_config=True)
    commit = resolve(into, ref) or resolve(into, f"refs/remotes/origin/{ref}")
    if commit is None:
        raise Refused(f"The template {url} has no version {ref!r}.")
    run(["checkout", "--quiet", "--detach", commit], cwd=into, config=config)


def borrow(url: str, into: Path) -> bool:
    """Make `into` a bare repository with the branches and tags of the local one at `url`.

    It has not one object of its own, and reads those of `url`. Returns whether that worked.
    """
    words: list[str | Path] = ["clone", "--quiet", "--bare", "--shared", "--", url, into]
    return run(words, config=["init.templateDir="], user_config=True, check=False).returncode == 0


def show_file(repo: Path, rev: str, path: str) -> bytes | None:
    """The bytes of `path` at `rev` of a repository (bare too), or None where there are none."""
    if rev.startswith("-"):
        return None  # it would be read as an option
    done = in_repository(["cat-file", "blob", f"{rev}:{path}"], cwd=repo)
    return done.stdout if done.returncode == 0 else None


def file_history(project: Path, path: str) -> Iterator[bytes]:
    """The bytes of a project's file in the commits that changed it, from HEAD on back."""
    wanted = ["log", "--format=%H", "--max-count=100", "HEAD", "--", f":(literal){path}"]
    done = in_repository(wanted, cwd=project)
    for commit in os.fsdecode(done.stdout).split():
        held = show_file(project, commit, f"./{path}")
        if held is None:
            return
        yield held


def unmerged(project: Path) -> list[str]:
    """The project's files that a merge of git's left in conflict, as `git ls-files` names them."""
    done = in_repository(["ls-files", "--unmerged", "-z"], cwd=project)
    entries = os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else []
    return sorted({entry.partition("\t")[2] for entry in entries if entry})


def list_files(project: Path) -> list[str] | None:
    """The project's files that are not ignored, tracked or not; None where git can't say.

    Paths are relative to `project`. Where there is no repository, or one that ignores the project,
    the `.gitignore` files inside the project still count.
    """
    wanted = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    place = git_directory(project)
    if place is not None and not _ignored(project, place[1]):
        done = in_repository(wanted, cwd=project)
    else:
        with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as temporary:
            run(["init", "--quiet", "--bare", "--template=", temporary])
            own = Path(temporary)
            done = run(wanted, cwd=project, git_dir=own, work_tree=project, check=False)
    if done.returncode:
        return None
    return [name for name in os.fsdecode(done.stdout).split("\0") if name]


def _ignored(project: Path, prefix: str) -> bool:
    if not prefix:
        return False
    done = in_repository(["check-ignore", "--quiet", "--no-index", "."], cwd=project)
    return done.returncode == 0


def _line(output: bytes) -> str:
    return os.fsdecode(output).removesuffix("\n")
