"""Kills and signals at every moment of a whole command line: nothing is lost, the next run goes on.

merge/test_applying.py does the same for the merge alone.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from asyncscaffold import merge
from tests.disturbing import before_each_change, signalled, states
from tests.helpers import call
from tests.merge.conftest import TEXT, Files, Link, Script, copy_tree, entries, git, write

_COPIER_YML = """\
_subdirectory: files
_templates_suffix: .jinja
_preserve_symlinks: true
_exclude: ["{% if not wheels %}wheels{% endif %}", nothing]
wheels: {type: bool, default: false}
"""
_ANSWERS = "{{ _copier_conf.answers_file }}.jinja"
_SECRET = ".env"

_FIRST: Files = {
    _ANSWERS: "{{ _copier_answers | to_nice_yaml }}",
    "changed": TEXT,
    "conflict": "1\n",
    "image": b"\0\1",
    "dropped/deep/a": "1",
    "kept": TEXT.replace("line", "kept"),
    "file": "1",
    "dir/a": "1",
    "renamed": TEXT.replace("line", "renamed"),
    "run": "run\n",
    "link": Link("changed"),
    "Cargo.toml": '[dependencies]\none = "1"\n',
    "wheels/round": "round\n",
    "changed-by-wheels.jinja": TEXT + "{% if wheels %}round\n{% endif %}",
    ".gitignore": f"{_SECRET}\n",
    _SECRET: "TOKEN=\n",
}
_SECOND: Files = {
    _ANSWERS: "{{ _copier_answers | to_nice_yaml }}",
    "changed": "new\n" + TEXT,
    "conflict": "2\n",
    "image": b"\0\2",
    "file/a": "2",
    "dir": Script("2"),
    "moved/to": TEXT.replace("line", "renamed"),
    "run": Script("run\n"),
    "link": Link("run"),
    "Cargo.toml": '[dependencies]\none = "1"\ntwo = "2"\n',
    "wheels/round": "rounder\n",
    "changed-by-wheels.jinja": "new\n" + TEXT + "{% if wheels %}round\n{% endif %}",
    "new/deep/a": "2",
    ".gitignore": f"{_SECRET}\n*.log\n",
    _SECRET: "TOKEN=\nOTHER=\n",
}
_EDITS: Files = {
    "changed": TEXT + "user 1\n",
    "conflict": "user 2\n",
    "image": b"\0user 3",
    "kept": TEXT.replace("line", "kept") + "user 4\n",
    "renamed": TEXT.replace("line", "renamed") + "user 5\n",
    "Cargo.toml": '[dependencies]\none = "1"\nuser = "6"\n',
    "own/file": "user 7\n",
    _SECRET: "TOKEN=user 8\n",
}
_OWN = {f"user {number}" for number in range(1, 6)} | {"user 7", "user 8", 'user = "6"'}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that differ in every way."""
    root = tmp_path_factory.mktemp("template") / "template"
    for tag, files in (("v1.0.0", _FIRST), ("v2.0.0", _SECOND)):
        shutil.rmtree(root / "files", ignore_errors=True)
        write(root, {"copier.yml": _COPIER_YML})
        write(root / "files", files)
        if tag == "v1.0.0":
            git(root, "init", "-q")
        git(root, "add", "--all", "--force")
        git(root, "commit", "-q", "-m", tag)
        git(root, "tag", tag)
    return root


@dataclass
class Scene:
    """A project before a run and after it, and the command line of that run."""

    root: Path
    words: tuple[str, ...]

    @property
    def before(self) -> Path:
        return self.root / "before" / "thing"

    @property
    def after(self) -> Path:
        return self.root / "after" / "thing"

    @property
    def work(self) -> Path:
        return self.root / "work" / "thing"

    def begin(self) -> tuple[str | Path, ...]:
        """The project as it was, at work; gives the command line to run there."""
        copy_tree(self.before, self.work)
        return (*self.words, "--project", self.work)


@pytest.fixture(scope="module", params=["update", "update without git", "add", "undo"])
def scene(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """Each run that writes, on a project with edits of every kind."""
    name, _, without_git = request.param.partition(" ")
    words = {"update": ("update", "--defaults"), "add": ("add", "wheels"), "undo": ("undo",)}[name]
    scene = Scene(tmp_path_factory.mktemp("scene"), words)
    started = "v2.0.0" if name == "add" else "v1.0.0"
    new = ("new", scene.before, "--template", template, "--ref", started, "--defaults")
    assert call(*new, *(["--no-git"] if without_git else [])).exit == 0
    edits = _EDITS if name != "add" else {**_EDITS, "changed-by-wheels": TEXT + "user 1\n"}
    write(scene.before, {p: v for p, v in edits.items() if name != "add" or p != "renamed"})
    if name == "add":
        write(scene.before, {"moved/to": "user 5\n", "changed": TEXT + "user 1\n"})
    (scene.before / "empty").mkdir()
    (scene.before / "changed").chmod(0o600)
    if name == "undo":
        assert call("update", "--defaults", "--project", scene.before).exit == 3
    scene.after.parent.mkdir()
    copy_tree(scene.before, scene.after)
    assert call(*scene.words, "--project", scene.after).exit in (0, 3)
    assert entries(scene.after) != entries(scene.before)
    return scene


def test_a_kill_at_any_moment_leaves_old_or_new_or_what_undo_completes(
    scene: Scene, tmp_path: Path
) -> None:
    found = states(scene.work, tmp_path, *scene.begin())
    old, new = entries(scene.before), entries(scene.after)
    undone = old if scene.words[0] != "undo" else new
    seen = set()
    for number, state in enumerate(found):
        _loses_nothing(state)
        pending = merge.is_pending(state)
        if not pending:
            assert _without_temporary(entries(state)) in (old, new)
        seen.add(pending)
        ran = call("undo", "--project", state)
        assert pending == ("it is completed now" in ran.err), number
        assert ran.exit in (0, 1), ran.err
        assert entries(state) == undone, number
        _left_nothing(state)
    assert True in seen


def test_every_writing_verb_completes_what_a_kill_left(scene: Scene, tmp_path: Path) -> None:
    found = [s for s in states(scene.work, tmp_path, *scene.begin()) if merge.is_pending(s)]
    new = entries(scene.after)
    verbs = [("update", "--to", "v1.0.0", "--defaults"), ("add", "wheels"), ("remove", "wheels")]
    for verb, state in zip(verbs, _some(found, 3), strict=True):
        # The run may be refused then, over markers of the completed one, or go on from there.
        ran = call(*verb, "--project", state)
        assert "it is completed now" in ran.err
        if ran.exit == 1:
            assert "Conflicts are not resolved yet" in ran.err
            assert entries(state) == new
        _loses_nothing(state)
        _left_nothing(state)


def test_a_kill_of_the_completing_run_is_completed_by_the_next(
    scene: Scene, tmp_path: Path
) -> None:
    first = [s for s in states(scene.work, tmp_path / "1", *scene.begin()) if merge.is_pending(s)]
    new = entries(scene.after)
    undone = entries(scene.before) if scene.words[0] != "undo" else new
    for number, state in enumerate(_some(first, 2)):
        for again in states(state, tmp_path / f"2-{number}", "undo", "--project", state)[::3]:
            call("undo", "--project", again)
            assert entries(again) == undone
            _left_nothing(again)


def test_what_was_saved_after_a_kill_is_kept_and_named(scene: Scene, tmp_path: Path) -> None:
    found = [s for s in states(scene.work, tmp_path, *scene.begin()) if merge.is_pending(s)]
    old, new = entries(scene.before), entries(scene.after)
    changed = sorted(
        path
        for path in old.keys() & new.keys()
        if old[path] != new[path] and not {str} & {type(old[path]), type(new[path])}
    )
    for number, state in enumerate(_some(found, 12)):
        turned = changed[number % len(changed) :] + changed
        path = next(p for p in turned if not (state / p).is_dir())
        (state / path).write_text("saved since\n")
        ran = call("undo", "--project", state)
        assert path in ran.err
        assert (state / path).read_text() == "saved since\n"
        others = entries(state)
        assert _apart_from(path, others) in (_apart_from(path, old), _apart_from(path, new))
        _left_nothing(state)


def test_a_process_that_is_killed_leaves_what_the_next_completes(scene: Scene) -> None:
    words = scene.begin()
    with before_each_change(lambda _: None) as count:
        call(*words)
    undone = entries(scene.after if scene.words[0] == "undo" else scene.before)
    for at in _some(range(1, count[0] + 1), 4):
        assert signalled(signal.SIGKILL, at, *scene.begin()) == -signal.SIGKILL
        call("undo", "--project", scene.work)
        assert entries(scene.work) == undone
        _left_nothing(scene.work)


def test_a_signal_at_any_moment_leaves_old_or_new_and_the_exit_code_says_which(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    applying: list[int] = []
    before = scene.begin()
    with before_each_change(
        lambda n: applying.append(n) if merge.is_pending(scene.work) else None
    ) as count:
        done = call(*before).exit
    moments = {
        *_some(range(1, count[0] + 1), 6),
        *_some(applying, 10),
        *range(applying[-1] - 1, applying[-1] + 3),
        count[0],
    }
    old, new = entries(scene.before), entries(scene.after)
    codes = set()
    for turn, at in enumerate(sorted(moments)):
        number = (signal.SIGINT, signal.SIGTERM)[turn % 2]
        code = signalled(number, at, *scene.begin())
        codes.add(code)
        assert code in (done, 128 + number), at
        assert entries(scene.work) == (new if code == done else old), at
        assert not merge.is_pending(scene.work)
        _left_nothing(scene.work)
        assert list(tmp_path.iterdir()) == [], at
        if code != done:
            # What could be undone before can be undone still.
            assert bool(merge.undoing(scene.work)) == bool(merge.undoing(scene.before)), at
    assert {130, 143} <= codes


def _some(things: list | range, number: int) -> list:  # type: ignore[type-arg]
    """About `number` of them, over the whole length."""
    step = max(1, len(things) // number)
    return list(things)[step // 2 :: step][:number]


def _loses_nothing(project: Path) -> None:
    """Every line of the user's is in the tree, whatever the moment, or in the journal."""
    texts = [p.read_bytes() for p in project.rglob("*") if p.is_file() and ".git" not in p.parts]
    pending = merge.journal.under_way(project)
    if pending:
        texts += [c.old.data for c in pending.changes if c.old]
    everything = b"\n".join(texts)
    assert not [line for line in _OWN if line.encode() not in everything]


def _apart_from(path: str, tree: Mapping[str, object]) -> dict[str, object]:
    """A tree without a path, and without what cannot be where a file stands at it."""
    return {p: entry for p, entry in tree.items() if not f"{p}/".startswith(f"{path}/")}


def _without_temporary(tree: Mapping[str, object]) -> dict[str, object]:
    return {path: entry for path, entry in tree.items() if "/.asyncscaffold-" not in f"/{path}"}


def _left_nothing(project: Path) -> None:
    assert not [p for p in project.rglob("*") if p.name.startswith(".asyncscaffold-")]
    assert not list(project.rglob("*.new"))
