"""undo puts back the tree as it was, or says what was changed since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asyncscaffold import merge
from tests.merge.conftest import TEXT, Case, Link, Script, copy_tree, entries
from tests.merge.test_applying import _fail_before, _kill_before, every_kind_of_change

__all__ = ["every_kind_of_change"]


def _undo(case: Case) -> None:
    found = merge.undoing(case.project)
    assert found is not None
    merge.apply(found.plan, case.project, undoes=found.record)


def test_the_tree_is_exactly_as_it_was(every_kind_of_change: Case) -> None:
    case = every_kind_of_change
    (case.project / "dropped").chmod(0o750)
    (case.project / "new" / "deep").mkdir(parents=True)
    (case.project / "changed").chmod(0o640)
    (case.project / "conflict").chmod(0o755)
    before = entries(case.project)
    case.update()
    assert entries(case.project) != before
    _undo(case)
    assert entries(case.project) == before


def test_it_is_done_once(every_kind_of_change: Case) -> None:
    case = every_kind_of_change
    case.update()
    _undo(case)
    assert merge.undoing(case.project) is None
    assert not case.has(".asyncscaffold")


def test_only_the_last_run_is_undone(case: Case) -> None:
    case.template({"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "1\n"}).update()
    (case.base / "a").write_text("2\n")
    (case.theirs / "b").write_text("2\n")
    case.update()
    _undo(case)
    assert (case.read("a"), case.read("b")) == ("2\n", "1\n")
    assert merge.undoing(case.project) is None


def test_a_run_that_changes_nothing_leaves_the_one_before_to_be_undone(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"}).update()
    (case.base / "a").write_text("2\n")
    assert case.update().is_empty
    _undo(case)
    assert case.read("a") == "1\n"


def test_what_git_ignores_comes_back(case: Case, in_git: Callable[[], Case]) -> None:
    before = {".gitignore": "*.log\n", "a.log": TEXT, "b.log": "1\n"}
    case.template(before, {".gitignore": "*.log\n", "a.log": TEXT + "2\n"})
    in_git()
    case.edit({"a.log": "mine\n" + TEXT, "b.log": "1\n"})
    was = entries(case.project)
    case.update()
    assert not case.has("b.log")
    _undo(case)
    assert entries(case.project) == was


@pytest.mark.parametrize("since", ["2\nmine\n", Script("2\n"), Link("b")])
def test_what_was_changed_since_is_named_and_kept_beside(
    case: Case, since: str | Script | Link
) -> None:
    case.template({"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "2\n"}).update()
    (case.project / "a").unlink()
    case.edit({"a": since})
    was = merge.look(case.project, "a")
    found = merge.undoing(case.project)
    assert found is not None
    assert [(note.path, note.beside) for note in found.changed] == [("a", "a.mine")]
    _undo(case)
    assert (case.read("a"), case.read("b")) == ("1\n", "1\n")
    assert merge.look(case.project, "a.mine") == was


def test_a_name_that_is_taken_is_not_overwritten(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"}).update()
    case.edit({"a": "mine\n", "a.mine": "own\n"})
    _undo(case)
    assert (case.read("a.mine"), case.read("a.mine.2")) == ("own\n", "mine\n")


def test_a_file_deleted_since_comes_back_and_is_named(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"}).update()
    (case.project / "a").unlink()
    found = merge.undoing(case.project)
    assert found is not None
    assert [(note.path, note.reason) for note in found.changed] == [("a", "deleted since")]
    _undo(case)
    assert case.read("a") == "1\n"


def test_what_is_back_already_is_no_change(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n", "new": "2\n"}).update()
    case.edit({"a": "1\n"})
    (case.project / "new").unlink()
    found = merge.undoing(case.project)
    assert found is not None
    assert (found.changed, found.plan.changes) == ((), ())
    _undo(case)
    assert merge.undoing(case.project) is None


def test_a_directory_with_files_in_the_way_blocks_it(case: Case) -> None:
    case.template({"a": "1\n"}, {"b": "1\n" * 99}).update()
    case.edit({"a/own": "own\n"})
    found = merge.undoing(case.project)
    assert found is not None
    assert [note.path for note in found.blocked] == ["a"]


def test_nothing_is_put_back_through_a_link(case: Case, tmp_path: Path) -> None:
    case.template({"dir/a": "1\n"}, {"dir/a": "2\n"}).update()
    (case.project / "dir").rename(tmp_path / "elsewhere")
    (case.project / "dir").symlink_to(tmp_path / "elsewhere")
    found = merge.undoing(case.project)
    assert found is not None
    assert [note.path for note in found.blocked] == ["dir/a"]
    assert (tmp_path / "elsewhere" / "a").read_text() == "2\n"


def test_markers_that_an_undo_took_back_are_forgotten(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"}).edit({"a": "mine\n"}).update()
    assert merge.leftover_markers(case.project) == ["a"]
    _undo(case)
    assert case.read("a") == "mine\n"
    assert merge.leftover_markers(case.project) == []


@pytest.mark.parametrize("stop", [_kill_before, _fail_before])
def test_an_undo_that_is_stopped_at_any_moment_is_taken_back_or_completed(
    every_kind_of_change: Case, tmp_path: Path, stop: Callable[[int, Callable[[], object]], int]
) -> None:
    case = every_kind_of_change
    old = entries(case.project)
    case.update()
    new = entries(case.project)
    copy_tree(case.project, tmp_path / "backup")
    step, outcomes = 0, set()
    while stop(step := step + 1, lambda: _undo(case)) != 0:
        recovered = merge.recover(case.project)
        undone = merge.undoing(case.project) is None
        assert entries(case.project) == (old if undone else new), step
        assert undone or recovered is None
        outcomes.add(undone)
        copy_tree(tmp_path / "backup", case.project)
    assert outcomes == {False, True}
    assert step > 30


def test_the_state_is_for_its_owner_alone(case: Case) -> None:
    case.template({"secret": "1\n"}, {"secret": "2\n"}).update()
    for place in (case.project / ".asyncscaffold").iterdir():
        if place.name != ".gitignore":
            assert place.stat().st_mode & 0o077 == 0
    assert (case.project / ".asyncscaffold" / "last.json").exists()
