"""Cargo.lock after a change: what cargo's next build would make of it, as part of the change."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers import Done, process, tool, write

OFFLINE = {"CARGO_NET_OFFLINE": "true", "https_proxy": "http://127.0.0.1:1"}


@pytest.fixture
def project(template_repository: Path, here: Path, cargo: str) -> Path:
    words = ("new", "svc", "--template", template_repository, "--trust", "--defaults", "--json")
    done = process(*words, cwd=here, **OFFLINE)
    assert done.json["notes"] == []
    return here / "svc"


def change(project: Path, verb: str, *words: str, **env: str) -> Done:
    done = process(verb, *words, "--json", cwd=project, **OFFLINE | env)
    assert done.exit == 0, done.out
    return done


def lock(project: Path) -> str:
    return (project / "Cargo.lock").read_text()


def versions(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', text, re.MULTILINE))


def is_whole(project: Path) -> bool:
    """Whether cargo finds nothing to change in the lock file."""
    words = ["cargo", "metadata", "--offline", "--locked", "--format-version=1"]
    return subprocess.run(words, cwd=project, capture_output=True).returncode == 0


def test_what_a_capability_needs_is_locked_as_it_was_tested(
    project: Path, template_repository: Path
) -> None:
    before = lock(project)
    done = change(project, "add", "tcp", "--trust")
    assert {"path": "Cargo.lock", "action": "update"} in done.json["changes"]
    assert is_whole(project)
    assert versions(before) < versions(lock(project))
    assert versions(lock(project)) <= versions(lock(template_repository / "template"))


def test_a_capability_that_goes_takes_its_crates_along(project: Path) -> None:
    before = lock(project)
    change(project, "add", "tcp", "metrics", "--trust")
    change(project, "remove", "tcp", "metrics", "--trust")
    assert lock(project) == before


def test_what_the_user_has_locked_stays(project: Path) -> None:
    write(project / "extra/src", {"lib.rs": ""})
    manifest = '[package]\nname = "extra"\nversion = "7.0.0"\nedition = "2024"\n[dependencies]\n'
    write(project, {"extra/Cargo.toml": manifest + 'memchr = "2"\n'})
    root = project / "Cargo.toml"
    root.write_text(root.read_text().replace('"domain"', '"domain", "extra"', 1))
    subprocess.run(["cargo", "update", "--workspace", "--offline"], cwd=project, check=True)
    held = versions(lock(project))
    change(project, "add", "tcp", "--trust")
    assert is_whole(project)
    assert held | {("extra", "7.0.0")} <= versions(lock(project))


def test_a_dry_run_shows_it_and_writes_nothing(project: Path) -> None:
    before = lock(project)
    done = change(project, "add", "tcp", "--trust", "--dry-run")
    [shown] = [entry for entry in done.json["changes"] if entry["path"] == "Cargo.lock"]
    assert shown["action"] == "update"
    assert '+name = "resp"' in shown["diff"]
    assert lock(project) == before


def test_where_cargo_cannot_do_it_the_next_build_does(project: Path, tmp_path: Path) -> None:
    before = lock(project)
    path = tool(tmp_path / "bin", "cargo", "exit 101")
    done = process("add", "tcp", "--trust", cwd=project, PATH=path)
    assert lock(project) == before
    assert "Cargo.lock follows with the next cargo build" in done.out
    assert not is_whole(project)


def test_for_a_template_that_is_not_ours_cargo_is_not_run(project: Path, tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "cargo", f"touch {tmp_path}/ran")
    change(project, "add", "tcp", PATH=path)
    assert not (tmp_path / "ran").exists()
