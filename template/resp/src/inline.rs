//! Commands that a person types, without RESP: `SET key "with \"quotes\" and \x00"`, `GET 'it\'s'`.

use bytes::BytesMut;

use crate::{fault::Fault, reply::put_string, request::Request};

/// Splits a line, as Redis does.
///
/// # Errors
/// When a quote is not closed, or something else than a space stands behind it.
pub fn parse(line: &[u8]) -> Result<Request, Fault> {
    let (mut count, mut strings) = (0, BytesMut::new());
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let mut argument = Vec::new();
        while let [first, after @ ..] = rest
            && !first.is_ascii_whitespace()
        {
            rest = match first {
                b'"' | b'\'' => quoted(*first, after, &mut argument)?,
                plain => {
                    argument.push(*plain);
                    after
                }
            };
        }
        put_string(&mut strings, &argument);
        count += 1;
        rest = rest.trim_ascii_start();
    }
    Ok(Request { count, strings: strings.freeze() })
}

/// Reads on until the quote is closed, and returns what stands behind it: a space, or the end.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], Fault> {
    loop {
        let (byte, after) = match (quote, rest) {
            (_, [first, after @ ..]) if *first == quote => {
                let is_end = after.first().is_none_or(u8::is_ascii_whitespace);
                return if is_end { Ok(after) } else { Err(Fault::Quotes) };
            }
            (b'\'', [b'\\', b'\'', after @ ..]) => (b'\'', after),
            (b'"', [b'\\', b'x', high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (value(*high).unwrap_or_default() << 4 | value(*low).unwrap_or_default(), after)
            }
            (b'"', [b'\\', escaped, after @ ..]) => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                };
                (byte, after)
            }
            (_, [first, after @ ..]) => (*first, after),
            (_, []) => return Err(Fault::Quotes),
        };
        argument.push(byte);
        rest = after;
    }
}
