"""HTTP against a bare axum handler on the same kind of map."""

from __future__ import annotations

from bench.generators import http_load, put_key, under_load
from bench.measuring import RATE, Effort, Figures, Goal, Side, compare
from bench.servers import STORES, Server, bare, service

CONNECTIONS = 64
KEY = "/v1/keys/key"
BODY_BYTES = 16
GOALS = [Goal(RATE, "bare axum", at_least=0.9)]


def measure(effort: Effort) -> None:
    ours = {store: service(store, "http") for store in STORES}
    axum = bare("bare-axum")
    for method in ("GET", "PUT"):
        compare(
            f"HTTP {method} {KEY}: {CONNECTIONS} connections, a request under way on each",
            {name: side(server, method, effort.seconds) for name, server in ours.items()},
            {"bare axum": side(axum, method, effort.seconds)},
            effort.rounds,
            GOALS,
        )


def side(server: Server, method: str, seconds: float) -> Side:
    """A fresh server that holds the one key, under load for so long."""

    def run() -> Figures:
        with server.running() as served:
            put_key(served.addr, KEY, BODY_BYTES)
            body_bytes = BODY_BYTES if method == "PUT" else 0
            words = http_load(served.addr, CONNECTIONS, seconds, method, KEY, body_bytes)
            return under_load(served.pid, words)

    return run
