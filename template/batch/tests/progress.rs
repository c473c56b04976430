//! The bar: on a terminal, for whoever wants it, and nowhere else.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

mod common;

use std::{
    fs::File,
    io::Read,
    process::{Command, ExitStatus, Stdio},
};

use common::{Place, entry};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Runs the program with a terminal as its stderr, and returns what that shows.
fn on_a_terminal(command: &mut Command) -> (ExitStatus, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let stderr = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut child = command.stderr(stderr).spawn().unwrap();
    // Then the program is the only one that has the terminal open.
    command.stderr(Stdio::null());
    let mut shown = Vec::new();
    // It fails when the last one has closed it.
    let _end = File::from(terminal).read_to_end(&mut shown);
    (child.wait().unwrap(), String::from_utf8(shown).unwrap())
}

fn program(place: &Place, flags: &[&str]) -> Command {
    let mut command = place.program(&[&["dump.jsonl", "--output", "report.json"], flags].concat());
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command
}

fn place() -> Place {
    Place::with_dump(entry("user:1", &"a".repeat(1000)).repeat(3000))
}

#[test]
fn a_terminal_shows_how_much_is_done() {
    let (status, shown) = on_a_terminal(&mut program(&place(), &[]));
    assert_eq!(status.code(), Some(0));
    assert!(shown.contains("MiB"), "{shown:?}");
    assert!(shown.ends_with("\r\u{1b}[2K"), "in the end it is taken away: {shown:?}");
}

#[test]
fn who_wants_none_gets_none() {
    let place = place();
    for command in [
        &mut program(&place, &["--quiet"]),
        program(&place, &[]).env("TERM", "dumb"),
        program(&place, &[]).env("NO_COLOR", "1"),
    ] {
        let (status, shown) = on_a_terminal(command);
        assert_eq!((status.code(), shown.as_str()), (Some(0), ""));
    }
}
