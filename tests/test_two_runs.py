"""Two runs at once on one project: the second is refused, and the first goes on undisturbed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers import command, process
from tests.merge.conftest import entries
from tests.projects import Run, TemplateRepo

_PAUSE = """\
import os
fsync = os.fsync
def paused(handle):
    fsync(handle)
    if os.environ.pop("PAUSED", None):
        os.write(int(os.environ["AT"]), b"!")
        os.read(int(os.environ["GO"]), 1)
os.fsync = paused
"""


@contextmanager
def _paused(folder: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A run that stands still once it has written its journal, until the block is left."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_PAUSE)
    paths = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    arrived, at = os.pipe()
    go, let = os.pipe()
    env = {**os.environ, "PYTHONPATH": paths, "PAUSED": "1", "AT": str(at), "GO": str(go)}
    running = subprocess.Popen(
        command(*words), env=env, stdin=subprocess.DEVNULL, pass_fds=[at, go]
    )
    os.close(at)
    os.close(go)
    try:
        assert os.read(arrived, 1), "it ended before it wrote its journal"
        yield running
    finally:
        os.close(let)
        running.wait()
        os.close(arrived)


@pytest.mark.parametrize("first", ["update", "undo"])
def test_the_second_run_is_refused(
    repo: TemplateRepo, project: Path, run: Run, tmp_path: Path, first: str
) -> None:
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    if first == "undo":
        assert run("update", "--project", project).exit == 0
    before = entries(project)
    with _paused(tmp_path / "pause", first, "--project", project) as running:
        for words in (["update"], ["undo"], ["add", "wheels"], ["update", "--dry-run"]):
            ran = process(*words, "--project", project, cwd=tmp_path)
            assert ran.exit == 1
            assert "Another asyncscaffold is at work" in ran.err
        assert entries(project) == before
    assert running.returncode == 0
    assert (project / "new.txt").exists() == (first == "update")
