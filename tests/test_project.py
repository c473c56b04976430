"""add, remove and update on projects of small templates, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncscaffold.questions import load_answers
from asyncscaffold.template import release
from tests.helpers import commit
from tests.projects import COPIER_YML, Run, TemplateRepo, tree


def test_a_capability_is_added_where_the_multiselect_has_it(project: Path, run: Run) -> None:
    ran = run("add", "wheels", "--project", str(project))
    assert ran.exit == 0, ran.err
    assert (project / "wheels.txt").read_text() == "round\nround\nround\n"
    assert "- wheels" in (project / ".copier-answers.yml").read_text()


def test_a_yes_no_question_is_a_capability_of_its_name(project: Path, run: Run) -> None:
    assert run("add", "shiny", "--project", str(project)).exit == 0
    assert "it shines" in (project / "readme.txt").read_text()
    assert run("remove", "shiny", "--project", str(project)).exit == 0
    assert "it shines" not in (project / "readme.txt").read_text()


def test_adding_and_removing_without_a_commit_between_leaves_the_tree_as_it_was(
    project: Path, run: Run
) -> None:
    before = tree(project)
    for verb in ("add", "remove", "add", "remove"):
        assert run(verb, "wheels", "--project", str(project)).exit == 0
    assert tree(project) == before


def test_adding_what_is_there_changes_nothing_and_says_so(project: Path, run: Run) -> None:
    before = tree(project)
    ran = run("add", "engine", "--project", str(project))
    assert (ran.exit, tree(project)) == (0, before)
    assert "there already" in ran.out


def test_several_capabilities_are_added_at_once(project: Path, run: Run) -> None:
    assert run("add", "wheels", "horn", "--project", str(project)).exit == 0
    assert {"wheels.txt", "horn.txt"} <= tree(project).keys()


def test_an_unknown_capability_names_the_nearest_one(project: Path, run: Run) -> None:
    ran = run("add", "wheel", "name", "--project", str(project))
    assert ran.exit == 2
    assert "capability wheel: there is none of that name; did you mean wheels?" in ran.err
    assert "capability name: there is none of that name" in ran.err


def test_an_edit_stays_when_its_capability_goes(project: Path, run: Run) -> None:
    run("add", "wheels", "--project", str(project))
    (project / "wheels.txt").write_text("round\nsquare\nround\n")
    ran = run("remove", "wheels", "--project", str(project), "--json")
    assert ran.exit == 0
    assert [note["path"] for note in ran.json["kept"]] == ["wheels.txt"]
    assert (project / "wheels.txt").read_text() == "round\nsquare\nround\n"


def test_update_brings_the_new_version_and_keeps_every_edit(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    readme = project / "readme.txt"
    readme.write_text(readme.read_text().replace("seven", "seven of mine"))
    (project / "own.txt").write_text("mine alone\n")
    repo.release(
        "v1.1.0", {"files/readme.txt.jinja": "ONE\n{{ name }}\nthree\nfour\nfive\nsix\nseven\n"}
    )
    ran = run("update", "--project", str(project))
    assert ran.exit == 0, ran.err
    assert readme.read_text() == "ONE\nthing\nthree\nfour\nfive\nsix\nseven of mine\n"
    assert (project / "own.txt").read_text() == "mine alone\n"
    assert "_commit: v1.1.0" in (project / ".copier-answers.yml").read_text()


def test_a_conflict_is_shown_in_the_file_and_by_exit_code_3_and_stops_the_next_update(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    readme = project / "readme.txt"
    readme.write_text(readme.read_text().replace("four", "four of mine"))
    repo.release("v1.1.0", {"files/readme.txt.jinja": "one\n{{ name }}\nthree\nFOUR\nfive\n"})
    ran = run("update", "--project", str(project), "--json")
    assert ran.exit == 3
    assert [note["path"] for note in ran.json["conflicts"]] == ["readme.txt"]
    text = readme.read_text()
    assert "four of mine" in text
    assert "FOUR" in text
    assert ">>>>>>> template v1.1.0" in text

    refused = run("add", "wheels", "--project", str(project))
    assert refused.exit == 1
    assert "readme.txt" in refused.err

    readme.write_text("resolved\n")
    assert run("add", "wheels", "--project", str(project)).exit == 0


def test_the_same_version_and_answers_again_write_not_one_file(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", {"files/readme.txt.jinja": "new\n"})
    assert run("update", "--project", str(project)).exit == 0
    stamps = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    ran = run("update", "--project", str(project))
    assert ran.exit == 0
    assert "Up to date" in ran.out
    assert stamps == {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()
    }


def test_update_goes_to_the_newest_release_and_to_any_version_when_told(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    for number in ("1.2.0", "1.10.0", "2.0.0rc1"):
        repo.release(f"v{number}", {"files/readme.txt.jinja": f"{number}\n"})
    assert run("update", "--project", str(project)).exit == 0
    assert (project / "readme.txt").read_text() == "1.10.0\n"
    assert run("update", "--to", "v1.2.0", "--project", str(project)).exit == 0
    assert (project / "readme.txt").read_text() == "1.2.0\n"
    assert run("update", "--to", "v3", "--project", str(project)).exit == 1


def test_update_without_a_version_never_goes_back(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    repo.write({"files/readme.txt.jinja": "after the release\n"})
    repo.git("commit", "-qam", "later")
    project = tmp_path / "early"
    assert (
        run("new", str(project), "--template", str(repo.path), "--ref", "HEAD", "--defaults").exit
        == 0
    )
    ran = run("update", "--project", str(project))
    assert ran.exit == 0
    assert (project / "readme.txt").read_text() == "after the release\n"


def test_a_question_that_is_new_is_missed_by_name_and_taken_with_defaults(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release(
        "v1.1.0",
        {
            "copier.yml": COPIER_YML + "colour:\n  type: str\n  default: red\n",
            "files/readme.txt.jinja": "{{ colour }}\n",
        },
    )
    before = tree(project)
    ran = run("update", "--project", str(project))
    assert (ran.exit, tree(project)) == (2, before)
    assert "--set colour=VALUE" in ran.err
    assert run("update", "--set", "colour=blue", "--project", str(project)).exit == 0
    assert (project / "readme.txt").read_text() == "blue\n"


def test_answers_change_without_a_new_version(project: Path, run: Run) -> None:
    assert run("update", "--set", "name=lorry", "--project", str(project)).exit == 0
    assert "lorry" in (project / "readme.txt").read_text()


def test_answers_edited_by_hand_count_as_new_answers(project: Path, run: Run) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("name: thing", "name: lorry"))
    assert run("update", "--project", str(project)).exit == 0
    assert "lorry" in (project / "readme.txt").read_text()


def test_copier_and_asyncscaffold_take_turns(repo: TemplateRepo, project: Path, run: Run) -> None:
    import copier

    assert run("add", "wheels", "--project", str(project)).exit == 0
    TemplateRepo(project).git("add", "-A")
    TemplateRepo(project).git("commit", "-qm", "wheels")
    repo.release("v1.1.0", {"files/horn.txt": "very loud\n", "files/new.txt": "new\n"})
    copier.run_update(project, defaults=True, overwrite=True, quiet=True)
    assert (project / "new.txt").read_text() == "new\n"
    assert run("add", "horn", "--project", str(project)).exit == 0
    assert (project / "horn.txt").read_text() == "very loud\n"
    assert (project / "wheels.txt").exists()


@pytest.mark.parametrize("committed", [True, False])
def test_what_copier_rendered_with_other_answers_is_no_edit(
    project: Path, run: Run, committed: bool
) -> None:
    import copier

    assert run("add", "wheels", "--project", str(project)).exit == 0
    data = {"parts": ["engine", "wheels", "horn"], "name": "lorry"}
    source = load_answers(project / ".copier-answers.yml")["_src_path"]
    copier.run_copy(source, project, data=data, defaults=True, overwrite=True, quiet=True)
    if committed:
        TemplateRepo(project).git("add", "-A")
        TemplateRepo(project).git("commit", "-qm", "horn")
    assert run("remove", "horn", "--set", "name=van", "--project", str(project)).exit == 0
    assert not (project / "horn.txt").exists()
    assert "van" in (project / "readme.txt").read_text()


def test_answers_edited_by_hand_that_do_not_render_are_explained(project: Path, run: Run) -> None:
    assert run("update", "--set", "name=lorry", "--project", str(project)).exit == 0
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("name: lorry", "name: [1, 2]"))
    ran = run("update", "--project", str(project))
    assert (ran.exit, "[1, 2] is not text" in ran.err) == (2, True)


def test_conflicts_that_copier_left_are_seen_too(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    import copier

    git = TemplateRepo(project)
    (project / "readme.txt").write_text("one\nthing\nthree\nfour of mine\nfive\nsix\nseven\n")
    git.git("commit", "-qam", "mine")
    repo.release("v1.1.0", {"files/readme.txt.jinja": "one\n{{ name }}\nthree\nFOUR\nfive\n"})
    copier.run_update(project, defaults=True, overwrite=True, quiet=True)
    before = tree(project)
    refused = run("add", "wheels", "--project", str(project))
    assert (refused.exit, tree(project)) == (1, before)
    assert "readme.txt" in refused.err


def test_an_older_version_is_called_one(repo: TemplateRepo, project: Path, run: Run) -> None:
    repo.release("v1.1.0", {"files/new.txt": "new\n"})
    assert "older" not in run("update", "--project", str(project)).out
    ran = run("update", "--to", "v1.0.0", "--project", str(project))
    assert (ran.exit, "older version" in ran.out) == (0, True)
    assert run("update", "--project", str(project)).exit == 0
    repo.write({"files/new.txt": "not committed\n"})
    ran = run("update", "--to", "HEAD", "--project", str(project))
    assert (ran.exit, "older version" in ran.out) == (0, False)


def test_a_dry_run_exits_as_the_run_would_and_writes_nothing(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    readme = project / "readme.txt"
    readme.write_text(readme.read_text().replace("four", "four of mine"))
    repo.release("v1.1.0", {"files/readme.txt.jinja": "one\n{{ name }}\nthree\nFOUR\nfive\n"})
    before = tree(project)
    ran = run("update", "--dry-run", "--json", "--project", str(project))
    assert (ran.exit, tree(project)) == (3, before)
    assert {change["path"] for change in ran.json["changes"]} == {
        "readme.txt",
        ".copier-answers.yml",
    }


def test_nothing_is_committed_and_the_index_is_left_alone(project: Path, run: Run) -> None:
    git = TemplateRepo(project)
    (project / "staged.txt").write_text("staged\n")
    git.git("add", "staged.txt")
    head, staged = git.git("rev-parse", "HEAD"), git.git("diff", "--cached", "--name-status")
    assert run("add", "wheels", "--project", str(project)).exit == 0
    assert git.git("rev-parse", "HEAD") == head
    assert git.git("diff", "--cached", "--name-status") == staged
    assert git.git("stash", "list") == ""


def test_a_project_without_a_repository_is_updated_too(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    project = tmp_path / "plain"
    template = str(repo.path)
    assert run("new", str(project), "--template", template, "--defaults", "--no-git").exit == 0
    assert run("add", "wheels", "--project", str(project)).exit == 0
    assert (project / "wheels.txt").exists()
    assert run("remove", "wheels", "--project", str(project)).exit == 0
    assert not (project / "wheels.txt").exists()


@pytest.mark.parametrize(
    ("content", "exit_code", "says"),
    [
        (None, 1, ".copier-answers.yml"),
        ("_src_path: [", 2, "cannot be read"),
        ("- a list\n", 2, "key: value"),
        ("name: thing\n", 2, "_src_path"),
        ("_src_path: /nowhere/at/all\n_commit: v1\n", 1, "/nowhere/at/all"),
        ("_src_path: {template}\n", 1, "no version"),
        ("_src_path: {template}\n_commit: v0.0.1\n", 1, "v0.0.1"),
    ],
)
def test_an_answers_file_that_leads_nowhere_is_explained(
    content: str | None, exit_code: int, says: str, repo: TemplateRepo, project: Path, run: Run
) -> None:
    answers = project / ".copier-answers.yml"
    if content is None:
        answers.unlink()
    else:
        answers.write_text(content.replace("{template}", str(repo.path)))
    ran = run("update", "--project", str(project))
    assert ran.exit == exit_code, ran.err
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_template_that_moved_is_given_by_flag(
    repo: TemplateRepo, project: Path, run: Run, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    repo.path.rename(moved)
    assert run("add", "wheels", "--project", str(project)).exit == 1
    assert run("add", "wheels", "--project", str(project), "--template", str(moved)).exit == 0
    assert f"_src_path: {moved}" in (project / ".copier-answers.yml").read_text()


def test_a_template_with_tasks_is_refused_naming_them(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", {"copier.yml": COPIER_YML + "_tasks:\n  - touch made-by-task\n"})
    before = tree(project)
    ran = run("update", "--project", str(project))
    assert (ran.exit, tree(project)) == (1, before)
    assert "touch made-by-task" in ran.err


def test_a_template_that_does_not_render_leaves_the_tree_alone(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", {"files/readme.txt.jinja": "{% if %}\n"})
    before = tree(project)
    ran = run("update", "--project", str(project))
    assert (ran.exit, tree(project)) == (1, before)


def test_cargo_toml_is_merged_by_key(repo: TemplateRepo, tmp_path: Path, run: Run) -> None:
    manifest = '[dependencies]\nbytes = "1"\ntokio = {{ version = "1", features = ["rt"] }}\n'
    raw = manifest.replace("{{", "{").replace("}}", "}")
    repo.release("v1.1.0", {"files/Cargo.toml": raw})
    project = tmp_path / "crate"
    assert run("new", str(project), "--template", str(repo.path), "--defaults").exit == 0
    mine = raw.replace('bytes = "1"\n', 'bytes = "1"\nserde = "1"\n')
    (project / "Cargo.toml").write_text(mine)
    theirs = raw.replace('bytes = "1"\n', 'bytes = "1"\nrand = "0.9"\n').replace(
        '["rt"]', '["rt", "net"]'
    )
    repo.release("v1.2.0", {"files/Cargo.toml": theirs})
    ran = run("update", "--project", str(project))
    assert ran.exit == 0, ran.out
    text = (project / "Cargo.toml").read_text()
    assert 'serde = "1"' in text
    assert 'rand = "0.9"' in text
    assert '["rt", "net"]' in text


def test_what_is_left_to_the_user_may_depend_on_an_answer(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release(
        "v1.1.0",
        {
            "copier.yml": COPIER_YML + "_skip_if_exists: ['{{ name }}.txt', readme.txt]\n",
            "files/{{ name }}.txt": "the template's\n",
            "files/readme.txt.jinja": "all new\n",
        },
    )
    (project / "thing.txt").write_text("mine\n")
    before = (project / "readme.txt").read_text()
    ran = run("update", "--project", project, "--json")
    assert ran.exit == 0, ran.err
    assert (project / "thing.txt").read_text() == "mine\n"
    assert (project / "readme.txt").read_text() == before


@pytest.mark.parametrize("name", ["../car/.copier-answers.yml", "/dev/null", ""])
def test_an_answers_file_lies_in_the_project(project: Path, run: Run, name: str) -> None:
    ran = run("update", "--answers-file", name, "--project", str(project))
    assert (ran.exit, "a path inside the project is needed" in ran.err) == (2, True)


def test_a_project_whose_answers_file_has_another_name_is_told_it(project: Path, run: Run) -> None:
    (project / ".copier-answers.yml").rename(project / ".copier-answers.car.yml")
    ran = run("update", "--project", project)
    assert ran.exit == 1
    assert ".copier-answers.car.yml: give one of them with --answers-file" in ran.err
    assert (
        run("update", "--project", project, "--answers-file", ".copier-answers.car.yml").exit == 0
    )


def test_without_releases_a_remote_templates_newest_commit_is_named(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    repo.git("tag", "-d", "v1.0.0")
    made = tmp_path / "made"
    url = f"git+file://{repo.path}"
    assert run("new", made, "--template", url, "--defaults").exit == 0
    repo.write({"files/horn.txt": "louder\n"})
    newest = commit(repo.path, "louder")
    ran = run("update", "--check", "--json", "--project", made)
    assert (ran.exit, ran.json["to"]) == (5, newest[:7])
    assert run("update", "--project", made).exit == 0
    assert run("update", "--check", "--project", made).exit == 0


@pytest.mark.parametrize("scheme", ["", "git+file://"])
def test_a_commit_whose_digits_read_as_a_version_is_none(
    repo: TemplateRepo, tmp_path: Path, run: Run, scheme: str
) -> None:
    repo.git("tag", "-d", "v1.0.0")
    number = 0
    while release(repo.git("rev-parse", "--short=7", "HEAD")) is None:
        number += 1
        repo.git("commit", "-q", "--amend", "-m", str(number))
    made = tmp_path / "made"
    assert run("new", made, "--template", f"{scheme}{repo.path}", "--defaults").exit == 0
    repo.release("v0.0.1", {"files/horn.txt": "louder\n"})
    assert run("update", "--check", "--project", made).exit == 5
    assert run("update", "--project", made).exit == 0
    assert "_commit: v0.0.1\n" in (made / ".copier-answers.yml").read_text()


@pytest.mark.parametrize(
    ("then", "now", "shown"),
    [
        ("{type: str, default: 'b: c'}", "{type: yaml, default: x}", "{'b': 'c'}"),
        ("{type: yaml, default: '\"b: c\"'}", "{type: str, default: x}", "b: c"),
        ("{type: str, default: '[1]'}", "{type: json, default: '{}'}", "[1]"),
    ],
)
def test_an_answer_is_read_by_the_type_that_each_version_gives_it(
    repo: TemplateRepo, project: Path, run: Run, then: str, now: str, shown: str
) -> None:
    lines = "files/a.jinja", "{{ a }}\n"
    repo.release("v1.1.0", {"copier.yml": f"{COPIER_YML}a: {then}\n", lines[0]: lines[1]})
    assert run("update", "--defaults", "--project", project).exit == 0
    before = tree(project)
    assert run("update", "--project", project).exit == 0
    assert tree(project) == before
    repo.release("v1.2.0", {"copier.yml": f"{COPIER_YML}a: {now}\n", lines[0]: "2 " + lines[1]})
    assert run("update", "--project", project).exit == 0
    assert (project / "a").read_text() == f"2 {shown}\n"


def test_the_answer_to_a_question_that_is_dropped_is_still_seen(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    assert run("add", "shiny", "--project", project).exit == 0
    without = COPIER_YML.replace("shiny:\n  type: bool\n  default: false\n", "")
    asked = "{% if shiny is defined and shiny %}glossy{% endif %}"
    repo.release(
        "v1.1.0",
        {
            "copier.yml": f"{without}polish: {{type: str, default: '{asked}', when: '{asked}'}}\n",
            "files/readme.txt.jinja": "{{ shiny }} {{ polish }}\n",
        },
    )
    assert run("update", "--defaults", "--project", project).exit == 0
    assert (project / "readme.txt").read_text() == "True glossy\n"
    answers = load_answers(project / ".copier-answers.yml")
    assert ("shiny" in answers, answers["polish"]) == (False, "glossy")
