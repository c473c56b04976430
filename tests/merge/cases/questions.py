"""Versions, answers, features switched, and what a template leaves to the user."""

from __future__ import annotations

from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MERGED,
    MINE_IN_PLACE,
    Case,
    Step,
    delete,
    edit,
    gone,
    holds,
    is_,
    keeps,
    lacks,
    lists,
    release,
    rename,
    shows,
    untouched,
    update,
    write,
)
from tests.merge.cases.stage import Stage
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
SECOND = ".copier-answers.second.yml"


def by_hand(old: str, new: str, name: str = ANSWERS) -> Step:
    """The user edits the answers file."""

    def step(stage: Stage) -> None:
        place = stage.project / name
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return step


def second(stage: Stage) -> None:
    """Another project of the template's goes into the same folder, as Copier allows."""
    stage.copy(stage.project, answers_file=SECOND, overwrite=True, name="lorry")
    stage.commit("second")


def recopied(stage: Stage) -> None:
    """Another answer, given to Copier itself."""
    stage.copy(stage.project, overwrite=True, name="lorry")
    stage.commit("recopied")


def in_crlf(stage: Stage) -> None:
    place = stage.project / ANSWERS
    place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))


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

ANSWERED = (
    Case(
        "answers edited by hand",
        CAR,
        CAR,
        [by_hand("name: car", "name: lorry"), edit("wheels/a")],
        [is_("main", MAIN.replace("car", "lorry")), is_("wheels/a", EDITED)],
        questions=WHEELS,
        rule=9,
    ),
    Case(
        "answers edited by hand, and no new version",
        CAR,
        CAR,
        [update(), by_hand("name: car", "name: lorry"), edit("wheels/a")],
        [is_("main", MAIN.replace("car", "lorry")), is_("wheels/a", EDITED)],
        questions=WHEELS,
        rule=9,
    ),
    Case(
        "answers that Copier changed since",
        CAR,
        {**CAR, "new": "2\n"},
        [recopied, edit("wheels/a")],
        [is_("main", MAIN.replace("car", "lorry")), is_("wheels/a", EDITED), is_("new", "2\n")],
        questions=WHEELS,
        rule=9,
    ),
    Case(
        "answers edited by hand and not committed",
        CAR,
        {**CAR, "new": "2\n"},
        [by_hand("name: car", "name: lorry"), edit("wheels/a")],
        [is_("main", MAIN.replace("car", "lorry")), is_("wheels/a", EDITED), is_("new", "2\n")],
        questions=WHEELS,
        rule=9,
        commits=False,
    ),
    Case(
        "a question is new and has a default",
        {"a": TEXT},
        {"a.jinja": "{{ colour }}\n" + TEXT},
        [edit("a")],
        [is_("a", "red\n" + EDITED), holds(ANSWERS, "colour: red")],
        questions_after="colour: {type: str, default: red}\n",
        rule=9,
    ),
    Case(
        "a question is gone",
        CAR,
        {"main.jinja": "fixed\n" + TEXT},
        [edit("main", to=MAIN.replace("line 9\n", "my line\n"))],
        [
            is_("main", "fixed\n" + TEXT.replace("line 9\n", "my line\n")),
            lacks(ANSWERS, "wheels"),
            gone("wheels"),
        ],
        questions=WHEELS,
        questions_after="name: {type: str, default: car}\n",
        rule=9,
    ),
    Case(
        "a question has another name",
        CAR,
        {"main.jinja": "{{ title }}\n" + TEXT},
        [edit("own")],
        [is_("main", "boat\n" + TEXT), holds(ANSWERS, "title: boat"), lacks(ANSWERS, "name:")],
        questions=WHEELS,
        questions_after="title: {type: str, default: boat}\n",
        rule=9,
    ),
    Case(
        "an old answer is no longer valid",
        {"a.jinja": "{{ name }}\n"},
        {"a.jinja": "{{ name }}\n", "k": "2\n"},
        [edit("own")],
        [is_("a", "boat\n"), is_("k", "2\n"), holds(ANSWERS, "name: boat")],
        [lists("name", "'car'")],
        questions="name: {type: str, default: car}\n",
        questions_after="name: {type: str, default: boat, choices: [boat, ship]}\n",
        made_with={"name": "car"},
        rule=9,
    ),
    Case(
        "answers in a file of another name",
        {"a": TEXT},
        {"a": CHANGED},
        [
            rename(ANSWERS, ".answers.mine.yml"),
            edit("a"),
        ],
        [is_("a", MERGED), holds(".answers.mine.yml", "_commit: v2.0.0"), gone(ANSWERS)],
        words=("--answers-file", ".answers.mine.yml"),
        rule=9,
    ),
    Case(
        "two projects in one folder, each with its answers file",
        {"{{ name }}": TEXT},
        {"{{ name }}": CHANGED},
        [
            second,
            edit("lorry"),
            update(words=("--answers-file", SECOND)),
            edit("car"),
            update(),
            update(words=("--answers-file", SECOND)),
        ],
        [is_("car", MERGED), is_("lorry", MERGED)],
        questions=WHEELS,
        rule=9,
    ),
    Case(
        "an answers file in CRLF",
        {"a": TEXT},
        {"a": CHANGED},
        [
            edit("a"),
            in_crlf,
        ],
        [is_("a", MERGED), holds(ANSWERS, "_commit: v2.0.0")],
        rule=9,
    ),
)

VERSIONS = (
    Case(
        "over two versions at once",
        {"a": TEXT, "b": "1\n"},
        {"a": CHANGED, "b": "2\n"},
        [edit("a"), release("v3.0.0", {"c": CHANGED})],
        [is_("c", MERGED), gone("a", "b")],
        rule=9,
    ),
    Case(
        "back to an older version",
        {"a": TEXT, "old": "1\n"},
        {"a": CHANGED, "new": "2\n"},
        [edit("a"), update()],
        [is_("a", EDITED), is_("old", "1\n"), gone("new"), holds(ANSWERS, "_commit: v1.0.0")],
        words=("--to", "v1.0.0"),
        rule=9,
    ),
    Case(
        "to a version that there is not",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a")],
        [untouched()],
        words=("--to", "v9.9.9"),
        exit=1,
        rule=9,
    ),
    Case(
        "a template that renders something else each time",
        {"a.jinja": "{{ range(99999) | random }}\n" + TEXT},
        {"a.jinja": "{{ range(99999) | random }}\n" + CHANGED},
        [edit("a", to=EDITED)],
        [holds("a", "their line\n", "my line\n")],
        exit=3,
    ),
    Case(
        "a template that renders its version",
        {"a.jinja": "by {{ _copier_answers._commit }}\n" + TEXT},
        {"a.jinja": "by {{ _copier_answers._commit }}\n" + TEXT},
        [edit("a", to="by v1.0.0\n" + EDITED)],
        [is_("a", "by v2.0.0\n" + EDITED)],
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

CASES = (*FEATURES, *ANSWERED, *VERSIONS, *LEFT_TO_THE_USER)
