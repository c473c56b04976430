//! Patterns of `KEYS`: `*`, `?`, `[a-z]`, `[^a]` and `\`, for bytes, as Redis reads them.

use tokio::task::yield_now;

/// How many comparisons one command may cost: a pattern with many stars meets long names millions of times.
const EFFORT: u64 = 20_000_000;

/// Comparisons after which others have their turn: they take less than a millisecond.
const PIECE: u64 = 200_000;

/// A pattern, and how much work may still be spent on it.
#[derive(Debug)]
pub(super) struct Glob<'a> {
    /// As it was given.
    pattern: &'a [u8],
    /// Comparisons that are left.
    effort: u64,
    /// How many will be left when others have their turn.
    pause: u64,
}

/// The pattern has cost more than a command may.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("matching the pattern takes too long: narrow it")]
pub(super) struct TooCostly;

impl<'a> Glob<'a> {
    pub(super) fn new(pattern: &'a [u8]) -> Self {
        Self { pattern, effort: EFFORT, pause: EFFORT - PIECE }
    }

    /// What every match begins with: only names with this prefix have to be looked at. A pattern that is no UTF-8 is
    /// cut where it stops being that.
    pub(super) fn prefix(&self) -> &'a str {
        let literal = self.pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(self.pattern.len());
        match str::from_utf8(&self.pattern[..literal]) {
            Ok(prefix) => prefix,
            Err(error) => str::from_utf8(&self.pattern[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// Whether the pattern matches all of `name`. After a star it is tried from every byte on; only the latest star has
    /// to be gone back to, since what an earlier one could take, the latest can take as well.
    ///
    /// # Errors
    /// When that has become too much work, for all names together.
    ///
    /// # Cancel safety
    /// Nothing is lost but the effort.
    pub(super) async fn matches(&mut self, name: &[u8]) -> Result<bool, TooCostly> {
        let (mut pattern, mut text) = (self.pattern, name);
        let mut star: Option<(&[u8], &[u8])> = None;
        loop {
            if let ([b'*', rest @ ..], _) = (pattern, text) {
                if rest.is_empty() {
                    return Ok(true);
                }
                star = Some((rest, text));
                pattern = rest;
                continue;
            }
            let is_match = match (pattern, text) {
                ([], []) => return Ok(true),
                ([_, ..], [byte, after @ ..]) => {
                    let (is_match, rest) = one(pattern, *byte);
                    self.effort = self.effort.checked_sub((pattern.len() - rest.len()) as u64).ok_or(TooCostly)?;
                    if self.effort < self.pause {
                        self.pause = self.effort.saturating_sub(PIECE);
                        yield_now().await;
                    }
                    (pattern, text) = (rest, after);
                    is_match
                }
                _ => false,
            };
            if !is_match {
                let Some((rest, [_, after @ ..])) = star else { return Ok(false) };
                star = Some((rest, after));
                (pattern, text) = (rest, after);
            }
        }
    }
}

/// Whether `byte` is what the pattern begins with, and the rest of the pattern.
fn one(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'[', b'^', rest @ ..] => {
            let (is_in, rest) = class(rest, byte);
            (!is_in, rest)
        }
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte, rest),
        [] => (false, pattern),
    }
}

/// Whether `byte` is in the class, and what stands behind it. A class that is not closed ends with the pattern.
fn class(mut pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut is_in = false;
    loop {
        let (range, rest) = match pattern {
            [] => return (is_in, pattern),
            [b']', rest @ ..] => return (is_in, rest),
            [b'\\', literal, rest @ ..] => (*literal..=*literal, rest),
            [from, b'-', to, rest @ ..] => (*from.min(to)..=*from.max(to), rest),
            [literal, rest @ ..] => (*literal..=*literal, rest),
        };
        is_in |= range.contains(&byte);
        pattern = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patterns_match_as_in_redis() {
        for (pattern, matching, other) in [
            ("", "", "a"),
            ("abc", "abc", "abcd"),
            ("?", "a", ""),
            ("a*", "a", "ba"),
            ("a*c", "abcbc", "abcb"),
            ("*a*b*", "xaxbx", "xbxax"),
            ("a?c", "abc", "ac"),
            ("h[ae]llo", "hallo", "hillo"),
            ("h[^e]llo", "hallo", "hello"),
            ("h[a-c]llo", "hbllo", "hdllo"),
            ("h[c-a]llo", "hbllo", "hdllo"),
            ("[\\]]", "]", "a"),
            ("[ab", "b", "c"),
            ("\\*", "*", "a"),
            ("a\\", "a\\", "a"),
        ] {
            assert_eq!(
                Glob::new(pattern.as_bytes()).matches(matching.as_bytes()).await,
                Ok(true),
                "{pattern} {matching}"
            );
            assert_eq!(Glob::new(pattern.as_bytes()).matches(other.as_bytes()).await, Ok(false), "{pattern} {other}");
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_while_a_pattern_is_matched() {
        let (pattern, name) = (format!("*{}b", "a".repeat(1000)), "a".repeat(1 << 20));
        let (mut glob, mut turns) = (Glob::new(pattern.as_bytes()), 0);
        tokio::select! {
            biased;
            result = glob.matches(name.as_bytes()) => assert_eq!(result, Err(TooCostly)),
            () = async { loop { turns += 1; yield_now().await } } => {}
        }
        assert!(turns >= EFFORT / PIECE - 1, "{turns}");
    }

    #[test]
    fn only_names_with_the_prefix_are_looked_at() {
        for (pattern, prefix) in [("user:*", "user:"), ("*", ""), ("k", "k"), ("a\\*", "a"), ("é?", "é")] {
            assert_eq!(Glob::new(pattern.as_bytes()).prefix(), prefix);
        }
        assert_eq!(Glob::new(b"ab\xff*").prefix(), "ab");
    }

    #[tokio::test]
    async fn a_pattern_that_costs_too_much_is_given_up() {
        let pattern = ["a*".repeat(500), "b".to_owned()].concat();
        assert_eq!(Glob::new(pattern.as_bytes()).matches("a".repeat(1 << 20).as_bytes()).await, Ok(false));
        let pattern = format!("*{}b", "a".repeat(1000));
        assert_eq!(Glob::new(pattern.as_bytes()).matches("a".repeat(1 << 20).as_bytes()).await, Err(TooCostly));
    }
}
