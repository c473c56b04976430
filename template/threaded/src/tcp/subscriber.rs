//! A client that has subscribed: what it may say, and how it is told what happens.

use std::{
    io,
    sync::{Arc, Weak},
    time::Instant,
};

use bytes::Bytes;
use resp::{Fault, Names, Reply};
use rustix::event::{PollFd, PollFlags};

use super::{
    channels::Channels,
    mailbox::{Mailbox, Told},
    session::Session,
    wire::{End, FAREWELL, MOST, STALL, stalled},
};
use crate::{lifecycle::wait_for_any, store::Store};

/// What a connection has subscribed to.
pub(super) struct Subscription {
    names: Names,
    mailbox: Arc<Mailbox>,
    channels: Channels,
    /// Whether the store tells the mailbox of its events.
    watches: bool,
}

impl Subscription {
    fn new(channels: &Channels) -> io::Result<Self> {
        Ok(Self { names: Names::default(), mailbox: channels.mailbox()?, channels: channels.clone(), watches: false })
    }

    fn add(&mut self, name: &Bytes, store: &Store) -> Result<(), Reply> {
        if self.names.add(name.clone())? {
            self.channels.add(name, &self.mailbox);
        }
        if self.names.are_about_keys() && !self.watches {
            self.watches = true;
            let mailbox = Arc::downgrade(&self.mailbox);
            store.watch(mailbox as Weak<_>);
        }
        Ok(())
    }

    fn remove(&mut self, name: &Bytes) {
        if self.names.remove(name) {
            self.channels.remove(name, &self.mailbox);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for name in self.names.iter() {
            self.channels.remove(name, &self.mailbox);
        }
    }
}

impl Session {
    /// Adds channels.
    pub(super) fn subscribe(&mut self, channels: Vec<Bytes>) -> Result<(), End> {
        for channel in channels {
            if self.subscription.is_none() {
                match Subscription::new(&self.shared.channels) {
                    Ok(subscription) => self.subscription = Some(subscription),
                    Err(error) => {
                        self.say(&Reply::Error(format!("BUSY can't serve another subscriber: {error}").into()))?;
                        continue;
                    }
                }
            }
            let Some(subscription) = &mut self.subscription else { continue };
            let added = subscription.add(&channel, &self.shared.store);
            let total = subscription.names.len();
            match added {
                Ok(()) => {
                    let count = Reply::count(total);
                    self.say_all(&[Reply::Array(3), Reply::text("subscribe"), Reply::Bulk(channel), count])?;
                }
                Err(refused) => self.say(&refused)?,
            }
            if total == 0 {
                self.subscription = None;
            }
        }
        Ok(())
    }

    /// Takes channels out; all, if none is named.
    pub(super) fn unsubscribe(&mut self, mut channels: Vec<Bytes>) -> Result<(), End> {
        if channels.is_empty() {
            let all = self.subscription.as_ref().map(|subscription| subscription.names.iter().cloned().collect());
            channels = all.unwrap_or_default();
        }
        if channels.is_empty() {
            return self.say_all(&[Reply::Array(3), Reply::text("unsubscribe"), Reply::Nil, Reply::count(0)]);
        }
        for channel in channels {
            let mut left = 0;
            if let Some(subscription) = &mut self.subscription {
                subscription.remove(&channel);
                left = subscription.names.len();
            }
            if left == 0 {
                // What was published before comes before the answer. Only now may the client be waited for: nothing more
                // piles up meanwhile.
                while !self.take()? {
                    self.flush()?;
                }
                self.subscription = None;
            }
            let count = Reply::count(left);
            self.say_all(&[Reply::Array(3), Reply::text("unsubscribe"), Reply::Bulk(channel), count])?;
        }
        Ok(())
    }

    /// Sends what happens on the channels, until the client says something, or the drain has begun: then it is `false`.
    /// The thread never waits for the client alone: a client that does not read costs what waits for it, until it is
    /// dropped.
    pub(super) fn listen(&mut self) -> Result<bool, End> {
        self.wire.stream.set_nonblocking(true)?;
        let heard = self.tell_until_heard();
        self.wire.stream.set_nonblocking(false)?;
        heard
    }

    fn tell_until_heard(&mut self) -> Result<bool, End> {
        let mut stall = Instant::now() + STALL;
        loop {
            self.take()?;
            let before = self.wire.output.len();
            self.wire.output.write(&mut self.wire.stream)?;
            let left = self.wire.output.len();
            if left == 0 || left < before {
                stall = Instant::now() + STALL;
            }
            if self.wire.is_draining() {
                return self.tell_the_rest().map(|()| false);
            }
            let deadline = self.wire.prepare();
            let Some(subscription) = &self.subscription else { return Ok(false) };
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::OUT, left > 0);
            flags.set(PollFlags::IN, left < MOST);
            // Its messages stay where they are counted while it does not take what it was sent.
            let told = if left < MOST { PollFlags::IN } else { PollFlags::empty() };
            subscription.mailbox.hold_up(left >= MOST).map_err(|()| self.behind())?;
            let mut places = [
                PollFd::new(self.wire.bell(), PollFlags::IN),
                PollFd::new(&self.wire.stream, flags),
                PollFd::new(&*subscription.mailbox, told),
            ];
            let until = deadline.into_iter().chain((left > 0).then_some(stall)).min();
            if !wait_for_any(&mut places, until)? {
                if deadline.is_some() && deadline == until {
                    return Err(End::Fault(Fault::Slow));
                }
                return Err(self.behind());
            }
            if places[1].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                // What was published before comes before the answer.
                self.take()?;
                return self.wire.read().map(|()| true);
            }
        }
    }

    /// Sends what was published before the drain began. Nobody is waited for long: the messages were nobody's request.
    fn tell_the_rest(&mut self) -> Result<(), End> {
        self.wire.stream.set_nonblocking(false)?;
        self.wire.stream.set_write_timeout(Some(FAREWELL))?;
        let end = Instant::now() + FAREWELL;
        loop {
            let is_all = self.take()?;
            self.wire.flush()?;
            if is_all || Instant::now() > end {
                return Ok(());
            }
        }
    }

    /// Too far behind to be told more.
    fn behind(&self) -> End {
        tracing::info!(id = self.place.id, "subscriber dropped: it does not read");
        stalled()
    }

    /// Takes what has come into the mailbox, as long as the client takes what it is sent. Says whether that was all.
    fn take(&mut self) -> Result<bool, End> {
        let Some(subscription) = &self.subscription else { return Ok(true) };
        while self.wire.output.len() < MOST {
            let missed = match subscription.mailbox.take() {
                Ok(None) => return Ok(true),
                Ok(Some(Told::Message(frame))) => {
                    self.wire.output.put(&frame);
                    continue;
                }
                Ok(Some(Told::Event(event))) => {
                    subscription.names.tell_event(&event, &mut self.wire.output);
                    continue;
                }
                Ok(Some(Told::Missed(missed))) => subscription.names.tell_lag(missed, &mut self.wire.output).is_err(),
                Err(()) => return Err(self.behind()),
            };
            if missed {
                tracing::info!(id = self.place.id, "subscriber dropped: it has missed messages");
                return Err(io::Error::other("messages missed").into());
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Shutdown, TcpListener, TcpStream},
        sync::LazyLock,
    };

    use clap::Parser;

    use super::*;
    use crate::{
        config::Settings,
        lifecycle::{self, Phase, PhaseControl, Supervisor},
        net::Connections,
        store::Options,
        tcp::Resp,
    };

    /// A connection, from both sides, that has subscribed to a channel on which more waits for it than is taken at once.
    fn subscribed(channel: &'static str) -> (PhaseControl, Session, TcpStream) {
        /// One for all tests: a process has its measurements once.
        static RESP: LazyLock<Resp> = LazyLock::new(|| {
            let (supervisor, _reports) = Supervisor::new(lifecycle::channel().unwrap().1);
            let store = Store::start(Options::default(), &supervisor).unwrap();
            Resp::new(store, &Settings::parse_from(["test"]))
        });
        let (control, phases) = lifecycle::channel().unwrap();
        let Resp(shared) = &*RESP;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let place = Connections::new("test", 1).place(false);
        let mut session = Session::new(Arc::clone(shared), listener.accept().unwrap().0, place, phases);
        let channel = Bytes::from_static(channel.as_bytes());
        session.subscribe(vec![channel.clone()]).unwrap();
        let messages = [vec![b'x'; MOST], vec![b'x'; MOST], b"last".to_vec()];
        assert_eq!(messages.map(|message| shared.channels.publish(&channel, &message)), [1; 3]);
        (control, session, client)
    }

    #[test]
    fn what_was_published_before_the_drain_is_sent_whatever_the_thread_was_doing_then() {
        let (control, session, mut client) = subscribed("drain");
        control.advance(Phase::Draining);
        client.shutdown(Shutdown::Write).unwrap();
        session.serve();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert!(heard.ends_with("last\r\n"), "{} bytes", heard.len());
    }

    #[test]
    fn who_leaves_one_of_several_channels_is_not_waited_for() {
        let (_control, mut session, _client) = subscribed("several");
        session.wire.stream.set_nonblocking(true).unwrap();
        while session.wire.stream.write(&[b'x'; MOST]).is_ok() {}
        session.unsubscribe(vec![Bytes::from_static(b"other")]).unwrap();
        assert!(session.subscription.is_some());
    }

    #[test]
    fn what_was_published_before_unsubscribe_is_sent_before_its_answer() {
        let (_control, session, mut client) = subscribed("c");
        client.write_all(b"UNSUBSCRIBE\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        std::thread::scope(|scope| {
            scope.spawn(|| session.serve());
            client.read_to_string(&mut heard).unwrap();
        });
        assert!(heard.ends_with("last\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"), "{} bytes", heard.len());
    }
}
