"""A template at one version: where it lies, which versions it has, and a checkout to read."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.values import nearest

if TYPE_CHECKING:
    from packaging.version import Version

PUBLIC_URL = "https://github.com/asyncscaffold/asyncscaffold.git"
"""Where the shipped template is published, and what a project made from a package records."""

_PUBLIC = PUBLIC_URL.removesuffix(".git")

HOSTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


@dataclass(frozen=True)
class Template:
    """A template, found, at a version that exists.

    `url` is what the answers file records as `_src_path`; `ref` what Copier is told to check out
    and `sha` the commit it stands for (both None for a directory without versions; `sha` alone
    where the repository is not on this machine); `name` is for people: the tag, or the first
    digits of the commit.
    """

    url: str
    ref: str | None
    sha: str | None
    name: str


def shipped() -> Path:
    """The template's files in this package: the clone it runs from, or the copy in the wheel."""
    here = Path(__file__).resolve()
    clone = here.parents[2]
    return clone if (clone / "copier.yml").is_file() else here.parent / "shipped"


def is_shipped(url: str) -> bool:
    """Whether a project's `_src_path` names the template of this package."""
    return url == str(shipped()) or _is_published(url)


def _is_published(url: str) -> bool:
    return expand(url).removesuffix(".git") == _PUBLIC


def stand_in(url: str) -> Path | None:
    """What stands in for the published repository, so that no network is needed.

    That is the bundle of its releases in the wheel, or the clone that this runs from.
    """
    if not _is_published(url):
        return None
    bundle = shipped() / "template.bundle"
    if bundle.is_file():
        return bundle
    return shipped() if (shipped() / ".git").exists() else None


def source(url: str) -> str:
    """Where git finds the repository at `url`."""
    return str(stand_in(url) or expand(url))


def find(url: str | None, ref: str | None) -> Template:
    """The template at `url` (None: the shipped one) and `ref` (None: the newest release).

    The newest release is the highest PEP 440 tag that is no pre-release, as in Copier; without one
    it is the newest commit. `HEAD` of a local repository includes what is not committed yet.
    Raises `Refused` when there is no such template or ref.
    """
    if url is None:
        packed = (shipped() / "template.bundle").is_file() and shutil.which("git") is not None
        url = PUBLIC_URL if packed else str(shipped())
    local = _local(expand(url))
    if local and local.is_dir():
        return _in_directory(local, ref)
    if not local and not is_remote(expand(url)):
        raise Refused(
            f"There is no template at {url!r}.",
            "Give a directory, a git URL, or gh:owner/name.",
        )
    where = str(local or url)
    if ref is None:
        try:
            ref = git.newest_tag(source(where)) or git.newest_commit(source(where)) or "HEAD"
        except Refused as error:
            raise Refused(f"There is no template at {url}: {error.message}", error.hint) from error
    return Template(where if local else for_copier(where), ref, None, short(ref))


def _local(path: str) -> Path | None:
    """What stands at `path` on this machine, or None."""
    try:
        found = Path(path).expanduser()
        return found.resolve() if path and found.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a loop of links
        return None


def _in_directory(path: Path, ref: str | None) -> Template:
    # Without `.git` or, in a bare repository, `HEAD` there is nothing to ask git, which may be
    # absent.
    versioned = (path / ".git").exists() or (path / "HEAD").exists()
    if (path / ".git").exists() and (why := git.refuses(path)):
        raise Refused(f"git does not read the template's repository {path}: {why}")
    if not versioned or not git.is_repository_root(path):
        if ref is None:
            return Template(str(path), None, None, "unversioned")
        raise Refused(
            f"The template {path} has no version {ref!r}: it is no git repository.",
            "Leave --ref out, or `git init` and tag the template.",
        )
    if ref is None:
        ref = git.newest_tag(path) or git.resolve(path, "HEAD")
    if ref is None:
        raise Refused(f"The template {path} has no commit yet.", "Commit it once.")
    sha = git.resolve(path, ref)
    if sha is None:
        raise _no_version(str(path), ref, git.tags(path))
    if (path / ".git").exists():
        return Template(str(path), ref, sha, short(ref))
    # In a bare repository nothing is uncommitted, and Copier does not look for it.
    return Template(for_copier(str(path)), sha if ref == "HEAD" else ref, sha, short(ref))


def _no_version(url: str, ref: str, tags: dict[str, str]) -> Refused:
    return Refused(
        f"The template {url} has no version {ref!r}{nearest(ref, tags) or '.'}",
        "Its releases: " + (", ".join(sorted(tags)) or "none yet; give a commit or a branch"),
    )


def is_at_least(template: Template, other: Template) -> bool:
    """Whether `template` is `other` or a later version of it.

    The history says so, or else the order of the releases (PEP 440, as Copier compares them).
    """
    if template == other or (template.sha is not None and template.sha == other.sha):
        return True
    ours, its = released(template), released(other)
    if ours is not None and its is not None and ours >= its:
        return True
    directory = Path(template.url)
    if template.sha is not None and other.sha is not None and directory.is_dir():
        return git.contains(directory, newer=template.sha, older=other.sha)
    if template.ref is None or other.ref is None or (ours is not None and its is not None):
        return False
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        clone = Path(scratch) / "template"
        git.clone(source(other.url), clone, other.ref)
        newer, older = git.resolve(clone, template.ref), git.resolve(clone, "HEAD")
        return bool(newer and older and git.contains(clone, newer=newer, older=older))


def released(template: Template) -> Version | None:
    """The version of `template`: none where its name is a commit's, which may look like one.

    `794a508` is the 508th alpha of 794 to PEP 440, and all of a commit's digits may be decimal.
    """
    if re.fullmatch("[0-9a-f]{4,64}", template.name):
        if (template.sha or "").startswith(template.name):
            return None
        if template.sha is None and template.name not in git.tags(source(template.url)):
            return None
    return release(template.name)


def release(name: str) -> Version | None:
    """The version that a tag names, or what `git describe` says of a commit since that tag."""
    from packaging.version import InvalidVersion, Version

    described = re.fullmatch(r"(.+)-(\d+)-g[0-9a-f]+", name)
    tag, since = described.groups() if described else (name, "")
    try:
        return Version(f"{Version(tag)}+{since}" if since else tag)
    except InvalidVersion:
        return None


@contextmanager
def checkout(template: Template) -> Iterator[Path]:
    """A directory that holds the template as it is at its version; temporary where need be."""
    if _in_place(template):
        yield Path(template.url)
        return
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        clone, where = Path(scratch) / "template", source(template.url)
        ref = template.sha or template.ref or "HEAD"
        try:
            git.clone(where, clone, ref)
        except Refused as error:
            if ref in (tags := git.tags(where)):
                raise
            raise _no_version(
                template.url, ref, tags
            ) from error  # it was reached, but holds no such
        yield clone


def _in_place(template: Template) -> bool:
    """Whether the template's own directory shows the version."""
    path = Path(template.url)
    if template.ref is None:
        return True
    if not (path / ".git").exists():  # bare, or somewhere else
        return False
    return template.ref == "HEAD" or (
        git.resolve(path, "HEAD") == template.sha and git.is_clean(path)
    )


def expand(url: str) -> str:
    """`gh:owner/name`, `gl:owner/name` and `git+URL` as git takes them; anything else as it is."""
    for alias, host in HOSTS.items():
        if url.startswith(alias):
            rest = url[len(alias) :].lstrip("/").removesuffix(".git")
            return f"{host}{rest}.git"
    return url.removeprefix("git+")


def for_copier(url: str) -> str:
    """`url` as Copier knows it for a git repository: where nothing else says so, by `git+`."""
    known = ("git@", "git://", "git+", *HOSTS, *HOSTS.values())
    return url if url.startswith(known) or url.endswith(".git") else f"git+{url}"


def is_remote(url: str) -> bool:
    return bool(re.match(r"[a-z0-9+]+://|[\w.-]+@[\w.-]+:", url))


def short(ref: str) -> str:
    """A commit's first digits; any other ref as it is."""
    return ref[:7] if re.fullmatch(r"[0-9a-f]{40,64}", ref) else ref
