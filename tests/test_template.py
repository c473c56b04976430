"""Where a template is found, which version is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asyncscaffold.errors import Refused
from asyncscaffold.template import expand, find, for_copier, is_remote
from tests.helpers import FILES, Done, call, commit, git, write


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """v1.9 says nine, v1.10 ten, v2.0rc1 rc; a branch `odd` and the newest commit follow."""
    root = tmp_path / "template"
    for tag, name in (
        ("v1.9", "nine"),
        ("v1.10", "ten"),
        ("v2.0rc1", "rc"),
        ("not-a-version", "not"),
    ):
        release(root, name)
        commit(root, name, tag)
    git(root, "checkout", "-q", "-b", "odd")
    release(root, "odd")
    commit(root, "odd")
    git(root, "checkout", "-q", "main")
    release(root, "newest")
    commit(root, "newest")
    return root


def release(root: Path, name: str) -> None:
    write(root, {**FILES, "copier.yml": FILES["copier.yml"].replace("thing", name)})


def made(tmp_path: Path, template: object, *words: object) -> tuple[str, str]:
    """The default of `name` that the rendered version has, and the version recorded."""
    done = call("new", tmp_path / "svc", "--template", template, *words, "--defaults", "--json")
    assert done.exit == 0, done.out
    recorded = yaml.safe_load((tmp_path / "svc/.copier-answers.yml").read_text())
    assert recorded["name"] == done.json["answers"]["name"]
    return recorded["name"], recorded["_commit"]


def refused(tmp_path: Path, template: object, *words: object) -> Done:
    """A run that is refused, and leaves nothing."""
    before = sorted(tmp_path.iterdir())
    done = call("new", tmp_path / "svc", "--template", template, *words, "--defaults")
    assert done.exit == 1
    assert sorted(tmp_path.iterdir()) == before
    return done


def test_the_newest_release_is_taken_by_version_not_by_name(releases: Path, tmp_path: Path) -> None:
    assert made(tmp_path, releases) == ("ten", "v1.10")


def test_without_a_release_the_newest_commit_is_taken(tmp_path: Path) -> None:
    release(tmp_path / "template", "only")
    sha = commit(tmp_path / "template", "only", "v1.0a1")
    found = find(str(tmp_path / "template"), None)
    assert (found.ref, found.name) == (sha, sha[:7])
    assert made(tmp_path, tmp_path / "template")[0] == "only"


@pytest.mark.parametrize(("ref", "name"), [("v1.9", "nine"), ("odd", "odd"), ("v2.0rc1", "rc")])
def test_ref_takes_a_tag_or_a_branch(releases: Path, tmp_path: Path, ref: str, name: str) -> None:
    assert made(tmp_path, releases, "--ref", ref)[0] == name


def test_ref_takes_a_commit(releases: Path, tmp_path: Path) -> None:
    assert made(tmp_path, releases, "--ref", git(releases, "rev-parse", "v1.9"))[0] == "nine"


def test_head_includes_what_is_not_committed(releases: Path, tmp_path: Path) -> None:
    release(releases, "dirty")
    assert made(tmp_path, releases, "--ref", "HEAD")[0] == "dirty"


def bare(releases: Path, name: str) -> Path:
    git(releases.parent, "clone", "-q", "--bare", str(releases), name)
    return releases.parent / name


@pytest.mark.parametrize("name", ["template.git", "bare"])
@pytest.mark.parametrize(("words", "expected"), [((), "ten"), (("--ref", "HEAD"), "newest")])
def test_a_bare_repository_is_a_template(
    releases: Path, tmp_path: Path, name: str, words: tuple[str, ...], expected: str
) -> None:
    assert made(tmp_path, bare(releases, name), *words)[0] == expected


@pytest.mark.parametrize("name", ["template.git", "bare"])
def test_a_file_url_is_a_template(
    releases: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "cache"))
    url = bare(releases, name).as_uri()
    assert made(tmp_path, url) == ("ten", "v1.10")
    done = call("new", tmp_path / "x", "--template", url, "--ref", "v1.8", "--defaults")
    assert done.exit == 1
    assert "has no version 'v1.8'; did you mean v1.9?" in done.err
    assert call("new", tmp_path / "y", "--template", url, "--ref", "odd", "--defaults").exit == 0


@pytest.mark.parametrize("url", ["gh:me/tpl", "git+https://github.com/me/tpl.git"])
def test_settings_in_the_environment_say_where_a_url_is(
    releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    mirror = f"url.{bare(releases, 'mirror')}.insteadOf"
    settings = ("core.autocrlf", "true"), (mirror, "https://github.com/me/tpl.git")
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    assert made(tmp_path, url, "--ref", "v1.9") == ("nine", "v1.9")
    assert b"\r" not in (tmp_path / "svc/plain.txt").read_bytes()
    assert call("update", "--project", tmp_path / "svc", "--check").exit == 5
    assert call("update", "--project", tmp_path / "svc", "--defaults").exit == 0
    assert "_commit: v1.10" in (tmp_path / "svc/.copier-answers.yml").read_text()


def test_the_callers_ssh_command_reaches_a_template(
    releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nexec git-upload-pack '{releases}'\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert made(tmp_path, "git@example.invalid:me/tpl.git") == ("ten", "v1.10")


def test_a_bundle_is_a_template(releases: Path, tmp_path: Path) -> None:
    git(releases, "bundle", "create", "-q", str(tmp_path / "template.bundle"), "--all")
    assert made(tmp_path, tmp_path / "template.bundle")[0] == "ten"


def test_an_unversioned_directory_is_a_template(tmp_path: Path) -> None:
    write(tmp_path / "template", FILES)
    done = call(
        "new", tmp_path / "svc", "--template", tmp_path / "template", "--defaults", "--json"
    )
    assert done.json["template"]["version"] == "unversioned"
    assert "_commit" not in (tmp_path / "svc/.copier-answers.yml").read_text()
    (tmp_path / "svc").rename(tmp_path / "first")
    assert "it is no git repository" in refused(tmp_path, tmp_path / "template", "--ref", "v1").err


def test_a_directory_inside_a_repository_is_unversioned(tmp_path: Path) -> None:
    write(tmp_path / "outer/template", FILES)
    commit(tmp_path / "outer", "one", "v1")
    assert find(str(tmp_path / "outer/template"), None).name == "unversioned"


def test_an_unknown_version_is_named_with_the_nearest(releases: Path, tmp_path: Path) -> None:
    shown = refused(tmp_path, releases, "--ref", "v1.11").err
    assert "has no version 'v1.11'; did you mean v1.1" in shown
    assert "Its releases: not-a-version, v1.10, v1.9, v2.0rc1" in shown
    for odd in ("--upload-pack=touch x", "", "a..b", "v1.9^{tree}"):
        assert "has no version" in refused(tmp_path, releases, f"--ref={odd}").err


@pytest.mark.parametrize("where", ["nowhere", "", "~nobody-of-that-name/x", "n" * 300])
def test_what_is_no_place_at_all_is_refused(tmp_path: Path, where: str) -> None:
    assert "There is no template at" in refused(tmp_path, where).err


def test_a_template_without_questions_is_one(tmp_path: Path) -> None:
    template = tmp_path / "template"
    answers = {"{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}
    for tag in ("v1", "v2"):
        write(template, {**answers, "plain.txt": tag})
        commit(template, tag, tag)
    project = ("--project", tmp_path / "svc", "--defaults")
    words = ("--template", template, "--ref", "v1", "--defaults")
    assert call("new", tmp_path / "svc", *words).exit == 0
    assert call("update", *project).exit == 0
    assert (tmp_path / "svc/plain.txt").read_text() == "v2"


def test_what_is_no_template_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"dir/readme": "", "file": "no bundle"})
    (tmp_path / "repo").mkdir()
    commit(tmp_path / "repo", "empty", "v1")
    git(tmp_path, "init", "-q", "unborn")
    assert "it has no copier.yml" in refused(tmp_path, tmp_path / "dir").err
    assert "it has no copier.yml" in refused(tmp_path, tmp_path / "repo").err
    assert "There is no template at" in refused(tmp_path, tmp_path / "file").err
    assert "no commit yet" in refused(tmp_path, tmp_path / "unborn").err
    assert "There is no template at" in refused(tmp_path, f"file://{tmp_path}/gone.git").err


def test_short_names_and_urls_are_spelled_out_for_git_and_kept_for_copier() -> None:
    assert expand("gh:owner/name") == "https://github.com/owner/name.git"
    assert expand("gl:/owner/name.git") == "https://gitlab.com/owner/name.git"
    assert expand("git+file:///x") == "file:///x"
    assert for_copier("gh:owner/name") == "gh:owner/name"
    assert for_copier("https://example.org/x") == "git+https://example.org/x"
    assert for_copier("https://example.org/x.git") == "https://example.org/x.git"
    assert is_remote("user@host:path")
    assert not is_remote("some/path")


def test_a_version_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no git repository"):
        find(str(tmp_path), "v1")
