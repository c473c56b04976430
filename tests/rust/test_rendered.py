"""Every combination as text: formatted, whole, and without a trace of the template."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
import tomlkit
import yaml

from tests.rust.combinations import NAME, ODD_NAMES, Combination, every, named, pairwise
from tests.rust.conftest import Project, Render

EVERY = every()


@pytest.fixture(
    scope="session",
    params=[*EVERY, *map(named, ODD_NAMES)],
    ids=lambda combination: combination.name,
)
def project(request: pytest.FixtureRequest, render: Render) -> Project:
    return render(request.param)


def texts(project: Project, *suffixes: str) -> Iterator[tuple[str, str]]:
    """The project's text files (those with one of `suffixes`, when given), by their paths."""
    for path in sorted(project.path.rglob("*")):
        if path.is_file() and (not suffixes or path.suffix in suffixes):
            yield path.relative_to(project.path).as_posix(), path.read_text("utf-8")


def found(project: Project, pattern: str, *suffixes: str) -> list[str]:
    """`path:line: text` wherever a line matches."""
    return [
        f"{name}:{number}: {line}"
        for name, text in texts(project, *suffixes)
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


@pytest.fixture(scope="session")
def rustfmt_says(cargo: str) -> Callable[[Path, str, str], str]:
    """What `rustfmt --check` has against a source; the same one is looked at once."""
    rustfmt = shutil.which("rustfmt")
    if not rustfmt:
        assert os.environ.get("CI") != "true", "rustfmt is not there, and CI=true"
        pytest.skip("rustfmt is not there: whether what is rendered is formatted is not checked")
    known: dict[tuple[str, str], str] = {}

    def says(settings: Path, edition: str, source: str) -> str:
        rules = settings.read_text("utf-8") if settings.exists() else ""
        key = (rules + edition, sha256(source.encode()).hexdigest())
        if key not in known:
            done = subprocess.run(
                [rustfmt, "--check", f"--edition={edition}", f"--config-path={settings.parent}"],
                input=source,
                capture_output=True,
                text=True,
            )
            # Reading stdin, rustfmt prints the difference and exits with 0 all the same.
            known[key] = done.stdout + (done.stderr if done.returncode else "")
        return known[key]

    return says


def test_the_answers_are_recorded(project: Project) -> None:
    recorded = yaml.safe_load((project.path / ".copier-answers.yml").read_text("utf-8"))
    del recorded["_src_path"]
    assert recorded == project.combination.answers


def test_every_rust_file_is_formatted(
    project: Project, rustfmt_says: Callable[[Path, str, str], str]
) -> None:
    manifest = tomlkit.parse((project.path / "Cargo.toml").read_text("utf-8")).unwrap()
    edition = manifest["workspace"]["package"]["edition"]
    for name, text in texts(project, ".rs"):
        assert not rustfmt_says(project.path / "rustfmt.toml", edition, text), name


def test_no_directive_of_the_template_is_left(project: Project) -> None:
    assert not found(project, r"\{%|%\}|\{=|=\}|#%|//\{")


def test_no_placeholder_for_the_name_is_left(project: Project) -> None:
    assert not found(project, r"(?i)my[-_]service")


def test_nothing_is_left_for_the_reader_to_do(project: Project) -> None:
    assert not found(project, r"\b(TODO|FIXME|XXX|todo!|unimplemented!|dbg!)")


def test_no_file_has_stray_blank_lines_or_trailing_space(project: Project) -> None:
    for name, text in texts(project):
        assert not re.search(r"\n\n\n", text), f"{name}: two blank lines together"
        assert not re.search(r"\A\s|[ \t]+$", text, re.MULTILINE), f"{name}: stray space"
        assert re.search(r"\S\n\Z", text), f"{name}: ends without, or with more than, a newline"


def test_no_file_is_empty(project: Project) -> None:
    assert not [name for name, text in texts(project) if not text.strip()]


def test_every_toml_yaml_and_json_file_parses(project: Project) -> None:
    for name, text in texts(project, ".toml", ".lock"):
        assert tomlkit.parse(text), name
    for name, text in texts(project, ".yml", ".yaml"):
        assert list(yaml.safe_load_all(text)), name
    for name, text in texts(project, ".json"):
        assert json.loads(text), name


def test_the_binary_has_the_name_of_the_project_and_the_crates_have_not(project: Project) -> None:
    manifest = tomlkit.parse((project.path / "service" / "Cargo.toml").read_text("utf-8"))
    data = manifest.unwrap()
    assert [binary["name"] for binary in data["bin"]] == [
        project.combination.answers["project_name"]
    ]
    assert data["package"]["name"] == "service"


def left_out(project: Project) -> set[str]:
    """The modules that must not be there: those of capabilities left out, or of their opposite."""
    opposite = set() if "actor" in project.combination.without else {"mutex"}
    return {*project.combination.without, *opposite}


def test_no_file_of_a_left_out_capability_is_there(project: Project) -> None:
    for path in project.path.rglob("*"):
        parts = {part.split(".")[0] for part in path.relative_to(project.path).parts}
        assert not parts & left_out(project), path


def test_no_code_mentions_a_module_of_a_left_out_capability(project: Project) -> None:
    for module in left_out(project):
        pattern = rf"\bmod {module}\b|\b(crate|self|super|service|store)::{module}\b"
        assert not found(project, pattern, ".rs"), module


def test_no_test_asks_for_a_listener_that_is_not_there(project: Project) -> None:
    for capability in project.combination.without:
        assert not found(project, rf"""\((service, )?"{capability}"\)""", ".rs"), capability


def test_every_module_file_is_part_of_its_crate(project: Project) -> None:
    for source in project.path.glob("*/src/**/*.rs"):
        if source.name in {"lib.rs", "main.rs"}:
            continue
        module = source.parent.name if source.name == "mod.rs" else source.stem
        folder = source.parent.parent if source.name == "mod.rs" else source.parent
        parents = [folder / "mod.rs", folder / "lib.rs", folder.with_suffix(".rs")]
        declared = "".join(parent.read_text("utf-8") for parent in parents if parent.is_file())
        assert re.search(rf"\bmod {module};", declared), source


def manifests(project: Project) -> Iterator[tuple[Path, dict[str, object]]]:
    for path in sorted(project.path.glob("*/Cargo.toml")):
        yield path.parent, tomlkit.parse(path.read_text("utf-8")).unwrap()


def test_every_dependency_is_named_by_some_code(project: Project) -> None:
    for crate, manifest in manifests(project):
        code = "".join(path.read_text("utf-8") for path in crate.rglob("*.rs"))
        for kind in ("dependencies", "dev-dependencies"):
            dependencies = manifest.get(kind, {})
            assert isinstance(dependencies, dict)
            for name in dependencies:
                assert re.search(rf"\b{name.replace('-', '_')}\b", code), f"{crate.name}: {name}"


def test_every_dependency_of_the_workspace_is_used_by_a_member(project: Project) -> None:
    root = tomlkit.parse((project.path / "Cargo.toml").read_text("utf-8")).unwrap()
    used: set[str] = set()
    for _, manifest in manifests(project):
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            dependencies = manifest.get(kind, {})
            assert isinstance(dependencies, dict)
            used |= dependencies.keys()
    assert set(root["workspace"]["dependencies"]) <= used


# The set of combinations itself


def test_every_file_of_the_template_is_rendered_by_some_combination(
    template: Path, render: Render
) -> None:
    rendered = {name for made in EVERY for name, _ in texts(render(made))}
    files = {
        path.relative_to(template / "template").as_posix()
        for path in (template / "template").rglob("*")
        if path.is_file() and "{=" not in path.name
    }
    assert rendered - {".copier-answers.yml"} == files


def values(combination: Combination) -> set[tuple[str, bool]]:
    """What is in a combination and what is not, as pairs to be paired."""
    here = [(value, True) for value in combination.capabilities]
    runtime = (combination.answers["runtime"], True)
    return {*here, *((value, False) for value in combination.without), runtime}


def test_any_two_values_that_can_stand_together_do_so_in_the_pairwise_set() -> None:
    compiled = [values(combination) for combination in pairwise()]
    for combination in EVERY:
        for pair in combinations(values(combination), 2):
            assert any(set(pair) <= some for some in compiled), pair


def test_the_names_of_rendered_projects_are_not_in_the_template(template: Path) -> None:
    for path in (template / "template").rglob("*"):
        assert not path.is_file() or NAME not in path.read_text("utf-8"), path
