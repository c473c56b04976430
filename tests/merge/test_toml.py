"""TOML is merged by key, and the user's comments, order and formatting stay."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncscaffold.merge.model import Labels
from asyncscaffold.merge.toml import merge_toml
from asyncscaffold.merge.toml_keys import MISSING, Keys, merge_arrays, same
from asyncscaffold.merge.toml_scan import scan

CARGO = """\
# what this is
[package]
name = "x"

[dependencies]
# the web
axum = "0.8"
serde = { version = "1", features = ["derive"] } # everywhere
tokio = { version = "1", features = ["rt", "macros"] }
tracing = "0.1"

[profile.release]
lto = true
"""


def cargo(*changes: tuple[str, str]) -> str:
    text = CARGO
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def merged(mine: str, theirs: str, base: str = CARGO) -> str:
    """The merge of what must not conflict."""
    result = merge_toml(base, mine, theirs)
    assert result.conflicts == ()
    tomlkit.parse(result.text)
    return result.text


def test_both_sides_add_a_dependency_at_the_same_place() -> None:
    mine = cargo(('tracing = "0.1"\n', 'tracing = "0.1"\nmine = "1" # my own\n'))
    theirs = cargo(('tracing = "0.1"\n', 'tracing = "0.1"\n# for gRPC\ntonic = "0.14"\n'))
    assert merged(mine, theirs) == cargo(
        ('tracing = "0.1"\n', 'tracing = "0.1"\n# for gRPC\ntonic = "0.14"\nmine = "1" # my own\n')
    )


def test_both_sides_add_the_same_dependency_in_different_places() -> None:
    mine = cargo(("[profile", 'new = "1"\n\n[profile'))
    theirs = cargo(("axum =", 'new = "1"\naxum ='))
    assert merged(mine, theirs) == mine


def test_a_feature_of_the_users_meets_a_bump_of_the_templates() -> None:
    mine = cargo(('axum = "0.8"', 'axum = { version = "0.8", features = ["ws"] } # sockets'))
    theirs = cargo(('axum = "0.8"', 'axum = "0.9"'))
    assert merged(mine, theirs) == cargo(
        ('axum = "0.8"', 'axum = { version = "0.9", features = ["ws"] } # sockets')
    )


def test_an_array_takes_the_additions_and_removals_of_both() -> None:
    mine = cargo(('"macros"] }', '"macros", "fs"] }'))
    theirs = cargo(('["rt", "macros"] }', '["rt-multi-thread", "macros", "net"] }'))
    assert merged(mine, theirs) == cargo(
        ('["rt", "macros"]', '["rt-multi-thread", "macros", "net", "fs"]')
    )


def test_an_array_over_many_lines_keeps_its_lines_and_comments() -> None:
    base = 'a = [\n    "x", # why\n    "y",\n]\n'
    mine = 'a = [\n    "x", # why\n    "y",\n    "mine", # mine\n]\n'
    theirs = 'a = [\n    "x", # why\n    "y",\n    "theirs",\n]\n'
    text = merged(mine, theirs, base)
    assert tomlkit.parse(text).unwrap() == {"a": ["x", "y", "theirs", "mine"]}
    assert "# why" in text
    assert "# mine" in text
    assert text.count("\n") == 6


def test_an_inline_dependency_made_a_table_by_the_user_gets_the_change_there() -> None:
    line = 'tokio = { version = "1", features = ["rt", "macros"] }\n'
    table = '\n[dependencies.tokio]\nversion = "1" # lts\nfeatures = ["rt", "macros"]\n'
    mine = cargo((line, "")) + table
    theirs = cargo(('tokio = { version = "1"', 'tokio = { version = "1.50"'))
    assert merged(mine, theirs) == mine.replace('"1" # lts', '"1.50" # lts')


def test_a_dotted_dependency_of_the_users_gets_the_change_dotted() -> None:
    mine = cargo(('tracing = "0.1"', 'tracing.version = "0.1"'))
    theirs = cargo(('tracing = "0.1"', 'tracing = { version = "0.1", features = ["log"] }'))
    assert merged(mine, theirs) == cargo(
        ('tracing = "0.1"', 'tracing.version = "0.1"\ntracing.features = ["log"]')
    )


def test_a_dependency_that_the_template_drops_goes() -> None:
    mine = cargo(('tracing = "0.1"\n', 'tracing = "0.1"\nmine = "1"\n'))
    assert merged(mine, cargo(('tracing = "0.1"\n', ""))) == cargo(
        ('tracing = "0.1"\n', 'mine = "1"\n')
    )


def test_a_table_that_the_template_adds_comes_with_its_comments() -> None:
    mine = cargo(("[profile", "[features]\nmine = []\n\n[profile"))
    theirs = cargo(("[profile", '# proto\n[build-dependencies]\nprotox = "0.9"\n\n[profile'))
    text = merged(mine, theirs)
    assert '\n\n# proto\n[build-dependencies]\nprotox = "0.9"\n\n' in text
    assert "[features]\nmine = []\n" in text


def test_both_sides_add_a_table_to_an_array_of_tables() -> None:
    base = CARGO + '\n[[bin]]\nname = "a"\n'
    mine, theirs = (base + f'\n[[bin]]\nname = "{name}"\n' for name in ("mine", "theirs"))
    assert merged(mine, theirs, base) == mine + '\n[[bin]]\nname = "theirs"\n'


def test_both_bump_one_dependency_and_the_rest_is_merged() -> None:
    mine = cargo(('axum = "0.8"', 'axum = "0.8.1" # pinned'), ("lto = true", "lto = false"))
    theirs = cargo(('axum = "0.8"', 'axum = "0.9"'), ("true\n", "true\ndebug = 1\n"))
    result = merge_toml(CARGO, mine, theirs, Labels(theirs="2.0"))
    assert result.conflicts == ("dependencies.axum",)
    markers = (
        '<<<<<<< your edits\naxum = "0.8.1" # pinned\n=======\naxum = "0.9" # pinned\n>>>>>>> 2.0\n'
    )
    assert result.text == cargo(
        ('axum = "0.8"\n', markers), ("lto = true\n", "lto = false\ndebug = 1\n")
    )


@pytest.mark.parametrize("deleted_by", ["mine", "theirs"])
def test_deleting_what_the_other_side_changed_is_a_conflict(deleted_by: str) -> None:
    gone, changed = cargo(('tracing = "0.1"\n', "")), cargo(('"0.1"', '"0.2"'))
    mine, theirs = (gone, changed) if deleted_by == "mine" else (changed, gone)
    result = merge_toml(CARGO, mine, theirs)
    assert result.conflicts == ("dependencies.tracing",)
    assert 'tracing = "0.2"' in result.text


def test_a_comment_of_the_users_on_what_the_template_drops_is_not_lost() -> None:
    mine = cargo(("tracing =", "# needed for the audit\ntracing ="))
    result = merge_toml(CARGO, mine, cargo(('tracing = "0.1"\n', "")))
    assert result.conflicts
    assert "# needed for the audit" in result.text


def test_what_is_no_toml_is_merged_by_line() -> None:
    assert merge_toml("a = 1\n\nb\n", "a = 1\n\nb\nmine\n", "a = 2\n\nb\n").text == (
        "a = 2\n\nb\nmine\n"
    )


def test_a_string_that_looks_like_a_header_is_no_header() -> None:
    text = 'a = """\n[not.a.table]\n# not a comment\n"""\n[b]\n"x.y" = \'z\' # c\n'
    assert [s.path for s in scan(text)] == [("a",), ("b",), ("b", "x.y")]
    assert "".join(s.text for s in scan(text)) == text


def test_numbers_of_different_types_are_different() -> None:
    assert not same({"a": [1]}, {"a": [True]})
    assert not same(1, 1.0)
    assert same(float("nan"), float("nan"))


_KEYS = st.sampled_from(["a", "b", "c d", "dependencies", "e-f"])
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3) | st.booleans() | st.sampled_from(["x", 'y"\n', "# z", "[w]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_DOCUMENTS = st.dictionaries(_KEYS, _VALUES, max_size=4)


@st.composite
def _variant(draw: st.DrawFn, of: dict[str, Any]) -> dict[str, Any]:
    """A document with some keys of another changed, added or gone."""
    changed = {key: value for key, value in of.items() if draw(st.booleans())}
    return changed | draw(st.dictionaries(_KEYS, _VALUES, max_size=2))


def _write(data: dict[str, Any], comment: str) -> str:
    lines = tomlkit.dumps(data).splitlines(keepends=True)
    return f"# {comment}\n" + "".join(lines)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_merge_without_conflict_parses_to_the_merge_of_the_data(data: st.DataObject) -> None:
    base = data.draw(_DOCUMENTS)
    mine, theirs = data.draw(_variant(base)), data.draw(_variant(base))
    own = _write(mine, "mine")
    result = merge_toml(_write(base, "base"), own, _write(theirs, "base"))
    keys = Keys()
    expected = keys.merge(base, mine, theirs)
    if not result.conflicts:
        assert not keys.conflicts
        assert same(tomlkit.parse(result.text).unwrap(), expected)
    assert "# mine" in result.text


@settings(max_examples=200, deadline=None)
@given(*[st.lists(st.integers(0, 4), max_size=5)] * 3)
def test_arrays_lose_no_addition_and_keep_no_removal(
    base: list[int], mine: list[int], theirs: list[int]
) -> None:
    result = merge_arrays(base, mine, theirs)
    for element in {*base, *mine, *theirs}:
        if element in mine and element in theirs:
            assert element in result or mine.count(element) < base.count(element)
        if element not in base:
            assert (element in result) == (element in mine or element in theirs)
        elif element not in mine and theirs.count(element) <= base.count(element):
            assert element not in result


@settings(max_examples=200, deadline=None)
@given(_DOCUMENTS, _DOCUMENTS)
def test_a_side_without_changes_takes_the_other(
    base: dict[str, Any], other: dict[str, Any]
) -> None:
    assert same(Keys().merge(base, base, other), other)
    assert same(Keys().merge(base, other, base), other)
    assert same(Keys().merge(base, other, other), other)
    assert MISSING not in [other]


@settings(max_examples=100, deadline=None)
@given(_DOCUMENTS)
def test_statements_joined_are_the_text_again(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    assert "".join(statement.text for statement in scan(text)) == text
