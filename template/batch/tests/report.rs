//! The report: what it says about dumps from files and from stdin.

mod common;

use std::io::Write;

use common::{Place, entry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The digest, written down a second time: from the README.
fn digest(entries: &[(&str, &str)]) -> String {
    let mut all = Sha256::new();
    for (key, value) in entries {
        let length = (key.len() as u64).to_be_bytes();
        all.update(Sha256::digest([&length, key.as_bytes(), value.as_bytes()].concat()));
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn it_tells_of_each_prefix_in_order_and_of_all() {
    let place = Place::with_dump(
        [
            r#"{"key":"user:2","value":"aaa"}"#,
            r#"{"key":"order:1","value":"é","ttl_ms":5000}"#,
            r#"{"key":"user:1:x","value":"bbb"}"#,
            r#"{"key":"plain","value":""}"#,
            r#"{"key":"user:2","value":"\u0000"}"#,
        ]
        .join("\n"),
    );
    let expected = json!({
        "entries": 5, "expiring": 1, "key_bytes": 32, "value_bytes": 9,
        "largest_value": {"key": "user:1:x", "bytes": 3},
        "sha256": digest(&[("user:2", "aaa"), ("order:1", "é"), ("user:1:x", "bbb"), ("plain", ""), ("user:2", "\0")]),
        "prefixes": [
            {
                "prefix": "", "entries": 1, "expiring": 0, "key_bytes": 5, "value_bytes": 0,
                "largest_value": {"key": "plain", "bytes": 0}, "sha256": digest(&[("plain", "")]),
            },
            {
                "prefix": "order:", "entries": 1, "expiring": 1, "key_bytes": 7, "value_bytes": 2,
                "largest_value": {"key": "order:1", "bytes": 2}, "sha256": digest(&[("order:1", "é")]),
            },
            {
                "prefix": "user:", "entries": 3, "expiring": 0, "key_bytes": 20, "value_bytes": 7,
                "largest_value": {"key": "user:1:x", "bytes": 3},
                "sha256": digest(&[("user:2", "aaa"), ("user:1:x", "bbb"), ("user:2", "\0")]),
            },
        ],
    });
    assert_eq!(place.report(&["dump.jsonl"]), expected);
}

#[test]
fn inputs_count_in_the_order_in_which_they_are_named_and_stdin_is_one() {
    let place = Place::with_dump(entry("a:1", "x"));
    place.write("other.jsonl", entry("b:1", "y"));
    let mut child = place.program(&["other.jsonl", "-", "dump.jsonl"]);
    let mut child = child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(entry("c:1", "z").as_bytes()).unwrap();
    let report: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(report["sha256"], digest(&[("b:1", "y"), ("c:1", "z"), ("a:1", "x")]));
}

#[test]
fn a_pipe_with_a_name_is_read_as_a_file_is() {
    let place = Place::empty();
    let (stdin, mut writer) = std::io::pipe().unwrap();
    writer.write_all(entry("a:1", "x").as_bytes()).unwrap();
    drop(writer);
    let output = place.program(&["/dev/stdin"]).stdin(stdin).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["entries"], 1);
}

#[test]
fn the_digest_does_not_see_the_form_of_a_line_or_its_time_to_live() {
    let place = Place::with_dump("{\"key\":\"a\",\"value\":\"b\"}\n");
    place.write("other.jsonl", "\u{feff} {\"ttl_ms\": 7, \"value\":\"\\u0062\", \"key\":\"a\"}\r\n\r\n");
    assert_eq!(place.report(&["dump.jsonl"])["sha256"], place.report(&["other.jsonl"])["sha256"]);
}

#[test]
fn another_separator_makes_other_prefixes() {
    let place = Place::with_dump(entry("a:b/c", "x") + &entry("a:b/d", "x"));
    let report = place.report(&["--separator", "b/", "dump.jsonl"]);
    assert_eq!(report["prefixes"].as_array().unwrap().len(), 1);
    assert_eq!(report["prefixes"][0]["prefix"], "a:b/");
}

#[test]
fn of_no_entries_there_is_a_report_too() {
    let place = Place::with_dump("");
    let report = place.report(&["dump.jsonl"]);
    assert_eq!(report["entries"], 0);
    assert_eq!(report["largest_value"], Value::Null);
    assert_eq!(report["prefixes"], json!([]));
    assert_eq!(report["sha256"], digest(&[]));
}
