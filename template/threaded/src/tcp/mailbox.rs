//! What waits for one subscriber until its thread takes it: messages, bounded in bytes, and events.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::Event;

use crate::store::Watcher;

/// Events that may wait for one subscriber. It is told how many it has missed beyond that.
const EVENTS: usize = 1024;

/// Bytes of messages that may wait for one subscriber, what each costs beside them included, unless one message alone has
/// more: room for a burst of small ones, whose reader is as quick as it can be.
pub(super) const ROOM: usize = 4 * 1024 * 1024;

/// Bytes that may wait for all subscribers together, a message counted once for each of them.
const MOST: usize = 256 * 1024 * 1024;

/// How much of it each of them may have, even so.
const FAIR: usize = 64 * 1024;

/// What a message costs beside its bytes.
pub(super) const MESSAGE: usize = 64;

/// How long a publisher waits for those of its subscribers whose clients do not read.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// How long it waits for those whose threads have had no turn yet: on a busy machine that is no fault of theirs.
const TURN: Duration = Duration::from_secs(2);

/// What all mailboxes share.
pub(super) struct All {
    /// How many bytes wait in them.
    waiting: AtomicUsize,
    /// How many there are.
    mailboxes: AtomicUsize,
    /// How many there may be: the bell of each takes two descriptors, and operators need some too.
    limit: usize,
}

impl All {
    /// No mailbox yet, and at most `limit`.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { waiting: AtomicUsize::new(0), mailboxes: AtomicUsize::new(0), limit })
    }
}

/// What waits for one subscriber.
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    /// Something was taken out.
    taken: Condvar,
    /// Wakes the subscriber's thread, which waits for its socket at the same time: there is a byte on its way to `rung` as
    /// long as there is something in the mailbox, however much of it has been taken out since.
    bell: UnixStream,
    /// The other end.
    rung: UnixStream,
    /// Of everyone.
    all: Arc<All>,
}

#[derive(Default)]
struct Inside {
    told: VecDeque<Told>,
    /// The bytes of its messages.
    bytes: usize,
    /// How many of it are events.
    events: usize,
    /// Events that found no place.
    missed: u64,
    /// The byte is there.
    is_rung: bool,
    /// Its thread takes nothing out, because its client does not read.
    is_held_up: bool,
    /// Nothing more is put in: the subscriber was too far behind.
    is_closed: bool,
}

/// What a subscriber is told.
#[derive(Debug)]
pub(super) enum Told {
    /// A message, in the form in which it is sent.
    Message(Bytes),
    /// Something has happened to a key.
    Event(Event),
    /// So many events were missed.
    Missed(u64),
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// When there are no descriptors left, or only those that others need.
    pub(super) fn new(all: &Arc<All>) -> io::Result<Arc<Self>> {
        let (bell, rung) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let is_one_too_many = all.mailboxes.fetch_add(1, Ordering::Relaxed) >= all.limit;
        let mailbox = Self { inside: Mutex::default(), taken: Condvar::new(), bell, rung, all: Arc::clone(all) };
        if is_one_too_many { Err(io::Error::other("too many subscribers")) } else { Ok(Arc::new(mailbox)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what comes next; an error says that there is a gap, and nothing more will come.
    pub(super) fn take(&self) -> Result<Option<Told>, ()> {
        let mut inside = self.lock();
        let told = inside.told.pop_front();
        match &told {
            Some(Told::Message(frame)) => {
                let bytes = frame.len() + MESSAGE;
                inside.bytes -= bytes;
                self.all.waiting.fetch_sub(bytes, Ordering::Relaxed);
                self.taken.notify_all();
            }
            Some(Told::Event(_)) => inside.events -= 1,
            Some(Told::Missed(_)) => {}
            None if inside.missed > 0 => return Ok(Some(Told::Missed(std::mem::take(&mut inside.missed)))),
            None if inside.is_closed => return Err(()),
            None if inside.is_rung => {
                // Nothing more to be heard of, until something is put in.
                (&self.rung).read(&mut [0]).unwrap_or_default();
                inside.is_rung = false;
            }
            None => {}
        }
        Ok(told)
    }

    /// Takes notice of whether the subscriber's client is what keeps its thread from taking anything out. An error says
    /// that nothing more will come.
    pub(super) fn hold_up(&self, is_held_up: bool) -> Result<(), ()> {
        let mut inside = self.lock();
        if inside.is_held_up != is_held_up {
            inside.is_held_up = is_held_up;
            self.taken.notify_all();
        }
        if inside.is_closed { Err(()) } else { Ok(()) }
    }

    fn put(&self, inside: &mut Inside, told: Told) {
        if !inside.is_rung {
            // There is always room for one byte.
            (&self.bell).write(&[0]).unwrap_or_default();
            inside.is_rung = true;
        }
        inside.told.push_back(told);
    }

    /// Puts a message in, once there is room for it. A subscriber for which there is none in time gets nothing more: it
    /// does not read, and a gap would be taken for silence.
    pub(super) fn send(&self, frame: &Bytes, begun: Instant) -> bool {
        let bytes = frame.len() + MESSAGE;
        let is_full = |inside: &Inside| {
            let is_crowded = self.all.waiting.load(Ordering::Relaxed) > MOST && inside.bytes > FAIR;
            !inside.is_closed && inside.bytes > 0 && (inside.bytes + bytes > ROOM || is_crowded)
        };
        let mut inside = self.lock();
        while is_full(&inside) {
            let patience = if inside.is_held_up { PATIENCE } else { TURN };
            let left = (begun + patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.close(&mut inside);
            } else {
                inside = self.taken.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        if !inside.is_closed {
            inside.bytes += bytes;
            self.all.waiting.fetch_add(bytes, Ordering::Relaxed);
            self.put(&mut inside, Told::Message(frame.clone()));
        }
        !inside.is_closed
    }

    fn close(&self, inside: &mut Inside) {
        inside.is_closed = true;
        self.all.waiting.fetch_sub(inside.bytes, Ordering::Relaxed);
        inside.bytes = 0;
        inside.told.clear();
        inside.missed = 0;
        // The thread may be waiting for its client, and not for the byte: this it hears anyway.
        self.bell.shutdown(Shutdown::Both).unwrap_or_default();
    }
}

/// Readable as long as there is something to take, and hung up when nothing more will come.
impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rung.as_fd()
    }
}

impl Watcher for Mailbox {
    fn tell(&self, event: &Event) {
        let mut inside = self.lock();
        if inside.is_closed {
            return;
        }
        if inside.events >= EVENTS || inside.missed > 0 {
            inside.missed += 1;
            return;
        }
        inside.events += 1;
        self.put(&mut inside, Told::Event(event.clone()));
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let bytes = self.inside.get_mut().unwrap_or_else(PoisonError::into_inner).bytes;
        self.all.waiting.fetch_sub(bytes, Ordering::Relaxed);
        self.all.mailboxes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags};

    use super::*;
    use crate::lifecycle::wait_for_any;

    /// Whether a thread is woken that waits for this of a mailbox.
    fn wakes(mailbox: &Mailbox, flags: PollFlags) -> bool {
        wait_for_any(&mut [PollFd::new(mailbox, flags)], Some(Instant::now())).unwrap()
    }

    fn send(mailbox: &Mailbox, bytes: usize) -> bool {
        mailbox.send(&Bytes::from(vec![0; bytes]), Instant::now())
    }

    #[test]
    fn a_subscriber_is_woken_as_long_as_something_waits_for_it_and_when_it_is_given_up() {
        let mailbox = Mailbox::new(&All::new(1)).unwrap();
        for _ in 0..2 {
            assert!(!wakes(&mailbox, PollFlags::IN));
            assert!(send(&mailbox, 1) && send(&mailbox, 1));
            for _ in 0..2 {
                assert!(wakes(&mailbox, PollFlags::IN));
                assert!(matches!(mailbox.take(), Ok(Some(Told::Message(_)))));
            }
            assert!(matches!(mailbox.take(), Ok(None)));
        }
        mailbox.hold_up(true).unwrap();
        assert!(send(&mailbox, ROOM - MESSAGE));
        assert!(!wakes(&mailbox, PollFlags::empty()));
        assert!(!send(&mailbox, 1));
        assert!(wakes(&mailbox, PollFlags::empty()) && mailbox.hold_up(true).is_err());
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_unless_one_message_alone_has_more() {
        let all = All::new(1);
        let mailbox = Mailbox::new(&all).unwrap();
        mailbox.hold_up(true).unwrap();
        assert!(send(&mailbox, 2 * ROOM));
        assert_eq!(all.waiting.load(Ordering::Relaxed), 2 * ROOM + MESSAGE);
        assert!(matches!(mailbox.take(), Ok(Some(Told::Message(_)))));
        assert!(send(&mailbox, ROOM / 2) && !send(&mailbox, ROOM / 2) && mailbox.take().is_err());
        assert_eq!(all.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_has_more_than_a_fair_share_of_too_much_is_given_up() {
        let all = All::new(2);
        let (modest, greedy) = (Mailbox::new(&all).unwrap(), Mailbox::new(&all).unwrap());
        all.waiting.store(MOST, Ordering::Relaxed);
        for mailbox in [&modest, &greedy] {
            mailbox.hold_up(true).unwrap();
        }
        assert!(send(&modest, FAIR / 2) && send(&modest, 1));
        assert!(send(&greedy, FAIR) && !send(&greedy, 1));
    }

    #[test]
    fn subscribers_are_no_more_than_there_are_descriptors_for() {
        let all = All::new(1);
        let first = Mailbox::new(&all);
        assert!(first.is_ok() && Mailbox::new(&all).is_err());
        drop(first);
        assert!(Mailbox::new(&all).is_ok());
    }

    #[test]
    fn a_subscriber_whose_thread_has_had_no_turn_is_waited_for() {
        let late = Mailbox::new(&All::new(1)).unwrap();
        assert!(send(&late, ROOM - MESSAGE));
        std::thread::scope(|scope| {
            let next = scope.spawn(|| send(&late, 1));
            std::thread::sleep(2 * PATIENCE);
            assert!(matches!(late.take(), Ok(Some(Told::Message(_)))));
            assert!(next.join().unwrap());
        });
    }
}
