//! Frames of HTTP/2, by hand: no client library is as slow, mute or rude as the ones that a service meets.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

use std::io::Read;

use super::{Client, Service};

/// What a client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

/// A frame: its type, its flags, the stream that it belongs to.
pub fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream], payload].concat()
}

/// HEADERS of a `GET` that is whole: `:method`, `:scheme`, `:path` and `:authority`, in HPACK.
pub fn get(stream: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    frame(HEADERS, 5, stream, &[&[0x82, 0x86, 0x04, length], path.as_bytes(), b"\x41\x04test"].concat())
}

/// Speaks HTTP/2 with the service, which has said so too. Settings are as they go over the wire.
pub fn connect(service: &mut Service, settings: &[u8]) -> Client {
    let mut client = service.connect("http");
    client.send(PREFACE);
    client.send(frame(SETTINGS, 0, 0, settings));
    assert_eq!(next_frame(&mut client).unwrap().0, SETTINGS);
    client
}

/// The type and the payload of the next frame, until the connection is closed.
pub fn next_frame(client: &mut Client) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    client.0.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    client.0.read_exact(&mut payload).ok()?;
    Some((head[3], payload))
}
