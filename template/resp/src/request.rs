//! A command as it has come: its name and its arguments, and no meaning yet.

use bytes::Bytes;

use crate::number::number;

/// A command with its arguments, as bulk strings one after the other that have been checked. An inline command is
/// rewritten as the strings that it stands for.
#[derive(Debug)]
pub struct Request {
    /// How many there are; at least one.
    pub count: usize,
    /// `$3\r\nGET\r\n$1\r\nk\r\n`.
    pub strings: Bytes,
}

impl Request {
    /// The name of the command and its arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments(&self.strings)
    }
}

/// Walks through the arguments of a [`Request`].
#[derive(Debug, Clone)]
pub struct Arguments<'a>(&'a [u8]);

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, start) = number(self.0, 1).ok()??;
        let end = start + usize::try_from(length).ok()?;
        let argument = self.0.get(start..end)?;
        self.0 = self.0.get(end + 2..)?;
        Some(argument)
    }
}
