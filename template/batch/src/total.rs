//! What all pieces come to. Pure; the parts must be added in the order of the input.

use std::{collections::HashMap, fmt::Write};

use sha2::{Digest, Sha256};

use crate::{
    BadLine, Error, Figures, Origin, Report,
    part::{Part, Rules, Summary},
};

/// The sums so far. Its memory grows with the prefixes, which are limited, and not with the entries.
#[derive(Debug)]
pub struct Total {
    limit: usize,
    /// Where each prefix is in `groups`.
    places: HashMap<Box<str>, usize>,
    groups: Vec<Group>,
    /// Over the hashes of all entries, in their order.
    digest: Sha256,
    /// The lines of the current input that have been added.
    lines: u64,
}

#[derive(Debug, Default)]
struct Group {
    summary: Summary,
    /// Over the hashes of its entries, in their order.
    digest: Sha256,
}

impl Total {
    /// Nothing yet.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self { limit: rules.max_prefixes, places: HashMap::new(), groups: Vec::new(), digest: Sha256::new(), lines: 0 }
    }

    /// Adds the next part.
    ///
    /// # Errors
    /// [`Error::Line`] for the first bad line of the input: the same one, however it was cut into pieces.
    pub fn add(&mut self, origin: &Origin, part: Part) -> Result<(), Error> {
        if origin.is_first {
            self.lines = 0;
        }
        let bad = |line, why| Error::Line { name: origin.name.clone(), line, why };
        let mut places = Vec::with_capacity(part.groups.len());
        for group in part.groups {
            let place = match self.places.get(&group.prefix) {
                Some(place) => *place,
                None if self.groups.len() == self.limit => {
                    return Err(bad(self.lines + group.line, BadLine::TooManyPrefixes { limit: self.limit }));
                }
                None => {
                    self.places.insert(group.prefix, self.groups.len());
                    self.groups.push(Group::default());
                    self.groups.len() - 1
                }
            };
            self.groups[place].summary.merge(group.summary);
            places.push(place);
        }
        for (place, hash) in &part.hashes {
            self.digest.update(hash);
            self.groups[places[*place]].digest.update(hash);
        }
        if let Some((line, why)) = part.bad {
            return Err(bad(self.lines + line, why));
        }
        self.lines += part.lines;
        Ok(())
    }

    /// The sums as a report, its prefixes in order.
    #[must_use]
    pub fn report(mut self) -> Report {
        let mut all = Summary::default();
        for group in &self.groups {
            all.merge(group.summary.clone());
        }
        let mut prefixes: Vec<_> = self.places.into_iter().collect();
        prefixes.sort_unstable();
        let prefixes = prefixes.into_iter().map(|(prefix, place)| {
            let group = std::mem::take(&mut self.groups[place]);
            (prefix, Figures::new(group.summary, hex(group.digest)))
        });
        Report::new(prefixes, Figures::new(all, hex(self.digest)))
    }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a string never fails.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
