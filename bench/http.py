"""HTTP against a bare axum handler on the same kind of map."""

from __future__ import annotations

from bench import against_bare
from bench.generators import http_load
from bench.measuring import Effort

CONNECTIONS = 64
KEY = "/v1/keys/key"
BODY_BYTES = 16


def measure(effort: Effort) -> None:
    loads = {
        f"HTTP {method} {KEY}: {CONNECTIONS} connections, a request under way on each": load(method)
        for method in ("GET", "PUT")
    }
    against_bare.measure("axum", put, loads, effort)


def put(addr: str) -> list[str]:
    return http_load(addr, 1, 0.001, "PUT", KEY, BODY_BYTES)


def load(method: str) -> against_bare.Load:
    body_bytes = BODY_BYTES if method == "PUT" else 0
    return lambda addr, seconds: http_load(addr, CONNECTIONS, seconds, method, KEY, body_bytes)
