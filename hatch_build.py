"""Puts the template's releases into the package as a git bundle: updates need no network."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "template.bundle"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """In a source archive the bundle lies at the top; a wheel is built from either."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # the clone itself has the releases
        root = Path(self.root)
        bundle = root / NAME
        if not bundle.is_file():
            if not (root / ".git").exists():
                raise RuntimeError(f"Neither a git clone nor a source archive: no {NAME}.")
            self._made = tempfile.TemporaryDirectory(prefix="asyncscaffold-")
            bundle = Path(self._made.name, NAME)
            create = ["git", "bundle", "create", "--quiet", str(bundle), "HEAD", "--tags"]
            subprocess.run(create, cwd=root, check=True)
        inside = NAME if self.target_name == "sdist" else f"asyncscaffold/shipped/{NAME}"
        build_data["force_include"][str(bundle)] = inside

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if made := getattr(self, "_made", None):
            made.cleanup()
