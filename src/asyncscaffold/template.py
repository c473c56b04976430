"""A template at one version: where it lies, which versions it has, and a checkout to read."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asyncscaffold import git
from asyncscaffold.errors import Refused
from asyncscaffold.values import nearest


@dataclass(frozen=True)
class Template:
    """A template, found, at a version that exists.

    `url` is what the answers file records as `_src_path`; `ref` what Copier is told to check out
    and `sha` the commit it stands for (both None for a directory without versions); `name` is for
    people: the tag, or the first digits of the commit.
    """

    url: str
    ref: str | None
    sha: str | None
    name: str


def shipped() -> Path:
    """The template of this package: the checkout it runs from, or the copy in the wheel."""
    here = Path(__file__).resolve()
    checkout = here.parents[2]
    return checkout if (checkout / "copier.yml").is_file() else here.parent / "shipped"


def find(url: str | None, ref: str | None) -> Template:
    """The template at `url` (None: the shipped one) and `ref` (None: the newest release).

    The newest release is the highest PEP 440 tag that is no pre-release, as in Copier; without one
    it is the newest commit. `HEAD` of a local repository includes what is not committed yet.
    Raises `Refused` when there is no such template or ref.
    """
    where = str(shipped()) if url is None else expand(url)
    path = Path(where).expanduser()
    if path.is_dir():
        where = str(path.resolve())
        if not git.is_repository_root(path):
            if ref is not None:
                raise Refused(
                    f"The template {where} has no version {ref!r}: it is no git repository.",
                    "Leave --ref out, or `git init` and tag the template.",
                )
            return Template(where, None, None, "unversioned")
    elif path.is_file():
        where = str(path.resolve())
    elif not is_remote(where):
        raise Refused(
            f"There is no template at {url}.",
            "Give a directory, a git URL, or gh:owner/name.",
        )
    if ref is None:
        ref = git.newest_tag(where) or "HEAD"
        if ref == "HEAD" and path.is_dir():
            ref = git.resolve(path, "HEAD")
    if ref is None:
        raise Refused(f"The template {where} has no commit yet.", "Commit it once.")
    if not path.is_dir():
        return Template(where, ref, None, short(ref))
    sha = git.resolve(path, ref)
    if sha is None:
        tags = git.tags(where)
        raise Refused(
            f"The template {where} has no version {ref!r}{nearest(ref, tags)}.",
            "Its releases: " + (", ".join(sorted(tags)) or "none yet; give a commit or a branch"),
        )
    return Template(where, ref, sha, short(ref))


@contextmanager
def checkout(template: Template) -> Iterator[Path]:
    """A directory that holds the template as it is at its version; temporary where need be."""
    path = Path(template.url)
    in_place = template.ref in (None, "HEAD") or (
        git.resolve(path, "HEAD") == template.sha and git.is_clean(path) if path.is_dir() else False
    )
    if path.is_dir() and in_place:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        clone = Path(scratch) / "template"
        git.clone(template.url, clone, template.ref or "HEAD")
        yield clone


def expand(url: str) -> str:
    """`gh:owner/name`, `gl:owner/name` and `git+URL` as Copier spells them out."""
    for alias, host in (("gh:", "https://github.com"), ("gl:", "https://gitlab.com")):
        if url.startswith(alias):
            rest = url[len(alias) :].lstrip("/")
            return f"{host}/{rest}" if rest.endswith(".git") else f"{host}/{rest}.git"
    return url.removeprefix("git+")


def is_remote(url: str) -> bool:
    return url.endswith(".git") or bool(re.match(r"[a-z+]+://|[\w.-]+@[\w.-]+:", url))


def short(ref: str) -> str:
    """A commit's first digits; any other ref as it is."""
    return ref[:7] if re.fullmatch(r"[0-9a-f]{40,64}", ref) else ref
