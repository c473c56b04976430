"""Features switched on and off, and what a template leaves to the user."""

from __future__ import annotations

from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MINE_IN_PLACE,
    Case,
    delete,
    edit,
    gone,
    holds,
    is_,
    keeps,
    lacks,
    lists,
    rename,
    shows,
    update,
    write,
)
from tests.merge.conftest import TEXT

WHEELS = """\
wheels: {type: bool, default: true}
name: {type: str, default: car}
_exclude: ["{% if not wheels %}/wheels{% endif %}", "copier.yml", ".git"]
"""
CAR = {
    "wheels/a": TEXT,
    "wheels/b": TEXT.replace("line", "word"),
    "main.jinja": "{{ name }}\n" + TEXT + "{% if wheels %}on wheels\n{% endif %}",
}
MAIN = "car\n" + TEXT + "on wheels\n"
ANSWERS = ".copier-answers.yml"


def skipping(*patterns: str) -> str:
    return f"_skip_if_exists: {list(patterns)}\n"


FEATURES = (
    Case(
        "a feature is switched off, nobody edited it",
        CAR,
        CAR,
        [edit("own")],
        [gone("wheels"), lacks("main", "on wheels"), is_("own", EDITED)],
        questions=WHEELS,
        answers={"wheels": False},
    ),
    Case(
        "a feature is switched off, with edits in it",
        CAR,
        CAR,
        [edit("wheels/a"), edit("main", to="my line\n" + MAIN)],
        [
            is_("wheels/a", EDITED),
            gone("wheels/b"),
            lacks("main", "on wheels"),
            holds("main", "my line\n"),
        ],
        [lists("wheels/a")],
        questions=WHEELS,
        answers={"wheels": False},
    ),
    Case(
        "a feature is switched off and on again, with edits in it",
        CAR,
        CAR,
        [edit("wheels/a"), update(wheels=False)],
        [is_("wheels/a", EDITED), is_("wheels/b", CAR["wheels/b"]), is_("main", MAIN)],
        questions=WHEELS,
        answers={"wheels": True},
    ),
    Case(
        "a feature is switched on where the user has files of its names",
        CAR,
        CAR,
        [write({"wheels/a": "my line\n"})],
        [holds("wheels/a", "my line\n"), shows("line 1\n"), is_("main", MAIN)],
        questions=WHEELS,
        made_with={"wheels": False},
        answers={"wheels": True},
        exit=3,
    ),
    Case(
        "a feature is switched on and the version moves, with edits elsewhere",
        CAR,
        {**CAR, "wheels/a": CHANGED},
        [edit("main", to="car\n" + MINE_IN_PLACE)],
        [is_("main", "car\n" + MINE_IN_PLACE + "on wheels\n"), is_("wheels/a", CHANGED)],
        questions=WHEELS,
        made_with={"wheels": False},
        answers={"wheels": True},
    ),
    Case(
        "a feature is switched off whose file the user renamed",
        CAR,
        CAR,
        [rename("wheels/a", "mine/a"), edit("mine/a")],
        [is_("mine/a", EDITED), gone("wheels")],
        questions=WHEELS,
        answers={"wheels": False},
        rule=3,
    ),
    Case(
        "a value that stands in edited files changes",
        CAR,
        CAR,
        [edit("main", to=MAIN + "my line\n")],
        [is_("main", MAIN.replace("car", "lorry") + "my line\n")],
        questions=WHEELS,
        answers={"name": "lorry"},
        rule=9,
    ),
    Case(
        "a value that names a file changes",
        {"{{ name }}.txt": TEXT},
        {"{{ name }}.txt": TEXT},
        [edit("car.txt")],
        [is_("lorry.txt", EDITED), gone("car.txt")],
        questions=WHEELS,
        answers={"name": "lorry"},
        rule=9,
    ),
)

LEFT_TO_THE_USER = (
    Case(
        "a file that is the user's once it exists",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [edit("a")],
        [is_("a", EDITED), is_("k", "2\n")],
        [lists("a")],
        questions=skipping("a"),
    ),
    Case(
        "a file that is the user's once it exists, and that nobody edited",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [edit("own")],
        [is_("a", TEXT), is_("k", "2\n")],
        questions=skipping("a"),
    ),
    Case(
        "a new file that is the user's once it exists, and does",
        {"k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [write({"a": "my line\n"})],
        [is_("a", "my line\n"), is_("k", "2\n")],
        questions=skipping("a"),
    ),
    Case(
        "a new file that is the user's once it exists, and does not",
        {"k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [edit("own")],
        [is_("a", CHANGED), is_("k", "2\n")],
        questions=skipping("a"),
    ),
    Case(
        "a file that is the user's once it exists, and that the user deleted",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [delete("a")],
        [gone("a"), is_("k", "2\n")],
        questions=skipping("a"),
        rule=3,
    ),
    Case(
        "the template stops rendering what is the user's, edited",
        {"a": TEXT, "k": "1\n"},
        {"k": "2\n"},
        [edit("a")],
        [is_("a", EDITED), is_("k", "2\n")],
        questions=skipping("a"),
    ),
    Case(
        "the template excludes what the user edited",
        {"a": TEXT, "b": TEXT, "k": "1\n"},
        {"a": CHANGED, "b": CHANGED, "k": "2\n"},
        [edit("a")],
        [is_("a", EDITED), gone("b"), is_("k", "2\n")],
        [lists("a")],
        questions_after="_exclude: [a, b, copier.yml]\n",
    ),
    Case(
        "the template excludes no longer what the user has",
        {"a": TEXT, "k": "1\n"},
        {"a": CHANGED, "k": "2\n"},
        [write({"a": "my line\n"})],
        [keeps("my line\n"), shows("their line\n"), is_("k", "2\n")],
        questions="_exclude: [a, copier.yml]\n",
        questions_after="",
        exit=3,
    ),
)

CASES = (*FEATURES, *LEFT_TO_THE_USER)
