"""A plan is applied whole or not at all, and a killed run is completed by the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncscaffold import merge
from asyncscaffold.errors import Refused
from asyncscaffold.merge import disk
from tests.merge.conftest import TEXT, Case, Files, Link, Script, copy_tree, files

_MUTATIONS = ("unlink", "replace", "rename", "rmdir", "mkdir", "link", "symlink", "chmod", "fsync")


@pytest.fixture
def every_kind_of_change(case: Case) -> Case:
    """A case whose update creates, changes, deletes, conflicts and turns files into directories."""
    before: Files = {
        "changed": TEXT,
        "conflict": "1\n",
        "dropped/deep/a": "1",
        "file": "1",
        "dir/a": "1",
        "renamed": TEXT + "x\n",
        "link": Link("a"),
        ".copier-answers.yml": "v: 1\n",
    }
    after: Files = {
        "changed": "new\n" + TEXT,
        "conflict": "2\n",
        "file/a": "2",
        "dir": Script("2"),
        "moved/to": TEXT + "x\n",
        "link": Link("b"),
        "new/deep/a": "2",
        ".copier-answers.yml": "v: 2\n",
    }
    case.template(before, after)
    return case.edit({"changed": TEXT + "mine\n", "conflict": "mine\n", "own": "own"})


def _in_child(work: Callable[[], None]) -> int:
    """Runs something in a child process and returns its exit code; 9 is our kill."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _counting(at: int, act: Callable[[], None]) -> Iterator[str]:
    """Replaces every call that changes a file system by one that acts before the call `at`."""
    left = [at]
    for name in _MUTATIONS:
        original = getattr(os, name)

        def changed(*args: object, _original: object = original, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                act()
            assert callable(_original)
            return _original(*args, **kwargs)

        setattr(os, name, changed)
        yield name


def _kill_before(step: int, work: Callable[[], object]) -> int:
    def killed() -> None:
        list(_counting(step, lambda: os._exit(9)))
        work()

    return _in_child(killed)


def _fail_before(step: int, work: Callable[[], object]) -> int:
    """Lets one call fail: 0 if none did, 4 if the work came through, 3 if it was refused."""
    fired = []

    def fail() -> None:
        fired.append(step)
        raise OSError(28, "No space left on device")

    def failing() -> None:
        list(_counting(step, fail))
        try:
            work()
        except Refused:
            os._exit(3)
        os._exit(4 if fired else 0)

    return _in_child(failing)


def test_a_kill_at_any_moment_leaves_the_old_tree_or_what_is_completed(
    every_kind_of_change: Case, tmp_path: Path
) -> None:
    case = every_kind_of_change
    plan = case.plan()
    old = files(case.project)
    step, outcomes = 0, set()
    backup = tmp_path / "backup"
    copy_tree(case.project, backup)
    while True:
        step += 1
        if _kill_before(step, lambda: merge.apply(plan, case.project)) == 0:
            break
        recovered = merge.recover(case.project)
        now = files(case.project)
        if recovered is None and now == old:
            outcomes.add("old")
        else:
            assert recovered is None or recovered.left == ()
            assert now == files_after(case), f"mixed after a kill before step {step}"
            outcomes.add("new")
        assert merge.recover(case.project) is None
        copy_tree(backup, case.project)
    assert outcomes == {"old", "new"}
    assert step > 30


def files_after(case: Case) -> dict[str, object]:
    """The tree that the update of `every_kind_of_change` ends in."""
    after: dict[str, object] = dict(files(case.theirs))
    after["changed"] = ("new\n" + TEXT + "mine\n").encode()
    after["conflict"] = b"<<<<<<< your edits\nmine\n=======\n2\n>>>>>>> template 2.0\n"
    after["own"] = b"own"
    return after


def test_a_kill_of_the_completing_run_is_completed_too(every_kind_of_change: Case) -> None:
    case = every_kind_of_change
    plan = case.plan()
    assert _kill_before(12, lambda: merge.apply(plan, case.project)) == 9
    step = 0
    while _kill_before(step := step + 1, lambda: merge.recover(case.project)) == 9:
        pass
    merge.recover(case.project)
    assert files(case.project) == files_after(case)
    assert not list(case.project.rglob(".asyncscaffold*"))[1:]


def test_an_error_at_any_moment_takes_everything_back(
    every_kind_of_change: Case, tmp_path: Path
) -> None:
    case = every_kind_of_change
    plan = case.plan()
    old = files(case.project)
    step, late = 0, 0
    copy_tree(case.project, tmp_path / "backup")
    while True:
        step += 1

        code = _fail_before(step, lambda: merge.apply(plan, case.project))
        if code == 0:
            break
        if code == 4:  # it found another way
            assert files(case.project) == files_after(case), step
            copy_tree(tmp_path / "backup", case.project)
            continue
        assert code == 3
        if merge.recover(case.project) is None:
            assert files(case.project) == old, step
        else:  # it failed at the very end, when the journal was to be removed
            assert files(case.project) == files_after(case), step
            late += 1
            copy_tree(tmp_path / "backup", case.project)
    assert step > 20
    assert late < 4


def test_ctrl_c_takes_everything_back(
    every_kind_of_change: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = every_kind_of_change
    old = files(case.project)
    writes: list[str] = []
    put = disk.put

    def interrupted(root: Path, path: str, temporary: str, *, create: bool) -> None:
        writes.append(path)
        if len(writes) == 4:
            raise KeyboardInterrupt
        put(root, path, temporary, create=create)

    monkeypatch.setattr(disk, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        case.update()
    assert files(case.project) == old
    assert merge.recover(case.project) is None


def test_a_file_saved_after_a_kill_is_left_and_named(every_kind_of_change: Case) -> None:
    case = every_kind_of_change
    plan = case.plan()
    assert _kill_before(10, lambda: merge.apply(plan, case.project)) == 9
    case.edit({"changed": "saved since\n"})
    (case.project / "new").mkdir(exist_ok=True)
    recovered = merge.recover(case.project)
    assert recovered is not None
    assert recovered.left == ("changed",)
    assert case.read("changed") == "saved since\n"
    assert case.read("file/a") == "2"


def test_something_in_the_way_after_a_kill_is_left_and_named(every_kind_of_change: Case) -> None:
    case = every_kind_of_change
    plan = case.plan()
    assert _kill_before(10, lambda: merge.apply(plan, case.project)) == 9
    case.edit({"moved/to/own": "in the way\n"})
    recovered = merge.recover(case.project)
    assert recovered is not None
    assert recovered.left == ("moved/to",)
    assert case.read("moved/to/own") == "in the way\n"


def test_a_file_saved_during_the_run_is_kept_and_the_rest_taken_back(
    every_kind_of_change: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = every_kind_of_change
    old = files(case.project)
    put = disk.put

    def saving(root: Path, path: str, temporary: str, *, create: bool) -> None:
        put(root, path, temporary, create=create)
        case.edit({"link2": "", "conflict": "saved\n"})

    monkeypatch.setattr(disk, "put", saving)
    with pytest.raises(Refused, match="conflict"):
        case.update()
    monkeypatch.undo()
    assert files(case.project) == {**old, "link2": b"", "conflict": b"saved\n"}


def test_a_journal_is_found_where_a_repository_was_made_after_the_kill(
    every_kind_of_change: Case, in_git: Callable[[], Case]
) -> None:
    case = every_kind_of_change
    plan = case.plan()
    assert _kill_before(12, lambda: merge.apply(plan, case.project)) == 9
    in_git()
    assert merge.recover(case.project) is not None
    assert files(case.project) == files_after(case)
    assert merge.leftover_markers(case.project) == ["conflict"]


def test_a_lock_ends_with_its_process(case: Case) -> None:
    case.template({}, {})

    def hold() -> None:
        with merge.lock(case.project):
            os._exit(9)

    assert _in_child(hold) == 9
    with merge.lock(case.project):
        pass
