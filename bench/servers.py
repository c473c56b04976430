"""What is measured: projects rendered as users get them, and what they are held against."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".cache"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
STORES = ("actor", "mutex")
INTERFACES = ("http", "grpc", "tcp")


class Served(NamedTuple):
    """A server that listens."""

    pid: int
    host: str
    port: int

    @property
    def addr(self) -> str:
        return f"{self.host}:{self.port}"


class Server(NamedTuple):
    """How a server is started, and how it is known where it listens."""

    words: tuple[str, ...]
    address: Callable[[str], str | None]
    """Finds HOST:PORT in a line that it prints."""

    @contextmanager
    def running(self, *more: str, cpus: set[int] | None = None) -> Iterator[Served]:
        """A fresh one, with `more` arguments, on `cpus` alone; killed at the end."""
        pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
        words = [*self.words, *more]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=pin) as child:
            try:
                assert child.stdout
                found = (self.address(line) for line in child.stdout)
                addr = next((addr for addr in found if addr), None)
                if addr is None:
                    raise SystemExit(f"{' '.join(words)} ended before it listened")
                host, _, port = addr.rpartition(":")
                yield Served(child.pid, host, int(port))
            finally:
                child.kill()


def service(store: str, listener: str) -> Server:
    """The rendered service with this store, reached at this listener."""

    def address(line: str) -> str | None:
        said = json.loads(line)
        return str(said["addr"]) if said.get("listener") == listener else None

    # gRPC shares HTTP's listener, as it does by default.
    names = [name for name in (*INTERFACES, "admin") if name != "grpc"]
    ports = [f"--{name}-addr=127.0.0.1:0" for name in names]
    return Server((str(rendered(store)), *ports), address)


def bare(name: str) -> Server:
    """One that prints its address and no more: `bare-axum`, `bare-tonic`, `bench-mini-redis`."""
    directory = "mini-redis" if "redis" in name else "rust"
    cargo_build(HERE / directory / "Cargo.toml")
    return Server((str(TARGET / "release" / name),), lambda line: line.strip() or None)


def redis() -> Server:
    """Debian's, or whichever is installed; in memory alone, as the others are."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = ("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "")

    def address(line: str) -> str | None:
        return f"127.0.0.1:{port}" if "Ready to accept connections" in line else None

    return Server((*words, "--appendonly", "no", "--daemonize", "no"), address)


def rendered(store: str) -> Path:
    """The binary of a project with every interface, everything else left out but the store."""
    patterns = "actor" if store == "actor" else ""
    answers = ("--interfaces", ",".join(INTERFACES), "--patterns", patterns)
    return project(f"measured-{store}", *answers)


@cache
def project(name: str, *answers: str) -> Path:
    """The binary of a project that is rendered with these flags, and built."""
    place = CACHE / "bench" / name
    shutil.rmtree(place, ignore_errors=True)
    command = (sys.executable, "-m", "asyncscaffold", "new", str(place), "--defaults", "--no-git")
    subprocess.run(
        [*command, "--project-name", name, *answers],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cargo_build(place / "Cargo.toml")
    return TARGET / "release" / name


@cache
def cargo_build(manifest: Path) -> None:
    """Build in release, saying so: the first time it takes minutes."""
    start = time.monotonic()
    print(f"building {manifest.relative_to(ROOT).parent} …", end="", file=sys.stderr, flush=True)
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest],
        check=True,
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
    )
    print(f" {time.monotonic() - start:.0f} s", file=sys.stderr)
