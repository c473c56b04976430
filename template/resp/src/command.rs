//! What clients ask for: the commands, their arguments, and what is said about those that are wrong.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use domain::{Condition, Key, Revisions, Write};

use crate::{
    number::integer,
    request::{Arguments, Request},
};

/// An error reply, in the words of Redis where it has some.
pub type Error = Cow<'static, str>;

const SYNTAX: Error = Cow::Borrowed("ERR syntax error");

/// The latest expiry, in milliseconds from now: Redis adds the time of day to it, and refuses what it can't hold then.
const LONGEST_TTL: i64 = i64::MAX - (1 << 42);

/// A command that is understood, but not carried out.
#[derive(Debug)]
pub enum Command {
    /// Is anybody there? With what to answer.
    Ping(Option<Bytes>),
    /// Say this.
    Echo(Bytes),
    /// What is the value?
    Get(Key),
    /// Store a value.
    Set(Write),
    /// Delete these.
    Del(Vec<Key>),
    /// How many of these are there?
    Exists(Vec<Key>),
    /// How long will it be there?
    Ttl(Key),
    /// Which keys match this pattern?
    Keys(Bytes),
    /// Send what is published on these channels.
    Subscribe(Vec<Bytes>),
    /// Send it no longer; on none, if none is named.
    Unsubscribe(Vec<Bytes>),
    /// Send a message to all who have subscribed to a channel.
    Publish {
        /// To which.
        channel: Bytes,
        /// Any bytes.
        message: Bytes,
    },
    /// Close the connection.
    Quit,
    /// Who is there?
    Hello,
    /// How many commands are there?
    Count,
    /// What are they called?
    List,
    /// Redis explains its commands here. There are no such texts.
    Docs,
    /// What are these like? `None` is not one of ours.
    Info(Vec<Option<&'static Spec>>),
}

/// A command as Redis' `COMMAND` describes it, and how its arguments are read.
#[derive(Debug)]
pub struct Spec {
    /// In lower case.
    pub name: &'static str,
    /// What its work is called in logs.
    pub task: &'static str,
    /// How many words it takes, its name included; at least so many, if negative.
    pub arity: i64,
    /// In Redis' words.
    pub flags: &'static [&'static str],
    /// Where its keys stand: the first, the last (counted from the end, if negative), and the step between them.
    pub keys: [i64; 3],
    /// Reads what follows the name.
    read: fn(Arguments<'_>) -> Result<Command, Error>,
}

/// All commands.
pub static COMMANDS: [Spec; 14] = {
    const fn spec(
        (name, task): (&'static str, &'static str),
        arity: i64,
        flags: &'static [&'static str],
        keys: [i64; 3],
        read: fn(Arguments<'_>) -> Result<Command, Error>,
    ) -> Spec {
        Spec { name, task, arity, flags, keys, read }
    }
    const NONE: [i64; 3] = [0, 0, 0];
    const ONE: [i64; 3] = [1, 1, 1];
    const ALL: [i64; 3] = [1, -1, 1];
    [
        spec(("get", "tcp GET"), 2, &["readonly", "fast"], ONE, |words| Ok(Command::Get(key(only(words)?)?))),
        spec(("set", "tcp SET"), -3, &["write"], ONE, set),
        spec(("del", "tcp DEL"), -2, &["write"], ALL, |words| {
            Ok(Command::Del(words.map(key).collect::<Result<_, _>>()?))
        }),
        spec(("exists", "tcp EXISTS"), -2, &["readonly", "fast"], ALL, |words| {
            Ok(Command::Exists(words.map(key).collect::<Result<_, _>>()?))
        }),
        spec(("ttl", "tcp TTL"), 2, &["readonly", "fast"], ONE, |words| Ok(Command::Ttl(key(only(words)?)?))),
        spec(("keys", "tcp KEYS"), 2, &["readonly"], NONE, |words| Ok(Command::Keys(copy(only(words)?)))),
        spec(("ping", "tcp PING"), -1, &["fast"], NONE, ping),
        spec(("echo", "tcp ECHO"), 2, &["fast"], NONE, |words| Ok(Command::Echo(copy(only(words)?)))),
        spec(("publish", "tcp PUBLISH"), 3, &["pubsub", "fast"], NONE, publish),
        spec(("subscribe", "tcp SUBSCRIBE"), -2, &["pubsub"], NONE, |words| {
            Ok(Command::Subscribe(words.map(copy).collect()))
        }),
        spec(("unsubscribe", "tcp UNSUBSCRIBE"), -1, &["pubsub"], NONE, |words| {
            Ok(Command::Unsubscribe(words.map(copy).collect()))
        }),
        spec(("hello", "tcp HELLO"), -1, &["fast"], NONE, hello),
        spec(("command", "tcp COMMAND"), -1, &[], NONE, command),
        spec(("quit", "tcp QUIT"), -1, &["fast"], NONE, |_| Ok(Command::Quit)),
    ]
};

/// Finds out what a client wants. Where it is in doubt, Redis' order of objections is kept.
///
/// # Errors
/// What to answer instead.
pub fn parse(request: &Request, is_subscribed: bool) -> Result<(&'static Spec, Command), Error> {
    let mut words = request.arguments();
    let name = words.next().unwrap_or_default();
    let spec = spec(name).ok_or_else(|| unknown(name, words.clone()))?;
    let count = i64::try_from(request.count).unwrap_or(i64::MAX);
    if count < spec.arity.abs() || (spec.arity > 0 && count > spec.arity) {
        return Err(wrong_arity(spec.name));
    }
    if is_subscribed && !matches!(spec.name, "ping" | "quit" | "subscribe" | "unsubscribe") {
        return Err(Cow::Owned(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            spec.name
        )));
    }
    Ok((spec, (spec.read)(words)?))
}

/// Whether a web browser was made to speak to us: the words are those of HTTP, and what follows must not be carried out.
pub fn is_http(request: &Request) -> bool {
    let name = request.arguments().next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

fn spec(name: &[u8]) -> Option<&'static Spec> {
    COMMANDS.iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

fn unknown(name: &[u8], words: Arguments<'_>) -> Error {
    const QUOTED: usize = 128;
    let quote = |bytes: &[u8], length: usize| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(length)]).replace(char::is_control, " ")
    };
    let mut text = format!("ERR unknown command '{}', with args beginning with: ", quote(name, QUOTED));
    let mut left = QUOTED;
    for word in words {
        if left == 0 {
            break;
        }
        text.push_str(&format!("'{}' ", quote(word, left)));
        left = left.saturating_sub(word.len() + 3);
    }
    Cow::Owned(text)
}

fn wrong_arity(name: &str) -> Error {
    Cow::Owned(format!("ERR wrong number of arguments for '{name}' command"))
}

/// The next word, where the arity says that there is one.
fn only<'a>(mut words: Arguments<'a>) -> Result<&'a [u8], Error> {
    words.next().ok_or(SYNTAX)
}

/// What is kept is copied: a slice of a connection's buffer would keep all of the buffer.
fn copy(word: &[u8]) -> Bytes {
    Bytes::copy_from_slice(word)
}

fn key(word: &[u8]) -> Result<Key, Error> {
    let text = str::from_utf8(word).map_err(|_| Cow::Borrowed("ERR a key must be UTF-8"))?;
    Key::try_from(text).map_err(|bad| Cow::Owned(format!("ERR {bad}")))
}

fn number(word: &[u8]) -> Result<i64, Error> {
    integer(word).ok_or(Cow::Borrowed("ERR value is not an integer or out of range"))
}

fn ping(mut words: Arguments<'_>) -> Result<Command, Error> {
    let message = words.next().map(copy);
    if words.next().is_some() { Err(wrong_arity("ping")) } else { Ok(Command::Ping(message)) }
}

fn publish(mut words: Arguments<'_>) -> Result<Command, Error> {
    let channel = words.next().map(copy).ok_or(SYNTAX)?;
    Ok(Command::Publish { channel, message: copy(only(words)?) })
}

fn set(mut words: Arguments<'_>) -> Result<Command, Error> {
    let (name, value) = (words.next().ok_or(SYNTAX)?, words.next().ok_or(SYNTAX)?);
    let mut condition = Condition::default();
    let mut expiry = None;
    while let Some(option) = words.next() {
        match &*option.to_ascii_uppercase() {
            b"NX" if condition.if_match.is_none() => condition.if_none_match = Some(Revisions::Any),
            b"XX" if condition.if_none_match.is_none() => condition.if_match = Some(Revisions::Any),
            b"EX" if expiry.is_none() => expiry = Some((1000, words.next().ok_or(SYNTAX)?)),
            b"PX" if expiry.is_none() => expiry = Some((1, words.next().ok_or(SYNTAX)?)),
            _ => return Err(SYNTAX),
        }
    }
    let ttl = expiry.map(|(unit, time)| ttl(unit, time)).transpose()?;
    Ok(Command::Set(Write::new(key(name)?, value, ttl, condition)))
}

/// A time to live, given in units of so many milliseconds.
fn ttl(unit: i64, time: &[u8]) -> Result<Duration, Error> {
    let millis = number(time)?.checked_mul(unit).filter(|millis| (1..=LONGEST_TTL).contains(millis));
    let millis = millis.ok_or(Cow::Borrowed("ERR invalid expire time in 'set' command"))?;
    Ok(Duration::from_millis(millis.unsigned_abs()))
}

fn hello(mut words: Arguments<'_>) -> Result<Command, Error> {
    let Some(version) = words.next() else { return Ok(Command::Hello) };
    match integer(version) {
        Some(2) => {}
        Some(_) => return Err(Cow::Borrowed("NOPROTO unsupported protocol version")),
        None => return Err(Cow::Borrowed("ERR Protocol version is not an integer or out of range")),
    }
    while let Some(option) = words.next() {
        if option.eq_ignore_ascii_case(b"auth") {
            return Err(Cow::Borrowed("ERR AUTH is not supported: there are no users here"));
        }
        // A connection's name is for looking at clients, and there is no command for that.
        if !option.eq_ignore_ascii_case(b"setname") || words.next().is_none() {
            let option = String::from_utf8_lossy(&option[..option.len().min(32)]);
            return Err(Cow::Owned(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    Ok(Command::Hello)
}

fn command(mut words: Arguments<'_>) -> Result<Command, Error> {
    let Some(about) = words.next() else { return Ok(Command::Info(COMMANDS.iter().map(Some).collect())) };
    match &*about.to_ascii_uppercase() {
        b"COUNT" => Ok(Command::Count),
        b"LIST" => Ok(Command::List),
        b"DOCS" => Ok(Command::Docs),
        b"INFO" => match words.clone().next() {
            None => Ok(Command::Info(COMMANDS.iter().map(Some).collect())),
            Some(_) => Ok(Command::Info(words.map(spec).collect())),
        },
        other => {
            let other = String::from_utf8_lossy(&other[..other.len().min(32)]).into_owned();
            Err(Cow::Owned(format!("ERR unknown subcommand '{other}'. Try COMMAND INFO.")))
        }
    }
}
