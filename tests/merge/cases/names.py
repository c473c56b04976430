"""Names that are odd, that are like ours, or that are hardly different."""

from __future__ import annotations

import os

from tests.merge.cases.contents import PICTURE
from tests.merge.cases.model import (
    CHANGED,
    MERGED,
    Case,
    edit,
    gone,
    is_,
    keeps,
    shows,
    write,
)
from tests.merge.conftest import TEXT

NAMES = tuple(
    Case(
        f"a name {what}",
        {name: TEXT, "k": TEXT},
        {name: CHANGED, "k": TEXT},
        [edit(name)],
        [is_(name, MERGED)],
        rule=6,
    )
    for what, name in {
        "with spaces": " a  file ",
        "with quotes": "a \"quoted\" 'file'",
        "with a line break": "a\nfile",
        "with a tab and a bell": "a\tfile\a",
        "that begins with a dash": "-rf",
        "of glob characters": "[a-z]*?{x}",
        "with a backslash": "a\\file",
        "that is no UTF-8": os.fsdecode(b"caf\xe9"),
        "that looks like a home": "~/~root",
        "in NFC": "caf\u00e9",
        "in NFD": "cafe\u0301",
        "that looks like a revision": "a~HEAD",
        "that looks like an option of git": "--output=x",
        "that begins with a colon": ":(glob)x",
        "of 249 bytes": "n" * 249,
        "that starts with a hash": "#a#",
        "with a dollar": "$HOME",
        "that looks like our branches": "a~asyncscaffold-mine",
        "that looks like our witness": "d/.asyncscaffold-witness",
        "that looks like a file beside": "k.theirs",
    }.items()
)

CASES = (
    *NAMES,
    Case(
        "two names that differ by unicode normalization alone",
        {"caf\u00e9": TEXT},
        {"cafe\u0301": CHANGED},
        [edit("caf\u00e9")],
        [is_("cafe\u0301", MERGED), gone("caf\u00e9")],
        rule=3,
    ),
    Case(
        "the user has what would stand beside",
        {"a.png": PICTURE},
        {"a.png": PICTURE + b"theirs"},
        [edit("a.png", to=PICTURE + b"mine"), write({"a.png.theirs": "my line\n"})],
        [
            is_("a.png", PICTURE + b"mine"),
            is_("a.png.theirs", "my line\n"),
            shows(PICTURE + b"theirs"),
        ],
        exit=3,
        rule=5,
    ),
    Case(
        "a file of the user's named as our state is",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a"), write({".asyncscaffold": "my own\n"})],
        [is_("a", MERGED), is_(".asyncscaffold", "my own\n")],
        rule=6,
    ),
    Case(
        "a file of the user's named as our state is, without a repository",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a"), write({".asyncscaffold": "my own\n"})],
        [is_(".asyncscaffold", "my own\n"), keeps("my line\n")],
        rule=6,
        place="none",
        exit=1,
    ),
)
