//! What is to be sent: small replies in one buffer, and large values as they are, shared with whoever else has them.
//!
//! A client that does not read costs its own small replies, and of a large value a reference.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Write},
};

use bytes::{Buf, Bytes, BytesMut};

use crate::reply::{Reply, put_number, put_string};

/// From this length on bytes are passed on. To copy fewer takes less time than to send another piece.
const LARGE: usize = 4 * 1024;

/// Pieces that are handed to the kernel at once.
const PIECES: usize = 16;

/// Bytes in the order in which they are sent.
#[derive(Debug, Default)]
pub struct Output {
    /// What comes first.
    pieces: VecDeque<Piece>,
    /// How many bytes these have.
    in_pieces: usize,
    /// How many of these are counted elsewhere.
    counted: usize,
    /// What comes last, and can be added to.
    last: BytesMut,
}

/// Bytes that are not added to.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    /// Whether they are counted elsewhere: once, for all who have them.
    is_counted: bool,
}

impl Output {
    /// How much is to be sent, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_pieces + self.last.len()
    }

    /// How much of it is not counted elsewhere.
    #[must_use]
    pub fn uncounted(&self) -> usize {
        self.len() - self.counted
    }

    /// Whether there is nothing to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where small replies are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.last
    }

    /// Puts bytes behind the others that are counted elsewhere.
    pub fn put(&mut self, bytes: &Bytes) {
        if bytes.len() < LARGE {
            self.last.extend_from_slice(bytes);
        } else {
            self.counted += bytes.len();
            self.put_piece(bytes, true);
        }
    }

    fn put_piece(&mut self, bytes: &Bytes, is_counted: bool) {
        if !self.last.is_empty() {
            let bytes = self.last.split().freeze();
            self.in_pieces += bytes.len();
            self.pieces.push_back(Piece { bytes, is_counted: false });
        }
        self.in_pieces += bytes.len();
        self.pieces.push_back(Piece { bytes: bytes.clone(), is_counted });
    }

    /// Puts a reply behind the others.
    pub fn put_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Bulk(bytes) => self.put_string(bytes),
            _ => reply.encode(&mut self.last),
        }
    }

    /// Puts a bulk string behind the others.
    fn put_string(&mut self, bytes: &Bytes) {
        if bytes.len() < LARGE {
            put_string(&mut self.last, bytes);
            return;
        }
        put_number(&mut self.last, b"$", bytes.len() as u64);
        self.put_piece(bytes, false);
        self.last.extend_from_slice(b"\r\n");
    }

    /// Sends all, or as much as `stream` takes without blocking.
    ///
    /// # Errors
    /// Those of the connection, but for [`WouldBlock`](io::ErrorKind::WouldBlock).
    pub fn write(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while !self.is_empty() {
            let written = if self.pieces.is_empty() {
                stream.write(&self.last)
            } else {
                let mut pieces = [IoSlice::new(&[]); PIECES];
                let count = self.chunks_vectored(&mut pieces);
                stream.write_vectored(&pieces[..count])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // The buffer stays where it is, and is used again.
                Ok(count) if count == self.last.len() && self.pieces.is_empty() => self.last.clear(),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives memory back, when there is nothing to send and the buffer is larger than `kept`.
    pub fn shrink(&mut self, kept: usize) {
        if self.is_empty() && (self.last.capacity() > kept || self.pieces.capacity() > 0) {
            *self = Self::default();
        }
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.last, |piece| &piece.bytes)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let last = (!self.last.is_empty()).then_some(&*self.last);
        let chunks = self.pieces.iter().map(|piece| &*piece.bytes).chain(last);
        slices.iter_mut().zip(chunks).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let part = count.min(piece.bytes.len());
            piece.bytes.advance(part);
            self.in_pieces -= part;
            self.counted -= if piece.is_counted { part } else { 0 };
            count -= part;
            if piece.bytes.has_remaining() {
                return;
            }
            self.pieces.pop_front();
        }
        self.last.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_were_put() {
        let large = Bytes::from(vec![b'x'; LARGE]);
        for step in [1, 3, LARGE - 1, LARGE, 2 * LARGE + 1] {
            let mut output = Output::default();
            output.buffer().extend_from_slice(b"first");
            output.put_string(&large);
            output.put(&large);
            output.put_string(&Bytes::from_static(b"last"));
            let string = [b"$4096\r\n", &*large, b"\r\n"].concat();
            let expected = [b"first", &*string, &large, b"$4\r\nlast\r\n"].concat();
            let mut sent = Vec::new();
            while !output.is_empty() {
                assert_eq!(output.len(), expected.len() - sent.len());
                assert!(output.uncounted() <= expected.len() - LARGE);
                let mut slices = [IoSlice::new(&[]); 3];
                let count = output.chunks_vectored(&mut slices);
                let part: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).take(step).collect();
                assert_eq!(part[0], output.chunk()[0]);
                output.advance(part.len());
                sent.extend(part);
            }
            assert!(sent == expected && output.uncounted() == 0, "in steps of {step}");
        }
    }

    #[test]
    fn a_large_value_is_not_copied_and_a_small_one_keeps_nothing() {
        let (large, small) = (Bytes::from(vec![0; LARGE]), Bytes::from(vec![0; LARGE - 1]));
        let mut output = Output::default();
        output.put_string(&large);
        output.put_string(&small);
        assert!(!large.is_unique() && small.is_unique());
        output.advance(output.remaining());
        output.shrink(0);
        assert!(large.is_unique());
        assert_eq!(output.buffer().capacity(), 0);
    }
}
