//! Durations as people write them: `250ms`, `5s`, `2m`, in settings and in query parameters alike.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as 250ms, 5s or 2m")]
pub struct NotADuration;

/// Reads a whole number with a unit: `ms`, `s` or `m`. Zero is a duration too.
///
/// # Errors
/// [`NotADuration`] for anything else. A bare number is refused because nobody can tell whether
/// its author meant seconds or milliseconds.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotADuration); // `u64::from_str` alone would take `+5`
    }
    let number: u64 = digits.parse().map_err(|_| NotADuration)?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or(NotADuration),
        _ => Err(NotADuration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_with_a_unit_is_a_duration() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "5",
            "s",
            "5h",
            "-5s",
            "+5s",
            "1.5s",
            " 5s",
            "5 s",
            "5S",
            "5sm",
            "٥s",
            "99999999999999999999s",
            "18446744073709551615m",
        ] {
            assert_eq!(parse(text), Err(NotADuration), "{text:?}");
        }
    }
}
