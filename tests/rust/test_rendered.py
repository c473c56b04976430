"""Every combination as text: formatted, whole, and without a trace of the template."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml

from tests.rust.combinations import NAME, ODD_NAMES, Combination, every, pairwise
from tests.rust.conftest import Render
from tests.rust.rendering import Rendered, Rendering
from tests.trees import read_tree

EVERY = every()


@pytest.fixture(scope="session")
def rendering(template: Path) -> Rendering:
    return Rendering(template)


@pytest.fixture(
    scope="session",
    params=[*EVERY, *ODD_NAMES],
    ids=lambda combination: combination.name,
)
def project(request: pytest.FixtureRequest, rendering: Rendering) -> Rendered:
    return rendering(request.param)


def texts(project: Rendered, *suffixes: str) -> Iterator[tuple[str, str]]:
    """The project's files (those with one of `suffixes`, when given), by their paths."""
    for name, text in project.files.items():
        if not suffixes or Path(name).suffix in suffixes:
            yield name, text


def found(project: Rendered, pattern: str, *suffixes: str) -> list[str]:
    """`path:line: text` wherever a line matches."""
    return [
        f"{name}:{line}"
        for name, text in texts(project, *suffixes)
        for line in lines(text, pattern)
    ]


# Most files are the same in many combinations: what depends on the text alone is looked at once.


@cache
def lines(text: str, pattern: str) -> list[str]:
    """`line: text` wherever a line of `text` matches."""
    if not re.search(pattern, text, re.MULTILINE):
        return []
    numbered = enumerate(text.splitlines(), start=1)
    return [f"{number}: {line}" for number, line in numbered if re.search(pattern, line)]


@cache
def toml(text: str) -> dict[str, Any]:
    return tomlkit.parse(text).unwrap()


@cache
def parses(suffix: str, text: str) -> bool:
    """Whether `text` is what its suffix says; an error says where it is not."""
    if suffix in {".toml", ".lock"}:
        return bool(toml(text))
    if suffix in {".yml", ".yaml"}:
        return bool(list(yaml.safe_load_all(text)))
    return json.loads(text) is not None


@cache
def stray(text: str) -> str:
    """What is stray about the blanks of `text`, if anything."""
    if re.search(r"\n\n\n", text):
        return "two blank lines together"
    if re.search(r"\A\s|[ \t]+$", text, re.MULTILINE):
        return "stray space"
    return "" if re.search(r"\S\n\Z", text) else "ends without, or with more than, a newline"


def manifest(project: Rendered, crate: str = "") -> dict[str, Any]:
    return toml(project.files[f"{crate}/Cargo.toml".lstrip("/")])


@pytest.fixture(scope="session")
def rustfmt_says(
    cargo: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, str], str]:
    """What `rustfmt --check` has against a source, by the text of its settings and the edition."""
    rustfmt = shutil.which("rustfmt")
    if not rustfmt:
        assert os.environ.get("CI") != "true", "rustfmt is not there, and CI=true"
        pytest.skip("rustfmt is not there: whether what is rendered is formatted is not checked")

    @cache
    def home(rules: str) -> Path:
        path = tmp_path_factory.mktemp("rustfmt")
        (path / "rustfmt.toml").write_text(rules, "utf-8")
        return path

    @cache
    def says(rules: str, edition: str, source: str) -> str:
        done = subprocess.run(
            [rustfmt, "--check", f"--edition={edition}", f"--config-path={home(rules)}"],
            input=source,
            capture_output=True,
            text=True,
        )
        # Reading stdin, rustfmt prints the difference and exits with 0 all the same.
        return done.stdout + (done.stderr if done.returncode else "")

    return says


def test_every_rust_file_is_formatted(
    project: Rendered, rustfmt_says: Callable[[str, str, str], str]
) -> None:
    edition = manifest(project)["workspace"]["package"]["edition"]
    rules = project.files["rustfmt.toml"]
    for name, text in texts(project, ".rs"):
        assert not rustfmt_says(rules, edition, text), name


def test_no_directive_of_the_template_is_left(project: Rendered) -> None:
    assert not found(project, r"\{%|%\}|\{=|=\}|#%|//\{#")


def test_no_placeholder_for_the_name_is_left(project: Rendered) -> None:
    assert not found(project, r"(?i)my[-_](service|threaded|batch)")


def test_nothing_is_left_for_the_reader_to_do(project: Rendered) -> None:
    assert not found(project, r"\b(TODO|FIXME|XXX|todo!|unimplemented!|dbg!)")


def test_no_file_has_stray_blank_lines_or_trailing_space(project: Rendered) -> None:
    for name, text in texts(project):
        assert not stray(text), name


def test_no_file_is_empty(project: Rendered) -> None:
    assert not [name for name, text in texts(project) if not text.strip()]


def test_every_toml_yaml_and_json_file_parses(project: Rendered) -> None:
    for name, text in texts(project, ".toml", ".lock", ".yml", ".yaml", ".json"):
        assert parses(Path(name).suffix, text), name


def test_the_binary_has_the_name_of_the_project_and_the_crates_have_not(project: Rendered) -> None:
    crates = {crate: manifest(project, crate) for crate in members(project)}
    binaries = [binary["name"] for data in crates.values() for binary in data.get("bin", [])]
    assert binaries == [project.combination.answers["project_name"]]
    assert all(data["package"]["name"] == crate for crate, data in crates.items())


def test_every_crate_is_a_member_of_the_workspace(project: Rendered) -> None:
    assert manifest(project)["workspace"]["members"] == sorted(members(project))


def left_out(project: Rendered) -> set[str]:
    """The modules that must not be there: those of capabilities left out, or of their opposite."""
    opposite = set() if "actor" in project.combination.without else {"mutex"}
    return {*project.combination.without, *opposite}


def test_no_file_of_a_left_out_capability_is_there(project: Rendered) -> None:
    for name in project.files:
        parts = {part.split(".")[0] for part in Path(name).parts}
        assert not parts & left_out(project), name


def test_no_code_mentions_a_module_of_a_left_out_capability(project: Rendered) -> None:
    for module in left_out(project):
        pattern = rf"\bmod {module}\b|\b(crate|self|super|service|threaded|store)::{module}\b"
        assert not found(project, pattern, ".rs"), module


def test_no_test_asks_for_a_listener_that_is_not_there(project: Rendered) -> None:
    for capability in project.combination.without:
        asks = found(project, rf"""\((&mut )?(service, )?"{capability}"\)""", ".rs")
        assert not [line for line in asks if "/tests/" in line], capability


def test_every_module_file_is_part_of_its_crate(project: Rendered) -> None:
    for name in project.files:
        source = Path(name)
        if not source.match("*/src/**/*.rs") or source.name in {"lib.rs", "main.rs"}:
            continue
        module = source.parent.name if source.name == "mod.rs" else source.stem
        folder = source.parent.parent if source.name == "mod.rs" else source.parent
        parents = [folder / "mod.rs", folder / "lib.rs", folder.with_suffix(".rs")]
        declared = "".join(project.files.get(parent.as_posix(), "") for parent in parents)
        assert re.search(rf"\bmod {module};", declared), name


def members(project: Rendered) -> list[str]:
    """The directories of the workspace's crates."""
    return [name.partition("/")[0] for name in project.files if name.endswith("/Cargo.toml")]


def test_every_dependency_is_named_by_some_code(project: Rendered) -> None:
    for crate in members(project):
        shared = [Path(test["path"]).name for test in manifest(project, crate).get("test", [])]
        code = "".join(
            text
            for name, text in texts(project, ".rs")
            if name.startswith((f"{crate}/", *(f"tests/{name}" for name in shared)))
        )
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            for name in manifest(project, crate).get(kind, {}):
                assert re.search(rf"\b{name.replace('-', '_')}\b", code), f"{crate}: {name}"


def test_every_dependency_of_the_workspace_is_used_by_a_member(project: Rendered) -> None:
    used: set[str] = set()
    for crate in members(project):
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            used |= manifest(project, crate).get(kind, {}).keys()
    assert set(manifest(project)["workspace"]["dependencies"]) <= used


# The set of combinations itself


def test_every_file_of_the_template_is_rendered_by_some_combination(rendering: Rendering) -> None:
    assert {name for made in EVERY for name in rendering(made).files} == set(rendering.sources)


@pytest.mark.parametrize("combination", pairwise(), ids=lambda combination: combination.name)
def test_copier_renders_the_same_and_records_the_answers(
    combination: Combination, render: Render, rendering: Rendering
) -> None:
    tree = read_tree(render(combination).path)
    recorded = yaml.safe_load(tree.pop(".copier-answers.yml").content)
    del recorded["_src_path"]
    assert recorded == combination.answers
    assert {name: entry.content.decode() for name, entry in tree.items()} == (
        rendering(combination).files
    )


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
    for path in [*(template / "template").rglob("*"), *(template / "includes").rglob("*")]:
        assert not path.is_file() or NAME not in path.read_text("utf-8"), path
