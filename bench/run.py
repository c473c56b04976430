"""`make bench`: ratios, each measured in one run, the two sides in turn. Nothing here is a test.

- the command line against what it cannot be cheaper than: `--help` against importing click, `new`
  against a process that only calls `copier.run_copy`;
- the rendered service's GET and PUT against a bare axum handler on the same kind of map: requests
  per second, and the server's CPU time for each request.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".cache" / "target"
CONNECTIONS, SECONDS, ROUNDS = 64, 3.0, 5

Figures = dict[str, float]


def alternately(sides: dict[str, Callable[[], Figures]], rounds: int) -> None:
    """Measure the two sides in turn, after one round that does not count; print ratios A/B."""
    (name_a, a), (name_b, b) = sides.items()
    runs = [(a(), b()) for _ in range(rounds + 1)][1:]
    print(f"\n{name_a}  against  {name_b}  ({rounds} rounds, median of the ratios, min to max)")
    for figure in runs[0][0]:
        ratios = [left[figure] / right[figure] for left, right in runs]
        left, right = (statistics.median(run[side][figure] for run in runs) for side in (0, 1))
        print(
            f"  {figure:<24} {left:>12.3f} {right:>12.3f}   "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def process(*words: str) -> Callable[[], Figures]:
    """CPU and wall seconds of one whole process."""

    def run() -> Figures:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            words,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall seconds": wall, "CPU seconds": cpu}

    return run


def command_line(scratch: Path) -> None:
    python, cli = sys.executable, [sys.executable, "-m", "asyncscaffold"]
    alternately(
        {
            "asyncscaffold --help": process(*cli, "--help"),
            "import click": process(python, "-c", "import click"),
        },
        20,
    )
    template = scratch / "template"
    subprocess.run(["git", "clone", "-q", ROOT, template], check=True)

    def into(name: str, make: Callable[[Path], Callable[[], Figures]]) -> Callable[[], Figures]:
        def run() -> Figures:
            shutil.rmtree(scratch / name, ignore_errors=True)
            return make(scratch / name)()

        return run

    copy = (
        "import copier, sys; copier.run_copy(sys.argv[1], sys.argv[2], defaults=True, quiet=True)"
    )
    for flags in (["--no-git"], []):
        alternately(
            {
                " ".join(["asyncscaffold new", *flags]): into(
                    "new",
                    lambda path, flags=flags: process(
                        *cli, "new", str(path), "--template", str(template), "--defaults", *flags
                    ),
                ),
                "copier.run_copy": into(
                    "copy", lambda path: process(python, "-c", copy, str(template), str(path))
                ),
            },
            7,
        )


def cargo_build(manifest: Path) -> None:
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest],
        check=True,
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
    )


def server(
    words: list[str | Path], address: Callable[[str], str | None], method: str
) -> Callable[[], Figures]:
    """Requests per second, and the server's CPU microseconds for each, of a fresh server."""
    load = TARGET / "release" / "load"

    def run() -> Figures:
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            addr = next(found for line in child.stdout if (found := address(line)))
            subprocess.run([load, addr, "1", "0.05", "PUT"], check=True, stdout=subprocess.DEVNULL)
            before = cpu_seconds(child.pid)
            done = subprocess.run(
                [load, addr, str(CONNECTIONS), str(SECONDS), method],
                check=True,
                capture_output=True,
                text=True,
            )
            cpu, answered = cpu_seconds(child.pid) - before, int(done.stdout)
            child.kill()
        return {
            "requests per second": answered / SECONDS,
            "CPU µs per request": cpu / answered * 1e6,
        }

    return run


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def http_listener(line: str) -> str | None:
    said = json.loads(line)
    return said["addr"] if said.get("listener") == "http" else None


def service(scratch: Path) -> None:
    cargo_build(ROOT / "bench" / "http" / "Cargo.toml")
    for store in ("actor", "mutex"):
        project = scratch / store
        patterns = "actor" if store == "actor" else ""
        subprocess.run(
            [
                *(sys.executable, "-m", "asyncscaffold", "new", project, "--defaults", "--no-git"),
                *("--project-name", "measured", "--patterns", patterns),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        cargo_build(project / "Cargo.toml")
        measured = [
            TARGET / "release" / "measured",
            "--http-addr=127.0.0.1:0",
            "--admin-addr=127.0.0.1:0",
        ]
        for method in ("GET", "PUT"):
            alternately(
                {
                    f"{method}, rendered service ({store})": server(
                        measured, http_listener, method
                    ),
                    "bare axum handler": server(
                        [TARGET / "release" / "bare"], lambda line: line.strip() or None, method
                    ),
                },
                ROUNDS,
            )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-bench-") as scratch:
        command_line(Path(scratch))
        service(Path(scratch))


if __name__ == "__main__":
    main()
