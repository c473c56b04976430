//! Where a request ends in the bytes of a connection, and what its client owes. hyper parses; this only counts along, so
//! that what lies behind a request is known, and what is begun has a deadline.

use super::frames::Frames;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Counts along.
#[derive(Clone, Debug)]
pub(super) struct Framing {
    /// What comes next.
    expected: Expected,
    /// Heads and frames that have come whole: tells one that is owed from the one before.
    finished: u64,
}

/// What comes next.
#[derive(Clone, Debug)]
enum Expected {
    /// Perhaps the preface of HTTP/2, of which this much has come; else it is HTTP/1.1.
    Preface(usize),
    /// A head of HTTP/1.1; the first is owed before its first byte.
    Head { lines: Lines, is_first: bool },
    /// Word from the parser of what follows the head.
    Verdict,
    /// This many bytes of a body; with zero, the request is whole.
    Body(u64),
    /// A body in chunks.
    Chunk(Chunk),
    /// Frames of HTTP/2, to the end of the connection.
    Frames(Frames),
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { expected: Expected::Preface(0), finished: 0 }
    }

    /// How many of `bytes` belong to the request that is being received.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            taken += match &mut self.expected {
                Expected::Preface(seen) => {
                    let expected = &PREFACE[*seen..];
                    let compared = rest.len().min(expected.len());
                    if rest[..compared] != expected[..compared] {
                        let lines = Lines { has_begun: *seen > 0, is_empty: *seen == 0 };
                        self.expected = Expected::Head { lines, is_first: true };
                        continue;
                    }
                    *seen += compared;
                    if *seen == PREFACE.len() {
                        self.expected = Expected::Frames(Frames::default());
                    }
                    compared
                }
                Expected::Head { lines, .. } => {
                    let (count, is_end) = lines.take(rest);
                    if is_end {
                        self.expected = Expected::Verdict;
                        self.finished += 1;
                        return taken + count;
                    }
                    count
                }
                Expected::Verdict => {
                    // The parser wants more, so it was no end of a head.
                    let lines = Lines { has_begun: true, is_empty: true };
                    self.expected = Expected::Head { lines, is_first: false };
                    continue;
                }
                Expected::Body(0) => return taken,
                Expected::Body(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= count as u64;
                    count
                }
                Expected::Chunk(chunk) => {
                    let (count, is_end) = chunk.take(rest);
                    if is_end {
                        self.expected = Expected::Body(0);
                    }
                    count
                }
                Expected::Frames(frames) => {
                    let (count, is_end) = frames.take(rest);
                    self.finished += u64::from(is_end);
                    count
                }
            };
        }
        taken
    }

    /// The parser has understood a head of HTTP/1.1: a body of this length follows, or one in chunks.
    pub(super) fn begin(&mut self, length: Option<u64>) {
        self.expected = match length {
            Some(length) => Expected::Body(length),
            None => Expected::Chunk(Chunk::default()),
        };
    }

    /// The whole request has been answered: the next may come.
    pub(super) fn next(&mut self) {
        self.expected = Expected::Head { lines: Lines { has_begun: false, is_empty: true }, is_first: false };
    }

    /// Whether a request of HTTP/1.1 has come to its last byte.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.expected, Expected::Body(0))
    }

    /// Whether it is HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.expected, Expected::Frames(_))
    }

    /// The number of the head or frame that the client owes: it has to begin, or to end what it has begun.
    pub(super) fn owed(&self) -> Option<u64> {
        let is_owed = match &self.expected {
            Expected::Preface(_) => true,
            Expected::Head { lines, is_first } => *is_first || lines.has_begun,
            Expected::Frames(frames) => frames.is_owed(),
            Expected::Verdict | Expected::Body(_) | Expected::Chunk(_) => false,
        };
        is_owed.then_some(self.finished)
    }
}

/// Lines up to an empty one.
#[derive(Clone, Debug)]
struct Lines {
    /// Whether an empty line is the end; before that they are skipped.
    has_begun: bool,
    /// Whether nothing stands on the current line.
    is_empty: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            taken += line.len();
            let (line, is_whole) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
            if line.iter().any(|&byte| byte != b'\r') {
                (self.has_begun, self.is_empty) = (true, false);
            }
            if is_whole && self.is_empty && self.has_begun {
                return (taken, true);
            }
            self.is_empty |= is_whole;
        }
        (taken, false)
    }
}

/// A part of a body in chunks.
#[derive(Clone, Debug)]
enum Chunk {
    /// The line that tells the length of the next, and what it says so far; extensions follow the number.
    Length { length: u64, is_extended: bool },
    /// This much of a chunk, the end of its last line included.
    Data(u64),
    /// What may follow the last.
    Trailers(Lines),
}

impl Default for Chunk {
    fn default() -> Self {
        Self::Length { length: 0, is_extended: false }
    }
}

impl Chunk {
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        match self {
            Self::Length { length, is_extended } => {
                match (bytes[0], char::from(bytes[0]).to_digit(16)) {
                    (b'\n', _) if *length == 0 => *self = Self::Trailers(Lines { has_begun: true, is_empty: true }),
                    (b'\n', _) => *self = Self::Data(length.saturating_add(2)),
                    (_, Some(digit)) if !*is_extended => {
                        *length = length.saturating_mul(16).saturating_add(u64::from(digit));
                    }
                    _ => *is_extended = true,
                }
                (1, false)
            }
            Self::Data(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::default();
                }
                (count, false)
            }
            Self::Trailers(lines) => lines.take(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of `bytes`, however they come: all at once, or one after the other.
    fn taken(bytes: &[u8], length: Option<u64>) -> usize {
        let request = |step: usize| {
            let mut framing = Framing::new();
            let mut taken = 0;
            while taken < bytes.len() && !framing.is_whole() {
                let end = bytes.len().min(taken + step);
                taken += framing.take(&bytes[taken..end]);
                if matches!(framing.expected, Expected::Verdict) {
                    framing.begin(length);
                }
            }
            assert!(framing.is_whole() || framing.is_http2());
            taken
        };
        let at_once = request(bytes.len());
        assert_eq!(at_once, request(1));
        at_once
    }

    #[test]
    fn a_request_ends_with_its_body() {
        let end_of = |request: &[u8], length| {
            let pipelined = [request, b"GET / HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(taken(&pipelined, length), request.len(), "{:?}", String::from_utf8_lossy(request));
        };
        end_of(b"GET / HTTP/1.1\r\n\r\n", Some(0));
        end_of(b"PUT / HTTP/1.1\nlines: short\n\n", Some(0));
        end_of(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(0));
        end_of(b"PUT / HTTP/1.1\r\ncontent-length: 6\r\n\r\n\r\n\r\nab", Some(6));
        end_of(b"PUT / HTTP/1.1\r\n\r\n3\r\n\r\n0\r\n0\r\n\r\n", None);
        end_of(b"PUT / HTTP/1.1\r\n\r\n00a ;e=\"1\"\r\n0123456789\r\n0\r\na: b\r\n\r\n", None);
    }

    #[test]
    fn a_head_is_owed_from_its_first_byte_and_the_first_before_it() {
        let mut framing = Framing::new();
        assert!(framing.owed().is_some());
        framing.take(b"GET / HTTP/1.1\r\n\r\n");
        framing.begin(Some(0));
        assert_eq!(framing.owed(), None);
        framing.next();
        framing.take(b"\r\n");
        assert_eq!(framing.owed(), None, "an empty line is no head");
        framing.take(b"G");
        let second = framing.owed();
        assert!(second.is_some());
        framing.take(b"ET / HTTP/1.1\r\n");
        assert_eq!(framing.owed(), second);
    }

    #[test]
    fn http2_owes_settings_and_what_it_has_begun_but_bodies() {
        let mut framing = Framing::new();
        let mut after = |bytes: &[u8]| {
            assert_eq!(framing.take(bytes), bytes.len());
            framing.owed()
        };
        let first = after(PREFACE);
        assert!(first.is_some());
        assert_eq!(after(b"\0\0\0\x04\0\0\0\0\0"), None);
        assert!(after(b"\0\0\x02\x01").is_some_and(|owed| Some(owed) > first));
        let head = after(b"\0\0\0\0\x01\x82\x86");
        assert!(head.is_some(), "END_HEADERS has not come");
        assert_eq!(after(b"\0\0\x01\x09\0\0\0\0\x01\x84"), head, "nor with a CONTINUATION that has another");
        assert_eq!(after(b"\0\0\0\x09\x04\0\0\0\x01"), None);
        assert_eq!(after(b"\0\0\x05\0\0\0\0\0\x01body"), None);
    }
}
