"""A template's expressions: Jinja set up as Copier sets up its own, with errors for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncscaffold.errors import Refused
from asyncscaffold.values import MISSING

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


class UnsetUsed(Exception):
    """A default rendered `UNSET`: there is no default."""


class Unset:
    """`UNSET` in a template's default means that there is none (Copier's "creating" docs)."""

    def __str__(self) -> str:
        raise UnsetUsed


def environment(
    root: Path, settings: Mapping[str, Any], *, trust: bool = False
) -> SandboxedEnvironment:
    """A sandboxed Jinja environment with the template's `_envops` and Copier's own filters."""
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    options = {"keep_trailing_newline": True, **settings.get("envops", {})}
    kinds = {
        "jinja2.Undefined": jinja2.Undefined,
        "jinja2.StrictUndefined": jinja2.StrictUndefined,
    }
    if "undefined" in options:
        options["undefined"] = kinds.get(options["undefined"], jinja2.Undefined)
    extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
    if trust:
        extensions += settings.get("jinja_extensions", [])
    try:
        return SandboxedEnvironment(
            loader=jinja2.FileSystemLoader(root), extensions=extensions, **options
        )
    except (TypeError, ImportError) as error:
        raise Refused(f"The template's Jinja settings cannot be used: {error}") from error


def render(env: SandboxedEnvironment, text: str, context: Mapping[str, Any], *, where: str) -> Any:
    """`text` rendered; `MISSING` when it renders `UNSET`. Raises `Refused`, naming `where`."""
    import jinja2

    try:
        return env.from_string(text).render({"UNSET": Unset(), **context})
    except UnsetUsed:
        return MISSING
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise Refused(
            f"The template does not evaluate: {where}: {error}",
            "Its author can mend this; another --ref may still work.",
        ) from error
