"""A template's copier.yml as typed questions; flags, the wizard and the docs derive from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asyncscaffold.errors import Refused, Usage
from asyncscaffold.values import CASTS, TRUE, nearest


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
            return "TEXT" if self.type in ("str", "path") else self.type.upper()
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
        """Read `root`/copier.yml. Raises `Refused` when there is none, or it cannot be read."""
        config = load_config(root)
        return cls(
            root,
            {key[1:]: value for key, value in config.items() if key.startswith("_")},
            {
                key: Question(key, spec if isinstance(spec, dict) else {"default": spec})
                for key, spec in config.items()
                if not key.startswith("_")
            },
        )

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

    def unknown(self, key: str) -> str:
        """What is wrong with `key` as a question's name (the nearest one is named), or ""."""
        known = [q.key for q in self.asked]
        return "" if key in known else f"no question is called {key!r}{nearest(key, known)}"


class Loader(yaml.SafeLoader):
    """YAML with Copier's `!include PATTERN`; `root` is set by `load_config`."""

    root: Path


def _include(loader: Loader, node: yaml.nodes.ScalarNode) -> dict[str, Any]:
    pattern = str(loader.construct_scalar(node))
    merged: dict[str, Any] = {}
    for path in sorted(loader.root.glob(pattern)):
        merged.update(_parse(path, loader.root))
    return merged


Loader.add_constructor("!include", _include)


def _parse(path: Path, root: Path) -> dict[str, Any]:
    """The YAML documents of `path` merged, as Copier merges them."""
    loader_class = type("RootedLoader", (Loader,), {"root": root})
    try:
        documents = list(yaml.load_all(path.read_text("utf-8"), loader_class))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise Refused(f"The template's {path.name} cannot be read: {error}") from error
    merged: dict[str, Any] = {}
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Refused(f"The template's {path.name} holds no mapping of questions.")
        merged.update({str(key): value for key, value in document.items()})
    return merged


def load_config(root: Path) -> dict[str, Any]:
    """A template's configuration. Raises `Refused` when it has none or it cannot be read."""
    for name in ("copier.yml", "copier.yaml"):
        if (root / name).is_file():
            return _parse(root / name, root)
    raise Refused(
        "This is no Copier template: it has no copier.yml.",
        "Give --template the root of a template, as for `copier copy`.",
    )


def load_answers(path: Path) -> dict[str, Any]:
    """The answers in a YAML file (an old answers file is one).

    Raises `Usage` when it cannot be read as a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Usage(f"The answers file {path} cannot be read: {reason}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Usage(f"The answers file {path} holds no `key: value` lines.")
    return {str(key): value for key, value in data.items()}
