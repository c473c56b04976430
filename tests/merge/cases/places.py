"""Where a project lies and in what state its repository is; what git's settings must not change."""

from __future__ import annotations

from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MERGED,
    MINE_IN_PLACE,
    THEIRS_IN_PLACE,
    Case,
    Place,
    delete,
    edit,
    git,
    gone,
    holds,
    is_,
    keeps,
    lists,
    outside,
    rename,
    untouched,
    write,
)
from tests.merge.cases.stage import Stage
from tests.merge.conftest import TEXT

BEFORE = {"a": TEXT, "b": TEXT, "gone": "1\n"}
AFTER = {"a": CHANGED, "b": CHANGED, "new": "2\n"}
ALL = [is_("a", MERGED), is_("sub/b", MERGED), gone("b", "gone"), is_("new", "2\n")]
EDITS = [edit("a"), rename("b", "sub/b"), edit("sub/b")]


def everything(name: str, place: Place = "own", folder: str = "project") -> Case:
    """An edit, a rename, a new file and one less, in some place."""
    return Case(name, BEFORE, AFTER, EDITS, ALL, rule=7, place=place, folder=folder)


def add_submodule(stage: Stage) -> None:
    library = stage.root / "library"
    library.mkdir()
    (library / "file").write_text(TEXT)
    stage.git("init", "--quiet", where=library)
    stage.git("add", "--all", where=library)
    stage.git("commit", "--quiet", "--message", "library", where=library)
    stage.git("submodule", "--quiet", "add", str(library), "vendor/library")
    (stage.project / "vendor/library/file").write_text(EDITED)


def clash(stage: Stage) -> None:
    """A merge of the user's own stands in the middle."""
    stage.git("checkout", "--quiet", "-b", "other")
    (stage.project / "a").write_text(TEXT.replace("line 7\n", "my other line\n"))
    stage.commit("other")
    stage.git("checkout", "--quiet", "main")
    (stage.project / "a").write_text(MINE_IN_PLACE)
    stage.commit("main")
    stage.git("merge", "--no-commit", "-s", "ours", "other")
    words = ["update-index", "--index-info"]
    blob = stage.git("rev-parse", "HEAD:a").decode().strip()
    stages = "".join(f"100644 {blob} {number}\ta\n" for number in (1, 2, 3))
    stage.git(*words, input=f"0 {'0' * 40}\ta\n{stages}".encode())


def broken_repository(stage: Stage) -> None:
    (stage.project / ".git").rename(stage.root / "away.git")
    (stage.project / ".git").write_text("gitdir: ../nowhere.git\n")


PLACES = (
    everything("in a repository of its own"),
    everything("in no repository", "none"),
    everything("in a subdirectory of a larger repository", "subdirectory"),
    everything("in a repository that ignores it", "ignored"),
    everything("in a worktree", "worktree"),
    everything("in a submodule", "submodule"),
    everything("reached through a link", "linked"),
    everything("in a folder with an odd name", folder="my *project* [caf\u00e9] 'x' -y"),
    Case(
        "in a repository without a commit",
        BEFORE,
        AFTER,
        [*EDITS, git("update-ref", "-d", "HEAD")],
        ALL,
        rule=7,
        commits=False,
    ),
    Case(
        "on a detached head",
        BEFORE,
        AFTER,
        [git("checkout", "--quiet", "--detach"), *EDITS],
        ALL,
        rule=7,
    ),
    Case(
        "with a submodule inside",
        BEFORE,
        AFTER,
        [*EDITS, add_submodule],
        [*ALL, is_("vendor/library/file", EDITED)],
        rule=7,
    ),
    Case(
        "with a repository of the user's inside that nobody added",
        BEFORE,
        AFTER,
        [
            *EDITS,
            write({"nested/own": "my own\n"}),
            git("init", "--quiet", "nested"),
        ],
        [*ALL, is_("nested/own", "my own\n")],
        rule=7,
        commits=False,
    ),
    Case(
        "in a repository that is broken",
        BEFORE,
        AFTER,
        [edit("a"), broken_repository],
        [keeps("my line\n")],
        rule=7,
        commits=False,
        place="broken",
    ),
)

STATES = (
    Case("edits that are not committed", BEFORE, AFTER, EDITS, ALL, rule=7, commits=False),
    Case(
        "edits that are staged",
        BEFORE,
        AFTER,
        [*EDITS, git("add", "--all")],
        ALL,
        rule=7,
        commits=False,
    ),
    Case(
        "one edit staged and another one over it",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a", to=MINE_IN_PLACE), git("add", "a"), edit("a", to=MINE_IN_PLACE + "more\n")],
        [is_("a", "their line\n" + MINE_IN_PLACE + "more\n")],
        rule=7,
        commits=False,
    ),
    Case(
        "a deletion that is staged while the file stays on disk",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a"), git("rm", "--quiet", "--cached", "a")],
        [is_("a", MERGED)],
        rule=7,
        commits=False,
    ),
    Case(
        "work in the stash",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a", to=MINE_IN_PLACE), git("stash"), edit("a")],
        [is_("a", MERGED)],
        rule=7,
        commits=False,
    ),
    *(
        Case(
            f"a file marked {flag}",
            {"a": TEXT, "b": "1\n"},
            {"a": CHANGED, "b": "2\n"},
            [git("update-index", f"--{flag}", "a"), edit("a")],
            [is_("a", MERGED), is_("b", "2\n")],
            rule=7,
        )
        for flag in ("skip-worktree", "assume-unchanged")
    ),
    Case(
        "a folder left out by a sparse checkout",
        {"d/a": TEXT, "k": "1\n"},
        {"d/a": CHANGED, "k": "2\n"},
        [git("sparse-checkout", "set", "--no-cone", "/*", "!/d/")],
        [gone("d"), is_("k", "2\n")],
        [lists("d/a")],
        rule=7,
        commits=False,
    ),
    Case(
        "a merge of the user's that is not finished",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [clash],
        [untouched()],
        [lists("a")],
        exit=1,
        rule=7,
        commits=False,
    ),
)

FILTER = '[filter "x"]\n\tclean = tr a-z A-Z\n\tsmudge = tr a-z A-Z\n'


def configured(what: str, config: str, attributes: str = "", **more: object) -> Case:
    """An edit on each side and a new file, under a configuration of the user's."""
    whole = f"[core]\n\tattributesFile = {{root}}/outside/attributes\n{config}"
    return Case(
        f"under {what}",
        {"a": TEXT, "b": TEXT},
        {"a": CHANGED, "b": CHANGED, "new": "their other\n"},
        [outside({"attributes": attributes}), edit("a")],
        [is_("a", MERGED), is_("b", CHANGED), is_("new", "their other\n")],
        rule=7,
        config=whole,
        **more,  # type: ignore[arg-type]
    )


CONFIGURED = (
    configured("core.autocrlf=true", "[core]\n\tautocrlf = true\n\tsafecrlf = false\n"),
    configured("a filter for every file", FILTER, "* filter=x\n"),
    configured(
        "a text conversion for every file", '[diff "x"]\n\ttextconv = head -1\n', "* diff=x"
    ),
    configured("a merge driver for every file", '[merge "x"]\n\tdriver = false\n', "* merge=x\n"),
    configured("attributes that call all binary", "", "* binary\n"),
    configured("a diff tool of its own", "[diff]\n\texternal = echo\n"),
    configured(
        "diffs without prefix, in colour", "[diff]\n\tnoprefix = true\n[color]\n\tui = always\n"
    ),
    configured(
        "apply.whitespace=error", "[apply]\n\twhitespace = error\n\tignoreWhitespace = change\n"
    ),
    configured(
        "signed commits without a key", "[commit]\n\tgpgSign = true\n[user]\n\tsigningKey = no\n"
    ),
    configured("hooks that fail", "[core]\n\thooksPath = {root}/outside/hooks\n"),
    configured("SHA-256 repositories", "[init]\n\tdefaultObjectFormat = sha256\n"),
    configured("a global ignore of everything", "[core]\n\texcludesFile = {root}/outside/all\n"),
    configured("no untracked files in status", "[status]\n\tshowUntrackedFiles = no\n"),
    configured("safe.bareRepository=explicit", "[safe]\n\tbareRepository = explicit\n"),
    Case(
        "a conflict under merge.conflictStyle=diff3",
        {"a": TEXT},
        {"a": THEIRS_IN_PLACE},
        [edit("a", to=MINE_IN_PLACE)],
        [holds("a", "my line", "their line", "<<<<<<<")],
        exit=3,
        rule=7,
        config="[merge]\n\tconflictStyle = diff3\n",
    ),
    Case(
        "called from a hook of another repository",
        {"a": TEXT},
        {"a": CHANGED, "new": "2\n"},
        [edit("a"), outside({"k": "1\n"})],
        [is_("a", MERGED), is_("new", "2\n")],
        rule=7,
        env={
            "GIT_DIR": "{root}/outside/.git",
            "GIT_WORK_TREE": "{root}/outside",
            "GIT_INDEX_FILE": "{root}/outside/.git/index",
            "GIT_PREFIX": "",
        },
    ),
    Case(
        "with git's settings in the environment",
        {"a": TEXT},
        {"a": CHANGED, "new": "2\n"},
        [edit("a")],
        [is_("a", MERGED), is_("new", "2\n")],
        rule=7,
        env={
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.autocrlf",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_EXTERNAL_DIFF": "false",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_TRACE": "1",
            "GIT_ATTR_SOURCE": "HEAD",
        },
    ),
    Case(
        "with the folder for temporary files in the project",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [delete("a"), write({"tmp/k": ""})],
        [gone("a"), is_("k", "2\n")],
        rule=3,
        env={"TMPDIR": "{root}/project/tmp"},
    ),
    Case(
        "attributes of the project's own",
        {"a": TEXT, "b.toml": "x = 1\n"},
        {"a": CHANGED, "b.toml": "x = 1\ny = 1\n"},
        [
            edit("a"),
            edit("b.toml", to="x = 1\nz = 1\n"),
            write({".gitattributes": "* merge=ours eol=crlf working-tree-encoding=UTF-16\n"}),
        ],
        [is_("a", MERGED), holds("b.toml", "y = 1\n", "z = 1\n")],
        rule=7,
        commits=False,
    ),
)

CASES = (*PLACES, *STATES, *CONFIGURED)
