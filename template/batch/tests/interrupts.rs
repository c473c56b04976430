//! Whoever stops the program in the middle finds what was there before.

mod common;

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use common::{Place, entry, send};
use rustix::process::Signal;

/// Runs it into `report.json` and sends the signal in the middle of its input.
fn stopped(place: &Place, signal: Signal) -> (ExitStatus, String) {
    let started = place.started(&["-", "--output", "report.json"]);
    send(&started.child, signal);
    started.ended()
}

#[test]
fn a_signal_ends_it_at_once_though_stdin_is_silent() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let place = Place::empty();
        let (status, said) = stopped(&place, signal);
        assert_eq!(status.code(), Some(code));
        assert_eq!(said, "interrupted: no report was written\n");
        assert_eq!(place.names(), [""; 0]);
    }
}

#[test]
fn an_old_report_survives_a_signal_and_a_kill() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let place = Place::empty();
        place.write("report.json", "old");
        stopped(&place, signal);
        assert_eq!(place.read("report.json"), "old");
        assert_eq!(place.names(), ["report.json"]);
    }
}

#[test]
fn a_kill_leaves_no_report_and_nothing_else() {
    let place = Place::empty();
    let (status, said) = stopped(&place, Signal::KILL);
    assert_eq!((status.code(), said.as_str()), (None, ""));
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_signal_ends_it_though_nobody_reads_the_report() {
    // More than a pipe holds.
    let place = Place::with_dump((0..1000).map(|prefix| entry(&format!("{prefix}:1"), "")).collect::<String>());
    let mut child = place.program(&["dump.jsonl"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn at_whatever_moment_it_is_stopped_the_report_is_the_old_one_or_the_new_one() {
    let place = Place::with_dump(entry("user:1", "a").repeat(1000));
    let new = String::from_utf8(place.run(&["dump.jsonl"]).stdout).unwrap();
    for moment in 0..40 {
        place.write("report.json", "old");
        let mut child = place.program(&["dump.jsonl", "-o", "report.json"]).stderr(Stdio::null()).spawn().unwrap();
        // Whatever it does then: all of it together takes some 20 ms.
        thread::sleep(Duration::from_micros(moment * 500));
        send(&child, if moment % 2 == 0 { Signal::TERM } else { Signal::KILL });
        let status = child.wait().unwrap();
        let report = place.read("report.json");
        assert!(if status.success() { report == new } else { report == "old" || report == new }, "{status}: {report}");
        // Only a kill can leave what it was writing, and under another name.
        let names = place.names();
        let others = names.iter().filter(|name| !["dump.jsonl", "report.json"].contains(&name.as_str()));
        for other in others {
            assert!(status.signal() == Some(9) && other.starts_with('.'), "{status}: {other}");
            std::fs::remove_file(place.path(other)).unwrap();
        }
    }
}
