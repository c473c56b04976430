//! Memory does not grow with the input.

mod common;

use std::io::Write;

use common::{Place, entry, peak_memory};

/// What goes through the pipe, in MiB. It could be as much as one has time for.
const INPUT: u64 = 40;

#[test]
fn what_comes_through_a_pipe_is_not_kept() {
    let arguments = ["-", "--output", "/dev/null"];
    //{% if rayon %}
    // Each thread takes its share.
    let arguments = [&arguments[..], &["--threads=2"]].concat();
    //{% endif %}
    let mut started = Place::empty().started(&arguments);
    let value = "0123456789abcdef".repeat(1024);
    let lines: String = (0..64).map(|key| entry(&format!("{key}:1"), &value)).collect();
    for _ in 0..INPUT {
        started.stdin.write_all(lines.as_bytes()).unwrap();
    }
    let peak = peak_memory(&started.child) / 1024;
    assert!(peak < INPUT / 2, "{peak} MiB");
    started.finished();
}
