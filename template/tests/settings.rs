//! Settings as their user meets them: what is refused, before anything is bound, and in which words.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]
#![allow(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block, where tasks may not")]

mod common;

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    process::{Command, Output},
};

use common::{PROGRAM, Service};

fn run(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(flags).envs(variables.iter().copied()).output().unwrap()
}

fn refusal(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(flags, variables);
    assert_eq!(output.status.code(), Some(2), "{flags:?} {variables:?}");
    assert_eq!(output.stdout, b"", "nothing has started, so nothing is logged");
    String::from_utf8(output.stderr).unwrap()
}

/// Whether a value of a setting is refused, given by flag and by variable.
fn refuses(flag: &str, value: &str) {
    let said = refusal(&[&format!("{flag}={value}")], &[]);
    assert!(said.contains(flag), "{said}");
    let variable = format!("APP_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
    let said = refusal(&[], &[(&variable, value)]);
    assert!(said.contains(flag) && said.contains(&variable), "{said}");
}

#[test]
fn a_bad_value_is_refused_and_its_setting_named() {
    for (flag, value) in [
        ("--admin-addr", "localhost"),
        ("--shutdown-delay", "5"),
        ("--shutdown-grace", "soon"),
        ("--max-connections", "0"),
        ("--header-timeout", "0ms"),
        ("--body-timeout", "10"),
        ("--max-body-bytes", "-1"),
        ("--log-filter", "info=info=info"),
        ("--log-format", "xml"),
    ] {
        refuses(flag, value);
    }
}

#[test]
fn an_unknown_flag_is_refused_by_name() {
    assert!(refusal(&["--admin-adr", "127.0.0.1:0"], &[]).contains("--admin-adr"));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let flags = ["--nowhere", "1", "--log-format", "xml", "--max-body-bytes=0", "--admin-addr"];
    let said = refusal(&flags, &[("APP_HEADER_TIMEOUT", "5"), ("APP_BODY_TIMEOUT", ""), ("APP_QQ", "")]);
    let faults = said.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(faults, 7, "each once, and values of flags are no faults of their own: {said}");
    for part in
        ["--nowhere", "--log-format", "--max-body-bytes", "--admin-addr", "HEADER_TIMEOUT", "BODY_TIMEOUT", "QQ"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_is_right_is_not_blamed_for_what_is_wrong() {
    let said = refusal(&["--log-filter", "warn", "--admin-addr", "127.0.0.1:0", "warn"], &[]);
    assert!(said.contains("'warn'") && !said.contains("--log-filter"), "{said}");
    let said = refusal(&["--log-filter", "warn", "--log-filter", "warn", "--log-filter", "warn"], &[]);
    assert_eq!(said.matches("--log-filter").count(), 1, "{said}");
}

#[test]
fn help_that_is_asked_for_behind_a_fault_does_not_hide_it() {
    assert!(refusal(&["--nowhere", "--help"], &[]).contains("--nowhere"));
}

#[test]
fn all_unknown_variables_are_refused_at_once_each_with_the_nearest_known() {
    let said = refusal(&[], &[("APP_ADMIN_ADR", "127.0.0.1:0"), ("APP_SHUTDOWN_DELAYS", "1s"), ("APP_QQ", "")]);
    for part in ["APP_ADMIN_ADR (did you mean APP_ADMIN_ADDR?)", "APP_SHUTDOWN_DELAY?", "nor APP_QQ,"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_value_that_is_no_text_is_refused_and_its_setting_named() {
    let value = OsStr::from_bytes(b"\xff");
    let output = Command::new(PROGRAM).env("APP_LOG_FILTER", value).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("APP_LOG_FILTER"), "{output:?}");
    let output = Command::new(PROGRAM).arg(OsStr::from_bytes(b"--log-filter=\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--log-filter"), "{output:?}");
}

#[test]
fn a_delay_above_the_grace_is_refused() {
    let said = refusal(&["--shutdown-delay", "5s", "--shutdown-grace", "4s"], &[]);
    assert!(said.contains("--shutdown-delay") && said.contains("--shutdown-grace"), "{said}");
}

#[test]
fn help_names_every_variable_and_exit_code_and_shows_no_value() {
    let output = run(&["--help"], &[("APP_LOG_FILTER", "service=trace")]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    let flags: Vec<_> = help.lines().filter_map(|line| line.trim().strip_prefix("--")?.split(' ').next()).collect();
    assert!(flags.contains(&"log-filter"), "{help}");
    for flag in flags {
        let variable = format!("[env: APP_{}]", flag.replace('-', "_").to_uppercase());
        assert!(help.contains(&variable), "{variable}");
    }
    for code in ["0", "1", "2", "3", "130, 143"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}");
    }
    assert!(!help.contains("service=trace"), "{help}");
}

#[test]
fn a_flag_wins_over_its_variable() {
    let mut service = Service::run(
        Command::new(PROGRAM).args(["--log-filter", "service=debug"]).env("APP_LOG_FILTER", "service=info"),
    );
    assert_eq!(service.connect("admin").get("/log-filter").body, b"service=debug\n");
}
