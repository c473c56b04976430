"""Merges text by line: `git merge-file`, with markers that name the versions."""

from __future__ import annotations

import tempfile
from pathlib import Path

from asyncscaffold import git


def merge_file(
    base: bytes, mine: bytes, theirs: bytes, labels: tuple[str, str, str]
) -> tuple[bytes, bool] | None:
    """Merges text by line: the result and whether conflict markers stand in it.

    `labels` name mine, base and theirs in the markers. None for what git takes for binary.
    """
    with tempfile.TemporaryDirectory(prefix="asyncscaffold-") as temporary:
        names = ("mine", "base", "theirs")
        for name, data in zip(names, (mine, base, theirs), strict=True):
            Path(temporary, name).write_bytes(data)
        shown = [part for label in labels for part in ("-L", label)]
        # The two-sided style, not diff3 or zdiff3: it alone narrows a conflict to the lines that
        # differ between the sides, and every editor resolves it.
        done = git.run(
            ["merge-file", "--stdout", *shown, *names],
            cwd=Path(temporary),
            config=["merge.conflictStyle=merge"],
            check=False,
        )
    if done.returncode > 127:
        return None
    return done.stdout, done.returncode > 0
