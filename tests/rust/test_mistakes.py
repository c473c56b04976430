"""The classic async mistakes, made in a rendered project: its lints name each, and say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import tomlkit

from tests.rust.combinations import NAME, ROOT, named
from tests.rust.conftest import Cargo, Render

pytestmark = [pytest.mark.compiles, pytest.mark.xdist_group("cargo")]

Told = Callable[[str], list[tuple[str, str]]]
"""What clippy has against a line: lints, and their texts with all notes."""

BANNED = {
    # Tasks that nobody watches, and what has no bound.
    "tokio::spawn": "drop(tokio::spawn(nap()))",
    "tokio::task::spawn": "drop(tokio::task::spawn(nap()))",
    "tokio::task::spawn_local": "drop(tokio::task::spawn_local(nap()))",
    "tokio::runtime::Handle::spawn": "drop(any::<tokio::runtime::Handle>().spawn(nap()))",
    "tokio::runtime::Runtime::new": "drop(tokio::runtime::Runtime::new())",
    "tokio::sync::mpsc::unbounded_channel": "drop(tokio::sync::mpsc::unbounded_channel::<u8>())",
    "tokio::sync::mpsc::UnboundedSender": "drop(any::<tokio::sync::mpsc::UnboundedSender<u8>>())",
    "tokio::sync::SemaphorePermit::forget": "any::<tokio::sync::SemaphorePermit<'_>>().forget()",
    "tokio::io::AsyncBufReadExt::read_line": (
        "drop(tokio::io::AsyncBufReadExt::read_line(&mut any::<&[u8]>(), any()).await)"
    ),
    "futures_util::future::join_all": (
        "drop(futures_util::future::join_all(any::<Vec<std::future::Ready<()>>>()).await)"
    ),
    "futures_util::future::try_join_all": (
        "drop(futures_util::future::try_join_all("
        "any::<Vec<std::future::Ready<Result<(), ()>>>>()).await)"
    ),
    "axum::extract::DefaultBodyLimit::disable": "drop(axum::extract::DefaultBodyLimit::disable())",
    "std::process::exit": "std::process::exit(1)",
    "tokio::main": "#[tokio::main] async fn main_of_its_own() {}",
    # What blocks.
    "tokio::runtime::Handle::block_on": "any::<tokio::runtime::Handle>().block_on(nap())",
    "tokio::task::LocalSet::block_on": (
        "any::<tokio::task::LocalSet>().block_on(&any::<tokio::runtime::Runtime>(), nap())"
    ),
    "tokio::task::block_in_place": "tokio::task::block_in_place(|| ())",
    "std::thread::sleep": "std::thread::sleep(any())",
    "std::thread::JoinHandle::join": "drop(any::<std::thread::JoinHandle<()>>().join())",
    "std::sync::mpsc::Receiver::recv": "drop(any::<std::sync::mpsc::Receiver<u8>>().recv())",
    "std::sync::mpsc::Receiver::recv_timeout": (
        "drop(any::<std::sync::mpsc::Receiver<u8>>().recv_timeout(any()))"
    ),
    "std::sync::Condvar::wait": (
        "drop(any::<&std::sync::Condvar>().wait(any::<std::sync::MutexGuard<'_, ()>>()))"
    ),
    "std::sync::Barrier::wait": "drop(any::<std::sync::Barrier>().wait())",
    "std::fs::File::create": 'drop(std::fs::File::create("f"))',
    "std::fs::File::open": 'drop(std::fs::File::open("f"))',
    "std::fs::OpenOptions::open": 'drop(std::fs::OpenOptions::new().open("f"))',
    "std::fs::copy": 'drop(std::fs::copy("f", "g"))',
    "std::fs::create_dir": 'drop(std::fs::create_dir("f"))',
    "std::fs::create_dir_all": 'drop(std::fs::create_dir_all("f"))',
    "std::fs::metadata": 'drop(std::fs::metadata("f"))',
    "std::fs::read": 'drop(std::fs::read("f"))',
    "std::fs::read_dir": 'drop(std::fs::read_dir("f"))',
    "std::fs::read_to_string": 'drop(std::fs::read_to_string("f"))',
    "std::fs::remove_dir_all": 'drop(std::fs::remove_dir_all("f"))',
    "std::fs::remove_file": 'drop(std::fs::remove_file("f"))',
    "std::fs::rename": 'drop(std::fs::rename("f", "g"))',
    "std::fs::write": 'drop(std::fs::write("f", "g"))',
    "std::io::Stdin::read_line": "drop(std::io::stdin().read_line(&mut String::new()))",
    "std::process::Command::spawn": 'drop(std::process::Command::new("ls").spawn())',
    "std::process::Command::output": 'drop(std::process::Command::new("ls").output())',
    "std::process::Command::status": 'drop(std::process::Command::new("ls").status())',
    "std::process::Child::wait": "drop(any::<std::process::Child>().wait())",
    "std::process::Child::wait_with_output": (
        "drop(any::<std::process::Child>().wait_with_output())"
    ),
    "std::net::TcpStream::connect": 'drop(std::net::TcpStream::connect("h:1"))',
    "std::net::TcpStream::connect_timeout": (
        "drop(std::net::TcpStream::connect_timeout(any(), any()))"
    ),
    "std::net::TcpListener::bind": 'drop(std::net::TcpListener::bind("h:1"))',
    "std::net::UdpSocket::bind": 'drop(std::net::UdpSocket::bind("h:1"))',
    "std::net::ToSocketAddrs::to_socket_addrs": (
        'drop(std::net::ToSocketAddrs::to_socket_addrs("h:1"))'
    ),
    "std::os::unix::net::UnixStream::connect": (
        'drop(std::os::unix::net::UnixStream::connect("s"))'
    ),
    # Guards that are alive while others run on the thread.
    "tracing::span::Entered": "let span = any::<tracing::Span>(); hold(span.enter(), nap().await)",
    "tracing::span::EnteredSpan": "hold(any::<tracing::Span>().entered(), nap().await)",
    "tracing::subscriber::DefaultGuard": (
        "hold(any::<tracing::subscriber::DefaultGuard>(), nap().await)"
    ),
    "tokio::sync::watch::Ref": "hold(any::<tokio::sync::watch::Ref<'_, u8>>(), nap().await)",
    "tokio::runtime::EnterGuard": "hold(any::<tokio::runtime::EnterGuard<'_>>(), nap().await)",
    "std::io::StdoutLock": "hold(std::io::stdout().lock(), nap().await)",
}
"""A mistake for every ban of clippy.toml, on one line each."""

ELSEWHERE = {"futures::executor::block_on", "futures_executor::block_on", "reqwest::blocking::get"}
"""Bans for crates, or parts of them, that a project has to add first."""

LINTED = {
    "clippy::await_holding_lock": "hold(any::<std::sync::MutexGuard<'_, ()>>(), nap().await)",
    "clippy::await_holding_refcell_ref": "hold(any::<std::cell::RefMut<'_, ()>>(), nap().await)",
    "clippy::exit": "std::process::exit(2)",
    "clippy::expect_used": 'any::<Option<()>>().expect("it")',
    "clippy::future_not_send": (
        "async fn unsendable(held: std::rc::Rc<()>) { nap().await; drop(held) }"
    ),
    "clippy::large_futures": "large().await",
    "clippy::let_underscore_future": "let _ = nap()",
    "clippy::let_underscore_must_use": "let _ = any::<tokio::sync::Semaphore>().acquire().await",
    "clippy::print_stdout": 'println!("served")',
    "clippy::unused_async": "async fn waits_for_nothing() {}",
    "clippy::unused_result_ok": "any::<tokio::sync::mpsc::Sender<u8>>().try_send(1).ok()",
    "clippy::unwrap_used": "any::<Option<()>>().unwrap()",
    "let_underscore_drop": "let _ = any::<tokio_util::sync::DropGuard>()",
    "unused_must_use": "nap()",
}
"""A mistake for every other lint that sees one."""

EXAMPLE = """\
//! Mistakes.
#![allow(dead_code, unreachable_code, reason = "nobody makes them")]
fn main() {}
fn any<T>() -> T { loop {} }
fn hold<G>(guard: G, (): ()) { drop(guard) }
async fn nap() { tokio::task::yield_now().await }
async fn large() { let held = [0_u8; 20_000]; nap().await; drop(held) }
"""


def test_every_ban_has_a_mistake_that_it_catches() -> None:
    assert set(bans()) == BANNED.keys() | ELSEWHERE


@pytest.mark.parametrize("path", BANNED)
def test_a_ban_catches_its_mistake_and_says_what_to_do_instead(told: Told, path: str) -> None:
    assert any(bans()[path] in text for _, text in told(BANNED[path])), told(BANNED[path])


@pytest.mark.parametrize("lint", LINTED)
def test_a_lint_catches_its_mistake(told: Told, lint: str) -> None:
    assert lint in [name for name, _ in told(LINTED[lint])], told(LINTED[lint])


def bans() -> dict[str, str]:
    """What is banned, and the reasons."""
    parsed = tomlkit.parse((ROOT / "template/service/clippy.toml").read_text("utf-8")).unwrap()
    lists = [bans for bans in parsed.values() if isinstance(bans, list)]
    return {ban["path"]: ban["reason"] for bans in lists for ban in bans}


@pytest.fixture(scope="session")
def told(place_project: Render, run_cargo: Cargo) -> Told:
    """Makes all mistakes in a project with every capability, and lints it once."""
    project = place_project(named(NAME))
    lines = EXAMPLE.splitlines()
    first = len(lines) + 1
    mistakes = [*BANNED.values(), *LINTED.values()]
    for number, mistake in enumerate(mistakes):
        lines.append(f"async fn mistake_{number}() {{ {mistake}; nap().await }}")
    source = project.path / "service" / "examples" / "mistakes.rs"
    source.parent.mkdir()
    source.write_text("\n".join(lines) + "\n", "utf-8")
    try:
        words = ["clippy", "--package=service", "--example=mistakes", "--locked"]
        done = run_cargo(project.path, *words, "--message-format=json")
    finally:
        source.unlink()
        source.parent.rmdir()
    assert done.returncode == 0, done.stderr
    found: dict[str, list[tuple[str, str]]] = {mistake: [] for mistake in mistakes}
    for message in map(json.loads, done.stdout.splitlines()):
        if message["reason"] == "compiler-message" and message["target"]["name"] == "mistakes":
            said: dict[str, Any] = message["message"]
            text = "\n".join([said["message"], *(child["message"] for child in said["children"])])
            for span in said["spans"]:
                if span["line_start"] >= first:
                    mistake = mistakes[span["line_start"] - first]
                    found[mistake].append(((said["code"] or {}).get("code", ""), text))
    return found.__getitem__
