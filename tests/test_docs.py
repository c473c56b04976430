"""What the documentation shows can be used as it stands there."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import yaml

from tests.conftest import ROOT


def test_the_sample_workflow_is_yaml_and_its_scripts_are_shell() -> None:
    (text,) = re.findall(r"(?s)```yaml\n(.*?)```", (ROOT / "docs/updates.md").read_text())
    workflow: dict[Any, Any] = yaml.safe_load(text)
    steps = workflow["jobs"]["update"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert any("asyncscaffold update --check" in script for script in scripts)
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        assert done.returncode == 0, script


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
