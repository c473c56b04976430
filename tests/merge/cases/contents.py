"""Bytes and permission bits: what is no plain text."""

from __future__ import annotations

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
    lists,
    mode,
    outside,
    shows,
)
from tests.merge.cases.stage import Stage
from tests.merge.conftest import TEXT, Script

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

CASES = (*BYTES, *BITS)
