//! What is left when a caller goes away: the future of every call of the store, dropped at every place where it waits.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use domain::{Condition, Key, Op, Write};
use service::{
    lifecycle::{self, Phase, PhaseControl, Supervisor},
    store::{Options, Store},
};
use tokio::{task::yield_now, time};

const SECOND: Duration = Duration::from_secs(1);

/// More than any of the futures needs to its end.
const POLLS: usize = 8;

fn start() -> (Store, PhaseControl) {
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let supervisor = Supervisor::new(phases.clone());
    (Store::start(Options::default(), &supervisor, phases), control)
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

/// Polls a future some times, with a turn for everyone else after each, and drops it. Says whether it came to its end.
async fn poll_then_drop(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if poll.is_ready() {
            return true;
        }
        settle().await;
    }
    false
}

/// Lets every other task do what it can do now.
async fn settle() {
    for _ in 0..POLLS {
        yield_now().await;
    }
}

/// The number of changes so far, and whether `k` is there. Takes a revision itself.
async fn changes(store: &Store) -> (u64, bool) {
    settle().await;
    let there = store.get(&key("k")).await.unwrap().is_some();
    let probe = store.put(key("probe"), b"", None, Condition::default()).await.unwrap();
    (probe.revision - 1, there)
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_dropped_has_happened_once_or_not_at_all() {
    let mut finished = false;
    for polls in 0..POLLS {
        let (store, _control) = start();
        finished = poll_then_drop(store.put(key("k"), b"value", None, Condition::default()), polls).await;
        let expected = if polls == 0 { (0, false) } else { (1, true) };
        assert_eq!(changes(&store).await, expected, "dropped after {polls} polls");
    }
    assert!(finished, "the last round is not cut short");
}

#[tokio::test(start_paused = true)]
async fn a_put_with_a_ttl_that_is_dropped_still_expires() {
    for polls in 1..POLLS {
        let (store, _control) = start();
        let mut events = store.subscribe();
        poll_then_drop(store.put(key("k"), b"value", Some(SECOND), Condition::default()), polls).await;
        for expected in ["put", "expire"] {
            let event = time::timeout(2 * SECOND, events.recv()).await.unwrap().unwrap();
            assert_eq!(event.kind.name(), expected, "dropped after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_is_dropped_has_happened_once_or_not_at_all() {
    let mut finished = false;
    for polls in 0..POLLS {
        let (store, _control) = start();
        store.put(key("k"), b"value", None, Condition::default()).await.unwrap();
        finished = poll_then_drop(store.delete(&key("k"), Condition::default()), polls).await;
        let expected = if polls == 0 { (1, true) } else { (2, false) };
        assert_eq!(changes(&store).await, expected, "dropped after {polls} polls");
    }
    assert!(finished, "the last round is not cut short");
}

#[tokio::test(start_paused = true)]
async fn many_operations_that_are_dropped_have_all_happened_or_none() {
    for polls in 0..POLLS {
        let (store, _control) = start();
        let put = |name| Op::Put(Write::new(key(name), b"value", None, Condition::default()));
        poll_then_drop(store.run([put("a"), put("b"), put("k")].into()), polls).await;
        let expected = if polls == 0 { (0, false) } else { (3, true) };
        assert_eq!(changes(&store).await, expected, "dropped after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_changes_nothing() {
    for polls in 0..POLLS {
        let (store, _control) = start();
        store.put(key("k"), b"value", None, Condition::default()).await.unwrap();
        poll_then_drop(store.get(&key("k")), polls).await;
        poll_then_drop(store.list(String::new(), 10), polls).await;
        poll_then_drop(store.changed_since(&key("k"), 0), polls).await;
        assert_eq!(changes(&store).await, (1, true), "dropped after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_and_begun_again_misses_nothing() {
    for polls in 0..POLLS {
        let (store, _control) = start();
        let name = key("k");
        let finished = poll_then_drop(store.changed(&name, 0), polls).await;
        assert!(!finished);
        store.put(name.clone(), b"value", None, Condition::default()).await.unwrap();
        time::timeout(SECOND, store.changed(&name, 0)).await.unwrap().unwrap();
    }
}
