//! The report in its place: whole or not at all.

mod common;

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use common::{Place, entry, text};

fn place() -> Place {
    Place::with_dump(entry("user:1", "a"))
}

#[test]
fn a_file_gets_what_stdout_would() {
    let place = place();
    let printed = place.run(&["dump.jsonl"]).stdout;
    let output = place.run(&["dump.jsonl", "--output", "report.json"]);
    assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(0), "", ""));
    assert_eq!(place.read("report.json"), text(&printed));
    assert_eq!(place.names(), ["dump.jsonl", "report.json"]);
}

#[test]
fn a_new_file_has_the_permissions_of_any_new_file() {
    let place = place();
    place.write("other", "");
    assert_eq!(place.run(&["dump.jsonl", "--output", "report.json"]).status.code(), Some(0));
    let mode = |name| place.path(name).metadata().unwrap().mode();
    assert_eq!(mode("report.json"), mode("other"));
}

#[test]
fn an_old_file_is_replaced_and_its_permissions_stay() {
    let place = place();
    place.write("report.json", "old");
    fs::set_permissions(place.path("report.json"), Permissions::from_mode(0o640)).unwrap();
    let old = File::open(place.path("report.json")).unwrap();
    assert_eq!(place.run(&["dump.jsonl", "-o", "report.json"]).status.code(), Some(0));
    assert!(place.read("report.json").starts_with('{'));
    assert_eq!(place.path("report.json").metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(old.metadata().unwrap().len(), 3, "whoever reads the old one has it whole");
}

#[test]
fn a_write_protected_file_is_not_replaced() {
    let place = place();
    place.write("report.json", "old");
    fs::set_permissions(place.path("report.json"), Permissions::from_mode(0o440)).unwrap();
    if File::options().write(true).open(place.path("report.json")).is_ok() {
        return; // Nothing is protected from root.
    }
    let said = place.refusal(1, &["dump.jsonl", "-o", "report.json"]);
    assert!(said.starts_with("report.json: the report can't be written: Permission denied"), "{said}");
    assert_eq!(place.read("report.json"), "old");
}

#[test]
fn through_a_link_its_file_is_replaced() {
    let place = place();
    fs::create_dir(place.path("reports")).unwrap();
    place.write("reports/today.json", "old");
    symlink("reports/today.json", place.path("report.json")).unwrap();
    assert_eq!(place.run(&["dump.jsonl", "-o", "report.json"]).status.code(), Some(0));
    assert!(place.path("report.json").is_symlink());
    assert!(place.read("reports/today.json").starts_with('{'));
}

#[test]
fn an_old_file_is_untouched_when_there_is_no_new_one() {
    let place = place();
    place.write("bad.jsonl", "bad");
    place.write("report.json", "old");
    place.refusal(1, &["dump.jsonl", "bad.jsonl", "-o", "report.json"]);
    assert_eq!(place.read("report.json"), "old");
    assert_eq!(place.names(), ["bad.jsonl", "dump.jsonl", "report.json"]);
}

#[test]
fn where_no_file_can_be_nothing_is_read() {
    let place = Place::with_dump("bad");
    symlink("nothing", place.path("dangling")).unwrap();
    for (output, words) in [
        ("missing/report.json", "its directory is not there"),
        (".", "it is a directory"),
        ("dangling", "a link to nothing"),
        ("dump.jsonl/report.json", "Not a directory"),
        ("missing/..", "names no file"),
        ("missing/", "names no file"),
    ] {
        let said = place.refusal(1, &["dump.jsonl", "--output", output]);
        assert!(said.starts_with(&format!("{output}: the report can't be written: ")), "{said}");
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(place.names(), ["dangling", "dump.jsonl"]);
}

#[test]
fn an_input_is_never_replaced_under_whatever_name() {
    let place = place();
    fs::hard_link(place.path("dump.jsonl"), place.path("hard.jsonl")).unwrap();
    symlink("dump.jsonl", place.path("soft.jsonl")).unwrap();
    let before = place.read("dump.jsonl");
    for output in ["dump.jsonl", "./dump.jsonl", "hard.jsonl", "soft.jsonl"] {
        let said = place.refusal(2, &["dump.jsonl", "--output", output]);
        assert!(said.starts_with(&format!("{output}: is read as an input")), "{said}");
    }
    let stdin = File::open(place.path("dump.jsonl")).unwrap();
    let refused = place.program(&["-", "--output", "dump.jsonl"]).stdin(stdin).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(place.read("dump.jsonl"), before);
}

#[test]
fn a_full_disk_is_told() {
    let place = place();
    let said = place.refusal(1, &["dump.jsonl", "--output", "/dev/full"]);
    assert!(said.starts_with("/dev/full: the report can't be written: No space left"), "{said}");
    assert!(fs::metadata("/dev/full").unwrap().mode() & 0o170_000 == 0o020_000, "the device is still one");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = place.program(&["dump.jsonl"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("<stdout>: the report can't be written: No space left"));
}

#[test]
fn a_reader_who_has_gone_is_told_and_no_panic() {
    let place = place();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place.program(&["dump.jsonl"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "<stdout>: the report can't be written: Broken pipe (os error 32)\n");
}
