"""The whole line, to watch: verdict → a service that runs and drains → updates that keep edits.

Run by `make demo`. Everything happens in a temporary directory that is removed at the end; the
build products are kept in .cache/target, so that the second run is quick.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".cache" / "target"
CLI = [sys.executable, "-m", "asyncscaffold"]
IDENTITY = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]


def step(title: str) -> None:
    print(f"\n=== {title}\n", flush=True)


def show(*words: str | Path, cwd: Path | None = None, expect: int = 0) -> str:
    """Run a command for people to see; stop the demo when it ends otherwise than expected."""
    shown = ["asyncscaffold", *words[len(CLI) :]] if list(words[: len(CLI)]) == CLI else words
    print("$ " + shlex.join(map(str, shown)), flush=True)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(indent(done.stdout), flush=True)
    if done.returncode != expect:
        sys.exit(f"The demo stops: exit code {done.returncode} instead of {expect}.")
    if expect:
        print(f"  (exit code {done.returncode})", flush=True)
    return done.stdout


def indent(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def git(*words: str, cwd: Path) -> None:
    subprocess.run(["git", *IDENTITY, *words], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


class Service:
    """The rendered service as a process, with its log read line by line."""

    def __init__(self, binary: Path, *flags: str) -> None:
        self.process = subprocess.Popen(
            [binary, "--http-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", *flags],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, object]] = []
        self.addresses: dict[str, tuple[str, int]] = {}
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        with self.changed:
            self.changed.wait_for(lambda: len(self.addresses) == 2, timeout=10)

    def _read(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            line = json.loads(text)
            with self.changed:
                self.lines.append(line)
                if line["message"] == "listening":
                    host, _, port = str(line["addr"]).rpartition(":")
                    self.addresses[str(line["listener"])] = (host, int(port))
                self.changed.notify_all()

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.addresses["http"], timeout=10)
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def under_load(service: Service) -> tuple[int, int]:
    """SIGTERM while eight clients send as fast as they can: (answered, lost)."""
    answered, lost = [], []
    begun = threading.Event()

    def client(number: int) -> None:
        while True:
            try:
                sent = socket.create_connection(service.addresses["http"], timeout=10)
            except OSError:
                return  # the listener is closed: nobody promised anything
            request = f"PUT /v1/keys/{number} HTTP/1.1\r\nHost: demo\r\nContent-Length: 2\r\n\r\nok"
            try:
                sent.sendall(request.encode())
                head = sent.recv(64)
            except OSError:
                head = b""
            (answered if head.startswith(b"HTTP/1.1 20") else lost).append(head)
            sent.close()
            if len(answered) > 200:
                begun.set()

    clients = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in clients:
        thread.start()
    begun.wait(timeout=20)
    service.process.send_signal(signal.SIGTERM)
    for thread in clients:
        thread.join(timeout=30)
    return len(answered), len(lost)


def slow_upload(service: Service) -> None:
    """A request whose body never comes to its end."""
    sent = socket.create_connection(service.addresses["http"])
    sent.sendall(b"PUT /v1/keys/slow HTTP/1.1\r\nHost: demo\r\nContent-Length: 99\r\n\r\nhalf")
    service.slow = sent  # type: ignore[attr-defined]  # kept open until the process has ended
    while service.call("GET", "/v1/keys/ready-to-be-asked")[0] != 404:
        pass


def main() -> None:
    os.environ |= {"CARGO_TARGET_DIR": str(TARGET), "CARGO_PROFILE_DEV_DEBUG": "line-tables-only"}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-demo-") as scratch:
        place = Path(scratch)
        step("The questions to ask before going async, and an honest verdict")
        five = ["--concurrent-io=yes", "--workload=io", "--team-ready=yes", "--cancellation=unsure"]
        show(*CLI, "decide", *five, "--scale=under_500")
        show(*CLI, "decide", *five, "--scale=over_10k")

        step(
            "A project that follows from them (the template is a copy, so that it can be released)"
        )
        template = place / "template"
        git("clone", "--quiet", str(ROOT), str(template), cwd=place)
        git("tag", "-f", "v0.1.0", cwd=template)
        project = place / "my-service"
        show(
            *CLI, "new", project, "--template", template, *five, "--scale=over_10k",
            "--set", "project_name=my-service", "--defaults",
        )  # fmt: skip

        step("It builds, without a warning")
        show("cargo", "clippy", "--quiet", "--all-targets", "--", "-D", "warnings", cwd=project)
        show("cargo", "build", "--quiet", cwd=project)
        binary = TARGET / "debug" / "my-service"

        step("It serves, and SIGTERM in the middle of load loses nothing")
        service = Service(binary)
        for method, path, body in (
            ("PUT", "/v1/keys/greeting", b"hello"),
            ("GET", "/v1/keys/greeting", None),
            ("GET", "/v1/keys?prefix=g", None),
        ):
            status, answer = service.call(method, path, body)
            print(f"  {method} {path} → {status} {answer.decode()}")
        answered, lost = under_load(service)
        code = service.process.wait(timeout=30)
        print(f"  SIGTERM under load: {answered} answered, {lost} lost, exit code {code}")
        if lost or code:
            sys.exit("The demo stops: the drain lost a request.")

        step("What outlives the grace is cut, named, and not hidden")
        service = Service(binary, "--shutdown-grace=1s")
        slow_upload(service)
        code = service.stop()
        with service.changed:
            service.changed.wait_for(
                lambda: any(line["message"] == "stopped" for line in service.lines), timeout=10
            )
        for line in service.lines[-2:]:
            print(
                "  " + json.dumps({k: line[k] for k in line if k in ("message", "task", "outcome")})
            )
        print(f"  exit code {code}")
        if code != 3:
            sys.exit("The demo stops: the deadline was not told.")

        step("You edit; a new version of the template appears; update brings it in")
        keys = project / "service" / "src" / "http" / "keys.rs"
        keys.write_text(keys.read_text().replace("LISTED: usize = 1000", "LISTED: usize = 500"))
        (project / "domain" / "src" / "mine.rs").write_text("//! A module of mine.\n")
        released = template / "template" / "service" / "src" / "http" / "mod.rs"
        text = released.read_text()
        released.write_text(
            text.replace("//! The HTTP interface", "//! v0.2.0: the HTTP interface")
        )
        git("commit", "-qam", "v0.2.0", cwd=template)
        git("tag", "v0.2.0", cwd=template)
        show(*CLI, "update", "--project", project)
        show("git", "diff", "--stat", cwd=project)

        step("A conflict is shown in the file, listed, and makes exit code 3")
        newer = template / "template" / "service" / "src" / "http" / "keys.rs"
        newer.write_text(newer.read_text().replace("LISTED: usize = 1000", "LISTED: usize = 2000"))
        git("commit", "-qam", "v0.3.0", cwd=template)
        git("tag", "v0.3.0", cwd=template)
        show(*CLI, "update", "--project", project, expect=3)
        show("grep", "-n", "-A6", "<<<<<<<", keys)
        mine, theirs = "LISTED: usize = 500", "LISTED: usize = 2000"
        lines = [
            line
            for line in keys.read_text().splitlines(keepends=True)
            if not line.startswith(("<<<<<<<", "=======", ">>>>>>>")) and theirs not in line
        ]
        keys.write_text("".join(lines))
        assert mine in keys.read_text()

        step("A capability goes, by the same merge; the edits are still there, and it still builds")
        show(*CLI, "remove", "actor", "--project", project)
        show("cargo", "clippy", "--quiet", "--all-targets", "--", "-D", "warnings", cwd=project)
        show("grep", "-n", "LISTED: usize", keys)
    print(f"\nDone in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
