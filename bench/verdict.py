"""`make bench-verdict`: a thread a connection beside a task a connection, at every scale.

Two rendered projects, the same store behind a mutex, the same RESP: what differs is the shell. Each
is measured idle, with connections that send now and then, and with all of them sending at once. The
table and the chart go to docs/, between the marks that are there.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO, NamedTuple

from bench.chart import chart
from bench.measuring import resident_kib
from bench.servers import HERE, ROOT, TARGET, Server, cargo_build, project

SCALES = (10, 100, 1_000, 5_000, 10_000)
RUNTIMES = ("threads", "tokio")
PERIOD = 1000
"""How often a connection sends that sends now and then, in milliseconds."""
PAGE = ROOT / "docs" / "threads-or-tokio.md"


class Run(NamedTuple):
    """What one runtime did at one scale."""

    idle_kib: float
    """Resident memory per idle connection; the server without connections taken off."""
    idle_switches: float
    """Context switches a second while nobody sends."""
    rare_p99: float
    """µs, of connections that send once a second."""
    rare_cpu: float
    """µs of CPU per request, the same."""
    rare_switches: float
    """Context switches per request, the same."""
    rate: float
    """Requests a second, with every connection sending as fast as it is answered."""
    p99: float
    """µs, the same."""
    cpu: float
    """µs of CPU per request, the same."""
    kib: float
    """Resident memory in all, KiB, after that."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-verdict ARGS=…", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, for each figure")
    parser.add_argument("--dry", action="store_true", help="leave docs/ as it is")
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cargo_build(HERE / "rust" / "Cargo.toml")
    servers = {runtime: server(runtime) for runtime in RUNTIMES}
    figures = {
        (runtime, scale): typical(
            [measured(servers[runtime], scale, args.seconds) for _ in range(args.rounds)]
        )
        for scale in SCALES
        for runtime in RUNTIMES
    }
    text = table(figures)
    print(text)
    if not args.dry:
        page = PAGE.read_text("utf-8")
        marks = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", page), "utf-8")
        drawn = chart(
            "Requests a second, by connections",
            SCALES,
            {runtime: [figures[runtime, scale].rate for scale in SCALES] for runtime in RUNTIMES},
            "p99 of connections that send once a second, ms",
            {
                runtime: [figures[runtime, scale].rare_p99 / 1000 for scale in SCALES]
                for runtime in RUNTIMES
            },
        )
        PAGE.with_suffix(".svg").write_text(drawn, "utf-8")


def server(runtime: str) -> Server:
    """The rendered project, with nothing that it can be without."""
    binary = project(
        f"verdict-{runtime}", "--runtime", runtime, "--interfaces", "tcp", "--patterns", ""
    )

    def address(line: str) -> str | None:
        said = json.loads(line)
        return str(said["addr"]) if said.get("listener") == "tcp" else None

    return Server((str(binary), "--tcp-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"), address)


def typical(runs: list[Run]) -> Run:
    """The medians."""
    return Run(*(median(values) for values in zip(*runs, strict=True)))


def measured(server: Server, scale: int, seconds: float) -> Run:
    with server.running() as served:
        empty = resident_kib(served.pid)
        with load(served.addr, scale, seconds, PERIOD) as (begin, end):
            idle_kib = (resident_kib(served.pid) - empty) / scale
            before = switches(served.pid)
            time.sleep(1)
            idle_switches = switches(served.pid) - before
            cpu, before = on_cpu(served.pid), switches(served.pid)
            begin()
            rare = end()
            rare_cpu = (on_cpu(served.pid) - cpu) / rare["good"]
            rare_switches = (switches(served.pid) - before) / rare["good"]
        with load(served.addr, scale, seconds, 0) as (begin, end):
            cpu = on_cpu(served.pid)
            begin()
            busy = end()
            return Run(
                idle_kib=idle_kib,
                idle_switches=idle_switches,
                rare_p99=rare["p99"],
                rare_cpu=rare_cpu,
                rare_switches=rare_switches,
                rate=busy["good"] / busy["seconds"],
                p99=busy["p99"],
                cpu=(on_cpu(served.pid) - cpu) / busy["good"],
                kib=resident_kib(served.pid),
            )


@contextmanager
def load(
    addr: str, connections: int, seconds: float, period: int
) -> Iterator[tuple[Callable[[], None], Callable[[], dict[str, float]]]]:
    """Connections that stand; what lets them send, and what waits for the report."""
    binary = str(TARGET / "release" / "load-resp")
    words = [binary, addr, str(connections), str(seconds), str(period)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin
        assert child.stdout
        if said(child.stdout) != "open":
            raise SystemExit(f"{connections} connections could not be opened")
        stdin, stdout = child.stdin, child.stdout

        def begin() -> None:
            stdin.write("\n")
            stdin.flush()

        yield begin, lambda: json.loads(said(stdout))


def said(stream: IO[str]) -> str:
    return stream.readline().strip()


def on_cpu(pid: int) -> float:
    """µs that the threads which a process has now were running, to the nanosecond."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1000


def switches(pid: int) -> int:
    """Context switches of a process so far, all of its threads."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if "ctxt_switches" in line
    )


def table(figures: dict[tuple[str, int], Run]) -> str:
    """Markdown: a row for each figure and runtime, a column for each scale."""
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("memory per idle connection, KiB", lambda run: f"{run.idle_kib:.1f}"),
        ("context switches a second, idle", lambda run: f"{run.idle_switches:,.0f}"),
        ("once a second each: p99, ms", lambda run: f"{run.rare_p99 / 1000:.2f}"),
        ("… CPU per request, µs", lambda run: f"{run.rare_cpu:.1f}"),
        ("… context switches per request", lambda run: f"{run.rare_switches:.2f}"),
        ("all at once: requests a second", lambda run: f"{run.rate:,.0f}"),
        ("… p99, ms", lambda run: f"{run.p99 / 1000:.1f}"),
        ("… CPU per request, µs", lambda run: f"{run.cpu:.1f}"),
        ("… memory in all, MiB", lambda run: f"{run.kib / 1024:.1f}"),
    ]
    lines = [
        "| connections | | " + " | ".join(f"{scale:,}" for scale in SCALES) + " |",
        "| --- | --- |" + " ---: |" * len(SCALES),
    ]
    lines += [
        f"| {label if runtime == RUNTIMES[0] else ''} | {runtime} | "
        + " | ".join(cell(figures[runtime, scale]) for scale in SCALES)
        + " |"
        for label, cell in rows
        for runtime in RUNTIMES
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
