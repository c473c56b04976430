"""Links on either side, and out of the project."""

from __future__ import annotations

from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MERGED,
    Case,
    beside,
    delete,
    edit,
    holds,
    is_,
    link_out,
    lists,
    outside,
    shows,
    untouched,
    write,
)
from tests.merge.cases.stage import Stage
from tests.merge.conftest import TEXT, Link


def link_answers(stage: Stage) -> None:
    answers = stage.project / ".copier-answers.yml"
    answers.rename(stage.project / "answers.yml")
    answers.symlink_to("answers.yml")


CASES = (
    Case(
        "the user puts a link in place of a file that the template changes",
        {"a": TEXT, "b": TEXT},
        {"a": CHANGED, "b": TEXT},
        [outside({"a": "my line\n"}), delete("a"), write({"a": Link("../outside/a")})],
        [is_("a", Link("../outside/a")), beside("a", "my line\n"), shows("their line\n")],
        [lists("a")],
        exit=3,
        rule=5,
    ),
    Case(
        "the user puts a link in place of a file that the template drops",
        {"a": TEXT, "k": "1\n"},
        {"k": "2\n"},
        [outside({"a": "my line\n"}), delete("a"), write({"a": Link("../outside/a")})],
        [is_("a", Link("../outside/a")), beside("a", "my line\n"), is_("k", "2\n")],
        rule=6,
    ),
    Case(
        "the template makes a link of a file that the user edited",
        {"a": TEXT, "b": TEXT},
        {"a": Link("b"), "b": CHANGED},
        [edit("a")],
        [is_("a", EDITED), is_("b", CHANGED)],
        [is_("a.theirs", Link("b")), lists("a")],
        exit=3,
        rule=5,
    ),
    Case(
        "the template makes a link of a file that nobody edited",
        {"a": TEXT, "b": TEXT},
        {"a": Link("b"), "b": TEXT},
        [edit("own")],
        [is_("a", Link("b"))],
        rule=6,
    ),
    Case(
        "the template makes a file of a link, and the user edited what it leads to",
        {"a": Link("b"), "b": TEXT},
        {"a": "their line\n", "b": TEXT},
        [edit("b")],
        [is_("a", "their line\n"), is_("b", EDITED)],
        rule=6,
    ),
    Case(
        "the template moves a chain of links on",
        {"a": Link("b"), "b": Link("c"), "c": TEXT, "d": TEXT},
        {"a": Link("b"), "b": Link("d"), "c": TEXT, "d": CHANGED},
        [edit("c"), edit("d")],
        [is_("a", Link("b")), is_("b", Link("d")), is_("c", EDITED), is_("d", MERGED)],
        rule=6,
    ),
    Case(
        "a folder of the user's that is a link out of the project",
        {"d/a": TEXT, "k": "1\n"},
        {"d/a": CHANGED, "d/new": "x\n", "k": "2\n"},
        [link_out("d")],
        [beside("a", TEXT), is_("k", "2\n")],
        [lists("d/a", "d/new")],
        rule=6,
    ),
    Case(
        "the template drops what lies behind a link of the user's",
        {"d/a": TEXT, "k": "1\n"},
        {"k": "2\n"},
        [link_out("d")],
        [beside("a", TEXT), is_("k", "2\n")],
        rule=6,
    ),
    Case(
        "a folder of the user's that is a link to another one of theirs",
        {"d/a": TEXT, "k": "1\n"},
        {"d/a": CHANGED, "k": "2\n"},
        [delete("d/a"), write({"docs/a": EDITED, "d": Link("docs")})],
        [is_("d", Link("docs")), holds("docs/a", "my line\n"), is_("k", "2\n")],
        rule=6,
    ),
    Case(
        "a link of the user's to nowhere where the template has a new file",
        {"k": "1\n"},
        {"k": "2\n", "a": "their line\n"},
        [write({"a": Link("../outside/none")})],
        [is_("a", Link("../outside/none")), shows("their line\n"), is_("k", "2\n")],
        exit=3,
        rule=6,
    ),
    Case(
        "a link of the user's in a circle",
        {"k": "1\n"},
        {"k": "2\n", "a/f": "their line\n"},
        [write({"a": Link("a")})],
        [is_("a", Link("a")), is_("k", "2\n")],
        [lists("a/f")],
        rule=6,
    ),
    Case(
        "a folder of links becomes a folder",
        {"d": Link("real"), "real/a": TEXT},
        {"d/a": "their line\n", "real/a": TEXT},
        [edit("real/a")],
        [is_("d/a", "their line\n"), is_("real/a", EDITED)],
        rule=6,
    ),
    Case(
        "the template adds a link that leads out of the project",
        {"k": "1\n"},
        {"k": "2\n", "a": Link("../outside/a")},
        [outside({"a": "my line\n"})],
        [untouched(), beside("a", "my line\n")],
        exit=1,
        rule=6,
    ),
    Case(
        "the answers file is a link",
        {"k": "1\n"},
        {"k": "2\n"},
        [link_answers],
        [is_(".copier-answers.yml", Link("answers.yml"))],
        exit=1,
        rule=6,
    ),
)
