//! `PUBLISH`: the channels that clients have subscribed to, and who gets what is published on them.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;

use super::mailbox::{All, Mailbox};

/// All channels that clients have subscribed to. Cheap to clone.
#[derive(Clone)]
pub(super) struct Channels {
    subscribers: Arc<Mutex<HashMap<Bytes, Vec<Arc<Mailbox>>>>>,
    /// What their mailboxes share.
    mailboxes: Arc<All>,
}

impl Channels {
    /// For so many subscribers at once.
    pub(super) fn new(limit: usize) -> Self {
        Self { subscribers: Arc::default(), mailboxes: All::new(limit) }
    }

    /// A mailbox for one more subscriber.
    ///
    /// # Errors
    /// As [`Mailbox::new`].
    pub(super) fn mailbox(&self) -> io::Result<Arc<Mailbox>> {
        Mailbox::new(&self.mailboxes)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, Vec<Arc<Mailbox>>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to who has subscribed to the channel, and returns how many have got it.
    pub(super) fn publish(&self, channel: &Bytes, message: &[u8]) -> usize {
        let Some(subscribers) = self.lock().get(channel).cloned() else { return 0 };
        let frame = resp::message(channel, message).freeze();
        // One wait for all: however many are behind, the publisher is not.
        let begun = Instant::now();
        subscribers.iter().filter(|mailbox| mailbox.send(&frame, begun)).count()
    }

    /// From now on what is published on the channel comes into the mailbox.
    pub(super) fn add(&self, channel: &Bytes, mailbox: &Arc<Mailbox>) {
        self.lock().entry(channel.clone()).or_default().push(Arc::clone(mailbox));
    }

    /// No longer.
    pub(super) fn remove(&self, channel: &Bytes, mailbox: &Arc<Mailbox>) {
        let mut subscribers = self.lock();
        if let Some(of_channel) = subscribers.get_mut(channel) {
            of_channel.retain(|other| !Arc::ptr_eq(other, mailbox));
            if of_channel.is_empty() {
                subscribers.remove(channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::mailbox::{MESSAGE, PATIENCE, ROOM};

    #[test]
    fn who_is_behind_gets_nothing_more_and_does_not_count() {
        let channels = Channels::new(100);
        let channel = Bytes::from_static(b"c");
        let (slow, quick) = (channels.mailbox().unwrap(), channels.mailbox().unwrap());
        channels.add(&channel, &slow);
        channels.add(&channel, &quick);
        slow.hold_up(true).unwrap();
        let message = vec![0; ROOM / 4];
        for expected in [2, 2, 2, 1, 1] {
            assert_eq!(channels.publish(&channel, &message), expected);
            assert!(quick.take().unwrap().is_some());
        }
        assert!(slow.take().is_err());
        channels.remove(&channel, &slow);
        channels.remove(&channel, &quick);
        assert_eq!((channels.publish(&channel, &message), channels.lock().len()), (0, 0));
    }

    #[test]
    fn many_who_are_behind_are_waited_for_together() {
        let channels = Channels::new(300);
        let channel = Bytes::from_static(b"c");
        let slow: Vec<_> = (0..300).map(|_| channels.mailbox().unwrap()).collect();
        for mailbox in &slow {
            mailbox.hold_up(true).unwrap();
            channels.add(&channel, mailbox);
        }
        let (message, start) = (vec![0; ROOM - 2 * MESSAGE], Instant::now());
        assert_eq!([channels.publish(&channel, &message), channels.publish(&channel, &message)], [300, 0]);
        // One after the other they would be waited for 300 times.
        assert!(start.elapsed() < 150 * PATIENCE, "{:?}", start.elapsed());
    }
}
