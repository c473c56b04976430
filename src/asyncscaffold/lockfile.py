"""Cargo.lock: cargo brings it in line with the manifests, without network, when they are new."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from asyncscaffold import merge
from asyncscaffold.merge import Change, Plan, Version

NAME = "Cargo.lock"
CARGO_SECONDS = 120
"""How long cargo may take over the lock file: another cargo may hold its lock."""


def settle(project: Path, *, run_in: Path) -> Literal["settled", "no cargo", "failed"]:
    """Let cargo drop from the project's lock file what its manifests do not need, and add the rest.

    `run_in` is where cargo is started, whose configuration it follows. If it fails the file is as
    it was.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        return "no cargo"
    before = (project / NAME).read_bytes()
    manifest = f"--manifest-path={project / 'Cargo.toml'}"
    try:
        subprocess.run(
            [cargo, "update", "--workspace", "--offline", "--quiet", manifest],
            cwd=run_in,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=CARGO_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        (project / NAME).write_bytes(before)
        return "failed"
    return "settled"


def follow(plan: Plan, project: Path, offered: Path) -> Plan:
    """`plan` with the lock file as the next build would leave it, so that it is part of the change.

    What is locked stays locked. For what the new manifests need beside it, the versions in the lock
    file `offered` are taken, the template's, which were tested together. The plan stays as it is
    where no manifest changes, or where cargo cannot do it now: the next build does it then.
    """
    mine = merge.look(project, NAME)
    paths = {change.path for change in plan.changes}
    if not isinstance(mine, Version) or mine.link or NAME in paths:
        return plan
    if not any(Path(path).name == "Cargo.toml" for path in paths):
        return plan
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as scratch:
        after = Path(scratch)
        for path, version in _sources(plan, project):
            (after / path).parent.mkdir(parents=True, exist_ok=True)
            (after / path).write_bytes(version.data)
        more = offered.read_text("utf-8") if offered.is_file() else ""
        (after / NAME).write_text(_joined(mine.data.decode("utf-8", "replace"), more), "utf-8")
        if settle(after, run_in=project) != "settled":
            return plan
        data = (after / NAME).read_bytes()
    if data == mine.data:
        return plan
    changes = [*plan.changes, Change(NAME, mine, replace(mine, data=data))]
    return replace(plan, changes=tuple(sorted(changes, key=lambda change: change.path)))


def _sources(plan: Plan, project: Path) -> Iterator[tuple[str, Version]]:
    """What cargo looks at to tell the packages and their targets, as it is after the plan."""
    planned = {change.path: change.new for change in plan.changes}
    for path in {*merge.own_files(project), *planned}:
        if path.endswith((".rs", "Cargo.toml")):
            version = planned[path] if path in planned else merge.look(project, path)
            if isinstance(version, Version) and not version.link:
                yield path, version


def _joined(mine: str, offered: str) -> str:
    """`mine` with the packages that only `offered` has, in any version that could do as well.

    cargo prefers what the file holds, and drops what nothing needs.
    """
    mine, offered = _spelled_out(mine), _spelled_out(offered)
    known = {kind for kind, _ in _packages(mine)}
    more = [text for kind, text in _packages(offered) if kind not in known]
    return "\n".join([mine.rstrip("\n"), "", *more]) if more else mine


def _spelled_out(text: str) -> str:
    """`text` with the version of every dependency, which it leaves out where there is one alone."""
    versions = dict(re.findall(r'(?m)^name = "(.+)"\nversion = "(.+)"$', text))
    return re.sub(
        r'(?m)^ "([^" ]+)",$',
        lambda found: f' "{found[1]} {versions[found[1]]}",' if found[1] in versions else found[0],
        text,
    )


def _packages(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Each package that comes from elsewhere, by its name and the part of its version that says
    what is compatible with it (`1`, `0.3`, `0.0.2`)."""
    for block in re.split(r"(?m)^(?=\[\[package\]\]$)", text):
        found = re.search(r'(?m)^name = "(.+)"\nversion = "((?:0\.)*\d+)', block)
        if found and re.search(r"(?m)^source = ", block):
            yield (found[1], found[2]), block
