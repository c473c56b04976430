//! Replies into bytes.

use std::{borrow::Cow, io};

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Encoder;

use super::codec::Codec;

/// What a client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word of the protocol's.
    Simple(&'static str),
    /// Begins with its kind: `ERR`, `BUSY`.
    Error(Cow<'static, str>),
    Integer(i64),
    /// Any bytes.
    Bulk(Bytes),
    /// Text that the service knows already.
    Text(Cow<'static, str>),
    /// A name in the store, shared with it.
    Key(domain::Key),
    /// No value.
    Nil,
    /// So many replies follow, which are its elements.
    Array(usize),
}

impl Encoder<Reply> for Codec {
    type Error = io::Error;

    fn encode(&mut self, reply: Reply, output: &mut BytesMut) -> io::Result<()> {
        match reply {
            Reply::Simple(text) => {
                output.put_u8(b'+');
                output.put_slice(text.as_bytes());
                output.put_slice(b"\r\n");
            }
            Reply::Error(text) => {
                output.put_u8(b'-');
                // It quotes clients, and a line break would begin another reply.
                output.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
                output.put_slice(b"\r\n");
            }
            Reply::Integer(number @ 0..) => put_number(output, b":", number.unsigned_abs()),
            Reply::Integer(number) => put_number(output, b":-", number.unsigned_abs()),
            Reply::Bulk(bytes) => put_string(output, &bytes),
            Reply::Text(text) => put_string(output, text.as_bytes()),
            Reply::Key(key) => put_string(output, key.as_bytes()),
            Reply::Nil => output.put_slice(b"$-1\r\n"),
            Reply::Array(length) => put_array(output, length),
        }
        Ok(())
    }
}

/// Writes the head of an array.
pub(super) fn put_array(output: &mut BytesMut, length: usize) {
    put_number(output, b"*", length as u64);
}

/// Writes a bulk string.
pub(super) fn put_string(output: &mut BytesMut, bytes: &[u8]) {
    put_number(output, b"$", bytes.len() as u64);
    output.put_slice(bytes);
    output.put_slice(b"\r\n");
}

/// Writes a line with a number.
pub(super) fn put_number(output: &mut BytesMut, kind: &[u8], mut number: u64) {
    // The longest number has 20 digits.
    let mut line = [0; 22];
    let mut start = line.len() - 2;
    line[start..].copy_from_slice(b"\r\n");
    loop {
        start -= 1;
        line[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    output.put_slice(kind);
    output.put_slice(&line[start..]);
}
