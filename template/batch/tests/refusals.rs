//! What can't be summed up: each is refused with its place and its reason, and nothing is written.

#![expect(clippy::disallowed_methods, reason = "what tests write and read is small")]

mod common;

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use common::{PROGRAM, Place, entry, text};

#[test]
fn a_bad_line_is_named_by_file_and_line() {
    let good = entry("user:1", "a");
    for (bad, words) in [
        (&b"{\"key\":\"user:2\",\"value\":\"cut o"[..], "cut off"),
        (b"\x7fELF\x02\x01\x01\0\0\n", "expected an entry"),
        (b"\x1f\x8b\x08\0\xff\n", "not UTF-8"),
        (b"{\"key\":\"\xc3\x28\",\"value\":\"\"}\n", "not UTF-8"),
        (b"\xff\xfe{\0\"\0\n", "not UTF-8"),
        (b"{\"key\":\"\",\"value\":\"\"}\n", "must not be empty"),
        (b"{\"key\":\"a\",\"value\":\"\",\"\x1b[2Jx\":1}\n", "control character"),
        (b"{\"key\":\"a\",\"value\":\"\",\"\\u001b[2J\":1}\n", "unknown field `\\u{1b}[2J`"),
        (b"{\"key\":\"a\",\"value\":{}}\n", "expected a string"),
        (b"[\"a\",\"b\",1]\n", "expected an entry"),
    ] {
        let place = Place::with_dump([good.as_bytes(), b"\r\n", good.as_bytes(), bad].concat());
        place.write("first.jsonl", &good);
        let said = place.refusal(1, &["first.jsonl", "dump.jsonl", "--output", "report.json"]);
        assert!(said.starts_with("dump.jsonl:4: "), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.trim_end().contains(char::is_control), "{said:?}");
        assert_eq!(place.names(), ["dump.jsonl", "first.jsonl"]);
    }
}

#[test]
fn what_is_missing_or_no_file_is_refused_before_anything_is_read() {
    let place = Place::with_dump("bad\n");
    fs::create_dir(place.path("dumps")).unwrap();
    assert!(
        place.refusal(1, &["dump.jsonl", "missing.jsonl"]).starts_with("missing.jsonl: can't be read: No such file")
    );
    assert!(place.refusal(1, &["dump.jsonl", "dumps"]).starts_with("dumps: is a directory: "));
    assert!(place.refusal(1, &["dump.jsonl", "dump.jsonl/x"]).starts_with("dump.jsonl/x: can't be read: "));
    let output = place.program(&["-"]).stdin(File::open(place.path("dumps")).unwrap()).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(1), "<stdin>: is a directory: name the dumps that are in it\n")
    );
}

#[test]
fn what_may_not_be_read_is_refused() {
    let place = Place::with_dump("");
    fs::set_permissions(place.path("dump.jsonl"), Permissions::from_mode(0o000)).unwrap();
    if File::open(place.path("dump.jsonl")).is_ok() {
        return; // Nothing is forbidden to root.
    }
    assert!(place.refusal(1, &["dump.jsonl"]).starts_with("dump.jsonl: can't be read: Permission denied"));
}

#[test]
fn a_line_without_an_end_takes_no_memory() {
    let place = Place::with_dump(entry("user:1", "a"));
    let sparse = File::create(place.path("sparse.jsonl")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    // With less memory than the line has bytes; threads do not set some aside.
    let limited = format!("ulimit -v 800000; MALLOC_ARENA_MAX=1 exec {PROGRAM} dump.jsonl sparse.jsonl");
    let output = Command::new("sh").arg("-c").arg(limited).current_dir(place.path("")).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("sparse.jsonl:1: the line is longer than 16777216 bytes: "), "{said}");
}

#[test]
fn the_longest_line_is_what_the_user_says() {
    let line = entry("user:1", "0123456789");
    let place = Place::with_dump(line.repeat(2));
    let length = line.len() - 1;
    assert_eq!(place.report(&["dump.jsonl", &format!("--max-line-bytes={length}")])["entries"], 2);
    let said = place.refusal(1, &["dump.jsonl", &format!("--max-line-bytes={}", length - 1)]);
    assert!(said.starts_with("dump.jsonl:1: the line is longer than "), "{said}");
}

#[test]
fn one_prefix_too_many_is_named_by_its_line() {
    let place = Place::with_dump(entry("a:1", "") + &entry("b:1", "") + &entry("a:2", "") + &entry("c:1", ""));
    let said = place.refusal(1, &["dump.jsonl", "--max-prefixes", "2"]);
    assert!(said.starts_with("dump.jsonl:4: "), "{said}");
    assert!(said.contains("--max-prefixes"), "{said}");
    assert_eq!(place.report(&["dump.jsonl", "--max-prefixes", "3"])["entries"], 4);
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let place = Place::with_dump("");
    for (arguments, words) in [
        (&[][..], "<INPUT>"),
        (&["-", "-"], "name `-` once"),
        (&["dump.jsonl", "--max-prefixes", "0"], "--max-prefixes"),
        (&["dump.jsonl", "--max-line-bytes", "1 GB"], "--max-line-bytes"),
        (&["dump.jsonl", "--separator", ""], "--separator"),
        (&["dump.jsonl", "--outptu", "x"], "--output"),
        //{% if rayon %}
        (&["dump.jsonl", "--threads", "0"], "--threads"),
        //{% endif %}
    ] {
        let said = place.refusal(2, arguments);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn help_and_version_are_told_on_stdout() {
    for flag in ["--help", "--version"] {
        let output = Place::empty().run(&[flag]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn a_bad_line_ends_it_while_stdin_is_still_open() {
    let place = Place::empty();
    let mut child = place.program(&["-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = b"bad\n".to_vec();
    lines.resize(4 << 20, b'\n');
    // It may be gone before it has read all.
    drop(std::io::Write::write_all(&mut stdin, &lines));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("<stdin>:1: "));
    drop(stdin);
}
