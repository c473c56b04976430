"""Where nothing can be written: the run is refused, names what, and changes not one byte."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncscaffold import merge
from tests.helpers import Done, call
from tests.merge.conftest import entries
from tests.projects import COPIER_YML, FILES, Run, TemplateRepo

_NOBODY = 65534

_MEGABYTE = 1 << 20

_ON_A_SMALL_DISK = """\
import json, os, shutil, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from tests.helpers import call
from tests.merge.conftest import entries
project, disk, what, *words = sys.argv[2:]
here = disk + "/" + os.path.basename(project)
if what == "project":
    shutil.copytree(project, here, symlinks=True)
else:
    here = project
    os.environ["TMPDIR"] = disk
here = Path(here)
before = entries(here)
free = lambda: os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
said = []
rooms = [0, 8, 16, 64, 128, 512, 8192]
for room in rooms if what == "project" else rooms[1:]:  # in a full one Python looks for another
    room *= 1024
    with open(disk + "/filler", "wb") as filler:
        filler.write(bytes(max(0, free() - room)))
    ran = call(*words, "--project", here)
    after = entries(here)
    os.unlink(disk + "/filler")
    left = [name for _, folders, files in os.walk(disk) for name in [*folders, *files]
            if name.startswith((".asyncscaffold-", "asyncscaffold-")) or name.endswith(".new")]
    said.append([ran.exit, after == before, ran.err, left])
    if ran.exit != 1:
        break
print(json.dumps(said))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[..., list[tuple[int, bool, str, list[str]]]]:
    """Runs a command line with ever more room on a disk that holds a project, or what is temporary.

    Gives the exit code, whether the tree is as before, what was said, and what was left, each time.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size={16 * _MEGABYTE} tmpfs {disk}"
    allowed = (
        shutil.which("unshare")
        and not subprocess.run(
            ["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False
        ).returncode
    )
    if not allowed:
        pytest.skip("no file system can be mounted here: that a disk is full is not tried")

    def run(project: Path, what: str, *words: str) -> list[tuple[int, bool, str, list[str]]]:
        script = [sys.executable, "-c", _ON_A_SMALL_DISK, json.dumps(sys.path)]
        mounted = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"]
        done = subprocess.run(
            [*mounted, *script, str(project), str(disk), what, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[tuple[int, bool, str, list[str]]] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture
def behind(repo: TemplateRepo, project: Path) -> Path:
    """A project that an update makes a good deal bigger."""
    new = {f"files/new{number}.txt": f"{number}\n" * 5000 for number in range(8)}
    repo.release("v1.1.0", new | {"files/readme.txt.jinja": "one\n{{ name }}\n" + "more\n" * 5000})
    (project / "readme.txt").write_text("mine\n" + (project / "readme.txt").read_text())
    return project


@pytest.mark.parametrize("what", ["project", "temporary"])
def test_a_full_disk_refuses_the_run_and_changes_nothing(
    behind: Path, small_disk: Callable[..., list[tuple[int, bool, str, list[str]]]], what: str
) -> None:
    *refused, last = small_disk(behind, what, "update")
    assert len(refused) >= 3
    for code, same, said, left in refused:
        assert (code, same, left) == (1, True, []), said
        assert "No space left on device" in said, said[-1500:]
        assert "Make room there" in said
    assert (last[0], last[1]) in ((0, False), (3, False)), last


def test_undo_on_a_full_disk_changes_nothing_or_all(
    behind: Path, run: Run, small_disk: Callable[..., list[tuple[int, bool, str, list[str]]]]
) -> None:
    assert run("update", "--project", behind).exit in (0, 3)
    *refused, last = small_disk(behind, "project", "undo")
    for code, same, said, left in refused:
        assert (code, same, left) == (1, True, []), said
        assert "No space left on device" in said, said[-1500:]
    assert (last[0], last[1]) == (0, False), last


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that whoever is nobody can reach; pytest's own are closed to others."""
    root = Path(tempfile.mkdtemp(prefix="unwritable-"))
    root.chmod(0o755)
    yield root
    subprocess.run(["chmod", "-R", "u+rwx", root], check=True)
    shutil.rmtree(root)


@pytest.fixture
def theirs(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with directories, behind by a release; all of it is nobody's where root tests."""
    repo = TemplateRepo(place / "template")
    repo.release("v1.0.0", {"copier.yml": COPIER_YML, **FILES, "files/sub/a.txt": "1\n2\n3\n"})
    project = place / "car"
    words = ("new", project, "--template", repo.path, "--defaults")
    assert call(*words).exit == 0
    repo.release("v1.1.0", {"files/sub/a.txt": "0\n1\n2\n3\n", "files/sub/b.txt": "new\n"})
    (place / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", place], check=True)
    return project


def _without_privileges(*words: object) -> Done:
    """Runs a command line as nobody, for root may write what nobody else may."""
    receives, sends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receives)
        tempfile.tempdir = None  # TMPDIR says it
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
            done = call(*words)
        except BaseException as error:
            done = Done(99, "", repr(error))
        with os.fdopen(sends, "wb") as pipe:
            pickle.dump(done, pipe)
        os._exit(0)
    os.close(sends)
    with os.fdopen(receives, "rb") as pipe:
        found: Done = pickle.load(pipe)
    os.waitpid(child, 0)
    return found


@pytest.mark.parametrize(
    ("path", "mode", "named"),
    [
        ("sub", 0o555, "sub/"),
        ("", 0o555, ".copier-answers.yml"),
        ("sub/a.txt", 0o000, "sub/a.txt"),
        (".git", 0o555, ".git"),
    ],
)
@pytest.mark.parametrize("verb", ["update", "undo"])
def test_what_may_not_be_written_or_read_is_named_and_nothing_changes(
    theirs: Path, path: str, mode: int, named: str, verb: str
) -> None:
    if verb == "undo":
        assert _without_privileges("update", "--project", theirs).exit == 0
    if (verb, path) == ("undo", ".git"):
        path = ".git/asyncscaffold/root"  # made by the update
    before, closed = entries(theirs), theirs / path
    bits = closed.stat().st_mode
    closed.chmod(mode)
    ran = _without_privileges(verb, "--project", theirs)
    closed.chmod(bits)
    assert (ran.exit, named in ran.err, "Permission denied" in ran.err) == (1, True, True), ran
    assert entries(theirs) == before
    assert not merge.is_pending(theirs)
    assert not list(theirs.rglob(".asyncscaffold-*"))
    assert _without_privileges(verb, "--project", theirs).exit == 0


def test_a_template_that_may_not_be_read_is_named(theirs: Path, place: Path) -> None:
    (place / "template").chmod(0)
    ran = _without_privileges("update", "--project", theirs, "--json")
    assert (ran.exit, ran.error["message"]) == (1, f"{place}/template/.git: Permission denied")


def test_a_template_that_git_does_not_trust_is_not_taken_for_one_without_versions(
    theirs: Path, place: Path
) -> None:
    if os.geteuid():
        pytest.skip("only root can give a repository to somebody else")
    for words in (("update", "--project", theirs), ("new", place / "x")):
        ran = call(*words, "--template", place / "template", "--defaults", "--json")
        assert ran.exit == 1
        assert "dubious ownership" in ran.error["message"], ran


def test_a_file_without_write_bits_is_replaced_and_keeps_its_bits(theirs: Path) -> None:
    (theirs / "sub/a.txt").chmod(0o444)
    assert _without_privileges("update", "--project", theirs).exit == 0
    assert (theirs / "sub/a.txt").read_text() == "0\n1\n2\n3\n"
    assert (theirs / "sub/a.txt").stat().st_mode & 0o777 == 0o444


def test_a_file_that_nobody_may_change_is_named_and_nothing_changes(theirs: Path, run: Run) -> None:
    fixed = theirs / "sub/a.txt"
    before = entries(theirs)
    if (
        not shutil.which("chattr")
        or subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode
    ):
        pytest.skip("no file can be made immutable here: that is not tried")
    try:
        ran = _without_privileges("update", "--project", theirs)
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert (ran.exit, "sub/a.txt" in ran.err) == (1, True), ran
    assert entries(theirs) == before
