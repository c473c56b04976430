//! `PUBLISH`: the channels that clients name, and the messages that are on their way to who has subscribed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use resp::Reply;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    time::{Instant, sleep, timeout},
};

/// Messages that may be on their way. Subscribers take theirs at once, into a buffer of their own.
const MESSAGES: usize = 1024;

/// How many bytes these may have, unless one message alone has more.
const ROOM: usize = 16 * 1024 * 1024;

/// From here on publishers give subscribers time: they are behind only because they had no turn yet.
const CROWDED: usize = MESSAGES / 4;

/// How long a publisher does that.
const PATIENCE: Duration = Duration::from_millis(50);

/// All channels that clients have subscribed to. One broadcast carries every message, so that each subscriber gets what
/// it has asked for in the order in which it was published, whatever the channel.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    /// Carries the messages.
    pub messages: broadcast::Sender<Message>,
    /// A permit for each byte of a message that may be on its way.
    room: Arc<Semaphore>,
    /// How many subscribers each channel has: what `PUBLISH` answers.
    subscribers: Arc<Mutex<HashMap<Bytes, usize>>>,
    /// How many bytes are kept for subscribers until they read, of all together.
    pub kept: Arc<AtomicUsize>,
}

/// A message, in the form in which every subscriber is sent it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub channel: Bytes,
    pub frame: Bytes,
    /// Goes back when the last subscriber has taken the message.
    _room: Arc<OwnedSemaphorePermit>,
}

/// What is sent of a message. It counts as kept, once, until the last subscriber has read it.
struct Frame {
    bytes: BytesMut,
    kept: Arc<AtomicUsize>,
}

impl Frame {
    fn new(bytes: BytesMut, kept: &Arc<AtomicUsize>) -> Self {
        kept.fetch_add(bytes.len(), Ordering::Relaxed);
        Self { bytes, kept: Arc::clone(kept) }
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Subscribers have more to take than there is room for.
#[derive(Debug)]
pub(super) struct Crowded;

impl Channels {
    pub(super) fn new() -> Self {
        let (messages, room) = (broadcast::Sender::new(MESSAGES), Arc::new(Semaphore::new(ROOM)));
        Self { messages, room, subscribers: Arc::default(), kept: Arc::default() }
    }

    /// Sends a message to who has subscribed to the channel, and returns how many these are.
    ///
    /// # Errors
    /// When subscribers had no turn to take what is on its way already; nothing was sent then.
    ///
    /// # Cancel safety
    /// Dropped while it waits for slow subscribers, it has sent nothing.
    pub(super) async fn publish(&self, channel: Bytes, message: &[u8]) -> Result<usize, Crowded> {
        let Some(count) = self.lock().get(&channel).copied() else { return Ok(0) };
        let start = Instant::now();
        while self.messages.len() > CROWDED && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(1)).await;
        }
        let bytes = channel.len() + message.len();
        let room = u32::try_from(bytes.min(ROOM)).unwrap_or(u32::MAX);
        let room = timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(room)).await;
        let Ok(Ok(room)) = room else { return Err(Crowded) };
        let frame = Bytes::from_owner(Frame::new(resp::message(&channel, message), &self.kept));
        // An error says that the last subscriber has just gone.
        drop(self.messages.send(Message { channel, frame, _room: Arc::new(room) }));
        Ok(count)
    }

    /// How many subscribers each channel has.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, usize>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Crowded> for Reply {
    fn from(Crowded: Crowded) -> Self {
        Self::Error("BUSY subscribers can't keep up: try again later".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_that_nobody_takes_are_bounded_in_bytes() {
        let channels = Channels::new();
        let (channel, message) = (Bytes::from_static(b"c"), vec![0; ROOM / 4 - 1]);
        channels.lock().insert(channel.clone(), 1);
        let mut subscriber = channels.messages.subscribe();
        for _ in 0..4 {
            assert!(matches!(channels.publish(channel.clone(), &message).await, Ok(1)));
        }
        assert!(channels.publish(channel.clone(), &message).await.is_err());
        // What is taken makes room, and a message that is larger than that may be there alone.
        let taken = subscriber.recv().await;
        assert!(taken.is_ok() && channels.publish(channel.clone(), &message).await.is_err());
        drop(taken);
        assert!(channels.publish(channel.clone(), &message).await.is_ok());
        assert_eq!(channels.kept.load(Ordering::Relaxed) / (ROOM / 4), 4, "what is on its way counts as kept");
        while subscriber.try_recv().is_ok() {}
        assert_eq!(channels.kept.load(Ordering::Relaxed), 0);
        assert!(channels.publish(channel.clone(), &vec![0; ROOM + 1]).await.is_ok());
        assert!(channels.publish(channel, b"").await.is_err());
    }
}
