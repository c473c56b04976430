"""gRPC unary calls against a bare tonic server on the same kind of map."""

from __future__ import annotations

from bench import against_bare
from bench.generators import grpc_load
from bench.measuring import Effort

CONNECTIONS, CALLS = 8, 8


def measure(effort: Effort) -> None:
    loads = {
        f"gRPC {method}: {CONNECTIONS} connections, {CALLS} calls under way on each": load(method)
        for method in ("Get", "Put")
    }
    against_bare.measure("tonic", lambda addr: grpc_load(addr, 1, 1, 0.001, "Put"), loads, effort)


def load(method: str) -> against_bare.Load:
    return lambda addr, seconds: grpc_load(addr, CONNECTIONS, CALLS, seconds, method)
