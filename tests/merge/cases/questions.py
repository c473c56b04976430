"""Versions, and answers: new, gone, edited, in more than one file."""

from __future__ import annotations

from tests.merge.cases.features import ANSWERS, CAR, MAIN, WHEELS
from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MERGED,
    Case,
    Step,
    edit,
    gone,
    holds,
    is_,
    lacks,
    lists,
    release,
    rename,
    untouched,
    update,
)
from tests.merge.cases.stage import Stage
from tests.merge.conftest import TEXT

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

CASES = (*ANSWERED, *VERSIONS)
