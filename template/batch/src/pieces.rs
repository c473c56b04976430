//! Inputs cut into pieces of whole lines: what is read at a time, and computed at a time.
//!
//! A piece has [`PIECE`] bytes, or as many as its longest line. No more than one is held here, whatever the input is.

use std::{
    io::{self, Read},
    mem,
    sync::Arc,
};

use memchr::memrchr;

use crate::Error;

/// Bytes in a piece: enough that handing it to another thread costs nothing beside computing it, few enough that they
/// stay in the cache of the core that does.
const PIECE: usize = 256 * 1024;

/// What an editor may put in front of a text; RFC 8259 lets who reads JSON ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where bytes come from.
pub struct Source {
    /// What it is called in messages.
    pub name: Arc<str>,
    /// The bytes, or why there are none.
    pub bytes: io::Result<Box<dyn Read + Send>>,
}

/// Where a piece is from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The input.
    pub name: Arc<str>,
    /// Whether its first line is the first one of the input.
    pub is_first: bool,
}

/// Whole lines. The last line of an input may lack its end; one that is too long is cut off, and its input with it.
#[derive(Debug)]
pub struct Piece {
    /// Where they are from.
    pub origin: Origin,
    /// The lines.
    pub lines: Vec<u8>,
}

/// The pieces of all sources, in their order. A source is asked for when the one before has been read.
pub struct Pieces<S> {
    sources: S,
    current: Option<Current>,
    piece_bytes: usize,
    max_line_bytes: usize,
}

impl<S: Iterator<Item = Source>> Pieces<S> {
    /// Reads `sources`. Of a line with more than `max_line_bytes` only that much is read, and then nothing more.
    pub fn new(sources: S, max_line_bytes: usize) -> Self {
        Self { sources, current: None, piece_bytes: PIECE, max_line_bytes }
    }

    /// The same with pieces of `piece_bytes`.
    #[must_use]
    pub fn of_bytes(self, piece_bytes: usize) -> Self {
        Self { piece_bytes: piece_bytes.max(1), ..self }
    }
}

impl<S: Iterator<Item = Source>> Iterator for Pieces<S> {
    type Item = Result<Piece, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                let Source { name, bytes } = self.sources.next()?;
                match bytes.and_then(|bytes| Current::begin(name.clone(), bytes)) {
                    Ok(current) => self.current = Some(current),
                    Err(source) => return Some(Err(Error::Read { name, source })),
                }
            }
            let current = self.current.as_mut()?;
            match current.lines(self.piece_bytes, self.max_line_bytes) {
                Ok(lines) if lines.is_empty() => self.current = None,
                Ok(lines) => {
                    let is_first = mem::take(&mut current.is_first);
                    return Some(Ok(Piece { origin: Origin { name: current.name.clone(), is_first }, lines }));
                }
                Err(source) => {
                    let name = current.name.clone();
                    self.current = None;
                    return Some(Err(Error::Read { name, source }));
                }
            }
        }
    }
}

/// The source that is being read.
struct Current {
    name: Arc<str>,
    bytes: Box<dyn Read + Send>,
    is_first: bool,
    /// There is nothing more to read: at the end, or after a line that is too long.
    is_read: bool,
    /// The beginning of the next line, which was read with the piece before.
    rest: Vec<u8>,
}

impl Current {
    fn begin(name: Arc<str>, mut bytes: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut rest = Vec::new();
        bytes.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut rest)?;
        if rest == BYTE_ORDER_MARK {
            rest.clear();
        }
        Ok(Self { name, bytes, is_first: true, is_read: false, rest })
    }

    /// The next whole lines; none at the end.
    fn lines(&mut self, piece_bytes: usize, max_line_bytes: usize) -> io::Result<Vec<u8>> {
        let mut lines = mem::take(&mut self.rest);
        // How much of it is known to have no line end: at first nothing, for `begin` has not looked.
        let mut searched = 0;
        while !self.is_read {
            // A piece; and if a line is longer than that, twice as much each time, up to one byte too many.
            let wanted = match lines.len() {
                length if length < piece_bytes => piece_bytes,
                length => (2 * length).min(max_line_bytes.saturating_add(1)).max(length + 1),
            };
            let room = wanted - lines.len();
            lines.reserve_exact(room);
            let read = self.bytes.by_ref().take(room as u64).read_to_end(&mut lines)?;
            self.is_read = read < room;
            match memrchr(b'\n', &lines[searched..]) {
                _ if self.is_read => {}
                Some(end) => {
                    self.rest.extend_from_slice(&lines[searched + end + 1..]);
                    lines.truncate(searched + end + 1);
                    return Ok(lines);
                }
                None => self.is_read = lines.len() > max_line_bytes,
            }
            searched = lines.len();
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, as a slow pipe may.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let room = buffer.len().min(1);
            self.0.read(&mut buffer[..room])
        }
    }

    fn cut(text: &'static [u8], piece_bytes: usize, max_line_bytes: usize) -> Vec<(String, bool)> {
        let source = |bytes| [Source { name: "dump".into(), bytes: Ok(bytes) }].into_iter();
        let cut = |bytes: Box<dyn Read + Send>| {
            let pieces = Pieces::new(source(bytes), max_line_bytes).of_bytes(piece_bytes);
            pieces.map(|piece| piece.map(|piece| (String::from_utf8(piece.lines).unwrap(), piece.origin.is_first)))
        };
        let pieces = cut(Box::new(text)).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(cut(Box::new(Slow(text))).collect::<Result<Vec<_>, _>>().unwrap(), pieces, "however it is read");
        pieces
    }

    fn pieces(expected: &[&str]) -> Vec<(String, bool)> {
        expected.iter().enumerate().map(|(index, piece)| ((*piece).to_owned(), index == 0)).collect()
    }

    #[test]
    fn a_piece_is_whole_lines() {
        assert_eq!(cut(b"ab\ncd\nef\ngh", 7, 100), pieces(&["ab\ncd\n", "ef\ngh"]));
        assert_eq!(cut(b"abc\nde\n", 4, 100), pieces(&["abc\n", "de\n"]));
        assert_eq!(cut(b"\n\n\n\n\n\n", 4, 100), pieces(&["\n\n\n\n", "\n\n"]));
        assert_eq!(cut(b"", 10, 100), pieces(&[]));
    }

    #[test]
    fn a_piece_grows_to_its_longest_line() {
        assert_eq!(cut(b"abcdefghij\nklmn\n", 4, 100), pieces(&["abcdefghij\nklmn\n"]));
        assert_eq!(cut(b"abcdefghij\nk\nlmnop", 4, 10), pieces(&["abcdefghij\n", "k\n", "lmnop"]));
    }

    #[test]
    fn of_a_line_that_is_too_long_one_byte_too_many_is_read() {
        assert_eq!(cut(b"ab\ncdefghijkl\nm\n", 4, 5), pieces(&["ab\n", "cdefgh"]));
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(cut(b"\xef\xbb\xbfabc\nd", 4, 100), pieces(&["abc\n", "d"]));
        assert_eq!(cut("a\u{feff}\n".as_bytes(), 9, 100), pieces(&["a\u{feff}\n"]));
    }
}
