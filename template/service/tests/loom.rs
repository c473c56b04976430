//! Where threads hand over to each other, every order in which they can do so, as loom makes them up.
//!
//! What is checked is the source of the service itself, taken in by path: `net/held.rs`, `store/keys.rs` with the
//! domain's store, and `store/watch.rs`. Modelled is what they stand on, since loom must see each step of it: atomics
//! and the lock are loom's, the waker and the channel are the smallest that keep what is promised of `AtomicWaker` and
//! `tokio::sync::broadcast`. The clock stands outside: no key expires here.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]

use std::{future::poll_fn, task::Poll};

use domain::{Change, Condition, Event, Key, Revision, Write};
use loom::{
    future::block_on,
    model,
    sync::{Arc, Mutex},
    thread,
};
use service::store::StoreError;

use held::Held;
use keys::Keys;

#[path = "../src/net/held.rs"]
mod held;
#[path = "../src/store/keys.rs"]
#[allow(dead_code, reason = "some of it is for other callers")]
mod keys;
#[path = "../src/store/watch.rs"]
mod watch;

/// What `held` stands on.
mod sync {
    use std::task::Waker;

    use loom::sync::Mutex;
    pub use loom::sync::atomic::{AtomicUsize, Ordering};

    /// The waker that was registered last is the one that is woken.
    #[derive(Debug)]
    pub struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub fn register(&self, waker: &Waker) {
            *self.0.lock().unwrap() = Some(waker.clone());
        }

        pub fn wake(&self) {
            let waker = self.0.lock().unwrap().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// A handle to keys of which one thread at a time has hold: that of the actor, or who has the lock.
#[derive(Clone)]
struct Store {
    keys: Arc<Mutex<Keys>>,
    events: broadcast::Sender<Event>,
}

#[expect(clippy::unused_async, reason = "that of the service waits")]
impl Store {
    fn new(events: broadcast::Sender<Event>) -> Self {
        Self { keys: Arc::new(Mutex::new(Keys::new(events.clone()))), events }
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    async fn changed_since(&self, key: &Key, after: Revision) -> Result<Change, StoreError> {
        Ok(self.keys.lock().unwrap().changed_since(key, after))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> T {
        change(&mut self.keys.lock().unwrap())
    }
}

/// A channel that keeps the last events for each receiver from when it has subscribed.
mod broadcast {
    use std::{
        future::poll_fn,
        task::{Poll, Waker},
    };

    use loom::sync::{Arc, Mutex};
    use tokio::sync::broadcast::error::{RecvError, SendError};

    #[derive(Clone, Debug)]
    pub struct Sender<T> {
        /// How many events are kept.
        places: usize,
        sent: Arc<Mutex<Sent<T>>>,
    }

    pub struct Receiver<T> {
        /// How many events it has taken or missed.
        seen: usize,
        channel: Sender<T>,
    }

    #[derive(Debug)]
    struct Sent<T> {
        events: Vec<T>,
        waiting: Vec<Waker>,
    }

    impl<T: Clone> Sender<T> {
        pub fn new(places: usize) -> Self {
            Self { places, sent: Arc::new(Mutex::new(Sent { events: Vec::new(), waiting: Vec::new() })) }
        }

        #[expect(clippy::unnecessary_wraps, reason = "as the real one")]
        pub fn send(&self, event: T) -> Result<usize, SendError<T>> {
            let mut sent = self.sent.lock().unwrap();
            sent.events.push(event);
            sent.waiting.drain(..).for_each(Waker::wake);
            Ok(1)
        }

        pub fn subscribe(&self) -> Receiver<T> {
            Receiver { seen: self.sent.lock().unwrap().events.len(), channel: self.clone() }
        }
    }

    impl<T: Clone> Receiver<T> {
        pub async fn recv(&mut self) -> Result<T, RecvError> {
            let Self { seen, channel } = self;
            poll_fn(|cx| {
                let mut sent = channel.sent.lock().unwrap();
                let kept = sent.events.len().saturating_sub(channel.places);
                if *seen < kept {
                    let missed = std::mem::replace(seen, kept).abs_diff(kept);
                    return Poll::Ready(Err(RecvError::Lagged(missed as u64)));
                }
                let Some(event) = sent.events.get(*seen).cloned() else {
                    sent.waiting.push(cx.waker().clone());
                    return Poll::Pending;
                };
                *seen += 1;
                Poll::Ready(Ok(event))
            })
            .await
        }
    }
}

#[test]
fn what_is_held_back_for_a_request_is_given_free_when_that_ends() {
    model(|| {
        let held = Arc::new(Held::new());
        held.begin();
        let handler = thread::spawn({
            let held = Arc::clone(&held);
            move || held.end()
        });
        // As the connection does: hyper reads, finds something that is held back, and is asked again if that is free.
        block_on(poll_fn(|cx| {
            loop {
                if held.in_flight() == 0 {
                    return Poll::Ready(());
                }
                held.holds_back(cx.waker());
                if !held.gives_free() {
                    return Poll::Pending;
                }
            }
        }));
        handler.join().unwrap();
    });
}

fn put(key: &Key) -> Write {
    Write::new(key.clone(), b"value", None, Condition::default())
}

#[test]
fn who_waits_for_a_change_learns_of_it_whenever_it_comes() {
    // With one place, the change that matters can be missed in the channel.
    for places in [1, 4] {
        model(move || {
            let store = Store::new(broadcast::Sender::new(places));
            let [key, other] = ["k", "other"].map(|key| Key::try_from(key).unwrap());
            let writer = thread::spawn({
                let (store, key) = (store.clone(), key.clone());
                move || {
                    assert!(store.change(|keys| keys.put(put(&key))).is_ok());
                    assert!(store.change(|keys| keys.put(put(&other))).is_ok());
                }
            });
            let change = block_on(store.changed(&key, 0)).unwrap();
            assert!(matches!(change, Change::Value(found) if found.revision == 1));
            writer.join().unwrap();
        });
    }
}
