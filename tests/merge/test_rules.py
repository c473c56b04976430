"""The nine rules of the safe merge, one behaviour each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncscaffold import merge
from asyncscaffold.errors import Refused
from tests.merge.conftest import TEXT, Case, Link, Script, files, git, write

InGit = Callable[[], Case]


def paths(notes: tuple[merge.Note, ...]) -> list[str]:
    return [note.path for note in notes]


# 1: no edit is lost, and what went another way is listed


def test_edits_of_both_sides_are_merged(case: Case) -> None:
    case.template({"a": TEXT}, {"a": "new first\n" + TEXT}).edit({"a": TEXT + "mine\n"})
    plan = case.update()
    assert case.read("a") == "new first\n" + TEXT + "mine\n"
    assert not plan.conflicts


def test_a_file_that_the_template_dropped_stays_if_it_was_edited(case: Case) -> None:
    case.template({"a": TEXT}, {}).edit({"a": TEXT + "mine\n"})
    assert paths(case.update().kept) == ["a"]
    assert case.read("a") == TEXT + "mine\n"


def test_a_file_that_the_template_dropped_goes_if_it_was_not_edited(case: Case) -> None:
    case.template({"d/a": TEXT, "b": ""}, {"b": ""})
    case.update()
    assert not case.has("d")


def test_a_new_file_of_the_template_meets_one_of_the_users_with_both_shown(case: Case) -> None:
    case.template({}, {"a": "theirs\n"}).edit({"a": "mine\n"})
    assert paths(case.update().conflicts) == ["a"]
    expected = "<<<<<<< your edits\nmine\n=======\ntheirs\n>>>>>>> template 2.0\n"
    assert case.read("a") == expected


def test_a_file_of_the_users_in_the_way_of_a_directory_stays(case: Case) -> None:
    case.template({"k": ""}, {"k": "", "x/f": "theirs\n"}).edit({"x": "mine\n"})
    plan = case.update()
    assert case.read("x") == "mine\n"
    assert case.read("x.theirs/f") == "theirs\n"
    assert [(n.path, n.beside) for n in plan.conflicts] == [("x", "x.theirs")]


def test_an_ignored_file_in_the_way_of_a_directory_stays(case: Case, in_git: InGit) -> None:
    case.template({".gitignore": "x\n"}, {".gitignore": "x\n", "x/f": "theirs\n"})
    in_git().edit({"x": "mine\n"}).update()
    assert case.read("x") == "mine\n"


def test_a_directory_of_the_users_in_the_way_of_a_file_stays(case: Case) -> None:
    case.template({"k": ""}, {"k": "", "x": "theirs\n"}).edit({"x/own": "mine\n"})
    plan = case.update()
    assert case.read("x/own") == "mine\n"
    assert case.read("x.theirs") == "theirs\n"
    assert paths(plan.conflicts) == ["x"]


def test_an_edited_file_stays_when_the_template_makes_it_a_directory(case: Case) -> None:
    case.template({"x": TEXT}, {"x/f": "theirs\n"}).edit({"x": TEXT + "mine\n"})
    plan = case.update()
    assert case.read("x") == TEXT + "mine\n"
    assert case.read("x.theirs/f") == "theirs\n"
    assert "x" in paths(plan.conflicts)


def test_a_file_that_the_template_moves_onto_a_directory_of_the_users_goes_beside(
    case: Case,
) -> None:
    case.template({"a": TEXT}, {"x": "new\n" + TEXT})
    plan = case.edit({"a": TEXT + "mine\n", "x/own": "mine\n"}).update()
    assert case.read("x/own") == "mine\n"
    assert case.read("x.theirs") == "new\n" + TEXT + "mine\n"
    assert paths(plan.conflicts) == ["x"]


def test_a_file_that_the_user_moved_onto_a_directory_of_the_templates_stays(case: Case) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT, "x/f": "theirs\n"})
    (case.project / "a").unlink()
    plan = case.edit({"x": TEXT + "mine\n"}).update()
    assert case.read("x") == "new\n" + TEXT + "mine\n"
    assert case.read("x.theirs/f") == "theirs\n"
    assert paths(plan.conflicts) == ["x"]


@pytest.mark.parametrize(
    ("before", "after"), [({"x": "1"}, {"x/f": "2"}), ({"x/f": "1"}, {"x": "2"})]
)
def test_an_untouched_file_becomes_a_directory_and_back(
    case: Case, before: dict[str, str], after: dict[str, str]
) -> None:
    case.template(before, after).update()
    assert files(case.project) == files(case.theirs)


# 2: nothing changes until the merge is computed


def test_planning_touches_nothing(case: Case, in_git: InGit) -> None:
    case.template({"a": TEXT, "gone": "1"}, {"a": "new\n" + TEXT, "b": "2"})
    in_git().edit({"a": TEXT + "mine\n"})
    before = {p: p.stat().st_mtime_ns for p in sorted(case.project.rglob("*"))}
    case.plan()
    assert {p: p.stat().st_mtime_ns for p in sorted(case.project.rglob("*"))} == before


def test_a_file_saved_since_the_plan_was_made_is_kept_and_nothing_changes(case: Case) -> None:
    case.template({"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "2\n"})
    plan = case.plan()
    case.edit({"b": "saved\n"})
    with pytest.raises(Refused, match="b"):
        merge.apply(plan, case.project)
    assert (case.read("a"), case.read("b")) == ("1\n", "saved\n")


def test_a_file_that_appears_since_the_plan_was_made_is_kept(case: Case) -> None:
    case.template({}, {"a": "2\n"})
    plan = case.plan()
    case.edit({"a": "saved\n"})
    with pytest.raises(Refused):
        merge.apply(plan, case.project)
    assert case.read("a") == "saved\n"


# 3: deletions and renames


def test_a_file_that_the_user_deleted_stays_deleted(case: Case) -> None:
    case.template({"a": TEXT, "b": ""}, {"a": TEXT + "new\n", "b": ""})
    (case.project / "a").unlink()
    assert paths(case.update().deleted) == ["a"]
    assert not case.has("a")


@pytest.mark.parametrize("repository", [True, False])
def test_a_file_that_the_user_renamed_gets_the_change(
    case: Case, in_git: InGit, repository: bool
) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT})
    if repository:
        in_git()
    (case.project / "a").unlink()
    case.edit({"sub/b": TEXT + "mine\n"}).update()
    assert not case.has("a")
    assert case.read("sub/b") == "new\n" + TEXT + "mine\n"


def test_a_file_that_the_template_renamed_takes_the_edits_along(case: Case) -> None:
    case.template({"a": TEXT}, {"sub/b": "new\n" + TEXT}).edit({"a": TEXT + "mine\n"}).update()
    assert files(case.project) == {"sub/b": ("new\n" + TEXT + "mine\n").encode()}


def test_a_file_that_both_renamed_keeps_the_users_name_and_gets_the_change(case: Case) -> None:
    case.template({"a": TEXT}, {"theirs": "new\n" + TEXT})
    (case.project / "a").unlink()
    plan = case.edit({"mine": TEXT + "mine\n"}).update()
    assert files(case.project) == {"mine": ("new\n" + TEXT + "mine\n").encode()}
    assert paths(plan.kept) == ["mine"]


def test_a_renamed_file_that_the_template_dropped_stays(case: Case) -> None:
    case.template({"a": TEXT}, {})
    (case.project / "a").rename(case.project / "b")
    assert paths(case.update().kept) == ["b"]
    assert case.read("b") == TEXT


def test_a_renamed_toml_file_is_merged_by_key(case: Case) -> None:
    before = '[dependencies]\naxum = "1"\n\n[lints]\nall = "warn"\npedantic = "warn"\n'
    case.template({"a.toml": before}, {"b.toml": before.replace("axum", 'new = "1"\naxum')})
    case.edit({"a.toml": before.replace("axum", 'mine = "1"\naxum')})
    assert not case.update().conflicts
    assert case.read("b.toml").count("=") == 5


# 5: conflicts


def test_markers_name_the_versions_and_the_next_update_is_told(case: Case, in_git: InGit) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"})
    in_git().edit({"a": "mine\n"}).update()
    expected = "<<<<<<< your edits\nmine\n=======\n2\n>>>>>>> template 2.0\n"
    assert case.read("a") == expected
    assert merge.leftover_markers(case.project) == ["a"]
    case.edit({"a": "mine and 2\n>>>>>>> template 2.0\n"})
    assert merge.leftover_markers(case.project) == ["a"]
    case.edit({"a": "mine and 2\n"})
    assert merge.leftover_markers(case.project) == []


def test_a_merge_without_conflict_forgets_the_markers_of_the_one_before(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"}).edit({"a": "mine\n"}).update()
    case.edit({"a": "2\n"})
    (case.base / "a").write_text("2\n")
    (case.theirs / "a").write_text("3\n")
    case.update()
    assert not (case.project / ".asyncscaffold" / "conflicts.json").exists()


def test_a_binary_of_both_sides_stays_with_theirs_beside(case: Case) -> None:
    case.template({"a.png": b"\0base"}, {"a.png": b"\0theirs"}).edit({"a.png": b"\0mine"})
    plan = case.update()
    assert files(case.project) == {"a.png": b"\0mine", "a.png.theirs": b"\0theirs"}
    assert [(n.path, n.beside) for n in plan.conflicts] == [("a.png", "a.png.theirs")]
    assert merge.leftover_markers(case.project) == []


def test_what_the_user_has_beside_a_binary_is_not_overwritten(case: Case) -> None:
    case.template({"a": b"\0base"}, {"a": b"\0theirs"})
    case.edit({"a": b"\0mine", "a.theirs": b"own"}).update()
    assert files(case.project) == {
        "a": b"\0mine",
        "a.theirs": b"own",
        "a.theirs.2": b"\0theirs",
    }


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        (Link("b"), Link("m"), Link("t")),
        ("text\n", Link("m"), "text\nmore\n"),
        ("text\n", "text\nmore\n", Link("t")),
        (Link("b"), "text\n", Link("t")),
    ],
)
def test_a_link_on_one_side_leaves_mine_with_theirs_beside(
    case: Case, base: str | Link, mine: str | Link, theirs: str | Link
) -> None:
    case.template({"x": base}, {"x": theirs})
    (case.project / "x").unlink()
    plan = case.edit({"x": mine}).update()
    expected = case.root / "expected"
    write(expected, {"x": mine, "x.theirs": theirs})
    assert files(case.project) == files(expected)
    assert paths(plan.conflicts) == ["x"]


# 6: what survives


def test_latin_1_is_merged_byte_for_byte(case: Case) -> None:
    text = TEXT.encode() + b"caf\xe9\n" + TEXT.encode()
    case.template({"a": text}, {"a": b"na\xefve\n" + text}).edit({"a": text + b"\xfcber\n"})
    assert not case.update().conflicts
    assert files(case.project) == {"a": b"na\xefve\n" + text + b"\xfcber\n"}


def test_permission_bits_of_the_users_survive_a_change(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"})
    (case.project / "a").chmod(0o640)
    case.update()
    assert (case.project / "a").stat().st_mode & 0o777 == 0o640


def test_permission_bits_survive_a_rename_by_the_template(case: Case) -> None:
    case.template({"a": TEXT}, {"b": TEXT}).edit({"a": TEXT + "mine\n"})
    (case.project / "a").chmod(0o600)
    case.update()
    assert (case.project / "b").stat().st_mode & 0o777 == 0o600


def test_a_run_bit_of_either_side_survives(case: Case) -> None:
    case.template({"a": "1\n", "b": TEXT}, {"a": "2\n", "b": Script("new\n" + TEXT)})
    (case.project / "a").chmod(0o755)
    case.edit({"b": TEXT + "mine\n"}).update()
    assert files(case.project) == {
        "a": ("script", "2\n"),
        "b": ("script", "new\n" + TEXT + "mine\n"),
    }


def test_a_file_turned_to_crlf_gets_the_change_in_crlf(case: Case) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT})
    case.edit({"a": (TEXT + "mine\n").replace("\n", "\r\n")})
    assert not case.update().conflicts
    assert case.read("a") == ("new\n" + TEXT + "mine\n").replace("\n", "\r\n")


def test_a_template_that_turns_to_crlf_takes_the_edits_along(case: Case) -> None:
    case.template({"a": TEXT}, {"a": TEXT.replace("\n", "\r\n")}).edit({"a": TEXT + "mine\n"})
    assert not case.update().conflicts
    assert case.read("a") == (TEXT + "mine\n").replace("\n", "\r\n")


def test_toml_in_crlf_is_merged_by_key(case: Case) -> None:
    before = '[a]\nx = "1"\n'
    case.template({"a.toml": before}, {"a.toml": before + 'y = "1"\n'})
    case.edit({"a.toml": (before + 'z = "1"\n').replace("\n", "\r\n")})
    assert not case.update().conflicts
    assert case.read("a.toml").count("\r\n") == case.read("a.toml").count("\n") == 4


def test_an_ignored_file_that_the_template_renders_is_merged(case: Case, in_git: InGit) -> None:
    rest = {".gitignore": ".env\n"}
    case.template({".env": TEXT, **rest}, {".env": "new\n" + TEXT, **rest})
    git(in_git().project, "rm", "--quiet", "--cached", ".env")
    case.edit({".env": TEXT + "mine\n"}).update()
    assert case.read(".env") == "new\n" + TEXT + "mine\n"


def test_files_behind_a_directory_link_of_the_users_are_skipped_and_listed(case: Case) -> None:
    case.template({"docs/a": "1\n", "b": ""}, {"docs/a": "2\n", "b": "", "docs/new": ""})
    outside = case.root / "outside"
    (case.project / "docs").rename(outside)
    (case.project / "docs").symlink_to(outside)
    plan = case.update()
    assert files(outside) == {"a": b"1\n"}
    assert paths(plan.skipped) == ["docs/a", "docs/new"]


def test_a_link_of_the_templates_gives_way_to_a_directory(case: Case) -> None:
    case.template({"docs": Link("real"), "real/a": "1"}, {"docs/a": "1", "real/a": "1"}).update()
    assert files(case.project) == files(case.theirs)


def test_a_directory_linked_between_plan_and_apply_is_not_written_through(case: Case) -> None:
    case.template({"docs/a": "1\n"}, {"docs/a": "2\n", "docs/new": ""})
    plan = case.plan()
    outside = case.root / "outside"
    (case.project / "docs").rename(outside)
    (case.project / "docs").symlink_to(outside)
    with pytest.raises(Refused):
        merge.apply(plan, case.project)
    assert files(outside) == {"a": b"1\n"}


def test_a_hard_link_out_of_the_project_is_not_written_to(case: Case) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"})
    (case.root / "outside").hardlink_to(case.project / "a")
    case.update()
    assert (case.root / "outside").read_text() == "1\n"


def test_git_s_own_directory_is_never_the_template_s(case: Case, in_git: InGit) -> None:
    case.template({"a": ""}, {"a": "", "sub/.GIT/hooks/pre-commit": "", ".gitattributes": ""})
    (case.theirs / "sub/.GIT").rename(case.theirs / "sub/.Git")
    plan = in_git().update()
    assert paths(plan.skipped) == ["sub/.Git/hooks/pre-commit"]
    assert case.has(".gitattributes")


def test_a_pipe_where_the_template_has_a_file_is_skipped(case: Case) -> None:
    case.template({"a": "1"}, {"a": "2", "b": "2"})
    (case.project / "a").unlink()
    os.mkfifo(case.project / "a")
    plan = case.update()
    assert paths(plan.skipped) == ["a"]
    assert case.read("b") == "2"


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline",
        b'quo"te',
        b"back\\slash",
        b"tab\t",
        b"latin\xe9",
        "ünï".encode(),
        b" a ",
        b"~x",
    ],
)
def test_odd_file_names_are_merged(case: Case, in_git: InGit, name: bytes) -> None:
    odd = os.fsdecode(name)
    case.template({odd: TEXT, "k": ""}, {odd: "new\n" + TEXT, "k": ""})
    in_git().edit({odd: TEXT + "mine\n"})
    plan = case.update()
    assert case.read(odd) == "new\n" + TEXT + "mine\n"
    json.dumps(plan.as_json()).encode()


# 7: the user's git


def test_filters_attributes_and_skip_worktree_do_not_disturb(case: Case, in_git: InGit) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT}).edit(
        {".gitattributes": "* filter=bad -text\n"}
    )
    git(in_git().project, "config", "filter.bad.clean", "echo cleaned")
    git(case.project, "update-index", "--skip-worktree", "a")
    git(case.project, "config", "core.fsmonitor", "touch ran; false")
    case.edit({"a": TEXT + "mine\n"}).update()
    assert case.read("a") == "new\n" + TEXT + "mine\n"
    assert not case.has("ran")


def test_git_variables_do_not_disturb(
    case: Case, in_git: InGit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT})
    in_git().edit({"a": TEXT + "mine\n"})
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    case.update()
    assert case.read("a") == "new\n" + TEXT + "mine\n"
    assert not (tmp_path / "nowhere").exists()


def test_index_refs_and_stash_are_as_before(case: Case, in_git: InGit) -> None:
    case.template({"a": TEXT, "b": "1\n"}, {"a": "new\n" + TEXT, "b": "2\n"})
    in_git().edit({"b": "staged\n"})
    git(case.project, "add", "b")
    case.edit({"a": TEXT + "mine\n"})
    index = (case.project / ".git/index").read_bytes()
    refs = git(case.project, "for-each-ref")
    case.update()
    assert (case.project / ".git/index").read_bytes() == index
    assert git(case.project, "for-each-ref") == refs
    assert git(case.project, "log", "--oneline").count("\n") == 1


@pytest.mark.parametrize("ignored", [False, True])
def test_a_project_in_a_subdirectory_of_a_repository_is_merged(case: Case, ignored: bool) -> None:
    case.template({"a": TEXT, "b": "1"}, {"a": "new\n" + TEXT, "b": "2"})
    (case.root / ".gitignore").write_text("project\n" if ignored else "")
    git(case.root, "init", "--quiet")
    (case.project / "a").unlink()
    case.edit({"renamed": TEXT + "mine\n", "b": "mine\n"}).update()
    assert case.read("renamed") == "new\n" + TEXT + "mine\n"
    assert (case.root / ".git/asyncscaffold/project/conflicts.json").is_file()
    assert merge.leftover_markers(case.project) == ["b"]


def test_a_worktree_is_merged_and_keeps_its_state_to_itself(case: Case, in_git: InGit) -> None:
    case.template({"a": "1\n"}, {"a": "2\n"})
    git(in_git().project, "worktree", "add", "--quiet", str(case.root / "tree"))
    (case.root / "tree/a").write_text("mine\n")
    plan = merge.plan(
        base=case.base,
        theirs=case.theirs,
        project=case.root / "tree",
        answers_file=".copier-answers.yml",
    )
    merge.apply(plan, case.root / "tree")
    assert merge.leftover_markers(case.root / "tree") == ["a"]
    assert merge.leftover_markers(case.project) == []


def test_a_nested_repository_of_the_users_is_left_alone(case: Case, in_git: InGit) -> None:
    case.template({"a": TEXT}, {"a": "new\n" + TEXT})
    in_git().edit({"vendored/file": TEXT})
    git(case.project / "vendored", "init", "--quiet")
    (case.project / "a").unlink()
    case.update()
    assert case.read("vendored/file") == TEXT


# 8: again, and at once


@pytest.mark.parametrize("repository", [True, False])
def test_the_same_render_again_writes_nothing(case: Case, in_git: InGit, repository: bool) -> None:
    same = {"a": TEXT, "gone": "1", "d/t.toml": "x = 1\n", ".copier-answers.yml": "v: 1\n"}
    case.template(same, same)
    if repository:
        in_git()
    (case.project / "gone").unlink()
    case.edit({"a": "mine\n", "own": "1", "d/t.toml": "x=2"})
    before = files(case.project)
    plan = case.update()
    assert plan == merge.Plan()
    assert files(case.project) == before
    assert not case.has(".asyncscaffold")


def test_the_second_of_two_runs_is_refused(case: Case) -> None:
    case.template({}, {})
    with merge.lock(case.project), pytest.raises(Refused), merge.lock(case.project):
        pass
    with merge.lock(case.project):
        pass
    assert files(case.project) == {}


# 9 and Copier's own ways


def test_the_answers_file_is_written_as_theirs_has_it(case: Case) -> None:
    case.template({".copier-answers.yml": "v: 1\n"}, {".copier-answers.yml": "v: 2\n"})
    case.edit({".copier-answers.yml": "v: edited\n"})
    assert not case.update().conflicts
    assert case.read(".copier-answers.yml") == "v: 2\n"


def test_what_the_template_leaves_to_the_user_stays(case: Case) -> None:
    case.template({"Cargo.lock": "1\n"}, {"Cargo.lock": "2\n", "sub/Cargo.lock": "2\n"})
    case.edit({"Cargo.lock": "mine\n"})
    plan = case.update(skip_if_exists=("/Cargo.lock", "sub/*"))
    assert case.read("Cargo.lock") == "mine\n"
    assert case.read("sub/Cargo.lock") == "2\n"
    assert paths(plan.skipped) == ["Cargo.lock"]


@pytest.mark.parametrize("edit", ["", "mine\n"])
def test_what_is_left_to_the_user_stays_when_the_template_has_it_under_another_name(
    case: Case, edit: str
) -> None:
    case.template({"docs/1-why.md": TEXT}, {"docs/2-why.md": TEXT + "then\n"})
    case.edit({"docs/1-why.md": TEXT + edit})
    plan = case.update(skip_if_exists=("/docs/*-why.md",))
    assert case.read("docs/1-why.md") == TEXT + edit
    assert case.read("docs/2-why.md") == TEXT + "then\n"
    assert paths(plan.skipped) == ["docs/1-why.md"]


def test_what_was_left_to_the_user_and_deleted_does_not_come_back(case: Case) -> None:
    case.template({"docs/1-why.md": TEXT}, {"docs/2-why.md": TEXT + "then\n"})
    (case.project / "docs/1-why.md").unlink()
    case.update(skip_if_exists=("/docs/*-why.md",))
    assert files(case.project) == {"docs/2-why.md": (TEXT + "then\n").encode()}


def test_a_file_left_to_the_user_is_no_other_one_renamed(case: Case) -> None:
    case.template({"docs/1-why.md": TEXT}, {"docs/1-why.md": TEXT + "new\n"})
    (case.project / "docs/1-why.md").rename(case.project / "docs/2-why.md")
    case.update(skip_if_exists=("/docs/*-why.md",))
    assert files(case.project) == {"docs/2-why.md": TEXT.encode()}


# Other answers: what they take away, and what they bring


def test_an_edit_does_not_move_to_a_file_that_other_answers_brought(case: Case) -> None:
    case.template({"old/a": TEXT}, {"new/a": TEXT + "new\n"}).edit({"old/a": "mine\n" + TEXT})
    plan = case.update(held_back=("/new",))
    assert case.read("old/a") == "mine\n" + TEXT
    assert case.read("new/a") == TEXT + "new\n"
    assert paths(plan.kept) == ["old/a"]
    assert not plan.conflicts


def test_a_file_that_other_answers_brought_meets_the_users_with_both_shown(case: Case) -> None:
    case.template({"old/a": TEXT}, {"new/a": "theirs\n"}).edit({"new/a": "mine\n"})
    plan = case.update(held_back=("/new",), same_version=True)
    assert paths(plan.conflicts) == ["new/a"]
    assert "mine\n=======\ntheirs\n" in case.read("new/a")
    assert not case.has("old")


@pytest.mark.parametrize("same_version", [True, False])
def test_a_file_kept_for_its_edits_is_no_conflict_when_other_answers_bring_it_back(
    case: Case, same_version: bool
) -> None:
    case.template({"old/a": TEXT}, {"new/a": TEXT}).edit({"new/a": TEXT + "mine\n"})
    plan = case.update(held_back=("/new",), same_version=same_version)
    assert paths(plan.conflicts) == ([] if same_version else ["new/a"])
    if same_version:
        assert case.read("new/a") == TEXT + "mine\n"


def test_the_plan_for_scripts_lists_everything_by_path(case: Case) -> None:
    case.template({"a": "1\n", "b": "1\n", "c": "1\n"}, {"a": "2\n", "b": "2\n", "new": "2\n"})
    (case.project / "b").unlink()
    case.edit({"a": "mine\n", "c": "mine\n"})
    plan = case.plan().as_json()
    assert plan["changes"] == [
        {"path": "a", "action": "update"},
        {"path": "new", "action": "create"},
    ]
    lists = {
        key: [note["path"] for note in notes]
        for key, notes in plan.items()
        if key != "changes" and isinstance(notes, list)
    }
    assert lists == {"conflicts": ["a"], "kept": ["c"], "deleted": ["b"], "skipped": []}
