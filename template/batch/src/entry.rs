//! One line of a dump, and what makes it an entry: the form of the line, and the rules of the domain.

use std::borrow::Cow;

use domain::{BadKey, Key};
use serde::Deserialize;
use serde_json::error::Category;

/// How many characters of what is wrong with a line are told: it quotes the line, which may be long.
const TOLD: usize = 200;

/// A key with its value, as it stands in a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'line> {
    /// What the domain takes as a key.
    pub key: Key,
    /// Borrowed from the line, where nothing in it is escaped.
    pub value: Cow<'line, str>,
    /// Whether it had a time to live.
    pub expires: bool,
}

/// Why a line is no entry of a dump, or can't be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Its length is above the limit.
    #[error("the line is longer than {limit} bytes: if that is no mistake, raise --max-line-bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It is not UTF-8.
    #[error("byte {at} of the line is not UTF-8: a dump is text; is it compressed, or no dump?")]
    NotText {
        /// The first byte that is not, counted from 1.
        at: usize,
    },
    /// It is the beginning of an entry.
    #[error("the line ends in the middle of an entry: is the dump cut off?")]
    CutOff,
    /// It is something else.
    #[error(r#"expected an entry such as {{"key":"user:1","value":"…"}}"#)]
    NotAnEntry,
    /// It is JSON that is no entry, or no JSON.
    #[error(r#"{why} (byte {at}): expected an entry such as {{"key":"user:1","value":"…"}}"#)]
    Malformed {
        /// What is there, or is not.
        why: String,
        /// Where, counted from 1.
        at: usize,
    },
    /// The domain takes no such key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// Its prefix is one too many.
    #[error("its prefix is one more than the {limit} that there may be: raise --max-prefixes, or look at --separator")]
    TooManyPrefixes {
        /// The limit.
        limit: usize,
    },
}

/// The fields of a line. A field that is not known is refused: it may be one whose meaning would change the sums.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'line> {
    #[serde(borrow)]
    key: Cow<'line, str>,
    #[serde(borrow)]
    value: Cow<'line, str>,
    ttl_ms: Option<u64>,
}

impl<'line> Entry<'line> {
    /// Reads a line, which may end in CR or LF.
    ///
    /// # Errors
    /// [`BadLine`] says what is wrong with it.
    pub fn read(line: &'line [u8]) -> Result<Self, BadLine> {
        // serde would also take an array for a struct: its fields by their places.
        match line.trim_ascii_start().first() {
            Some(b'{') => {}
            _ => return Err(not_text(line).unwrap_or(BadLine::NotAnEntry)),
        }
        let Line { key, value, ttl_ms } =
            serde_json::from_slice(line).map_err(|error| not_text(line).unwrap_or_else(|| malformed(&error)))?;
        Ok(Self { key: Key::try_from(&*key)?, value, expires: ttl_ms.is_some() })
    }
}

fn not_text(line: &[u8]) -> Option<BadLine> {
    let error = str::from_utf8(line).err()?;
    Some(BadLine::NotText { at: error.valid_up_to() + 1 })
}

fn malformed(error: &serde_json::Error) -> BadLine {
    if error.classify() == Category::Eof {
        return BadLine::CutOff;
    }
    // It counts lines too, within the one that it was given.
    let why = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let why = why.strip_suffix(&place).unwrap_or(&why);
    BadLine::Malformed { why: why.chars().take(TOLD).collect(), at: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        Entry::read(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_line_with_key_and_value_is_an_entry() {
        let entry = Entry::read(br#" {"value":"a\nb", "key":"user:1", "ttl_ms":5} "#).unwrap();
        assert_eq!((&*entry.key, &*entry.value, entry.expires), ("user:1", "a\nb", true));
    }

    #[test]
    fn a_value_without_escapes_is_not_copied() {
        let entry = Entry::read(br#"{"key":"k","value":"plain"}"#).unwrap();
        assert!(matches!(entry.value, Cow::Borrowed("plain")));
        assert!(!entry.expires);
    }

    #[test]
    fn what_is_no_entry_is_refused_in_words() {
        for (line, words) in [
            (r#"["user:1","a",5]"#, "expected an entry"),
            ("null", "expected an entry"),
            ("\0\0", "expected an entry"),
            (r#"{"key":"user:1"}"#, "missing field `value`"),
            (r#"{"key":"user:1","value":"a","size":1}"#, "unknown field `size`"),
            (r#"{"key":"a","key":"b","value":"c"}"#, "duplicate field `key`"),
            (r#"{"key":"user:1","value":7}"#, "invalid type: integer `7`, expected a string (byte 25)"),
            (r#"{"key":"user:1","value":"a","ttl_ms":-1}"#, "-1"),
            (r#"{"key":"user:1","value":"a"}{}"#, "trailing characters (byte 29)"),
            (r#"{"key":"user:1","val"#, "cut off"),
            ("{", "cut off"),
            (r#"{"key":"","value":"a"}"#, "must not be empty"),
        ] {
            assert!(refusal(line).contains(words), "{line}: {}", refusal(line));
        }
    }

    #[test]
    fn a_key_is_as_long_as_the_domain_allows() {
        let line = |length| format!(r#"{{"key":"{}","value":""}}"#, "k".repeat(length));
        assert!(Entry::read(line(domain::LONGEST_KEY).as_bytes()).is_ok());
        assert_eq!(refusal(&line(domain::LONGEST_KEY + 1)), BadKey::TooLong.to_string());
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_their_place() {
        for line in [&b"{\"key\":\"\xff\",\"value\":\"\"}"[..], b"\x1f\x8b\x08\x00"] {
            let at = line.iter().position(|byte| !byte.is_ascii()).unwrap() + 1;
            assert_eq!(Entry::read(line), Err(BadLine::NotText { at }));
        }
    }

    #[test]
    fn a_refusal_stays_short_whatever_the_line_holds() {
        let line = format!(r#"{{"key":"k","value":"v","{}":1}}"#, "x".repeat(100_000));
        assert!(refusal(&line).len() < 400);
    }
}
