"""Two pieces of work in two processes: their errors, and that both end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers import COPIER_YML, FILES, call, command, commit, environment, write

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="done in turn with one processor, and on systems where fork is not safe",
)

ENDLESS = """\
{% if _folder_name == 'endless' %}{% for i in range(99999) %}{% for j in range(99999) %}\
{% endfor %}{% endfor %}{% endif %}"""


def run(tmp_path: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which `at_once` and `Refused` are known."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from asyncscaffold.beside import at_once\n"
        "from asyncscaffold.errors import Refused\n" + body
    )
    return subprocess.run(
        [sys.executable, script],
        env=environment(PYTHONUNBUFFERED=None),
        capture_output=True,
        text=True,
        check=False,
    )


def test_both_are_done_at_the_same_time(tmp_path: Path) -> None:
    for name in "ab":
        os.mkfifo(tmp_path / name)
    done = run(
        tmp_path,
        f"""os.chdir({str(tmp_path)!r})
def first():
    open("a", "w").write("from the first")  # a pipe that nobody reads lets nobody write
    open("b").read()
def last():
    print(open("a").read())
    open("b", "w").write("from the last")
at_once(first, last)
""",
    )
    assert (done.stdout, done.stderr) == ("from the first\n", "")


def test_what_the_first_raised_is_raised_although_the_last_failed_before(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    done = run(
        tmp_path,
        f"""os.chdir({str(tmp_path)!r})
def first():
    open("a").read()
    raise Refused("first", "a hint")
def last():
    open("a", "w").write("failing")
    raise Refused("last")
try:
    at_once(first, last)
except Refused as error:
    print(error.message, error.hint)
    print(error.__cause__)
""",
    )
    assert done.stdout.startswith("first a hint\n")
    assert "in first" in done.stdout  # where it was raised, for --verbose


def test_what_is_not_written_yet_is_written_once(tmp_path: Path) -> None:
    done = run(tmp_path, "print('once')\nat_once(sys.stdout.flush, lambda: None)\n")
    assert done.stdout == "once\n"


def test_a_first_that_is_killed_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "at_once(lambda: os.kill(os.getpid(), 9), lambda: None)\n")
    assert "was killed" in done.stderr


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A project of a template that renders in no time elsewhere, and for ever here."""
    files = {**FILES, "copier.yml": COPIER_YML, "files/z.txt.jinja": ENDLESS}
    template = write(tmp_path / "template", files)
    commit(template, "one", "v1")
    project = tmp_path / "project"
    assert call("new", project, "--template", template, "--defaults").exit == 0
    write(template, {"files/plain.txt": "two\n"})
    commit(template, "two", "v2")
    return project.rename(tmp_path / "endless")


@pytest.fixture
def updating(endless: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An update of that project, both of its renders under way."""
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        command("update", "--defaults", "--yes", "--project", endless),
        env=environment(TMPDIR=str(tmp_path / "temporary")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sides = ("base", "theirs")
    try:
        wait(lambda: all(list(tmp_path.glob(f"temporary/**/{side}/endless")) for side in sides))
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait(until: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not until():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_over(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_stopped_update_stops_both_renders_and_leaves_nothing(
    updating: subprocess.Popen[str],
    endless: Path,
    tmp_path: Path,
    send: Callable[[int, int], None],
    number: signal.Signals,
) -> None:
    send(updating.pid, number)
    _, said = updating.communicate()
    assert updating.returncode == 128 + number
    assert "nothing was changed" in said
    assert "Traceback" not in said
    wait(lambda: is_over(updating.pid))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert (endless / "plain.txt").read_text() == FILES["files/plain.txt"]


def test_a_killed_update_ends_the_other_render_and_frees_the_project(
    updating: subprocess.Popen[str], endless: Path
) -> None:
    updating.kill()
    updating.wait()
    assert call("update", "--project", endless, "--defaults", "--ref", "v1").exit == 0
    wait(lambda: is_over(updating.pid))
