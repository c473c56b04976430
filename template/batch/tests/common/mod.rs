//! Runs the real program as its users do: with files, pipes and signals.

#![allow(dead_code, reason = "no test file uses all of it")]
#![expect(clippy::expect_used, reason = "in a test, what is not as expected should end it")]
#![expect(clippy::disallowed_methods, reason = "what tests write and read is small")]

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
//{% filter replace("my-batch", project_name) %}
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_my-batch");
//{% endfilter %}

/// An entry, as a line.
pub fn entry(key: &str, value: &str) -> String {
    format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}\n")
}

/// A directory with files in it, in which the program is run. Removed with all that is in it.
pub struct Place(TempDir);

impl Place {
    /// With nothing in it.
    pub fn empty() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    /// With `dump.jsonl`.
    pub fn with_dump(dump: impl AsRef<[u8]>) -> Self {
        let place = Self::empty();
        place.write("dump.jsonl", dump);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a text")
    }

    /// All that is there, hidden files too.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a directory");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
        let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }

    /// The program, to be run there.
    pub fn program(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().expect("the program should start")
    }

    /// Runs it, and returns its report from stdout.
    pub fn report(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }

    /// Runs it, and returns what it says against its arguments or its input.
    pub fn refusal(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "nothing is written");
        text(&output.stderr).to_owned()
    }

    /// Starts it with the arguments and waits until it has read most of what is put into its stdin, which stays open.
    pub fn started(&self, arguments: &[impl AsRef<OsStr>]) -> Started {
        let mut command = self.program(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program should start");
        let mut stdin = child.stdin.take().expect("a pipe");
        // More than a pipe holds.
        stdin.write_all(entry("user:1", "before").repeat(10_000).as_bytes()).expect("it should read");
        Started { child, stdin }
    }
}

/// The program in the middle of its work: it waits for more input.
pub struct Started {
    pub child: Child,
    pub stdin: ChildStdin,
}

impl Started {
    /// Ends its input, and waits until it is done.
    pub fn finished(self) {
        let Self { child, stdin } = self;
        drop(stdin);
        let output = child.wait_with_output().expect("it should end");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }

    /// Waits for its end, without ending its input.
    pub fn ended(self) -> (ExitStatus, String) {
        let Self { child, stdin } = self;
        let output = child.wait_with_output().expect("it should end");
        drop(stdin);
        assert_eq!(text(&output.stdout), "", "nothing is written");
        (output.status, text(&output.stderr).to_owned())
    }
}

pub fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it should run");
}

pub fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

/// The most memory that a running process has had, in KiB.
pub fn peak_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(child.id().to_string()).join("status"));
    let status = status.expect("it should run");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
