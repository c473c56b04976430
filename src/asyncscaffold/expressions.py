"""A template's expressions: Jinja set up as Copier sets up its own, with errors for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from asyncscaffold.errors import Refused
from asyncscaffold.values import MISSING

if TYPE_CHECKING:
    from jinja2 import Template as JinjaTemplate
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

    class Environment(SandboxedEnvironment):
        """A path's `parser` is a module, through which a template could reach the system."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, PurePath) and attr == "parser":
                return False
            return super().is_safe_attribute(obj, attr, value)

    options = {"keep_trailing_newline": True, **settings.get("envops", {})}
    kinds = {
        "jinja2.Undefined": jinja2.Undefined,
        "jinja2.StrictUndefined": jinja2.StrictUndefined,
    }
    if "undefined" in options:
        if options["undefined"] not in kinds:
            raise Refused(
                f"The template's Jinja settings cannot be used: undefined is "
                f"{options['undefined']!r}, not one of {', '.join(kinds)}."
            )
        options["undefined"] = kinds[options["undefined"]]
    extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
    if trust:
        extensions += settings.get("jinja_extensions", [])
    try:
        env = Environment(loader=jinja2.FileSystemLoader(root), extensions=extensions, **options)
    except ImportError as error:
        raise Refused(
            f"The template's Jinja settings cannot be used: {error}",
            "Install what it names into the environment that asyncscaffold runs in "
            f"({sys.prefix}), as for Copier.",
        ) from error
    except Exception as error:  # an extension is any code
        raise Refused(f"The template's Jinja settings cannot be used: {error}") from error
    env.filters["to_json"] = partial(env.filters["to_json"], default=str)
    env.globals["pathjoin"] = _pathjoin
    return env


def _pathjoin(*parts: str, mode: str = "posix") -> str:
    """Copier's global of that name."""
    kinds = {"posix": PurePosixPath, "windows": PureWindowsPath, "native": PurePath}
    return str(kinds[mode](*parts))


def names(env: SandboxedEnvironment, text: str) -> set[str]:
    """The names that `text` depends on; none where it cannot be read."""
    from jinja2 import TemplateSyntaxError, meta

    try:
        return meta.find_undeclared_variables(env.parse(text))
    except TemplateSyntaxError:
        return set()


@lru_cache(maxsize=1024)
def _compiled(env: SandboxedEnvironment, text: str) -> JinjaTemplate:
    """Compiling costs twenty times what rendering does, and the wizard renders all each time."""
    return env.from_string(text)


def render(env: SandboxedEnvironment, text: str, context: Mapping[str, Any], *, where: str) -> Any:
    """`text` rendered; `MISSING` when it renders `UNSET`. Raises `Refused`, naming `where`."""
    try:
        return _compiled(env, text).render({"UNSET": Unset(), **context})
    except UnsetUsed:
        return MISSING
    except Exception as error:  # Jinja's own errors, and whatever a filter stumbles over
        raise Refused(
            f"The template does not evaluate: {where}: {error}",
            "Its author can mend this; another --ref may still work.",
        ) from error
