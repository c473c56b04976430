"""The load generators of `rust/`, and what one tells together with what it cost the server."""

from __future__ import annotations

import json
import os
import subprocess

from bench.measuring import (
    CLIENT_CPU,
    P50,
    P99,
    P999,
    RATE,
    SERVER_CPU,
    Figures,
    children_cpu,
    cpu_seconds,
)
from bench.servers import HERE, TARGET, cargo_build

Report = dict[str, float]
"""`seconds`; `good`, `shed` and `unsent` requests; `p50`, `p99`, `p999` of the good ones in µs."""


def http_load(
    addr: str,
    connections: int,
    seconds: float,
    method: str,
    target: str,
    body_bytes: int = 0,
    rate: float = 0,
) -> list[str]:
    """One request again and again; `rate` a second whatever comes back, or as answers allow."""
    numbers = (str(connections), str(seconds), str(rate))
    return [generator("load-http"), addr, *numbers, method, target, str(body_bytes)]


def grpc_load(addr: str, connections: int, calls: int, seconds: float, method: str) -> list[str]:
    """One unary call again and again, so many at once on each connection."""
    return [generator("load-grpc"), addr, str(connections), str(calls), str(seconds), method]


def generator(name: str) -> str:
    cargo_build(HERE / "rust" / "Cargo.toml")
    return str(TARGET / "release" / name)


def put_key(addr: str, target: str, body_bytes: int) -> None:
    generate(http_load(addr, 1, 0.001, "PUT", target, body_bytes))


def generate(words: list[str], cpus: set[int] | None = None) -> Report:
    """Run a generator, on `cpus` alone, and read its report."""
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=pin)
    report: Report = json.loads(done.stdout)
    return report


def under_load(pid: int, words: list[str]) -> Figures:
    """What a generator reports of a server, and what each request cost both."""
    before = cpu_seconds(pid)
    with children_cpu() as client_cpu:
        report = generate(words)
        client = client_cpu()
    return {
        RATE: report["good"] / report["seconds"],
        SERVER_CPU: (cpu_seconds(pid) - before) / report["good"] * 1e6,
        P50: report["p50"],
        P99: report["p99"],
        P999: report["p999"],
        CLIENT_CPU: client / report["seconds"],
    }
