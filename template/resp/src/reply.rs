//! Replies into bytes.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    command::{COMMANDS, Command, Spec},
    fault::Fault,
    glob::TooCostly,
    names::TooMany,
};

/// What a client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A word of the protocol's.
    Simple(&'static str),
    /// Begins with its kind: `ERR`, `BUSY`.
    Error(Cow<'static, str>),
    /// A number.
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

impl Reply {
    /// So many.
    #[must_use]
    pub fn count(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A word that is no status.
    #[must_use]
    pub const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The store has answered another question than it was asked.
    #[must_use]
    pub const fn confused() -> Self {
        Self::Error(Cow::Borrowed("ERR the store's answer is not understood"))
    }

    /// What is said to a client that asks about the server, or whether it is there though it has subscribed: one reply
    /// after the other. `id` is that of its connection.
    #[must_use]
    pub fn about(command: &Command, id: u64) -> Vec<Self> {
        let text = Self::text;
        match command {
            Command::Ping(message) => {
                vec![Self::Array(2), text("pong"), Self::Bulk(message.clone().unwrap_or_default())]
            }
            Command::Hello => vec![
                Self::Array(14),
                text("server"),
                text("redis"),
                text("version"),
                text(env!("CARGO_PKG_VERSION")),
                text("proto"),
                Self::Integer(2),
                text("id"),
                Self::Integer(i64::try_from(id).unwrap_or(i64::MAX)),
                text("mode"),
                text("standalone"),
                text("role"),
                text("master"),
                text("modules"),
                Self::Array(0),
            ],
            Command::List => {
                [Self::Array(COMMANDS.len())].into_iter().chain(COMMANDS.iter().map(|spec| text(spec.name))).collect()
            }
            Command::Info(specs) => {
                [Self::Array(specs.len())].into_iter().chain(specs.iter().copied().flat_map(description)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes it as the client reads it.
    pub(crate) fn encode(&self, output: &mut BytesMut) {
        match self {
            Self::Simple(text) => {
                output.put_u8(b'+');
                output.put_slice(text.as_bytes());
                output.put_slice(b"\r\n");
            }
            Self::Error(text) => {
                output.put_u8(b'-');
                // It quotes clients, and a line break would begin another reply.
                output.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
                output.put_slice(b"\r\n");
            }
            Self::Integer(number @ 0..) => put_number(output, b":", number.unsigned_abs()),
            Self::Integer(number) => put_number(output, b":-", number.unsigned_abs()),
            Self::Bulk(bytes) => put_string(output, bytes),
            Self::Text(text) => put_string(output, text.as_bytes()),
            Self::Key(key) => put_string(output, key.as_bytes()),
            Self::Nil => output.put_slice(b"$-1\r\n"),
            Self::Array(length) => put_array(output, *length),
        }
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::Error(Cow::Owned(format!("ERR Protocol error: {fault}")))
    }
}

impl From<TooMany> for Reply {
    fn from(error: TooMany) -> Self {
        Self::Error(Cow::Owned(format!("ERR {error}")))
    }
}

impl From<TooCostly> for Reply {
    fn from(error: TooCostly) -> Self {
        Self::Error(Cow::Owned(format!("ERR {error}")))
    }
}

/// What `COMMAND INFO` says of a command.
fn description(spec: Option<&'static Spec>) -> Vec<Reply> {
    let Some(spec) = spec else { return vec![Reply::Nil] };
    let mut replies =
        vec![Reply::Array(6), Reply::text(spec.name), Reply::Integer(spec.arity), Reply::Array(spec.flags.len())];
    replies.extend(spec.flags.iter().map(|flag| Reply::Simple(flag)));
    replies.extend(spec.keys.map(Reply::Integer));
    replies
}

/// Writes the head of an array.
pub fn put_array(output: &mut BytesMut, length: usize) {
    put_number(output, b"*", length as u64);
}

/// Writes a bulk string.
pub fn put_string(output: &mut BytesMut, bytes: &[u8]) {
    put_number(output, b"$", bytes.len() as u64);
    output.put_slice(bytes);
    output.put_slice(b"\r\n");
}

/// Writes a line with a number.
pub fn put_number(output: &mut BytesMut, kind: &[u8], mut number: u64) {
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
