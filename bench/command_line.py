"""The command line against what it cannot be cheaper than.

`--help` against importing click; `new` against a process that only calls `copier.run_copy`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measuring import Effort, Figures, Side, children_cpu, compare
from bench.servers import ROOT

COPY = "import copier, sys; copier.run_copy(sys.argv[1], sys.argv[2], defaults=True, quiet=True)"


def process(*words: str) -> Side:
    """CPU and wall milliseconds of one whole process."""

    def run() -> Figures:
        start = time.perf_counter()
        with children_cpu() as cpu:
            subprocess.run(
                words,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            return {"wall, ms": (time.perf_counter() - start) * 1e3, "CPU, ms": cpu() * 1e3}

    return run


def into(path: Path, words: Callable[[str], list[str]]) -> Side:
    """The process that makes `path`, which is not there."""
    run = process(*words(str(path)))

    def afresh() -> Figures:
        shutil.rmtree(path, ignore_errors=True)
        return run()

    return afresh


def measure(effort: Effort) -> None:
    python, cli = sys.executable, [sys.executable, "-m", "asyncscaffold"]
    compare(
        "The command line: --help",
        {"--help": process(*cli, "--help")},
        {"import click": process(python, "-c", "import click")},
        effort.process_rounds * 2,
    )
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-bench-") as scratch:
        template = f"{scratch}/template"
        subprocess.run(["git", "clone", "-q", ROOT, template], check=True)
        new = [*cli, "new", "--template", template, "--defaults"]
        ours, copied = Path(scratch, "new"), Path(scratch, "copy")
        compare(
            "The command line: new",
            {
                "new --no-git": into(ours, lambda path: [*new, "--no-git", path]),
                "new": into(ours, lambda path: [*new, path]),
            },
            {"copier.run_copy": into(copied, lambda path: [python, "-c", COPY, template, path])},
            effort.process_rounds,
        )
