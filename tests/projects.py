"""A small template with a capability of each kind, its releases, and projects made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import Done, commit, git, write

Run = Callable[..., Done]
"""Runs one command line in this process, with no terminal to ask on."""

COPIER_YML = """\
_subdirectory: files
_templates_suffix: .jinja
name:
  type: str
  default: thing
parts:
  type: str
  multiselect: true
  choices: [engine, wheels, horn]
  default: [engine]
shiny:
  type: bool
  default: false
_exclude:
  - |
    {% if 'wheels' not in parts %}wheels.txt{% endif %}
    {% if 'horn' not in parts %}horn.txt{% endif %}
    nothing
"""

FILES = {
    "files/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
    "files/readme.txt.jinja": "one\n{{ name }}\nthree\nfour\nfive\nsix\nseven\n"
    "{% if shiny %}it shines\n{% endif %}",
    "files/wheels.txt": "round\nround\nround\n",
    "files/horn.txt": "loud\n",
}


@dataclass
class TemplateRepo:
    """A template in a git repository, with a tag for each version."""

    path: Path

    def write(self, files: dict[str, str]) -> None:
        write(self.path, files)

    def release(self, tag: str, files: dict[str, str]) -> None:
        self.write(files)
        commit(self.path, tag, tag)

    def git(self, *args: str) -> str:
        return git(self.path, *args)


def tree(project: Path) -> dict[str, str]:
    """Every file of the project and what it holds, git's own left out."""
    return {
        path.relative_to(project).as_posix(): path.read_text()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
