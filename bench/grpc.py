"""gRPC unary calls against a bare tonic server on the same kind of map."""

from __future__ import annotations

from bench.generators import generate, grpc_load, under_load
from bench.measuring import RATE, Effort, Figures, Goal, Side, compare
from bench.servers import STORES, Server, bare, service

CONNECTIONS, CALLS = 8, 8
GOALS = [Goal(RATE, "bare tonic", at_least=0.9)]


def measure(effort: Effort) -> None:
    # gRPC shares the HTTP listener, as it does by default.
    ours = {store: service(store, "http") for store in STORES}
    tonic = bare("bare-tonic")
    for method in ("Get", "Put"):
        compare(
            f"gRPC {method}: {CONNECTIONS} connections, {CALLS} calls under way on each",
            {name: side(server, method, effort.seconds) for name, server in ours.items()},
            {"bare tonic": side(tonic, method, effort.seconds)},
            effort.rounds,
            GOALS,
        )


def side(server: Server, method: str, seconds: float) -> Side:
    """A fresh server that holds the one key, under load for so long."""

    def run() -> Figures:
        with server.running() as served:
            generate(grpc_load(served.addr, 1, 1, 0.001, "Put"))
            return under_load(
                served.pid, grpc_load(served.addr, CONNECTIONS, CALLS, seconds, method)
            )

    return run
