"""What is left of the goodput, and how long an accepted request takes, at three times the load.

What a server can take is its peak: the most that it answers in a closed loop of as many clients as
it has places (`--max-in-flight`), none of which is ever refused. Then requests fall due at three
times that rate, whatever comes back, over many more connections than there are places; one that
finds them all busy is counted as unsent. Latency counts from when a request fell due.

Two kinds of request, because a server is full in two ways:

- one that waits (as for a slow database): its places are what is scarce, its CPU is not. The peak
  is PLACES / WAIT, and a refusal costs next to nothing;
- one that computes: CPU is what is scarce, and a refusal takes some of it. A refusal costs a parsed
  request and a small answer, so what is refused must be much cheaper than what is served, or no
  limit could help: at three times the load, goodput stays above 0.9 of the peak only when a request
  costs more than 21 refusals. A list of KEYS keys does, a single GET is hardly dearer than its
  refusal. So that it is the server that is out of CPU and not the generator, each has its own: the
  generator the last one, the server the first.

By Little's law PLACES requests are served at the peak rate in PLACES / peak: a server that admits
no more, and lets none wait before they are admitted, keeps an accepted one's time near it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from statistics import median

from bench.generators import Report, generate, http_load, put_key
from bench.measuring import Effort, cpu_seconds, number, row
from bench.servers import STORES, Served, Server, service

PLACES = 64
CONNECTIONS = 1024
TIMES = 3
WAIT_MS = 20
KEYS = 1000

Prepare = Callable[[Served], None]


def measure(effort: Effort) -> None:
    rounds = min(effort.rounds, 3)
    for title, target, prepare in (
        (f"that wait {WAIT_MS} ms", f"/v1/keys/key?after=1&wait={WAIT_MS}ms", one_key),
        (f"that list {KEYS} keys", f"/v1/keys?limit={KEYS}", many_keys),
    ):
        print(f"\nOverload, requests {title}: {PLACES} places, {TIMES} times the peak")
        runs = [
            [
                overloaded(service(store, "http"), target, prepare, 2 * effort.seconds)
                for store in STORES
            ]
            for _ in range(rounds)
        ]
        row(f"medians of {rounds}", STORES)
        for figure in runs[0][0]:
            by_store = zip(*runs, strict=True)
            row(figure, (number(median(run[figure] for run in one)) for one in by_store))


def overloaded(server: Server, target: str, prepare: Prepare, seconds: float) -> dict[str, float]:
    """The peak of a fresh server, then what it does at several times that."""
    cpus = sorted(os.sched_getaffinity(0))
    first, last = ({cpus[0]}, {cpus[-1]}) if len(cpus) > 1 else (None, None)
    with server.running(f"--max-in-flight={PLACES}", cpus=first) as served:
        prepare(served)

        def run(connections: int, rate: float) -> tuple[Report, float]:
            words = http_load(served.addr, connections, seconds, "GET", target, rate=rate)
            before = cpu_seconds(served.pid)
            report = generate(words, cpus=last)
            return report, (cpu_seconds(served.pid) - before) / report["good"] * 1e6

        run(PLACES, 0)
        at_peak, cpu_at_peak = run(PLACES, 0)
        peak = at_peak["good"] / seconds
        report, cpu = run(CONNECTIONS, peak * TIMES)
    arrivals = peak * TIMES * seconds
    return {
        "peak, requests per second": peak,
        "goodput, requests per second": report["good"] / seconds,
        "goodput : peak": report["good"] / seconds / peak,
        "shed, share of arrivals": report["shed"] / arrivals,
        "unsent, share of arrivals": report["unsent"] / arrivals,
        "p50 of accepted, ms": report["p50"] / 1e3,
        "p99 of accepted, ms": report["p99"] / 1e3,
        "places / peak, ms": PLACES / peak * 1e3,
        "CPU at the peak, µs/served": cpu_at_peak,
        "CPU in overload, µs/served": cpu,
    }


def one_key(served: Served) -> None:
    put_key(served.addr, "/v1/keys/key", 16)


def many_keys(served: Served) -> None:
    """Over one connection, one after the other."""
    with socket.create_connection((served.host, served.port)) as connection:
        for nth in range(KEYS):
            head = (
                f"PUT /v1/keys/key-{nth:04} HTTP/1.1\r\nHost: bench\r\nContent-Length: 1\r\n\r\nx"
            )
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 201"), "the key was not put"
