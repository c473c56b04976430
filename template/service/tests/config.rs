//! Settings that only this shell has: what is refused, before anything is bound, and in which words.

#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::process::Command;

use common::PROGRAM;

#[test]
fn a_bad_value_is_refused_and_its_setting_named() {
    let settings = vec![("--max-in-flight", "0"), ("--request-timeout", "0s"), ("--worker-threads", "0")];
    //{% if compute %}
    let settings = [settings, vec![("--compute-threads", "0"), ("--compute-queue", "0")]].concat();
    //{% endif %}
    //{% if outbound %}
    let settings = [settings, vec![("--webhook-url", "hooks.example.com")]].concat();
    //{% endif %}
    for (flag, value) in settings {
        let output = Command::new(PROGRAM).arg(format!("{flag}={value}")).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()), "{flag}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(flag), "{said}");
    }
}
