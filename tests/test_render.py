"""What a template may do when it is rendered, and what is said of one that does not render."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers import FILES, Done, call, command, commit, git, process, write


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def make(here: Path, files: dict[str, str], *words: object) -> Done:
    template = write(here.parent / "template", files)
    return call("new", here / "svc", "--template", template, "--defaults", *words)


def refused(here: Path, files: dict[str, str], *words: object) -> str:
    """What is said of a template that is refused; nothing is left of it."""
    done = make(here, files, *words)
    assert (done.exit, done.out) == (1, "")
    assert list(here.iterdir()) == []
    return done.err


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("_tasks: [echo one, {command: [touch, two]}]\n", ["task: echo one", "task: touch two"]),
        ("_migrations: [{version: v1, before: [./m.sh]}]\n", ["migration: ./m.sh"]),
        ("_migrations: [{command: run it}]\n", ["migration: run it"]),
        (
            "_jinja_extensions: [evil.Ext]\n---\n_jinja_extensions: []\n",
            ["Jinja extension: evil.Ext"],
        ),
    ],
)
def test_a_template_that_runs_code_is_refused_naming_it(
    here: Path, config: str, named: list[str]
) -> None:
    said = refused(here, {"copier.yml": config})
    assert all(f"  {name}" in said for name in named)
    assert "--trust" in said
    assert call("decide", "--template", here.parent / "template").exit in (1, 2)


def test_trust_runs_tasks_and_keeps_stdout_one_document(here: Path) -> None:
    config = "_tasks: [echo loud, touch made]\n_jinja_extensions: [jinja2.ext.do]\n"
    template = write(
        here.parent / "template",
        {"copier.yml": config + "a: {type: str, default: '{% do [].append(1) %}b'}\n"},
    )
    words = command("new", "svc", "--template", template, "--defaults", "--trust", "--json")
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=True)
    assert '"made"' in done.stdout
    assert "loud" not in done.stdout
    assert "loud" in done.stderr
    assert "--trust" in done.stdout
    assert (here / "svc/made").is_file()


def test_a_task_that_fails_leaves_nothing(here: Path) -> None:
    assert "does not render" in refused(here, {"copier.yml": "_tasks: ['exit 7']"}, "--trust")


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.txt.jinja", "{% if %}", "a.txt.jinja"),
        ("a.txt.jinja", "one\n{{ nothing.at.all }}", "line 2 of a.txt.jinja"),
        ("a.txt.jinja", "{% include 'gone' %}", "gone"),
        ("{{ no.such }}.txt", "", "{{ no.such }}.txt"),
        (
            "a.txt.jinja",
            "{{ ''.__class__.__mro__ }}{{ ().__class__.__base__.__subclasses__() }}",
            "",
        ),
    ],
)
def test_a_file_that_does_not_render_is_named(here: Path, name: str, text: str, named: str) -> None:
    said = refused(here, {"copier.yml": "", name: text})
    assert "does not render" in said
    assert named in said


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("a: [", "copier.yml cannot be read: while parsing"),
        ("- a\n- b", "copier.yml cannot be read: it holds no questions."),
        ("text", "copier.yml cannot be read: it holds no questions."),
        ("on: x", "one of its keys is True to YAML"),
        ("a: !include {}", "copier.yml cannot be read"),
        ("--- !include /etc/passwd", "a path relative to the template"),
        ("--- !include ../here/../outside.yml", "leads out of the template"),
        ("a: !!timestamp x", "copier.yml cannot be read"),
        ("a: \x00", "copier.yml cannot be read"),
        ("_tasks: echo", "_tasks is no list"),
        ("_envops: [x]", "_envops is no mapping"),
        ("_envops: {nonsense: 1}\na: {default: '{{ 1 }}'}", "Jinja settings"),
        ("_envops: {undefined: os.system}\na: {default: '{{ 1 }}'}", "undefined is 'os.system'"),
        ("_min_copier_version: '99'", "does not render: This template requires Copier version"),
        ("_subdirectory: ../here", "does not render"),
        ("a: {type: strange, default: x}", "question a is broken: its type is 'strange'"),
        ("a: {type: str, choices: [{x: 1}], default: x}", "question a is broken: its choices"),
        ("a: {type: str, choices: {x: {no: value}}}", "question a is broken: its choices"),
        ("a: {type: str, choices: 5}", "question a is broken: its choices"),
        (
            "a: {type: int, default: many}",
            "question a is broken: its default: 'many' is not a whole",
        ),
        ("a: {type: str, default: '{{ 1 / 0 }}'}", "question a: division by zero"),
        ("a: {type: str, default: '{{ x.y }}'}", "question a: 'x' is undefined"),
        ("a: {type: str, when: '{% nonsense %}'}", "question a: Encountered unknown tag"),
        ("a: {type: str, default: \"{{ '(' | regex_search('(') }}\"}", "question a: "),
    ],
)
def test_a_broken_template_is_a_sentence(here: Path, config: str, named: str) -> None:
    write(here.parent, {"outside.yml": "a: 1"})
    assert named in refused(here, {"copier.yml": config, "x": ""})


def test_both_names_of_the_configuration_are_refused(here: Path) -> None:
    said = refused(here, {"copier.yml": "", "copier.yaml": ""})
    assert "has both copier.yml and copier.yaml" in said


def test_a_link_that_leads_out_is_refused(here: Path) -> None:
    config = {"copier.yml": "_preserve_symlinks: true\n_subdirectory: files\n", "files/a": ""}
    template = write(here.parent / "template", config)
    for target in ("/etc/passwd", "../../x", "sub/../../up", "loop/../../.."):
        (template / "files/link").symlink_to(target)
        assert "leads out of the project" in refused(here, config)
        (template / "files/link").unlink()
    (template / "files/link").symlink_to("a")
    (template / "files/loop").symlink_to("loop")
    assert make(here, config).exit == 0
    assert (here / "svc/link").readlink() == Path("a")


def test_a_link_out_of_the_template_is_refused(here: Path) -> None:
    write(here.parent, {"outside": "secret"})
    template = write(
        here.parent / "template", {"copier.yml": "_subdirectory: files", "files/a": ""}
    )
    (template / "files/link").symlink_to(here.parent / "outside")
    assert "does not render" in refused(here, {})


@pytest.mark.parametrize("answer", ["../up", "/tmp/elsewhere", "..", "a/../../b"])
def test_an_answer_that_leads_out_is_refused(here: Path, answer: str) -> None:
    files = {"copier.yml": "name: {type: str}\n", "{{ name }}": "text", "x/{{ name }}.txt": "text"}
    refused(here, files, "--set", f"name={answer}")


def test_an_answers_file_that_leads_out_is_refused(here: Path) -> None:
    assert make(here, FILES, "--answers-file", "../answers.yml").exit == 2
    assert list(here.iterdir()) == []
    assert make(here, FILES, "--answers-file", "sub/answers.yml").exit == 0


@pytest.mark.parametrize("name", [".git", "sub/.GIT"])
def test_a_template_that_renders_gits_own_files_is_refused(here: Path, name: str) -> None:
    folder, _, last = name.rpartition("/")
    part = (
        f"{folder}/{{{{ dot }}}}{last[1:]}/config" if folder else f"{{{{ dot }}}}{last[1:]}/config"
    )
    files = {"copier.yml": "dot: {type: str, default: .}\n_exclude: [x]\n", part: "[core]\n"}
    assert "git's own" in refused(here, files)


def test_an_expression_cannot_reach_the_disk(here: Path) -> None:
    for expression in (
        "{{ _copier_conf.src_path.parser.os.listdir('/') }}",
        "{{ _copier_conf.src_path.read_text() }}",
        "{{ _copier_conf.dst_path.write_text('x') }}",
        "{% include '../../../etc/passwd' %}",
    ):
        config = f'a: {{type: str, default: "{expression}"}}\n'
        assert "does not evaluate" in refused(here, {"copier.yml": config})


def test_the_template_sees_no_staging_directory(here: Path) -> None:
    shown = "{{ _copier_conf.dst_path }} {{ _folder_name }} {{ _copier_conf.answers_file }}\n"
    config = f"a: {{type: str, default: '{shown.strip()}'}}\n"
    assert make(here, {"copier.yml": config, "a.jinja": f"{{{{ a }}}}\n{shown}"}).exit == 0
    assert (here / "svc/a").read_text() == "svc svc .copier-answers.yml\n" * 2


@pytest.mark.parametrize(
    ("settings", "files", "made"),
    [
        ("_subdirectory: '{{ a }}'", {"one/x.jinja": "{{ a }}"}, {"x": "one"}),
        ("_templates_suffix: ''", {"x": "{{ a }}"}, {"x": "one"}),
        (
            "_templates_suffix: .tmpl",
            {"x.tmpl": "{{ a }}", "y.jinja": "{{"},
            {"x": "one", "y.jinja": "{{"},
        ),
        (
            "_envops: {variable_start_string: '<<', variable_end_string: '>>'}",
            {"x.jinja": "<< a >>{{ a }}"},
            {"x": "one{{ a }}"},
        ),
        ("_exclude: ['*.no', copier.yml]", {"x.no": "", "y": "y"}, {"y": "y"}),
        (
            "",
            {"{% yield n from [1, 2] %}{{ n }}{% endyield %}.jinja": "{{ n }}"},
            {"1": "1", "2": "2"},
        ),
    ],
)
def test_copiers_settings_work(
    here: Path, settings: str, files: dict[str, str], made: dict[str, str]
) -> None:
    assert make(here, {"copier.yml": f"a: one\n{settings}\n", **files}).exit == 0
    for name, text in made.items():
        assert (here / "svc" / name).read_text() == text
    assert not (here / "svc/copier.yml").exists()


def test_a_template_of_nothing_makes_an_empty_project(here: Path) -> None:
    done = make(here, {"copier.yml": "a: 1\n"}, "--json")
    assert (done.exit, done.json["files"]) == (0, [])
    assert git(here / "svc", "log", "--format=%s") == "Start the project"


def test_text_answers_of_json_and_yaml_questions_arrive_as_they_are(here: Path) -> None:
    files = {
        "copier.yml": "j: {type: json}\ny: {type: yaml}\nk: {type: yaml}\n",
        "out.jinja": "{{ j | to_json }} {{ y | to_json }} {{ k | to_json }}",
    }
    sets = ("--set", "j='\"text\"'", "--set", "y=\"'1'\"", "--set", "k=[a, 2]")
    assert make(here, files, *sets).exit == 0
    assert (here / "svc/out").read_text() == '"text" "1" ["a", 2]'


def test_the_users_copier_settings_change_nothing(here: Path, tmp_path: Path) -> None:
    write(tmp_path, {"settings.yml": "defaults: {a: theirs, computed: theirs}\n"})
    template = write(
        tmp_path / "template",
        {
            "copier.yml": "a: ours\ncomputed: {type: str, default: '{{ a }}', when: false}\n",
            "x.jinja": "{{ a }} {{ computed }}",
        },
    )
    env = {**os.environ, "COPIER_SETTINGS_PATH": str(tmp_path / "settings.yml")}
    words = command("new", "svc", "--template", template, "--defaults")
    subprocess.run(words, cwd=here, env=env, check=True, capture_output=True)
    assert (here / "svc/x").read_text() == "ours ours"


def test_modes_and_bytes_survive(here: Path) -> None:
    template = write(here.parent / "template", {"copier.yml": "", "plain": "", "run.jinja": "x"})
    (template / "run.jinja").chmod(0o755)
    (template / "blob").write_bytes(bytes(range(256)))
    commit(template, "one", "v1")
    assert make(here, {}).exit == 0
    assert (here / "svc/blob").read_bytes() == bytes(range(256))
    assert (here / "svc/run").stat().st_mode & 0o777 == 0o755
    assert (here / "svc/plain").stat().st_mode & 0o111 == 0


def test_submodules_are_rendered_wherever_they_lie(here: Path, tmp_path: Path) -> None:
    part = write(tmp_path / "template-part", {"part.txt": "from a submodule\n"})
    commit(part, "part")
    template = write(tmp_path / "template", {**FILES, "copier.yml": "_exclude: [.git]\n"})
    commit(template, "without it")
    allowed = ("-c", "protocol.file.allow=always")
    git(template, *allowed, "submodule", "-q", "add", str(part), "files/p")
    commit(template, "one", "v1")
    home = write(tmp_path / "home", {".gitconfig": '[protocol "file"]\nallow = always\n'})
    words = ("new", here / "svc", "--template", template, "--defaults")
    done = process(*words, cwd=here, HOME=str(home), XDG_CONFIG_HOME=None)
    assert (done.exit, done.err) == (0, "")
    assert (here / "svc/files/p/part.txt").read_text() == "from a submodule\n"


def test_a_template_that_was_never_packed_is_left_as_it_is(here: Path, tmp_path: Path) -> None:
    template = write(tmp_path / "template", FILES)
    commit(template, "one", "v1")
    before = sorted(path.relative_to(template) for path in template.rglob("*"))
    assert call("new", here / "svc", "--template", template, "--defaults").exit == 0
    assert sorted(path.relative_to(template) for path in template.rglob("*")) == before
    assert f"_src_path: {template}\n" in (here / "svc/.copier-answers.yml").read_text()
