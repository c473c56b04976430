"""From one runtime to another and back, on projects with a user's edits in them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers import Done, call, commit
from tests.trees import Tree, read_tree

SHELLS = {"tokio": "service", "threads": "threaded", "rayon": "batch", "blocking": "batch"}
MINE = "// What only I know.\n"


class Story(NamedTuple):
    """A project of one runtime that is moved to another, and back."""

    here: str
    there: str


STORIES = [
    Story("threads", "tokio"),
    Story("tokio", "rayon"),
    Story("rayon", "blocking"),
    Story("blocking", "tokio"),
]


@pytest.fixture(params=STORIES, ids=lambda story: f"{story.here}-{story.there}")
def story(request: pytest.FixtureRequest) -> Story:
    held: Story = request.param
    return held


def new(template: Path, path: Path, runtime: str) -> Path:
    words = ("--runtime", runtime, "--defaults")
    assert call("new", path, "--template", template, *words).exit == 0
    return path


@pytest.fixture
def project(template_repository: Path, tmp_path: Path, story: Story) -> Path:
    return new(template_repository, tmp_path / "svc", story.here)


def update(project: Path, runtime: str, *words: str) -> Done:
    done = call("update", "--project", project, "--set", f"runtime={runtime}", "--json", *words)
    assert done.exit == 0, done.out
    return done


def add_line(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + MINE, "utf-8")


def tree(project: Path) -> Tree:
    """The project's files, without git's own."""
    return {name: f for name, f in read_tree(project).items() if not name.startswith(".git/")}


def without_records(tree: Tree) -> Tree:
    return {name: file for name, file in tree.items() if not name.startswith("docs/decisions/")}


def test_a_project_becomes_what_a_new_one_would_be(
    template_repository: Path, tmp_path: Path, project: Path, story: Story
) -> None:
    update(project, story.there, "--defaults")
    fresh = tmp_path / "fresh" / "svc"
    answers = project / ".copier-answers.yml"
    assert call("new", fresh, "--template", template_repository, "--answers", answers).exit == 0
    assert without_records(tree(project)) == without_records(tree(fresh))


def test_and_back_it_is_what_it_was(project: Path, story: Story) -> None:
    before = tree(project)
    update(project, story.there, "--defaults")
    update(project, story.here, "--defaults")
    after = tree(project)
    records = [f"docs/decisions/000{number}-runtime.md" for number in (2, 3)]
    assert {name: after.pop(name) for name in records}
    assert after == before


def test_no_empty_directory_is_left(project: Path, story: Story) -> None:
    update(project, story.there, "--defaults")
    folders = [path for path in project.glob("[!.]*/**") if path.is_dir()]
    assert folders
    assert [folder for folder in folders if not any(folder.iterdir())] == []


def test_edits_stay_where_they_were_made_and_are_listed_where_their_shell_goes(
    project: Path, story: Story
) -> None:
    shell = SHELLS[story.here]
    edited = [project / "domain/src/key.rs", project / shell / "src/main.rs"]
    kept: list[str] = []
    if SHELLS[story.there] != shell:
        edited.append(project / shell / "src/lib.rs")
        kept = [f"{shell}/src/lib.rs", f"{shell}/src/main.rs"]
    for path in edited:
        add_line(path)
    commit(project, "mine")
    before = {path: path.read_bytes() for path in edited}
    done = update(project, story.there, "--defaults")
    assert {path: path.read_bytes() for path in edited} == before
    assert [note["path"] for note in done.json["kept"]] == kept
    assert {path for path in project.rglob("*.rs") if MINE in path.read_text("utf-8")} == set(
        edited
    )
    if kept:
        left = [path for path in (project / shell).rglob("*") if path.is_file()]
        assert {path.relative_to(project).as_posix() for path in left} == set(kept)
    back = update(project, story.here, "--defaults")
    assert {path: path.read_bytes() for path in edited} == before
    assert not back.json["kept"]


def test_the_workspace_keeps_the_dependencies_and_members_that_the_user_added(
    project: Path, story: Story
) -> None:
    root = project / "Cargo.toml"
    text = root.read_text("utf-8").replace('    "domain",\n', '    "domain",\n    "mine",\n', 1)
    root.write_text(text.replace('bytes = "1"\n', 'bytes = "1"\nhalf = "2"\n', 1), "utf-8")
    for runtime in (story.there, story.here):
        update(project, runtime, "--defaults")
        text = root.read_text("utf-8")
        assert 'half = "2"\n' in text
        assert '    "mine",\n' in text
        assert f'    "{SHELLS[runtime]}",\n' in text


def test_answers_that_the_new_runtime_cannot_have_are_named_with_the_flag_to_pass(
    template_repository: Path, tmp_path: Path
) -> None:
    project = new(template_repository, tmp_path / "svc", "tokio")
    before = tree(project)
    refused = call("update", "--project", project, "--set", "runtime=threads")
    assert (refused.exit, tree(project)) == (2, before)
    assert "no terminal to ask on: --interfaces" in refused.err
    assert "http: no blocking HTTP server" in refused.err
    assert "--interfaces tcp" in refused.err
    update(project, "threads", "--interfaces", "tcp")
    assert (project / "threaded/src/main.rs").exists()
    told = call("update", "--project", project, "--set", "runtime=rayon", "--interfaces", "tcp")
    assert told.exit == 2
    assert "--interfaces: it is not asked with --runtime rayon" in told.err


def test_a_verdict_that_cannot_have_an_interface_names_both_ways_out(
    template_repository: Path, tmp_path: Path
) -> None:
    words = ("new", tmp_path / "svc", "--template", template_repository, "--defaults")
    refused = call(*words, "--interfaces", "http", "--scale", "under_500")
    assert refused.exit == 2
    assert "--runtime tokio" in refused.err
    assert "--interfaces tcp" in refused.err
    assert call(*words, "--interfaces", "grpc", "--scale", "under_500").exit == 0
