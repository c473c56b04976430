"""RESP by redis-benchmark, against redis-server and tokio's mini-redis."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from itertools import product

from bench.measuring import (
    CLIENT_CPU,
    P50,
    P99,
    P999,
    RATE,
    SERVER_CPU,
    Effort,
    Figures,
    Goal,
    Side,
    children_cpu,
    compare,
    cpu_seconds,
)
from bench.servers import STORES, Served, Server, bare, redis, service

CONNECTIONS = 50
TOOLS = ("redis-server", "redis-benchmark")
CPU_GOALS = [Goal(SERVER_CPU, "mini-redis", at_most=1), Goal(SERVER_CPU, "redis", at_most=1.25)]
GOALS = {1: CPU_GOALS, 16: [*CPU_GOALS, Goal(RATE, "mini-redis", at_least=1)]}


def measure(effort: Effort) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"\nRESP: skipped, not installed: {', '.join(missing)} (Debian: apt install redis)")
        return
    ours = {store: service(store, "tcp") for store in STORES}
    others = {"redis": redis(), "mini-redis": bare("bench-mini-redis")}
    for command, pipeline in product(("GET", "SET"), GOALS):

        def sides(
            servers: Mapping[str, Server], command: str = command, pipeline: int = pipeline
        ) -> dict[str, Side]:
            return {
                name: Load(server, command, pipeline, effort.seconds)
                for name, server in servers.items()
            }

        compare(
            f"RESP {command}, -P {pipeline}: redis-benchmark, {CONNECTIONS} connections; "
            "latency is that of a whole batch",
            sides(ours),
            sides(others),
            effort.rounds,
            GOALS[pipeline],
        )


class Load:
    """A fresh server that holds the one key, under load for about so long.

    redis-benchmark is told a number, not a time: each run takes it from the rate of the one before.
    """

    def __init__(self, server: Server, command: str, pipeline: int, seconds: float) -> None:
        self.server, self.command, self.pipeline = server, command, pipeline
        self.seconds, self.requests = seconds, 50_000

    def __call__(self) -> Figures:
        with self.server.running() as served:
            benchmark(served, "SET", 1, 1000)
            before = cpu_seconds(served.pid)
            with children_cpu() as client_cpu:
                told = benchmark(served, self.command, self.pipeline, self.requests)
                client = client_cpu()
            cpu = cpu_seconds(served.pid) - before
        took = self.requests / told[RATE]
        figures = {
            **told,
            SERVER_CPU: cpu / self.requests * 1e6,
            CLIENT_CPU: client / took,
        }
        self.requests = int(told[RATE] * self.seconds)
        return figures


def benchmark(served: Served, command: str, pipeline: int, requests: int) -> Figures:
    """What redis-benchmark says; its CSV has no p99.9, so its report for people is read."""
    words = ["redis-benchmark", "-h", served.host, "-p", str(served.port), "-t", command.lower()]
    words += ["-c", str(CONNECTIONS), "-P", str(pipeline), "-n", str(requests), "--precision", "3"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    rate = re.search(r"throughput summary: ([\d.]+)", done.stdout)
    distribution = re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds", done.stdout)
    assert rate, done.stdout

    def micros(percent: float) -> float:
        return next(float(ms) * 1e3 for share, ms in distribution if float(share) >= percent)

    return {RATE: float(rate[1]), P50: micros(50), P99: micros(99), P999: micros(99.9)}
