//! What one piece of a dump comes to. Pure, and without a look at any other piece: pieces can be taken in any order, and
//! at the same time.

use std::{cmp::Reverse, collections::HashMap};

use domain::Key;
use memchr::memchr;
use sha2::{Digest, Sha256};

use crate::{BadLine, Entry};

/// The SHA-256 of one entry.
pub(crate) type Hash = [u8; 32];

/// What the computation has to know of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What ends the prefix of a key.
    pub separator: String,
    /// The longest line that is accepted.
    pub max_line_bytes: usize,
    /// The most prefixes that are counted.
    pub max_prefixes: usize,
}

impl Rules {
    /// The beginning of the key, its first separator included; empty if there is none. So it is what the key can be
    /// listed by, and `:a` and `a` are told apart.
    fn prefix<'key>(&self, key: &'key str) -> &'key str {
        key.find(&self.separator).map_or("", |at| &key[..at + self.separator.len()])
    }
}

/// How many entries, and how large.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// A key that is there twice counts twice.
    pub entries: u64,
    /// Those with a time to live.
    pub expiring: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// The largest value.
    pub largest: Option<Largest>,
}

/// Where the largest value is. Of equally large ones it is that of the first key in order of keys, so that it does not
/// matter in which order they are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    /// The length of the value.
    pub bytes: u64,
    /// Its key.
    pub key: Key,
}

impl Largest {
    fn rank(&self) -> (u64, Reverse<&str>) {
        (self.bytes, Reverse(&*self.key))
    }
}

impl Summary {
    fn add(&mut self, entry: Entry<'_>) {
        let bytes = entry.value.len() as u64;
        self.entries += 1;
        self.expiring += u64::from(entry.expires);
        self.key_bytes += entry.key.len() as u64;
        self.value_bytes += bytes;
        self.consider(Largest { bytes, key: entry.key });
    }

    /// Adds another one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.entries += other.entries;
        self.expiring += other.expiring;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        if let Some(largest) = other.largest {
            self.consider(largest);
        }
    }

    fn consider(&mut self, other: Largest) {
        if self.largest.as_ref().is_none_or(|largest| largest.rank() < other.rank()) {
            self.largest = Some(other);
        }
    }
}

/// What is under one prefix in one piece.
#[derive(Debug)]
pub(crate) struct Group {
    pub prefix: Box<str>,
    /// Where in the piece the prefix is met first, counted from 1.
    pub line: u64,
    pub summary: Summary,
}

/// What one piece comes to, up to its first bad line.
#[derive(Debug, Default)]
pub struct Part {
    /// How many lines it has.
    pub(crate) lines: u64,
    /// In the order in which their prefixes are met.
    pub(crate) groups: Vec<Group>,
    /// For each entry, its place in `groups`, and its hash.
    pub(crate) hashes: Vec<(usize, Hash)>,
    /// The first line that is no entry, counted from 1.
    pub(crate) bad: Option<(u64, BadLine)>,
}

impl Part {
    /// Sums up whole lines. A blank line is none. After a bad one the rest is not looked at.
    #[must_use]
    pub fn of(mut lines: &[u8], rules: &Rules) -> Self {
        let mut part = Self::default();
        let mut places = HashMap::<Box<str>, usize>::new();
        while !lines.is_empty() {
            let (line, rest) = match memchr(b'\n', lines) {
                Some(end) => (&lines[..end], &lines[end + 1..]),
                None => (lines, &lines[lines.len()..]),
            };
            lines = rest;
            part.lines += 1;
            if let Err(why) = part.add(line, rules, &mut places) {
                part.bad = Some((part.lines, why));
                break;
            }
        }
        part
    }

    fn add(&mut self, line: &[u8], rules: &Rules, places: &mut HashMap<Box<str>, usize>) -> Result<(), BadLine> {
        if line.len() > rules.max_line_bytes {
            return Err(BadLine::TooLong { limit: rules.max_line_bytes });
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let entry = Entry::read(line)?;
        let prefix = rules.prefix(&entry.key);
        let place = match places.get(prefix) {
            Some(place) => *place,
            None => {
                places.insert(prefix.into(), self.groups.len());
                self.groups.push(Group { prefix: prefix.into(), line: self.lines, summary: Summary::default() });
                self.groups.len() - 1
            }
        };
        self.hashes.push((place, hash(&entry)));
        self.groups[place].summary.add(entry);
        Ok(())
    }
}

/// SHA-256 over the length of the key (8 bytes, the highest first), the key, and the value. The length tells where the
/// key ends. A time to live is left out: it is less in every later dump of the same store.
fn hash(entry: &Entry<'_>) -> Hash {
    let hash = Sha256::new().chain_update((entry.key.len() as u64).to_be_bytes());
    hash.chain_update(entry.key.as_bytes()).chain_update(entry.value.as_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { separator: ":".to_owned(), max_line_bytes: 60, max_prefixes: 10 }
    }

    #[test]
    fn a_prefix_ends_with_its_first_separator() {
        let rules = Rules { separator: "::".to_owned(), ..rules() };
        for (key, prefix) in [("a::b::c", "a::"), ("a:b", ""), ("::b", "::"), ("ключ::x", "ключ::")] {
            assert_eq!(rules.prefix(key), prefix);
        }
    }

    #[test]
    fn lines_are_counted_up_to_the_bad_one_and_blank_ones_too() {
        let lines = b"{\"key\":\"a:1\",\"value\":\"x\"}\r\n\n \r\n{\"key\":\"b\",\"value\":\"\"}\nbad\n{\n";
        let part = Part::of(lines, &rules());
        assert_eq!((part.lines, part.hashes.len()), (5, 2));
        assert_eq!(part.bad, Some((5, BadLine::NotAnEntry)));
        let groups: Vec<_> = part.groups.iter().map(|group| (&*group.prefix, group.line)).collect();
        assert_eq!(groups, [("a:", 1), ("", 4)]);
    }

    #[test]
    fn the_last_line_needs_no_line_feed_and_a_long_one_is_refused() {
        let part = Part::of(b"{\"key\":\"a:1\",\"value\":\"x\"}", &rules());
        assert_eq!((part.lines, part.hashes.len(), part.bad), (1, 1, None));
        let part = Part::of(&[b' '; 61], &rules());
        assert_eq!(part.bad, Some((1, BadLine::TooLong { limit: 60 })));
    }

    #[test]
    fn of_equally_large_values_the_first_key_is_named_in_whatever_order_they_come() {
        let line = |key: &str, value: &str| format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}\n");
        let lines = [line("c", "22"), line("b", "33"), line("a", "1")];
        let sums = |lines: &[String]| Part::of(lines.concat().as_bytes(), &rules()).groups.remove(0).summary;
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut all = Summary::default();
            order.into_iter().for_each(|line| all.merge(sums(&lines[line..=line])));
            assert_eq!(all, sums(&lines));
            assert_eq!(all.largest, Some(Largest { bytes: 2, key: Key::try_from("b").unwrap() }));
            assert_eq!((all.entries, all.key_bytes, all.value_bytes), (3, 3, 5));
        }
    }
}
