"""Plays a case: makes the template, the project by plain Copier, the edits; then judges it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.merge.cases.model import LOST, Case, as_bytes
from tests.merge.conftest import Files, Link, Script

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "T"), ("EMAIL", "t@example.org"))
}
OWN_SETTINGS = ("commit.gpgsign=false", "core.hooksPath=/dev/null", "core.autocrlf=false")
ANSWERS = "{{ _copier_conf.answers_file }}.jinja"


class Entry(NamedTuple):
    """What stands at a path. A file that is written again has another time or number."""

    data: bytes
    link: bool
    mode: int
    written: tuple[int, int]


Tree = dict[str, Entry]


class Ran(NamedTuple):
    exit: int
    said: str


Update = Callable[["Stage", Mapping[str, object], Sequence[str]], Ran]
"""A tool's update of the stage's project with these answers, and more words for the tool."""


class Finding(NamedTuple):
    kind: str
    """`lost`, `wrong`, `unsaid` (conflicts, but exit 0), `refused`."""
    text: str


@dataclass
class Stage:
    """A case on disk. `before` and `after` are the project's trees around the last update."""

    root: Path
    case: Case
    tool: Update
    before: Tree = field(default_factory=dict)
    after: Tree = field(default_factory=dict)
    templates: set[bytes] = field(default_factory=set)
    """Lines, binaries and links that the template has given in any version."""
    lost: set[bytes] = field(default_factory=set)
    """The user's, that were in no file of the tree any more after an update."""
    exit: int = -1
    said: str = ""

    @property
    def template(self) -> Path:
        return self.root / "template"

    @property
    def project(self) -> Path:
        below = {"subdirectory": "mono/services/", "ignored": "mono/", "submodule": "mono/"}
        return self.root / (below.get(self.case.place, "") + self.case.folder)

    @property
    def environment(self) -> dict[str, str]:
        """The user's, without what the case says of the update's own."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        home = str(self.root / "home")
        return env | {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config"}

    @property
    def update_environment(self) -> dict[str, str]:
        values = {key: value.format(root=self.root) for key, value in self.case.env.items()}
        return self.environment | values

    def git(self, *words: str, where: Path | None = None, input: bytes | None = None) -> bytes:
        settings = [
            "commit.gpgsign=false",
            "core.hooksPath=/dev/null",
            "protocol.file.allow=always",
        ]
        config = [word for setting in settings for word in ("-c", setting)]
        return subprocess.run(
            ["git", *config, *words],
            cwd=where or self.project,
            env=self.environment | IDENTITY,
            input=input,
            check=True,
            capture_output=True,
        ).stdout

    def commit(self, message: str) -> None:
        if self.case.place not in ("none", "ignored"):
            self.git("add", "--all")
            self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def release(self, tag: str, files: Files, questions: str) -> None:
        settings = "_subdirectory: files\n_templates_suffix: .jinja\n"
        settings += f"_preserve_symlinks: true\n{questions}"
        self.templates |= {unit for content in files.values() for unit in _pieces(content)}
        whole = {f"files/{name}": content for name, content in files.items()}
        whole |= {"copier.yml": settings}
        whole.setdefault(f"files/{ANSWERS}", "{{ _copier_answers|to_nice_yaml }}")
        stream = b"".join(_commit(tag, whole, first=not (self.template / ".git").exists()))
        if not (self.template / ".git").exists():
            self.template.mkdir()
            self.git("init", "--quiet", "-b", "main", where=self.template)
        self.git("fast-import", "--quiet", "--done", where=self.template, input=stream)

    def update(self, answers: Mapping[str, object], words: Sequence[str]) -> Ran:
        self.before = tree(self.project)
        ran = self.tool(self, answers, words)
        self.after = tree(self.project)
        self.lost |= _units(self.before) - self.templates - _units(self.after)
        return ran

    def data(self, name: str) -> bytes | None:
        entry = self.after.get(name)
        return None if entry is None or entry.link else entry.data

    def play(self) -> None:
        """Everything up to the last update, and that."""
        case = self.case
        (self.root / "home").mkdir(parents=True)
        self.release("v1.0.0", case.before, case.questions)
        self._make_project()
        self.templates |= _units(tree(self.project))
        (self.root / "home/.gitconfig").write_text(case.config.format(root=self.root))
        after = case.questions if case.questions_after is None else case.questions_after
        self.release("v2.0.0", case.after, after)
        for step in case.steps:
            step(self)
        if case.steps and case.commits:
            self.commit("edits")
        self.exit, self.said = self.update(case.answers, case.words)

    def _make_project(self) -> None:
        place = self.case.place
        made = self.root / "elsewhere" if place in ("worktree", "submodule") else self.project
        self.copy(made)
        if place == "none":
            return
        top = self.root / "mono" if place in ("subdirectory", "ignored") else made
        if place == "ignored":
            (top / ".gitignore").write_text(f"/{self.case.folder}\n")
        self.git("init", "--quiet", "-b", "main", where=top)
        self.git("add", "--all", where=top)
        self.git("commit", "--quiet", "--message", "first", where=top)
        if place == "worktree":
            self.git("worktree", "add", "--quiet", str(self.project), where=made)
        elif place == "submodule":
            (self.root / "mono").mkdir()
            self.git("init", "--quiet", "-b", "main", where=self.root / "mono")
            where = self.root / "mono"
            self.git("submodule", "--quiet", "add", str(made), self.case.folder, where=where)
        elif place == "linked":
            made.rename(self.root / "elsewhere")
            self.project.symlink_to(self.root / "elsewhere")

    def copy(
        self,
        into: Path,
        answers_file: str | None = None,
        overwrite: bool = False,
        **answers: object,
    ) -> None:
        """A project, as plain Copier makes it from the template's first version."""
        import copier

        into.parent.mkdir(parents=True, exist_ok=True)
        copier.run_copy(
            str(self.template),
            into,
            data={**self.case.made_with, **answers},
            answers_file=answers_file,
            overwrite=overwrite,
            vcs_ref="v1.0.0",
            defaults=True,
            quiet=True,
        )

    def findings(self, *, ours: bool) -> Iterator[Finding]:
        """What is not as it must be, the worst first; nothing where all is right."""
        case = self.case
        if (
            case.exit in (0, 3)
            and self.exit not in (0, 3)
            and _words(self.before) == _words(self.after)
        ):
            yield Finding("refused", self.said)
            return
        if not case.rewrites and self.lost:
            yield Finding("lost", LOST)
        for check in [*case.then, *(case.ours if ours else ())]:
            text = check(self)
            if text:
                yield Finding("lost" if text == LOST else "wrong", text)
        new = _units(self.after) - _units(self.before) - self.templates
        if case.exit == 0 and any(line.startswith(b"<<<<<<< ") for line in new):
            yield Finding("wrong", "conflict where none need be")
        if case.exit == 3 and self.exit == 0:
            yield Finding("unsaid", "conflict, exit 0")
        elif bool(case.exit) != bool(self.exit) or (ours and case.exit != self.exit):
            yield Finding("wrong", f"exit {self.exit}")


def tree(root: Path) -> Tree:
    """What lies in a directory, without git's files and the state of ours in it."""
    found: Tree = {}
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if name not in (".git", ".asyncscaffold")]
        for name in [*names, *links]:
            place = Path(folder, name)
            known = place.lstat()
            if name != ".git":
                link = place.is_symlink()
                data = os.fsencode(place.readlink()) if link else place.read_bytes()
                path = place.relative_to(root).as_posix()
                bits = 0 if link else known.st_mode & 0o7777
                found[path] = Entry(data, link, bits, (known.st_mtime_ns, known.st_ino))
    return found


def _words(tree: Tree) -> dict[str, tuple[bytes, bool, int]]:
    return {path: entry[:3] for path, entry in tree.items()}


def _units(tree: Tree) -> set[bytes]:
    return {
        unit
        for path, entry in tree.items()
        if not re.match(r"\..*answers.*\.yml$", path)
        for unit in _pieces(Link(os.fsdecode(entry.data)) if entry.link else entry.data)
    }


def _pieces(content: str | bytes | Link | Script) -> set[bytes]:
    """What can be lost of a file one by one: the lines of a text, else the whole."""
    if isinstance(content, Link):
        return {b"-> " + os.fsencode(content.target)}
    data = as_bytes(content.text if isinstance(content, Script) else content)
    return {data} if b"\0" in data[:8000] else {line.rstrip(b"\r") for line in data.split(b"\n")}


def _commit(tag: str, files: Files, *, first: bool) -> Iterator[bytes]:
    """One version of a template for `git fast-import`, which takes any name and any bytes."""
    yield b"commit refs/heads/main\nmark :1\ncommitter T <t@example.org> 0 +0000\ndata 0\n"
    if not first:
        yield b"from refs/heads/main^0\n"
    yield b"deleteall\n"
    for path, content in files.items():
        raw = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        kind = {Link: b"120000", Script: b"100755"}.get(type(content), b"100644")
        if isinstance(content, Link):
            data = os.fsencode(content.target)
        else:
            data = as_bytes(content.text if isinstance(content, Script) else content)
        yield b'M %s inline "%s"\ndata %d\n' % (kind, raw.replace(b"\n", b"\\n"), len(data))
        yield data + b"\n"
    yield b"reset refs/tags/%s\nfrom :1\n\ndone\n" % tag.encode()
