"""`update` beside `copier update` and `cruft update`: whole processes, one template, one edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.command_line import process
from bench.measuring import Effort, Figures, Goal, Side, compare
from bench.servers import ROOT

CRUFT = "2.16.0"
ROUNDS_AT_MOST = 5
"""Each of them takes many seconds."""

WALL = "wall, ms"
EDIT, NEWS = "# mine\n", "# new in v2\n"


@dataclass(frozen=True)
class Size:
    """How many files the template renders, and how many a project has in all."""

    title: str
    template: int
    project: int
    at_most: float
    """The goal: our time by Copier's."""
    packed: bool = False
    """Whether the template's repository is, as one that was cloned."""


SIZES = (
    Size("a project of 40 files", template=40, project=40, at_most=1.0),
    Size("a project of 5,000 files, 2 of the template", template=2, project=5000, at_most=0.5),
    Size("a template of 1,000 files", template=1000, project=1000, at_most=0.5),
    Size("1,000 files, packed", template=1000, project=1000, at_most=0.5, packed=True),
)


def measure(effort: Effort) -> None:
    cruft = _cruft()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed was compiled once
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="asyncscaffold-bench-") as scratch, _two_cores():
            _compare(size, Path(scratch), cruft, min(effort.process_rounds, ROUNDS_AT_MOST))


def _compare(size: Size, scratch: Path, cruft: str | None, rounds: int) -> None:
    # The projects of one template have one name, which the templates may render.
    python, place = sys.executable, scratch / "run" / "project"
    template, project = scratch / "template", scratch / "copier" / "project"
    _template(template, size, "{{ _copier_conf.answers_file }}.jinja")
    copied = [python, "-m", "copier", "copy", "--quiet", "--defaults", "--vcs-ref", "v1"]
    _run(*copied, template, project)
    _edit(project, size)
    ours = [python, "-m", "asyncscaffold", "update", "--defaults", "--yes", "--project", str(place)]
    theirs = [python, "-m", "copier", "update", "--defaults", "--quiet", str(place)]
    others = {"copier update": _afresh(project, place, process(*theirs))}
    if cruft:
        others["cruft update"] = _cruft_side(cruft, size, scratch)
    compare(
        f"update --defaults: {size.title}",
        {"update": _afresh(project, place, process(*ours))},
        others,
        rounds,
        [Goal(WALL, "copier update", at_most=size.at_most)],
    )


def _cruft_side(cruft: str, size: Size, scratch: Path) -> Side:
    """The same files as a Cookiecutter template, and a project that cruft made of it."""
    template, into = scratch / "cookiecutter", scratch / "cruft"
    into.mkdir()
    (template / "{{ cookiecutter.name }}").mkdir(parents=True)
    _template(template, size, None)
    _run(cruft, "create", "--no-input", "--checkout", "v1", "--output-dir", into, template)
    _edit(into / "project", size)
    place = scratch / "run" / "project"
    words = [cruft, "update", "--skip-apply-ask", "--checkout", "v2", "--project-dir", str(place)]
    return _afresh(into / "project", place, process(*words))


def _template(root: Path, size: Size, answers: str | None) -> None:
    """A repository at `root` with the versions v1 and v2: a Copier template, or Cookiecutter's."""
    copier = answers is not None
    below = root if copier else root / "{{ cookiecutter.name }}"
    below.mkdir(parents=True, exist_ok=True)
    if answers is not None:
        (root / "copier.yml").write_text("name: {type: str, default: project}\n")
        (root / answers).write_text("{{ _copier_answers|to_nice_yaml }}")
    else:
        (root / "cookiecutter.json").write_text('{"name": "project"}\n')
    _run("git", "init", "--quiet", root)
    variable, suffix = ("name", ".jinja") if copier else ("cookiecutter.name", "")
    for version in ("v1", "v2"):
        for number in range(size.template):
            # Every tenth is a Jinja template, and changes.
            tenth = number % 10 == 0
            name = f"{_path(number)}{suffix if tenth else ''}"
            lines = [f"value_{line} = {number * line}\n" for line in range(20)]
            if tenth:
                lines.insert(10, f"name = '{{{{ {variable} }}}}'\n")
                lines += [NEWS] if version == "v2" else []
            (below / name).parent.mkdir(parents=True, exist_ok=True)
            (below / name).write_text("".join(lines))
        _commit(root, version)
        _run("git", "tag", version, cwd=root)
    if size.packed:
        _run("git", "gc", "--quiet", cwd=root)


def _path(number: int) -> str:
    return f"part_{number // 20}/module_{number}.py"


def _edit(project: Path, size: Size) -> None:
    """The user's part of a project: an edit in a file that v2 changes, and files of their own."""
    edited = project / _path(0)
    edited.write_text(EDIT + edited.read_text())
    for number in range(size.template, size.project):
        own = project / "own" / _path(number)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(f"own = {number}\n" * 20)
    if not (project / ".git").exists():
        _run("git", "init", "--quiet", project)
    _commit(project, "The user's edits")


def _afresh(source: Path, place: Path, run: Side) -> Side:
    """The run on a new copy of a project, which must hold the edit and the news afterwards."""

    def afresh() -> Figures:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place, symlinks=True)
        _run("git", "reset", "--quiet", "--hard", cwd=place)  # the index knows the new files
        figures = run()
        merged = (place / _path(0)).read_text()
        if not (merged.startswith(EDIT) and merged.endswith(NEWS)):
            raise SystemExit(f"The update went wrong: {_path(0)} is\n{merged}")
        return figures

    return afresh


def _cruft() -> str | None:
    """The command, from an environment of its own, made at first use."""
    home = ROOT / ".cache" / f"cruft-{CRUFT}"
    command = home / "bin" / "cruft"
    if not command.exists():
        print(f"Installing cruft {CRUFT} …", file=sys.stderr)
        try:
            venv.create(home, clear=True, with_pip=True)
            _run(home / "bin" / "python", "-m", "pip", "install", "--quiet", f"cruft=={CRUFT}")
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"\ncruft {CRUFT} cannot be had, so nothing is measured of it: {error}")
            return None
    return str(command)


@contextmanager
def _two_cores() -> Iterator[None]:
    """Give what is started inside two cores, as on the smallest machine of a CI service."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _commit(root: Path, message: str) -> None:
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    _run("git", "add", "--all", cwd=root)
    _run("git", *identity, "commit", "--quiet", "--no-gpg-sign", "-m", message, cwd=root)


def _run(*words: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(words, cwd=cwd, check=True, stdin=subprocess.DEVNULL, capture_output=True)
