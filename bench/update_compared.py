"""`make bench-updates`: the table of cases, played with asyncscaffold and with `copier update`.

Each case is a template's two versions, a project made by plain Copier, a user's edits, and what
must be true afterwards (tests/merge/cases). Both tools are called as a user calls them, each in a
process of its own, and judged by the same. The page goes to docs/.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.merge.cases import CASES, Case, Stage
from tests.merge.cases.stage import Finding, Ran, Update

from bench.servers import ROOT

PAGE = ROOT / "docs" / "update-compared.md"
KINDS = ("right", "lost", "wrong", "unsaid", "refused")
MEANINGS = {
    "right": "right",
    "lost": "edits lost",
    "wrong": "else wrong",
    "unsaid": "conflict shown, but exit 0",
    "refused": "refused, nothing changed",
}


class Verdict(NamedTuple):
    """What came of a case: one of KINDS, and a few words."""

    kind: str
    words: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-updates ARGS=…", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="leave docs/ as it is")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once; default: 2")
    args = parser.parse_args()
    cases = [case for case in CASES if args.only in case.name]
    with ThreadPoolExecutor(args.jobs) as pool:
        copier = list(pool.map(partial(verdict, copier_update), cases))
        ours = list(pool.map(partial(verdict, asyncscaffold_update), cases))
    text = table(cases, copier, ours)
    print(text)
    if not args.dry and not args.only:
        page = PAGE.read_text("utf-8")
        marks = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", page), "utf-8")


def copier_update(stage: Stage, answers: Mapping[str, object], words: Sequence[str]) -> Ran:
    given = [f"--data={key}={json.dumps(value)}" for key, value in answers.items()]
    more = ["--vcs-ref" if word == "--to" else word for word in words]
    return called(stage, "copier", "update", "--defaults", *given, *more)


def asyncscaffold_update(stage: Stage, answers: Mapping[str, object], words: Sequence[str]) -> Ran:
    given = [f"--set={key}={json.dumps(value)}" for key, value in answers.items()]
    return called(stage, "asyncscaffold", "update", "--defaults", *given, *words)


def called(stage: Stage, tool: str, *words: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", tool, *words],
        cwd=stage.project,
        env=stage.update_environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return Ran(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def verdict(tool: Update, case: Case) -> Verdict:
    """Plays a case with a tool, and judges it by what both are judged by."""
    with tempfile.TemporaryDirectory(prefix="update-compared-") as scratch:
        stage = Stage(Path(scratch), case, tool)
        stage.play()
        found = list(stage.findings(ours=False))
        if not found:
            return Verdict("right", "right")
        worst = min(found, key=lambda finding: KINDS.index(finding.kind))
        return Verdict(*_described(stage, worst))


def _described(stage: Stage, finding: Finding) -> tuple[str, str]:
    if finding.kind != "refused":
        if "Traceback" in stage.said:
            return finding.kind, f"{finding.text}; {_last_line(stage)}"
        return finding
    if "Traceback" in stage.said:
        return "wrong", f"crashed: {_last_line(stage)}"
    return "refused", f"refused: {_last_line(stage)}"


def _last_line(stage: Stage) -> str:
    lines = [line.strip() for line in stage.said.splitlines() if line.strip()]
    text = lines[-1] if lines else f"exit {stage.exit}"
    text = re.sub(r"/[\w./~*\[\] '-]*/", "…/", text).replace("|", "\\|").replace("`", "'")
    return text if len(text) <= 90 else text[:90] + " …"


def table(cases: Sequence[Case], copier: Sequence[Verdict], ours: Sequence[Verdict]) -> str:
    """Markdown: how often each verdict came, and a line for each case."""
    tools = {
        f"`copier update` {version('copier')}": copier,
        f"`asyncscaffold update` {version('asyncscaffold')}": ours,
    }
    git = subprocess.run(["git", "version"], check=True, capture_output=True, text=True).stdout
    lines = [
        f"{len(cases)} cases, played on {date.today().isoformat()} with {git.strip()}, "
        f"Python {sys.version.split()[0]} on {sys.platform}.",
        "",
        "| | " + " | ".join(MEANINGS[kind] for kind in KINDS) + " |",
        "| --- |" + " ---: |" * len(KINDS),
    ]
    for tool, verdicts in tools.items():
        counted = Counter(verdict.kind for verdict in verdicts)
        lines.append(f"| {tool} | " + " | ".join(str(counted[kind]) for kind in KINDS) + " |")
    lines += ["", "| case | copier | asyncscaffold |", "| --- | --- | --- |"]
    for case, theirs, mine in zip(cases, copier, ours, strict=True):
        name = case.name.replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| {name} | {_cell(theirs)} | {_cell(mine)} |")
    return "\n".join(lines) + "\n"


def _cell(verdict: Verdict) -> str:
    return f"**{verdict.words}**" if verdict.kind == "lost" else verdict.words


if __name__ == "__main__":
    main()
