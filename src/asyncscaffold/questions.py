"""A template's copier.yml as typed questions; flags, the wizard and the docs derive from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asyncscaffold.errors import Refused, Usage
from asyncscaffold.values import CASTS, TRUE, load_yaml, nearest, uncast


@dataclass(frozen=True)
class Question:
    """One question as copier.yml spells it; strings may be Jinja templates still."""

    key: str
    spec: Mapping[str, Any]

    @property
    def flag(self) -> str:
        """The command line's flag for it: `concurrent_io` → `--concurrent-io`."""
        return "--" + self.key.replace("_", "-")

    @property
    def multiselect(self) -> bool:
        return bool(self.spec.get("multiselect", False))

    @property
    def is_text(self) -> bool:
        """Whether its answers are text: `--set version=1.10` is no number then."""
        return self.type in ("str", "path")

    @property
    def is_data(self) -> bool:
        """Whether text given for it is read as YAML or JSON (a type may depend on answers)."""
        return self.type not in CASTS or self.type in ("json", "yaml")

    @property
    def computed(self) -> bool:
        """True when it is never asked: a name for an expression."""
        return self.spec.get("when", True) is False

    @property
    def secret(self) -> bool:
        return bool(self.spec.get("secret", False))

    @property
    def metavar(self) -> str:
        """What the flag takes, for its help: the values, or the type."""
        if self.type == "bool":
            return "true|false"
        choices = self.spec.get("choices")
        if not isinstance(choices, (dict, list)):
            return "TEXT" if self.is_text else self.type.upper()
        held = choices.values() if isinstance(choices, dict) else choices
        values = [str(item["value"] if isinstance(item, dict) else item) for item in held]
        return ",".join(values) if self.multiselect else "|".join(values)

    @property
    def type(self) -> str:
        """The declared type, or the default's own, as Copier infers it."""
        if declared := self.spec.get("type"):
            return str(declared)
        name = type(self.spec.get("default")).__name__
        return name if name in CASTS else "yaml"


@dataclass(frozen=True)
class Questionnaire:
    """The questions and settings of one template; `root` holds its copier.yml."""

    root: Path
    settings: Mapping[str, Any]
    questions: Mapping[str, Question]

    @classmethod
    def load(cls, root: Path) -> Questionnaire:
        """Read `root`/copier.yml. Raises `Refused` for no template, or one that cannot be read."""
        config = load_config(root)
        settings = {key[1:]: value for key, value in config.items() if key.startswith("_")}
        _check_shapes(settings)
        specs = {
            key: spec if isinstance(spec, dict) else {"default": spec}
            for key, spec in config.items()
            if not key.startswith("_")
        }
        for key in settings.get("secret_questions", []):
            if key in specs:
                specs[key] = {**specs[key], "secret": True}
        return cls(root, settings, {key: Question(key, spec) for key, spec in specs.items()})

    @property
    def asked(self) -> list[Question]:
        """The questions that can be asked at all, in order."""
        return [q for q in self.questions.values() if not q.computed]

    def parse(self, key: str, text: str) -> Any:
        """The value that a flag's argument gives: booleans `true|false|yes|no`, lists by comma.

        Raises `ValueError` for text that is no such value.
        """
        question = self.questions[key]
        if question.multiselect:
            return [part.strip() for part in text.split(",") if part.strip()]
        if question.type == "bool":
            if text.lower() not in {"true", "false", "yes", "no"}:
                raise ValueError(f"{text!r} is not one of true, false, yes, no")
            return text.lower() in TRUE
        return text

    def for_copier(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """`answers` as Copier takes them for data: it casts each once more."""
        return {
            key: uncast(self.questions[key].type, value) if key in self.questions else value
            for key, value in answers.items()
        }

    def without_secrets(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """`answers` as they may be shown and written down."""
        return {key: value for key, value in answers.items() if not self.questions[key].secret}

    def unknown(self, key: str) -> str:
        """What is wrong with `key` as a question's name (the nearest one is named), or ""."""
        known = [q.key for q in self.asked]
        return "" if key in known else f"no question is called {key!r}{nearest(key, known)}"


LISTS = (
    "exclude",
    "jinja_extensions",
    "migrations",
    "secret_questions",
    "skip_if_exists",
    "tasks",
)
JOINED = ("_exclude", "_jinja_extensions", "_secret_questions", "_skip_if_exists")
"""The settings that Copier joins over a file's YAML documents; of any other the last one counts."""


def _check_shapes(settings: Mapping[str, Any]) -> None:
    """Raise `Refused` for a setting of another shape than Copier documents."""
    for key, value in settings.items():
        if key in LISTS and not isinstance(value, list):
            raise Refused(f"The template's copier.yml is broken: _{key} is no list.")
        if key in ("envops", "external_data") and not isinstance(value, dict):
            raise Refused(f"The template's copier.yml is broken: _{key} is no mapping.")


class _Loader(yaml.SafeLoader):
    """YAML with Copier's `!include PATTERN`; `root` is set by `_parse`."""

    root: Path


def _include(loader: _Loader, node: yaml.nodes.ScalarNode) -> list[Any]:
    pattern = str(loader.construct_scalar(node))
    if Path(pattern).is_absolute():
        raise ValueError(f"!include {pattern}: a path relative to the template is needed")
    documents: list[Any] = []
    for path in loader.root.glob(pattern):
        if not path.resolve().is_relative_to(loader.root):
            raise ValueError(f"!include {pattern} leads out of the template")
        documents += _parse(path, loader.root)
    return documents


_Loader.add_constructor("!include", _include)


def _parse(path: Path, root: Path) -> list[Any]:
    """The YAML documents of `path`, those of its includes among them."""
    loader_class = type("RootedLoader", (_Loader,), {"root": root})
    documents: list[Any] = []
    for document in yaml.load_all(path.read_bytes(), loader_class):
        documents += document if isinstance(document, list) else [document] if document else []
    return documents


def load_config(root: Path) -> dict[str, Any]:
    """A template's configuration: empty where it asks nothing, as Copier takes it.

    Raises `Refused` when it cannot be read, and for what is no template at all.
    """
    found = [path for path in map(root.joinpath, ("copier.yml", "copier.yaml")) if path.is_file()]
    if not found and any(path.is_file() for path in root.rglob("*.jinja")):
        return {}
    if not found:
        raise Refused(
            "This is no Copier template: it has no copier.yml and no *.jinja file.",
            "Give --template the root of a template, as for `copier copy`.",
        )
    path, *others = found
    if others:
        raise Refused(
            f"The template has both {path.name} and {others[0].name}: which one counts?",
            "Its author can mend this by removing one; another --ref may still work.",
        )
    try:
        documents = _parse(path, root.resolve())
    except Exception as error:  # PyYAML raises more than its own errors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"The template's {path.name} cannot be read: {reason}") from error
    merged: dict[str, Any] = {}
    for document in documents:
        if not isinstance(document, dict):
            raise Refused(f"The template's {path.name} cannot be read: it holds no questions.")
        for key, value in document.items():
            if not isinstance(key, str):
                raise Refused(
                    f"The template's {path.name} cannot be read: one of its keys is {key!r} to "
                    "YAML, and no text.",
                    "Its author can mend this by quotes around the key, as for `on`, `yes` or `1`.",
                )
            if key in JOINED and isinstance(value, list) and isinstance(merged.get(key), list):
                value = merged[key] + value
            merged[key] = value
    return merged


def load_answers(path: Path) -> dict[str, Any]:
    """The answers in a YAML file (an old answers file is one).

    Raises `Usage` when it cannot be read as a mapping.
    """
    try:
        data = load_yaml(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Usage(
            f"The answers file {path} cannot be read: {reason}",
            "It holds `key: value` lines of YAML, as .copier-answers.yml does.",
        ) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Usage(
            f"The answers file {path} cannot be read: it holds no `key: value` lines.",
            "It is YAML, as .copier-answers.yml is.",
        )
    return {str(key): value for key, value in data.items()}
