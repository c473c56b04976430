//! Commands that are carried out together: what the store is asked for, and what its answers mean to the client.

use std::{collections::VecDeque, mem, vec};

use domain::{Condition, Done, Op, Ran};

use crate::{
    command::{COMMANDS, Command},
    reply::Reply,
};

/// Commands of one client that are carried out together.
const WINDOW: usize = 128;

/// Room for so many answers is kept for the next commands.
const KEPT: usize = 16;

/// Commands that are carried out together, in order: first they are [planned](Batch::plan), then it is settled
/// [step](Step) by [step](Batch::step) what each is answered.
#[derive(Debug, Default)]
pub struct Batch {
    /// What the store has yet to be asked for.
    ops: VecDeque<Op>,
    /// What will be answered, command by command.
    answers: VecDeque<Answer>,
    /// What the store has done and nobody was told of.
    done: vec::IntoIter<Done>,
    /// What is answered instead, once the store has refused.
    refusal: Option<Reply>,
}

/// What has to be done next.
#[derive(Debug)]
pub enum Step {
    /// Ask the store for this, and [tell](Batch::told) what it says.
    Ask(VecDeque<Op>),
    /// Send this.
    Say(Reply),
}

/// The answer to one command, which is known, or what has to be made of the store's.
#[derive(Debug)]
enum Answer {
    Known(Reply),
    Get,
    Set,
    Ttl,
    /// How many keys there were.
    Hits {
        /// Those that are known.
        hits: usize,
        /// How many keys have yet to be looked up.
        left: usize,
    },
}

impl Batch {
    /// Whether nothing is planned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether it is to be settled before more is planned.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.answers.len() >= WINDOW || self.ops.len() >= WINDOW
    }

    /// Puts a reply behind those of the commands that are planned.
    pub fn put(&mut self, reply: Reply) {
        self.answers.push_back(Answer::Known(reply));
    }

    /// Puts the command behind those that are to be carried out together, or gives it back when it has to be alone:
    /// what it does must not be seen before what came first is done.
    pub fn plan(&mut self, command: Command, is_subscribed: bool) -> Option<Command> {
        let answer = match command {
            Command::Get(key) => {
                self.ops.push_back(Op::Get(key));
                Answer::Get
            }
            Command::Set(write) => {
                self.ops.push_back(Op::Put(write));
                Answer::Set
            }
            Command::Del(keys) => {
                let answer = Answer::Hits { hits: 0, left: keys.len() };
                self.ops.extend(keys.into_iter().map(|key| Op::Delete(key, Condition::default())));
                answer
            }
            Command::Exists(keys) => {
                let answer = Answer::Hits { hits: 0, left: keys.len() };
                self.ops.extend(keys.into_iter().map(Op::Ttl));
                answer
            }
            Command::Ttl(key) => {
                self.ops.push_back(Op::Ttl(key));
                Answer::Ttl
            }
            Command::Ping(None) if !is_subscribed => Answer::Known(Reply::Simple("PONG")),
            Command::Ping(Some(message)) if !is_subscribed => Answer::Known(Reply::Bulk(message)),
            Command::Echo(message) => Answer::Known(Reply::Bulk(message)),
            Command::Count => Answer::Known(Reply::count(COMMANDS.len())),
            Command::Docs => Answer::Known(Reply::Array(0)),
            alone => return Some(alone),
        };
        self.answers.push_back(answer);
        None
    }

    /// What has to be done next; `None` when all that was planned is settled.
    pub fn step(&mut self) -> Option<Step> {
        let Some(answer) = self.answers.pop_front() else {
            if self.answers.capacity() > KEPT {
                self.answers = VecDeque::new();
            }
            (self.done, self.refusal) = (vec::IntoIter::default(), None);
            return None;
        };
        match (answer.reply(&mut self.done), &self.refusal) {
            (Ok(reply), _) => Some(Step::Say(reply)),
            (Err(_), Some(refusal)) => Some(Step::Say(refusal.clone())),
            (Err(unanswered), None) => {
                self.answers.push_front(unanswered);
                Some(Step::Ask(mem::take(&mut self.ops)))
            }
        }
    }

    /// Takes what the store has said: what it has done, or what to answer whoever asked for more.
    pub fn told(&mut self, said: Result<Ran, Reply>) {
        match said {
            Ok(ran) if ran.done.is_empty() => self.refusal = Some(Reply::confused()),
            Ok(ran) => (self.ops, self.done) = (ran.rest, ran.done.into_iter()),
            Err(refusal) => self.refusal = Some(refusal),
        }
    }
}

impl Answer {
    /// What the store has done, as the client is told.
    ///
    /// # Errors
    /// The answer itself, when it needs more than this.
    fn reply(self, done: &mut impl Iterator<Item = Done>) -> Result<Reply, Self> {
        match self {
            Self::Known(reply) => return Ok(reply),
            Self::Hits { mut hits, mut left } => {
                for done in done.take(left) {
                    hits += usize::from(matches!(done, Done::Ttl(Some(_)) | Done::Deleted(Ok(Some(_)))));
                    left -= 1;
                }
                return if left == 0 { Ok(Reply::count(hits)) } else { Err(Self::Hits { hits, left }) };
            }
            Self::Get | Self::Set | Self::Ttl => {}
        }
        let Some(done) = done.next() else { return Err(self) };
        Ok(match (self, done) {
            (Self::Get, Done::Got(found)) => found.map_or(Reply::Nil, |found| Reply::Bulk(found.value)),
            (Self::Set, Done::Put(Ok(_))) => Reply::Simple("OK"),
            (Self::Set, Done::Put(Err(_))) => Reply::Nil,
            (Self::Ttl, Done::Ttl(None)) => Reply::Integer(-2),
            (Self::Ttl, Done::Ttl(Some(ttl))) => Reply::Integer(ttl.map_or(-1, |left| {
                // Rounded, as Redis does.
                i64::try_from((left.as_millis() + 500) / 1000).unwrap_or(i64::MAX)
            })),
            _ => Reply::confused(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{Codec, Output, parse};

    /// What is answered to commands that came at once, by a store that says `answer` to what it is asked.
    fn answers(commands: &[u8], mut answer: impl FnMut(VecDeque<Op>) -> Result<Ran, Reply>) -> String {
        let (mut codec, mut input, mut batch) = (Codec::new(1000), commands.into(), Batch::default());
        while let Ok(Some(request)) = codec.decode(&mut input) {
            let (_, command) = parse(&request, false).unwrap();
            assert!(batch.plan(command, false).is_none());
        }
        let (mut output, mut sent) = (Output::default(), Vec::new());
        while let Some(step) = batch.step() {
            match step {
                Step::Ask(ops) => batch.told(answer(ops)),
                Step::Say(reply) => output.put_reply(&reply),
            }
        }
        output.write(&mut sent).unwrap();
        String::from_utf8(sent).unwrap()
    }

    #[test]
    fn commands_are_answered_in_order_however_much_the_store_does_at_once() {
        let mut commands = b"SET k v\r\nGET k\r\nPING\r\nDEL k no\r\nEXISTS k\r\nTTL k\r\n".to_vec();
        commands.extend("SET x ".bytes().chain(std::iter::repeat_n(b'x', 900)).chain(*b"\r\n"));
        commands.extend(b"GET x\r\n".repeat(200));
        let (mut store, mut turns) = (domain::Store::default(), 0);
        let answers = answers(&commands, |ops| {
            turns += 1;
            Ok(store.run(Instant::now(), ops, drop))
        });
        let expected = "+OK\r\n$1\r\nv\r\n+PONG\r\n:1\r\n:0\r\n:-2\r\n+OK\r\n".to_owned();
        assert_eq!(answers, expected + &format!("$900\r\n{}\r\n", "x".repeat(900)).repeat(200));
        assert!(turns > 2, "{turns}");
    }

    #[test]
    fn a_refusal_is_the_answer_to_each_command_that_needs_the_store() {
        let busy = || Reply::Error("BUSY".into());
        let answers = answers(b"PING\r\nGET k\r\nECHO hi\r\nDEL a b\r\n", |_| Err(busy()));
        assert_eq!(answers, "+PONG\r\n-BUSY\r\n$2\r\nhi\r\n-BUSY\r\n");
    }
}
