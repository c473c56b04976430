//! Commands out of bytes: RESP's arrays of bulk strings, with bounds for what a client may claim.

use bytes::{Buf, BytesMut};

use crate::{fault::Fault, inline, number::number, request::Request};

/// The longest line of an inline command, as in Redis.
const INLINE: usize = 64 * 1024;

/// Arguments of one command. Its keys are looked up in several turns of the store: this bounds their memory.
const ARGUMENTS: i64 = 16 * 1024;

/// What a command may need beside its two longest arguments, a key and a value.
const OVERHEAD: usize = 64 * 1024;

/// Reads commands. It trusts no length: memory is taken for what has come, never for
/// what is claimed.
#[derive(Debug)]
pub struct Codec {
    /// The longest argument.
    longest: usize,
    /// The array that is being read.
    array: Option<Array>,
    /// How much of an inline command has been searched for its end.
    searched: usize,
}

/// An array of bulk strings of which some may still be missing. Its head has been taken out of the buffer.
#[derive(Debug)]
struct Array {
    /// How many strings it has.
    count: usize,
    /// How many of them have not come yet.
    missing: usize,
    /// Where those that have come end.
    end: usize,
}

impl Codec {
    /// Takes arguments up to `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { longest, array: None, searched: 0 }
    }

    /// Whether `input`, of which [`Codec::decode`] has made what it can, holds the beginning of a command.
    #[must_use]
    pub fn has_begun(&self, input: &BytesMut) -> bool {
        self.array.is_some() || !input.is_empty()
    }

    /// The line of an inline command, if it is complete.
    fn line(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, Fault> {
        match input[self.searched..].iter().position(|byte| *byte == b'\n') {
            // Also when it has come in one piece: what is too long does not depend on that.
            Some(position) if self.searched + position > INLINE => Err(Fault::Line),
            Some(position) => {
                let end = self.searched + position + 1;
                self.searched = 0;
                Ok(Some(input.split_to(end)))
            }
            None if input.len() > INLINE => Err(Fault::Line),
            None => {
                self.searched = input.len();
                Ok(None)
            }
        }
    }

    /// Takes the next command out of `input`; `None`, if none has come whole.
    ///
    /// # Errors
    /// When it is none, or more than one may be. Nothing that follows can be understood then.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Request>, Fault> {
        loop {
            if let Some(array) = &mut self.array {
                let largest = 2 * self.longest + OVERHEAD;
                if !array.read(input, self.longest, largest)? {
                    return Ok(None);
                }
                let (count, end) = (array.count, array.end);
                self.array = None;
                return Ok(Some(Request { count, strings: input.split_to(end).freeze() }));
            }
            match input.first() {
                None => return Ok(None),
                // Empty lines are no commands, and to read them as such would take long.
                Some(b'\r' | b'\n') => {
                    let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    input.advance(blank);
                }
                Some(b'*') => {
                    let Some((count, end)) = number(input, 1).map_err(|bad| bad.or(Fault::Count, Fault::CountLine))?
                    else {
                        return Ok(None);
                    };
                    if count > ARGUMENTS {
                        return Err(Fault::Count);
                    }
                    input.advance(end);
                    // Redis takes an array of nothing, and even one of less, for no command.
                    if let Ok(count @ 1..) = usize::try_from(count) {
                        self.array = Some(Array { count, missing: count, end: 0 });
                    }
                }
                Some(_) => {
                    let Some(line) = self.line(input)? else { return Ok(None) };
                    let request = inline::parse(&line)?;
                    if i64::try_from(request.count).is_ok_and(|count| count > ARGUMENTS) {
                        return Err(Fault::Count);
                    }
                    if request.arguments().any(|argument| argument.len() > self.longest) {
                        return Err(Fault::Length);
                    }
                    if request.count > 0 {
                        return Ok(Some(request));
                    }
                }
            }
        }
    }
}

impl Array {
    /// Goes on from where it had to stop, and says whether the array is complete.
    fn read(&mut self, input: &[u8], longest: usize, largest: usize) -> Result<bool, Fault> {
        while self.missing > 0 {
            match input.get(self.end) {
                None => return Ok(false),
                Some(b'$') => {}
                Some(other) => return Err(Fault::NoString(*other)),
            }
            let Some((length, start)) =
                number(input, self.end + 1).map_err(|bad| bad.or(Fault::Length, Fault::LengthLine))?
            else {
                return Ok(false);
            };
            let length = usize::try_from(length).ok().filter(|length| *length <= longest).ok_or(Fault::Length)?;
            let end = start + length;
            if end > largest {
                return Err(Fault::Size);
            }
            match input.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                None | Some([] | [b'\r']) => return Ok(false),
                Some(_) => return Err(Fault::NoEnd),
            }
            self.end = end + 2;
            self.missing -= 1;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 100;

    /// What `input` holds when it comes in pieces of these sizes, over and over: commands, and the fault after them.
    fn commands(input: &[u8], sizes: &[usize]) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
        let (mut codec, mut buffer, mut commands) = (Codec::new(LONGEST), BytesMut::new(), Vec::new());
        let (mut rest, mut sizes) = (input, sizes.iter().cycle());
        while !rest.is_empty() {
            let piece;
            (piece, rest) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            buffer.extend_from_slice(piece);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(request)) => {
                        let words: Vec<_> = request.arguments().map(<[u8]>::to_vec).collect();
                        assert_eq!(words.len(), request.count);
                        commands.push(words);
                    }
                    Ok(None) => break,
                    Err(fault) => return (commands, Some(fault.to_string())),
                }
            }
        }
        (commands, codec.has_begun(&buffer).then(|| "incomplete".to_owned()))
    }

    #[test]
    fn commands_are_the_same_in_whatever_pieces_they_come() {
        let input = b"*2\r\n$3\r\nGET\r\n$3\r\n\0\r\n\r\nPING\r\n*0\r\n*-5\r\n\r\n  SET 'a b' \"\\x41\\n\" \n*1\r\n$0\r\n\r\n*1\r\n$4\r\nQUIT\r\n";
        let expected: Vec<Vec<Vec<u8>>> = [&["GET", "\0\r\n"][..], &["PING"], &["SET", "a b", "A\n"], &[""], &["QUIT"]]
            .map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect())
            .into();
        for cut in 1..input.len() {
            assert_eq!(commands(input, &[cut, input.len()]), (expected.clone(), None), "cut at {cut}");
        }
        for sizes in [&[1][..], &[2], &[3], &[5], &[1, 7, 2], &[13, 1, 1], &[64, 3]] {
            assert_eq!(commands(input, sizes), (expected.clone(), None), "pieces of {sizes:?}");
        }
    }

    #[test]
    fn what_is_not_resp_is_a_fault_in_whatever_pieces_it_comes() {
        let too_long = format!("*1\r\n${}\r\n", LONGEST + 1);
        let too_many = format!("*{}\r\n", ARGUMENTS + 1);
        let endless_line = "x".repeat(INLINE + 1);
        let too_much = format!("*1000\r\n{}", format!("$100\r\n{}\r\n", "x".repeat(100)).repeat(1000));
        let long_word = format!("GET {}\r\n", "x".repeat(LONGEST + 1));
        for (input, fault) in [
            ("*x\r\n", "invalid multibulk length"),
            ("*\r\n", "invalid multibulk length"),
            ("*1\n$4\nPING\n", "invalid multibulk length"),
            ("*1\rx", "invalid multibulk length"),
            ("*01\r\n", "invalid multibulk length"),
            ("*9223372036854775808\r\n", "invalid multibulk length"),
            (&too_many, "invalid multibulk length"),
            ("*11111111111111111111111111111111", "too big mbulk count string"),
            ("*1\r\n:1\r\n", "expected '$', got ':'"),
            ("*1\r\n*1\r\n", "expected '$', got '*'"),
            ("*1\r\n\x1b", "expected '$', got '\\u{1b}'"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
            ("*1\r\n$+1\r\n", "invalid bulk length"),
            (&too_long, "invalid bulk length"),
            ("*1\r\n$11111111111111111111111111111111", "too big bulk count string"),
            ("*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
            ("*1\r\n$4\r\nPING\rx", "expected CRLF after a bulk string"),
            (&too_much, "too big command"),
            (&endless_line, "too big inline request"),
            (&long_word, "invalid bulk length"),
            ("GET \"a\r\n", "unbalanced quotes in request"),
            ("GET 'a'b\r\n", "unbalanced quotes in request"),
        ] {
            for size in [1, 7, 64, input.len()] {
                assert_eq!(commands(input.as_bytes(), &[size]), (vec![], Some(fault.to_owned())), "{size}");
            }
        }
    }

    #[test]
    fn a_claim_takes_no_memory() {
        let mut codec = Codec::new(usize::MAX / 4);
        let mut buffer = BytesMut::from("*1000\r\n$1000000000000\r\nx");
        assert!(matches!(codec.decode(&mut buffer), Ok(None)));
        assert!(buffer.capacity() < 1000);
    }
}
