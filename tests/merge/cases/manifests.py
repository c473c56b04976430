"""TOML: both sides change one manifest. And Cargo.lock, which is not merged by key."""

from __future__ import annotations

from tests.merge.cases.contents import crlf
from tests.merge.cases.model import Case, Check, edit, holds, is_, lists, toml

CARGO = """\
# what this is
[package]
name = "x"
version = "0.1.0"

[dependencies]
axum = "0.8"
serde = { version = "1", features = ["derive"] } # everywhere
tokio = { version = "1", features = ["rt", "macros"] }
tracing = "0.1"

[profile.release]
lto = true
"""
NAME = "Cargo.toml"


def cargo(*changes: tuple[str, str]) -> str:
    text = CARGO
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def both(
    what: str,
    mine: str,
    theirs: str,
    *then: Check,
    base: str = CARGO,
    exit: int = 0,
    name: str = NAME,
) -> Case:
    return Case(
        f"TOML: {what}",
        {name: base},
        {name: theirs},
        [edit(name, to=mine)],
        then,
        [lists(name)] if exit else (),
        exit=exit,
        rule=4,
        rewrites=True,
    )


LAST = 'tracing = "0.1"\n'
MINE = cargo((LAST, LAST + 'mine = "1" # my own\n'))
THEIRS = cargo((LAST, LAST + '# for them\ntheirs = "1"\n'))
TABLE = '[dependencies.tokio]\nversion = "1" # my own\nfeatures = ["rt", "macros"]\n'
BINS = CARGO + '\n[[bin]]\nname = "a"\n'

CASES = (
    both(
        "both add a dependency at one place",
        MINE,
        THEIRS,
        toml(NAME, dependencies__mine="1", dependencies__theirs="1"),
        holds(NAME, "# my own", "# for them", "# everywhere"),
    ),
    both(
        "both add dependencies in CRLF",
        crlf(MINE),
        THEIRS,
        toml(NAME, dependencies__mine="1", dependencies__theirs="1"),
        holds(NAME, b"# my own\r\n", b'theirs = "1"\r\n'),
    ),
    both(
        "both add the same dependency",
        MINE,
        cargo(("axum =", 'mine = "1"\naxum =')),
        toml(NAME, dependencies__mine="1"),
        holds(NAME, "# my own"),
    ),
    both(
        "both bump one dependency",
        cargo(('axum = "0.8"', 'axum = "0.8.4"')),
        cargo(('axum = "0.8"', 'axum = "0.9"')),
        holds(NAME, 'axum = "0.8.4"', 'axum = "0.9"', "<<<<<<<"),
        exit=3,
    ),
    both(
        "one bumps, the other adds a feature",
        cargo(('"macros"]', '"macros", "fs"]')),
        cargo(('tokio = { version = "1"', 'tokio = { version = "1.50"')),
        toml(NAME, dependencies__tokio={"version": "1.50", "features": ["rt", "macros", "fs"]}),
    ),
    both(
        "both add a feature",
        cargo(('"macros"]', '"macros", "fs"]')),
        cargo(('"macros"]', '"macros", "net"]')),
        toml(NAME, dependencies__tokio__features=["rt", "macros", "net", "fs"]),
    ),
    both(
        "the user makes a table of an inline table that the template changes",
        cargo(
            ('tokio = { version = "1", features = ["rt", "macros"] }\n', ""),
            ("[profile", TABLE + "\n[profile"),
        ),
        cargo(('tokio = { version = "1"', 'tokio = { version = "1.50"')),
        toml(NAME, dependencies__tokio__version="1.50"),
        holds(NAME, "[dependencies.tokio]", "# my own"),
    ),
    both(
        "the user details a dependency that the template bumps",
        cargo(('axum = "0.8"', 'axum = { version = "0.8", features = ["ws"] } # my own')),
        cargo(('axum = "0.8"', 'axum = "0.9"')),
        toml(NAME, dependencies__axum={"version": "0.9", "features": ["ws"]}),
        holds(NAME, "# my own"),
    ),
    both(
        "the user removes a dependency that the template bumps",
        cargo((LAST, "")),
        cargo(('tracing = "0.1"', 'tracing = "0.2"')),
        holds(NAME, 'tracing = "0.2"', "<<<<<<<"),
        exit=3,
    ),
    both(
        "the template removes a dependency that the user bumps",
        cargo(('tracing = "0.1"', 'tracing = "0.1.40"')),
        cargo((LAST, "")),
        holds(NAME, 'tracing = "0.1.40"', "<<<<<<<"),
        exit=3,
    ),
    both(
        "one removes what stands beside what the other adds",
        MINE,
        cargo((LAST, "")),
        toml(NAME, dependencies__mine="1", dependencies__tracing=None),
    ),
    both(
        "both add to an array of tables",
        BINS + '\n[[bin]]\nname = "mine"\n',
        BINS + '\n[[bin]]\nname = "theirs"\n',
        toml(NAME, bin=[{"name": "a"}, {"name": "mine"}, {"name": "theirs"}]),
        base=BINS,
    ),
    both(
        "the user sorts what the template adds to",
        cargo(
            ('axum = "0.8"\n', ""),
            (LAST, LAST + 'axum = "0.8"\n'),
        ),
        cargo(('axum = "0.8"\n', 'axum = "0.8"\nbytes = "1"\n')),
        toml(NAME, dependencies__bytes="1", dependencies__axum="0.8"),
    ),
    both(
        "the user formats all of it",
        CARGO.replace(" = ", "=").replace("{ ", "{").replace(" }", "}"),
        THEIRS,
        toml(NAME, dependencies__theirs="1"),
        holds(NAME, 'axum="0.8"'),
    ),
    both(
        "the user comments on what the template removes",
        cargo((LAST, "# needed for the audit\n" + LAST)),
        cargo((LAST, "")),
        holds(NAME, "# needed for the audit"),
        exit=3,
    ),
    both(
        "the user has left it in no valid state",
        cargo(("[profile", "[unfinished\n\n[profile")),
        cargo(("# what", "# their line\n# what")),
        holds(NAME, "[unfinished\n", "# their line\n"),
    ),
    both(
        "both add members to a workspace over many lines",
        '[workspace]\nmembers = [\n    "a", # why\n    "mine",\n]\n',
        '[workspace]\nmembers = [\n    "a", # why\n    "theirs",\n]\n',
        toml(NAME, workspace__members=["a", "theirs", "mine"]),
        holds(NAME, "# why"),
        base='[workspace]\nmembers = [\n    "a", # why\n]\n',
    ),
    both(
        "both add a table",
        CARGO + "\n[features]\nmine = []\n",
        CARGO + '\n[lints.rust]\nunsafe_code = "deny"\n',
        toml(NAME, features__mine=[], lints__rust__unsafe_code="deny"),
    ),
    both(
        "both add the same table with other keys",
        CARGO + "\n[features]\nmine = []\n",
        CARGO + "\n[features]\ntheirs = []\n",
        toml(NAME, features={"theirs": [], "mine": []}),
    ),
    both(
        "a conflict in a line with unusual line separators",
        cargo(
            ('name = "x"', 'name = "x" # my\u2028own\x85line'),
            ('axum = "0.8"', 'axum = "0.8.4\u2028"'),
        ),
        cargo(('axum = "0.8"', 'axum = "0.9"')),
        holds(NAME, 'axum = "0.8.4\u2028"\n', 'axum = "0.9"\n', "# my\u2028own\x85line\n"),
        exit=3,
    ),
    both(
        "dates and numbers and strings of every kind",
        "a = 1979-05-27T07:32:00Z\nb = 0xf_f\nc = '''\n[x]\n'''\nmine = 1e3\n",
        "a = 1979-05-27T07:32:00Z\nb = 0xf_f\nc = '''\n[x]\n'''\ntheirs = inf\n",
        toml("x.toml", mine=1000.0, theirs=float("inf"), b=0xFF),
        base="a = 1979-05-27T07:32:00Z\nb = 0xf_f\nc = '''\n[x]\n'''\n",
        name="x.toml",
    ),
    Case(
        "Cargo.lock that both changed in different packages",
        {
            "Cargo.lock": (
                LOCK := "".join(
                    f'[[package]]\nname = "p{n}"\nversion = "1.0.0"\n\n' for n in range(9)
                )
            )
        },
        {"Cargo.lock": LOCK.replace('p7"\nversion = "1.0.0"', 'p7"\nversion = "1.0.1"')},
        [edit("Cargo.lock", to=LOCK.replace('p1"\nversion = "1.0.0"', 'p1"\nversion = "1.0.2"'))],
        [holds("Cargo.lock", 'p7"\nversion = "1.0.1"', 'p1"\nversion = "1.0.2"')],
        rule=4,
    ),
    Case(
        "TOML that is no UTF-8",
        {"a.toml": b"# caf\xe9\nx = 1\n\n\n\ny = 1\n"},
        {"a.toml": b"# caf\xe9\nx = 1\n\n\n\ny = 2\n"},
        [edit("a.toml", to=b"# caf\xe9 \xfc\nx = 1\n\n\n\ny = 1\n")],
        [is_("a.toml", b"# caf\xe9 \xfc\nx = 1\n\n\n\ny = 2\n")],
        rule=6,
    ),
    Case(
        "a manifest that the template renames",
        {"a.toml": CARGO},
        {"b.toml": THEIRS},
        [edit("a.toml", to=MINE)],
        [toml("b.toml", dependencies__mine="1", dependencies__theirs="1")],
        rule=4,
    ),
    Case(
        "JSON that both changed",
        {"package.json": '{\n  "a": 1,\n  "b": 1,\n  "c": 1,\n  "d": 1,\n  "e": 1\n}\n'},
        {"package.json": '{\n  "a": 1,\n  "b": 1,\n  "c": 1,\n  "d": 1,\n  "e": 2\n}\n'},
        [edit("package.json", to='{\n  "a": 2,\n  "b": 1,\n  "c": 1,\n  "d": 1,\n  "e": 1\n}\n')],
        [holds("package.json", '"a": 2', '"e": 2')],
    ),
)
