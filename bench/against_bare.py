"""The rendered service against a bare framework's server on the same kind of map."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.generators import generate, under_load
from bench.measuring import RATE, Effort, Figures, Goal, Side, compare
from bench.servers import STORES, Server, bare, service

Put = Callable[[str], list[str]]
"""The generator's words that put the one key, by the server's address."""

Load = Callable[[str, float], list[str]]
"""Those of a load, by the address and how many seconds it lasts."""


def measure(framework: str, put: Put, loads: Mapping[str, Load], effort: Effort) -> None:
    """Compare every load; each stands under its title."""
    # gRPC shares the HTTP listener, as it does by default.
    ours = {store: service(store, "http") for store in STORES}
    name = f"bare {framework}"
    other = bare(f"bare-{framework}")
    for title, load in loads.items():
        compare(
            title,
            {store: side(server, put, load, effort.seconds) for store, server in ours.items()},
            {name: side(other, put, load, effort.seconds)},
            effort.rounds,
            [Goal(RATE, name, at_least=0.9)],
        )


def side(server: Server, put: Put, load: Load, seconds: float) -> Side:
    """A fresh server that holds the one key, under load for so long."""

    def run() -> Figures:
        with server.running() as served:
            generate(put(served.addr))
            return under_load(served.pid, load(served.addr, seconds))

    return run
