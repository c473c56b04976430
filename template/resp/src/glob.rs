//! Patterns of `KEYS`: `*`, `?`, `[a-z]`, `[^a]` and `\`, for bytes, as Redis reads them.

use domain::{Key, Op};

/// How many keys are looked at before others have their turn.
const PAGE: usize = 1000;

/// How many comparisons one command may cost: a pattern with many stars meets long names millions of times.
const EFFORT: u64 = 20_000_000;

/// Comparisons after which others should have their turn: they take less than a millisecond.
const PIECE: u64 = 200_000;

/// A pattern, and how much work may still be spent on it.
#[derive(Debug)]
pub struct Glob<'a> {
    /// As it was given.
    pattern: &'a [u8],
    /// Comparisons that are left.
    effort: u64,
    /// How many will be left when others should have their turn.
    pause: u64,
}

/// The pattern has cost more than a command may.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("matching the pattern takes too long: narrow it")]
pub struct TooCostly;

/// How far a name has been compared.
#[derive(Debug)]
pub struct Matching<'a> {
    /// What is left of the pattern.
    pattern: &'a [u8],
    /// What is left of the name.
    name: &'a [u8],
    /// What stood behind the latest star, and the name from where it was tried.
    star: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Glob<'a> {
    /// Reads a pattern; there is none that is wrong.
    #[must_use]
    pub fn new(pattern: &'a [u8]) -> Self {
        Self { pattern, effort: EFFORT, pause: EFFORT - PIECE }
    }

    /// What every match begins with: only names with this prefix have to be looked at. A pattern that is no UTF-8 is
    /// cut where it stops being that.
    #[must_use]
    pub fn prefix(&self) -> &'a str {
        let literal = self.pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(self.pattern.len());
        match str::from_utf8(&self.pattern[..literal]) {
            Ok(prefix) => prefix,
            Err(error) => str::from_utf8(&self.pattern[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// What to ask the store for next: the keys of a page that may match, behind the last one of the page before.
    #[must_use]
    pub fn page(&self, after: Option<Key>) -> Op {
        let prefix = self.prefix().to_owned();
        match after {
            None => Op::List(prefix, PAGE),
            Some(after) => Op::ListAfter(prefix, after, PAGE),
        }
    }

    /// Begins to compare a name.
    #[must_use]
    pub fn compare<'n>(&self, name: &'n [u8]) -> Matching<'n>
    where
        'a: 'n,
    {
        Matching { pattern: self.pattern, name, star: None }
    }

    /// Whether the pattern matches all of a name; `None` when others should have their turn before it goes on. After a
    /// star the pattern is tried from every byte on; only the latest star has to be gone back to, since what an earlier
    /// one could take, the latest can take as well.
    ///
    /// # Errors
    /// When that has become too much work, for all names together.
    pub fn matches(&mut self, matching: &mut Matching<'_>) -> Result<Option<bool>, TooCostly> {
        loop {
            if let [b'*', rest @ ..] = matching.pattern {
                if rest.is_empty() {
                    return Ok(Some(true));
                }
                matching.star = Some((rest, matching.name));
                matching.pattern = rest;
                continue;
            }
            let is_match = match (matching.pattern, matching.name) {
                ([], []) => return Ok(Some(true)),
                (pattern @ [_, ..], [byte, after @ ..]) => {
                    let (is_match, rest) = one(pattern, *byte);
                    self.effort = self.effort.checked_sub((pattern.len() - rest.len()) as u64).ok_or(TooCostly)?;
                    (matching.pattern, matching.name) = (rest, after);
                    is_match
                }
                _ => false,
            };
            if !is_match {
                let Some((rest, [_, after @ ..])) = matching.star else { return Ok(Some(false)) };
                matching.star = Some((rest, after));
                (matching.pattern, matching.name) = (rest, after);
            }
            if self.effort < self.pause {
                self.pause = self.effort.saturating_sub(PIECE);
                return Ok(None);
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

    /// Whether `pattern` matches `name`, and how often others should have had their turn meanwhile.
    fn matched(pattern: &[u8], name: &[u8]) -> (Result<bool, TooCostly>, u64) {
        let mut glob = Glob::new(pattern);
        let (mut matching, mut turns) = (glob.compare(name), 0);
        loop {
            match glob.matches(&mut matching) {
                Ok(Some(is_match)) => return (Ok(is_match), turns),
                Ok(None) => turns += 1,
                Err(too_costly) => return (Err(too_costly), turns),
            }
        }
    }

    #[test]
    fn patterns_match_as_in_redis() {
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
            assert_eq!(matched(pattern.as_bytes(), matching.as_bytes()), (Ok(true), 0), "{pattern} {matching}");
            assert_eq!(matched(pattern.as_bytes(), other.as_bytes()), (Ok(false), 0), "{pattern} {other}");
        }
    }

    #[test]
    fn only_names_with_the_prefix_are_looked_at() {
        for (pattern, prefix) in [("user:*", "user:"), ("*", ""), ("k", "k"), ("a\\*", "a"), ("é?", "é")] {
            assert_eq!(Glob::new(pattern.as_bytes()).prefix(), prefix);
        }
        assert_eq!(Glob::new(b"ab\xff*").prefix(), "ab");
    }

    #[test]
    fn a_pattern_that_costs_much_lets_others_have_their_turn_and_one_that_costs_too_much_is_given_up() {
        let pattern = ["a*".repeat(500), "b".to_owned()].concat();
        assert_eq!(matched(pattern.as_bytes(), "a".repeat(1 << 20).as_bytes()).0, Ok(false));
        let pattern = format!("*{}b", "a".repeat(1000));
        let (matched, turns) = matched(pattern.as_bytes(), "a".repeat(1 << 20).as_bytes());
        assert_eq!(matched, Err(TooCostly));
        assert!(turns >= EFFORT / PIECE - 1, "{turns}");
    }
}
