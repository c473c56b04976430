//! A client that has subscribed: what it may say, and how it is told what happens.

use std::io;

use bytes::{BufMut, Bytes};
use resp::{Fault, Reply};
use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{
    connection::End,
    life::Stage,
    session::Session,
    subscriptions::Subscriptions,
    wire::{FAREWELL, MOST, STALL, Wire, stalled},
};

/// A subscriber that is this far behind does not read.
const BEHIND: usize = 1024 * 1024;

impl Session {
    /// Adds channels.
    pub(super) async fn subscribe(&mut self, channels: Vec<Bytes>) -> Result<(), End> {
        for channel in channels {
            let subscriptions =
                self.subscriptions.get_or_insert_with(|| Box::new(Subscriptions::new(self.shared.channels.clone())));
            let is_added = subscriptions.add(channel.clone(), &self.shared.store);
            let total = subscriptions.len();
            match is_added {
                Ok(()) => {
                    self.say_all([Reply::Array(3), Reply::text("subscribe"), Reply::Bulk(channel), Reply::count(total)])
                        .await?
                }
                Err(error) => self.say(error.into()).await?,
            }
            if total == 0 {
                self.subscriptions = None;
            }
        }
        Ok(())
    }

    /// Takes channels out; all, if none is named.
    pub(super) async fn unsubscribe(&mut self, mut channels: Vec<Bytes>) -> Result<(), End> {
        if channels.is_empty() {
            channels = self.subscriptions.as_ref().map(|subscriptions| subscriptions.names()).unwrap_or_default();
        }
        if channels.is_empty() {
            return self.say_all([Reply::Array(3), Reply::text("unsubscribe"), Reply::Nil, Reply::count(0)]).await;
        }
        for channel in channels {
            let mut left = 0;
            if let Some(subscriptions) = &mut self.subscriptions {
                subscriptions.remove(&channel);
                left = subscriptions.len();
            }
            if left == 0 {
                self.subscriptions = None;
            }
            self.say_all([Reply::Array(3), Reply::text("unsubscribe"), Reply::Bulk(channel), Reply::count(left)])
                .await?;
        }
        Ok(())
    }

    /// Sends what happens on the channels, until the client says something or the drain begins. Messages are always
    /// taken at once: a client that does not read costs its own buffer, until it is dropped, and nobody else anything.
    pub(super) async fn listen(&mut self) -> Result<(), End> {
        let limit = BEHIND.max(2 * self.shared.longest);
        let mut stall = Instant::now() + STALL;
        loop {
            let behind = self.wire.output.len();
            self.wire.write()?;
            if self.wire.output.is_empty() || self.wire.output.len() < behind {
                stall = Instant::now() + STALL;
            }
            let Some(subscriptions) = &mut self.subscriptions else { return Ok(()) };
            let is_too_much = subscriptions.keeps_too_much(&self.wire.output);
            if is_too_much || self.wire.output.len() > limit {
                tracing::info!(parent: &self.span, bytes = self.wire.output.len(), "subscriber dropped: it does not read");
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            let deadline = self.wire.prepare();
            let Wire { stream, input, output, life, chunk, .. } = &mut self.wire;
            let (may_read, has_output) = (output.len() < MOST, !output.is_empty());
            select! {
                told = subscriptions.next(output, MOST) => if told.is_err() {
                    tracing::info!(parent: &self.span, "subscriber dropped: it has missed messages");
                    return Err(io::Error::other("messages missed").into());
                },
                ready = stream.readable(), if may_read => {
                    ready?;
                    match stream.try_read_buf(&mut input.limit(*chunk)) {
                        Ok(count) => {
                            // What was published before comes before the answer.
                            if subscriptions.take(output, limit).is_err() {
                                tracing::info!(parent: &self.span, "subscriber dropped: it has missed messages");
                                return Err(io::Error::other("messages missed").into());
                            }
                            return self.wire.received(count);
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                ready = stream.writable(), if has_output => ready?,
                () = sleep_until(stall), if has_output => {
                    tracing::info!(parent: &self.span, "subscriber dropped: it does not read");
                    return Err(stalled());
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.wire.put(&Fault::Slow.into());
                    return Err(End::Farewell);
                }
                () = life.next() => if life.stage == Stage::Draining {
                    drop(subscriptions.take(output, limit));
                    // Not as work: the messages were nobody's request.
                    return self.wire.flush_until(Instant::now() + FAREWELL).await;
                },
            }
        }
    }
}
