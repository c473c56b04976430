"""Templates with tasks, migrations and extensions: refused by name, or run as Copier runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.merge.conftest import entries
from tests.projects import COPIER_YML, Run, TemplateRepo, tree


def settings(text: str) -> dict[str, str]:
    return {"copier.yml": COPIER_YML + text}


@pytest.mark.parametrize(
    ("wants", "named"),
    [
        ("_tasks: ['touch {{ name }}']\n", "task: touch {{ name }}"),
        ("_tasks: [[touch, x]]\n", "task: touch x"),
        ("_migrations: [{version: v1.1.0, command: ./move}]\n", "migration: ./move"),
        ("_migrations: [{version: v1.1.0, before: [./a], after: [./b]}]\n", "./a"),
        ("_jinja_extensions: [os.Evil]\n", "Jinja extension: os.Evil"),
    ],
)
def test_without_trust_it_is_refused_naming_what_it_wants_to_run(
    repo: TemplateRepo, project: Path, run: Run, wants: str, named: str
) -> None:
    repo.release("v1.1.0", settings(wants))
    before = entries(project)
    ran = run("update", "--project", project)
    assert (ran.exit, entries(project)) == (1, before)
    assert named in ran.err
    assert "--trust" in ran.err


def test_what_only_the_old_version_wants_to_run_is_refused_too(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", settings("_tasks: [touch made]\n"))
    assert run("update", "--trust", "--project", project).exit == 0
    repo.release("v1.2.0", settings(""))
    before = entries(project)
    ran = run("update", "--project", project)
    assert (ran.exit, entries(project)) == (1, before)
    assert "task: touch made" in ran.err


@pytest.mark.parametrize(("ref", "number"), [("v1.1.0", "1.1.0"), ("main", "1.1.0+1")])
def test_a_project_made_before_the_first_tag_gets_every_migration(
    repo: TemplateRepo, tmp_path: Path, run: Run, ref: str, number: str
) -> None:
    repo.git("tag", "-d", "v1.0.0")
    made = tmp_path / "made"
    assert run("new", made, "--template", repo.path, "--defaults").exit == 0
    migration = "{version: v0.1.0, command: 'echo $VERSION_PEP440_TO > moved.txt'}"
    repo.release("v1.1.0", settings(f"_migrations: [{migration}]\n"))
    repo.release("latest", {"files/readme.txt.jinja": "new\n"})
    repo.git("tag", "-d", "latest")
    assert run("update", "--trust", "--to", ref, "--project", made).exit == 0
    assert (made / "moved.txt").read_text() == f"{number}\n"


def test_with_trust_what_tasks_make_comes_into_the_project(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release(
        "v1.1.0",
        settings(
            "_tasks:\n"
            "  - echo {{ name }} > made.txt\n"
            "  - command: [sh, -c, 'echo $STAGE > stage.txt']\n"
            "    working_directory: '{{ parts[0] }}'\n"
            "  - command: touch never\n"
            '    when: "{{ shiny }}"\n'
        )
        | {"files/engine/keep": ""},
    )
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert (project / "made.txt").read_text() == "thing\n"
    assert (project / "engine/stage.txt").read_text() == "task\n"
    assert not (project / "never").exists()


def test_what_tasks_do_beside_the_files_happens_in_the_project(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", settings("_tasks: ['test ! -d .git || git config demo.set yes']\n"))
    assert run("update", "--trust", "--project", project).exit == 0
    assert TemplateRepo(project).git("config", "demo.set") == "yes"


def test_a_task_takes_no_file_of_the_users_along_and_its_failure_is_told(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    (project / "docs").mkdir()
    (project / "docs/mine.txt").write_text("mine\n")
    task = "rm -rf docs && rm readme.txt"
    repo.release("v1.1.0", settings(f"_tasks: ['{task}']\n"))
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert not (project / "readme.txt").exists()
    assert (project / "docs/mine.txt").read_text() == "mine\n"
    assert "See whether they have more to do here" in ran.err
    assert task in ran.err


def test_an_edit_in_a_file_that_a_task_makes_is_kept(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    lines = "; ".join(f"echo line {number}" for number in range(9))
    repo.release("v1.1.0", settings(f"_tasks: ['({lines}) > made.txt']\n"))
    assert run("update", "--trust", "--project", project).exit == 0
    (project / "made.txt").write_text("mine\n" + (project / "made.txt").read_text())
    repo.release("v1.2.0", settings(f"_tasks: ['({lines}; echo new) > made.txt']\n"))
    assert run("update", "--trust", "--project", project).exit == 0
    text = (project / "made.txt").read_text()
    assert text.startswith("mine\nline 0\n")
    assert text.endswith("line 8\nnew\n")


def test_what_a_task_appends_is_there_once(repo: TemplateRepo, project: Path, run: Run) -> None:
    repo.release("v1.1.0", settings("_tasks: ['echo appended >> readme.txt']\n"))
    assert run("update", "--trust", "--project", project).exit == 0
    repo.release("v1.2.0", {"files/new.txt": "new\n"})
    assert run("update", "--trust", "--project", project).exit == 0
    assert (project / "readme.txt").read_text().count("appended") == 1


def test_what_a_task_deletes_comes_when_the_task_does_not_delete_it_any_more(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release(
        "v1.1.0",
        settings("_tasks: ['{% if not shiny %}rm polish.txt{% endif %}']\n")
        | {"files/polish.txt": "polish\n"},
    )
    assert run("update", "--trust", "--project", project).exit == 0
    assert not (project / "polish.txt").exists()
    assert run("add", "shiny", "--trust", "--project", project).exit == 0
    assert (project / "polish.txt").exists()


def test_undo_takes_back_what_migrations_did(repo: TemplateRepo, project: Path, run: Run) -> None:
    (project / "own.txt").write_text("own\n")
    before = entries(project)
    repo.release(
        "v1.1.0",
        settings("_migrations: [{version: v1.1.0, command: mv own.txt moved.txt}]\n")
        | {"files/new.txt": "new\n"},
    )
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert (project / "moved.txt").read_text() == "own\n"
    assert run("undo", "--project", project).exit == 0
    assert entries(project) == before


@pytest.mark.parametrize(
    "wants",
    [
        "_migrations:\n  - {version: v1.1.0, command: 'echo x > own.txt; exit 7'}\n",
        "_migrations:\n  - version: v1.1.0\n    before: ['echo x > own.txt; exit 7']\n",
    ],
)
def test_a_command_that_fails_puts_the_project_back(
    repo: TemplateRepo, project: Path, run: Run, wants: str
) -> None:
    (project / "own.txt").write_text("own\n")
    before = entries(project)
    repo.release("v1.1.0", settings(wants) | {"files/new.txt": "new\n"})
    ran = run("update", "--trust", "--project", project)
    assert (ran.exit, entries(project)) == (1, before), ran.err
    assert "its exit code is 7" in ran.err
    assert run("undo", "--project", project).exit == 1


def test_migrations_run_for_the_versions_between_with_their_variables(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    says = "echo $STAGE $VERSION_FROM $VERSION_TO $VERSION_CURRENT $VERSION_PEP440_TO >> log.txt"
    repo.release(
        "v2.0.0",
        settings(
            "_migrations:\n"
            f"  - {{version: v1.0.0, command: '{says}'}}\n"
            f"  - {{version: v1.5.0, command: '{says}'}}\n"
            f"  - {{version: v1.6.0, command: '{says}', when: \"{{{{ _stage == 'before' }}}}\"}}\n"
            f"  - {{version: v2.1.0, command: '{says}'}}\n"
            f"  - '{says}'\n"
        ),
    )
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert (project / "log.txt").read_text().splitlines() == [
        "before v1.0.0 v2.0.0 v1.6.0 2.0.0",
        "after v1.0.0 v2.0.0 v1.5.0 2.0.0",
        "after v1.0.0 v2.0.0 v1.6.0 2.0.0",
    ]


def test_a_migration_sees_new_answers_and_computed_ones(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    questions = "twice: {default: '{{ name }}{{ name }}', when: false}\nnew: {default: yes sir}\n"
    wants = "_migrations: ['echo {{ twice }} {{ new }} > log.txt']\n"
    repo.release("v1.1.0", settings(questions + wants))
    ran = run("update", "--trust", "--defaults", "--project", project)
    assert ran.exit == 0, ran.err
    assert (project / "log.txt").read_text() == "thingthing yes sir\n"


def test_a_migration_that_comes_before_can_rename_a_question(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    assert run("update", "--set", "name=mine", "--project", project).exit == 0
    repo.release(
        "v2.0.0",
        {
            "copier.yml": COPIER_YML.replace("name:\n", "title:\n", 1)
            + "_migrations:\n  - version: v2.0.0\n"
            "    when: \"{{ _stage == 'before' }}\"\n"
            "    command: sed -i 's/^name:/title:/' .copier-answers.yml\n",
            "files/readme.txt.jinja": "one\n{{ title }}\nthree\nfour\nfive\nsix\nseven\n",
        },
    )
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert "title: mine" in (project / ".copier-answers.yml").read_text()
    assert (project / "readme.txt").read_text().startswith("one\nmine\n")


def test_with_conflicts_the_commands_are_named_and_not_run(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    (project / "readme.txt").write_text("mine\n")
    repo.release(
        "v1.1.0",
        settings("_migrations: ['git config demo.set yes']\n")
        | {"files/readme.txt.jinja": "theirs\n"},
    )
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 3
    assert "Not run, because of the conflicts" in ran.err
    assert "demo.set" not in TemplateRepo(project).git("config", "--list")


def test_a_dry_run_names_the_commands_and_runs_none_in_the_project(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", settings("_migrations: ['touch made']\n"))
    before = tree(project)
    ran = run("update", "--trust", "--project", project, "--dry-run", "--json")
    assert (ran.exit, ran.json["commands"]) == (0, ["touch made"])
    assert tree(project) == before


def test_a_repository_that_a_task_begins_is_none_of_the_projects(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    # Tools that install hooks refuse to where core.hooksPath is set.
    tasks = "_tasks: [git init -q, '! git config core.hooksPath && date > .git/pre-commit']\n"
    repo.release("v1.1.0", settings(tasks) | {"files/new.txt": "new\n"})
    (project / ".git/mine").write_text("mine")
    ran = run("update", "--trust", "--project", project)
    assert ran.exit == 0, ran.err
    assert (project / "new.txt").read_text() == "new\n"
    assert (project / ".git/mine").read_text() == "mine"


def test_a_template_knows_a_copy_from_an_update(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    config = (
        """_tasks: [{command: touch once, when: "{{ _copier_operation == 'copy' }}"}]\n"""
        """---\n_exclude: ["{% if _copier_operation == 'update' %}wheels.txt{% endif %}"]\n"""
    )
    repo.release("v1.1.0", settings(config))
    made = tmp_path / "made"
    flags = ("--template", repo.path, "--defaults", "--trust", "--set", "parts=[wheels]")
    assert run("new", made, *flags).exit == 0
    assert {"once", "wheels.txt"} <= tree(made).keys()
    (made / "once").unlink()
    (made / "wheels.txt").unlink()
    repo.release("v1.2.0", {"files/wheels.txt": "rounder\n", "files/horn.txt": "louder\n"})
    ran = run("update", "--trust", "--project", made)
    assert ran.exit == 0, ran.err
    assert not {"once", "wheels.txt"} & tree(made).keys()
    assert "wheels.txt" not in ran.out


def test_where_a_task_runs_is_no_change_of_the_templates(
    repo: TemplateRepo, tmp_path: Path, run: Run
) -> None:
    repo.release("v1.1.0", settings("_tasks: ['pwd > where && echo 1 >> where']\n"))
    made = tmp_path / "made"
    assert run("new", made, "--template", repo.path, "--defaults", "--trust").exit == 0
    (made / "where").write_text(f"{made}\n1\n")
    repo.release("v1.2.0", settings("_tasks: ['pwd > where && echo 1 >> where']\nlate: yes\n"))
    ran = run("update", "--trust", "--defaults", "--project", made)
    assert ran.exit == 0, ran.err
    assert (made / "where").read_text() == f"{made}\n1\n"


def test_undo_of_migrations_leaves_an_empty_directory_of_the_users(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    (project / "empty").mkdir()
    repo.release(
        "v1.1.0",
        settings("_migrations: [{version: v1.1.0, command: touch ran}]\n")
        | {"files/empty/not": "any more\n"},
    )
    before = entries(project)
    assert run("update", "--trust", "--project", project).exit == 0
    assert (project / "empty/not").exists()
    assert run("undo", "--project", project).exit == 0
    assert entries(project) == before
    assert (project / "empty").is_dir()


def test_an_extension_that_is_not_installed_is_named_with_where_to_install_it(
    repo: TemplateRepo, project: Path, run: Run
) -> None:
    repo.release("v1.1.0", settings("_jinja_extensions: [not_there.Ext]\nmore: '{{ name }}'\n"))
    ran = run("update", "--trust", "--defaults", "--project", project)
    assert ran.exit == 1
    assert "not_there" in ran.err
    assert "Install what it names" in ran.err
