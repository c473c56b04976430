//! The form of the report: one JSON document, the same for the same input.

use serde::Serialize;

use crate::{Error, Summary};

/// What the dumps hold. The order of the fields is that of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    all: Figures,
    prefixes: Vec<Prefix>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Prefix {
    prefix: Box<str>,
    #[serde(flatten)]
    figures: Figures,
}

/// Sums and digest of some entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    entries: u64,
    expiring: u64,
    key_bytes: u64,
    value_bytes: u64,
    largest_value: Option<LargestValue>,
    sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LargestValue {
    key: String,
    bytes: u64,
}

impl Figures {
    /// `sha256` in hexadecimal.
    #[must_use]
    pub fn new(summary: Summary, sha256: String) -> Self {
        let Summary { entries, expiring, key_bytes, value_bytes, largest } = summary;
        let largest_value = largest.map(|largest| LargestValue { key: largest.key.to_string(), bytes: largest.bytes });
        Self { entries, expiring, key_bytes, value_bytes, largest_value, sha256 }
    }
}

impl Report {
    /// The figures of each prefix, in order, and of all entries.
    pub(crate) fn new(prefixes: impl Iterator<Item = (Box<str>, Figures)>, all: Figures) -> Self {
        Self { all, prefixes: prefixes.map(|(prefix, figures)| Prefix { prefix, figures }).collect() }
    }

    /// The document, indented, with a line feed at its end.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}
