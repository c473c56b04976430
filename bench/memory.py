"""What an idle connection keeps in the server's memory, once it has been used.

The growth of resident memory over the second batch of connections: the first one also fills what a
server keeps whether it has connections or not.
"""

from __future__ import annotations

import resource
import shutil
import socket
from contextlib import ExitStack

from bench.measuring import Effort, Figures, Goal, Side, compare, resident_kib
from bench.servers import STORES, Served, Server, bare, redis, service

BATCH = 2000
MINI_REDIS_BATCH = 120
"""mini-redis takes 250 connections at most."""
PER_CONNECTION = "KiB per connection"
HTTP_REQUEST = b"GET /v1/keys/key HTTP/1.1\r\nHost: bench\r\n\r\n"
RESP_REQUEST = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"


def measure(effort: Effort) -> None:
    # One file descriptor a connection, here and, inherited, in the server.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rounds = min(effort.rounds, 3)
    compare(
        f"Memory, HTTP: from {BATCH} idle connections to {2 * BATCH}",
        {
            # The head's deadline would end them while they are counted.
            store: side(service(store, "http"), HTTP_REQUEST, BATCH, "--header-timeout=10m")
            for store in STORES
        },
        {"bare axum": side(bare("bare-axum"), HTTP_REQUEST, BATCH)},
        rounds,
        [Goal(PER_CONNECTION, "bare axum", at_most=1)],
    )
    others = {"mini-redis": side(bare("bench-mini-redis"), RESP_REQUEST, MINI_REDIS_BATCH)}
    if shutil.which("redis-server"):
        others = {"redis": side(redis(), RESP_REQUEST, BATCH), **others}
    compare(
        f"Memory, RESP: from {BATCH} idle connections to {2 * BATCH} "
        f"(mini-redis, which takes 250: {MINI_REDIS_BATCH} to {2 * MINI_REDIS_BATCH})",
        {store: side(service(store, "tcp"), RESP_REQUEST, BATCH) for store in STORES},
        others,
        rounds,
        [Goal(PER_CONNECTION, "redis", at_most=1)],
    )


def side(server: Server, request: bytes, batch: int, *more: str) -> Side:
    def run() -> Figures:
        with server.running(*more) as served, ExitStack() as connections:
            for _ in range(batch):
                connections.enter_context(used(served, request))
            before = resident_kib(served.pid)
            second = [connections.enter_context(used(served, request)) for _ in range(batch)]
            grown = resident_kib(served.pid) - before
            assert all(map(is_open, second)), "the server closed idle connections"
            return {PER_CONNECTION: grown / batch}

    return run


def used(served: Served, request: bytes) -> socket.socket:
    """A connection after its first request."""
    connection = socket.create_connection((served.host, served.port))
    connection.sendall(request)
    assert connection.recv(4096), "no answer"
    return connection


def is_open(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
