"""Bytes, permission bits, links and names: what is no plain text with a plain name."""

from __future__ import annotations

import os

from tests.merge.cases.model import (
    CHANGED,
    EDITED,
    MERGED,
    THEIRS_IN_PLACE,
    Case,
    beside,
    chmod,
    delete,
    edit,
    gone,
    holds,
    is_,
    keeps,
    link_out,
    lists,
    mode,
    outside,
    shows,
    untouched,
    write,
)
from tests.merge.cases.stage import Stage
from tests.merge.conftest import TEXT, Link, Script

LATIN = TEXT.encode() + b"caf\xe9\n" + TEXT.encode()
WIDE = TEXT.encode("utf-16")
PICTURE = b"\x89PNG\0" + bytes(range(256))


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


MIXED = TEXT.replace("line 3\n", "line 3\r\n").replace("line 15\n", "line 15\r\n")

BYTES = (
    Case(
        "the user turns a file to CRLF",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a", to=crlf(EDITED))],
        [is_("a", crlf(MERGED))],
        rule=6,
    ),
    Case(
        "the template turns a file to CRLF",
        {"a": TEXT},
        {"a": crlf(CHANGED)},
        [edit("a")],
        [is_("a", crlf(MERGED))],
        rule=6,
    ),
    Case(
        "both turn a file to CRLF",
        {"a": TEXT},
        {"a": crlf(CHANGED)},
        [edit("a", to=crlf(EDITED))],
        [is_("a", crlf(MERGED))],
        rule=6,
    ),
    Case(
        "a file that is CRLF on all sides",
        {"a": crlf(TEXT)},
        {"a": crlf(CHANGED)},
        [edit("a", to=crlf(EDITED))],
        [is_("a", crlf(MERGED))],
        rule=6,
    ),
    Case(
        "a conflict in a file that is CRLF",
        {"a": crlf(TEXT)},
        {"a": crlf(THEIRS_IN_PLACE)},
        [edit("a", to=crlf(TEXT.replace("line 7", "my line")))],
        [holds("a", "my line\r\n", "their line\r\n", "=======\r\n")],
        exit=3,
        rule=6,
    ),
    Case(
        "a file of mixed line ends",
        {"a": MIXED},
        {"a": "their line\n" + MIXED},
        [edit("a", to=MIXED + "my line\r\n")],
        [is_("a", "their line\n" + MIXED + "my line\r\n")],
        rule=6,
    ),
    Case(
        "line ends of one line alone are changed by the user",
        {"a": TEXT},
        {"a": CHANGED},
        [edit("a", to=TEXT.replace("line 15\n", "line 15\r\n"))],
        [is_("a", "their line\n" + TEXT.replace("line 15\n", "line 15\r\n"))],
        rule=6,
    ),
    Case(
        "a binary that the user changed",
        {"a.png": PICTURE, "k": "1\n"},
        {"a.png": PICTURE, "k": "2\n"},
        [edit("a.png", to=PICTURE + b"mine")],
        [is_("a.png", PICTURE + b"mine"), is_("k", "2\n")],
        rule=6,
    ),
    Case(
        "a binary that the template changed",
        {"a.png": PICTURE},
        {"a.png": PICTURE + b"theirs"},
        [edit("own")],
        [is_("a.png", PICTURE + b"theirs")],
        rule=6,
    ),
    Case(
        "a binary that both changed",
        {"a.png": PICTURE},
        {"a.png": PICTURE + b"theirs"},
        [edit("a.png", to=PICTURE + b"mine")],
        [is_("a.png", PICTURE + b"mine"), shows(PICTURE + b"theirs")],
        [is_("a.png.theirs", PICTURE + b"theirs"), lists("a.png", "a.png.theirs")],
        exit=3,
        rule=5,
    ),
    Case(
        "a binary that both changed, with a name of 249 bytes",
        {"a" * 249: PICTURE},
        {"a" * 249: PICTURE + b"theirs"},
        [edit("a" * 249, to=PICTURE + b"mine")],
        [is_("a" * 249, PICTURE + b"mine"), shows(PICTURE + b"theirs")],
        exit=3,
        rule=5,
    ),
    Case(
        "a binary that the user renamed and the template changed",
        {"a.png": PICTURE * 4},
        {"a.png": PICTURE * 4 + b"theirs"},
        [delete("a.png"), edit("b.png", to=PICTURE * 4)],
        [is_("b.png", PICTURE * 4 + b"theirs"), gone("a.png")],
        rule=3,
    ),
    Case(
        "a binary that the user made text",
        {"a": PICTURE},
        {"a": PICTURE + b"theirs"},
        [edit("a", to="my line\n")],
        [is_("a", "my line\n"), shows(PICTURE + b"theirs")],
        exit=3,
        rule=5,
    ),
    Case(
        "Latin-1 that both edit",
        {"a": LATIN},
        {"a": b"na\xefve\n" + LATIN},
        [edit("a", to=LATIN + b"\xfcber\n")],
        [is_("a", b"na\xefve\n" + LATIN + b"\xfcber\n")],
        rule=6,
    ),
    Case(
        "Latin-1 that both edit in one line",
        {"a": LATIN},
        {"a": LATIN.replace(b"caf\xe9", b"caf\xe9 theirs")},
        [edit("a", to=LATIN.replace(b"caf\xe9", b"caf\xe9 \xfc"))],
        [holds("a", b"caf\xe9 \xfc\n", b"caf\xe9 theirs\n")],
        exit=3,
        rule=6,
    ),
    Case(
        "UTF-16 that both edit",
        {"a": WIDE},
        {"a": CHANGED.encode("utf-16")},
        [edit("a", to=EDITED.encode("utf-16"))],
        [is_("a", EDITED.encode("utf-16")), shows(CHANGED.encode("utf-16"))],
        exit=3,
        rule=6,
    ),
    Case(
        "the user adds a byte order mark",
        {"a": TEXT},
        {"a": TEXT + "their line\n"},
        [edit("a", to="\ufeff" + TEXT)],
        [is_("a", "\ufeff" + TEXT + "their line\n")],
        rule=6,
    ),
    Case(
        "a zero byte far down in a text",
        {"a": TEXT * 80},
        {"a": "their line\n" + TEXT * 80},
        [edit("a", to=TEXT * 80 + "my \0 line\n")],
        [holds("a", "their line\n", "my \0 line\n")],
        rule=6,
    ),
    Case(
        "lines that end in a carriage return alone",
        {"a": "one\rtwo\rthree\r"},
        {"a": "one\rtwo\rtheir line\r"},
        [edit("a", to="my line\rtwo\rthree\r")],
        [holds("a", "my line\r", "their line\r")],
        exit=3,
        rule=6,
    ),
)


def link_hard(stage: Stage) -> None:
    (stage.root / "outside/a").hardlink_to(stage.project / "a")


def link_answers(stage: Stage) -> None:
    answers = stage.project / ".copier-answers.yml"
    answers.rename(stage.project / "answers.yml")
    answers.symlink_to("answers.yml")


BITS = (
    Case(
        "the user lets a file run",
        {"a": TEXT},
        {"a": CHANGED},
        [chmod("a", 0o755)],
        [is_("a", Script(CHANGED)), mode("a", 0o755)],
        rule=6,
    ),
    Case(
        "the template lets a file run",
        {"a": TEXT},
        {"a": Script(TEXT)},
        [edit("a")],
        [is_("a", Script(EDITED))],
        rule=6,
    ),
    Case(
        "the template lets a file run that nobody edited",
        {"a": TEXT, "b": TEXT},
        {"a": Script(TEXT), "b": TEXT},
        [edit("own")],
        [is_("a", Script(TEXT)), is_("b", TEXT)],
        rule=6,
    ),
    Case(
        "the user takes a run bit away",
        {"a": Script(TEXT)},
        {"a": Script(CHANGED)},
        [chmod("a", 0o644)],
        [is_("a", CHANGED), mode("a", 0o644)],
        rule=6,
    ),
    Case(
        "the template takes a run bit away",
        {"a": Script(TEXT)},
        {"a": TEXT},
        [edit("a", to=Script(EDITED).text)],
        [is_("a", EDITED), mode("a", 0o644)],
        rule=6,
    ),
    *(
        Case(
            f"permission bits {bits:o} of the user's",
            {"a": TEXT, "b": TEXT},
            {"a": CHANGED, "b": CHANGED},
            [edit("a"), chmod("a", bits), chmod("b", bits)],
            [is_("a", MERGED), is_("b", CHANGED), mode("a", bits), mode("b", bits)],
            rule=6,
        )
        for bits in (0o600, 0o640, 0o444, 0o750)
    ),
    Case(
        "a hard link out of the project",
        {"a": TEXT},
        {"a": CHANGED},
        [
            outside({"k": ""}),
            link_hard,
        ],
        [is_("a", CHANGED), beside("a", TEXT)],
        rule=6,
    ),
)

LINKS = (
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
    *BYTES,
    *BITS,
    *LINKS,
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
