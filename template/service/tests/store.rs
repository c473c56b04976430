//! What the store's handle promises, whatever is behind it. Time stands still, and turns when everyone waits.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::{collections::VecDeque, pin::pin, time::Duration};

use domain::{Change, Condition, Done, Event, EventKind, Key, Mismatch, Op, Revision, Revisions, Write, Written};
use service::{
    lifecycle::{self, Phase, PhaseControl, Supervisor},
    store::{Options, Store, StoreError},
};
use tokio::{sync::broadcast, time};

const SECOND: Duration = Duration::from_secs(1);

/// A store on its own, and what keeps it going.
struct Running {
    store: Store,
    supervisor: Supervisor,
    control: PhaseControl,
}

fn start(options: Options) -> Running {
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let supervisor = Supervisor::new(phases.clone());
    Running { store: Store::start(options, &supervisor, phases), supervisor, control }
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

async fn put(store: &Store, name: &str, ttl: Option<Duration>) -> Revision {
    store.put(key(name), b"value", ttl, Condition::default()).await.unwrap().revision
}

async fn delete(store: &Store, name: &str) -> Option<Revision> {
    store.delete(&key(name), Condition::default()).await.unwrap()
}

/// Waits an hour, which takes no time when time stands still: a test that fails must not hang.
async fn soon<F: Future>(future: F) -> F::Output {
    time::timeout(3600 * SECOND, future).await.unwrap()
}

async fn next(events: &mut broadcast::Receiver<Event>) -> (EventKind, String, Revision) {
    let event = soon(events.recv()).await.unwrap();
    (event.kind, event.key.to_string(), event.revision)
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_found_until_it_is_deleted() {
    let Running { store, control: _control, .. } = start(Options::default());
    assert_eq!(store.get(&key("k")).await, Ok(None));

    let written = store.put(key("k"), b"value", None, Condition::default()).await;
    assert_eq!(written, Ok(Written { created: true, revision: 1 }));
    let found = store.get(&key("k")).await.unwrap().unwrap();
    assert_eq!((&*found.value, found.revision, found.expires_in), (&b"value"[..], 1, None));
    let page = store.list(String::new(), 10).await.unwrap();
    assert_eq!((page.keys.len(), page.more), (1, false));

    assert_eq!(delete(&store, "k").await, Some(2));
    assert_eq!(store.get(&key("k")).await, Ok(None));
    assert_eq!(delete(&store, "k").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_does_not_hold_is_told_and_nothing_happens() {
    let Running { store, control: _control, .. } = start(Options::default());
    let mut events = store.subscribe();
    let present = Condition { if_match: Some(Revisions::Any), ..Condition::default() };
    let refused = store.put(key("k"), b"value", None, present).await;
    assert_eq!(refused, Err(StoreError::Mismatch(Mismatch::IfMatch)));
    assert_eq!(store.get(&key("k")).await, Ok(None));
    assert!(events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn operations_that_find_many_bytes_leave_the_rest_for_another_call() {
    let Running { store, control: _control, .. } = start(Options::default());
    store.put(key("k"), &[0; 100_000], None, Condition::default()).await.unwrap();
    let ops = || [Op::Get(key("no")), Op::Get(key("k")), Op::Delete(key("k"), Condition::default())].into();
    let ran = store.run(ops()).await.unwrap();
    assert!(matches!(&ran.done[..], [Done::Got(None), Done::Got(Some(_))]));
    let ran = store.run(ran.rest).await.unwrap();
    assert_eq!((ran.done, ran.rest.len()), (vec![Done::Deleted(Ok(Some(2)))], 0));
    assert_eq!(store.run(ops()).await.unwrap().done.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn operations_that_take_long_leave_the_rest_for_another_call() {
    let Running { store, control: _control, .. } = start(Options::default());
    let mut rest: VecDeque<_> = (0..1000).map(|number| Op::Get(key(&number.to_string()))).collect();
    let mut turns = Vec::new();
    while !rest.is_empty() {
        let ran = store.run(rest).await.unwrap();
        turns.push(ran.done.len());
        rest = ran.rest;
    }
    assert!(turns.len() > 1 && turns.iter().sum::<usize>() == 1000, "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn operations_that_are_handed_over_at_once_are_done_in_order() {
    let Running { store, control: _control, .. } = start(Options::default());
    let mut events = store.subscribe();
    let absent = || Condition { if_none_match: Some(Revisions::Any), ..Condition::default() };
    let done = store
        .run(VecDeque::from([
            Op::Put(Write::new(key("k"), b"one", Some(SECOND), absent())),
            Op::Put(Write::new(key("k"), b"two", None, absent())),
            Op::Get(key("k")),
            Op::List("k".to_owned(), 10),
            Op::Delete(key("k"), Condition::default()),
            Op::Get(key("k")),
        ]))
        .await
        .unwrap()
        .done;
    assert_eq!(done[0], Done::Put(Ok(Written { created: true, revision: 1 })));
    assert_eq!(done[1], Done::Put(Err(Mismatch::IfNoneMatch)));
    assert!(matches!(&done[2], Done::Got(Some(found)) if &*found.value == b"one"));
    assert!(matches!(&done[3], Done::Listed(page) if page.keys.len() == 1));
    assert_eq!(done[4..], [Done::Deleted(Ok(Some(2))), Done::Got(None)]);
    assert_eq!(next(&mut events).await, (EventKind::Put, "k".into(), 1));
    assert_eq!(next(&mut events).await, (EventKind::Delete, "k".into(), 2));
}

#[tokio::test(start_paused = true)]
async fn watchers_get_every_change_in_order() {
    let Running { store, control: _control, .. } = start(Options::default());
    let mut events = store.subscribe();
    put(&store, "a", None).await;
    put(&store, "b", Some(SECOND)).await;
    delete(&store, "a").await;
    assert_eq!(next(&mut events).await, (EventKind::Put, "a".into(), 1));
    assert_eq!(next(&mut events).await, (EventKind::Put, "b".into(), 2));
    assert_eq!(next(&mut events).await, (EventKind::Delete, "a".into(), 3));
    assert_eq!(next(&mut events).await, (EventKind::Expire, "b".into(), 4));
}

#[tokio::test(start_paused = true)]
async fn keys_expire_on_time_though_nobody_calls() {
    let Running { store, control: _control, .. } = start(Options::default());
    let mut events = store.subscribe();
    // Whoever removes what expires has gone to sleep by now, without a deadline, and then with a later one.
    time::sleep(SECOND).await;
    let began = time::Instant::now();
    put(&store, "late", Some(60 * SECOND)).await;
    time::sleep(Duration::from_millis(1)).await;
    put(&store, "soon", Some(SECOND)).await;
    put(&store, "kept", Some(SECOND)).await;
    put(&store, "kept", None).await;
    for _ in 0..4 {
        next(&mut events).await;
    }
    // Timers have a resolution of a millisecond.
    let elapsed = || began.elapsed().as_millis().div_ceil(10) * 10;
    assert_eq!(next(&mut events).await, (EventKind::Expire, "soon".into(), 5));
    assert!(elapsed() <= 1_010, "{} ms", elapsed());
    assert_eq!(next(&mut events).await, (EventKind::Expire, "late".into(), 6));
    assert!(elapsed() <= 60_010, "{} ms", elapsed());
    assert!(store.get(&key("kept")).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn many_keys_that_expire_together_all_expire() {
    let Running { store, control: _control, .. } = start(Options::default().events(4096));
    let mut events = store.subscribe();
    for number in 0..2000 {
        put(&store, &number.to_string(), Some(SECOND)).await;
    }
    for expected in 1..=4000 {
        assert_eq!(next(&mut events).await.2, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_first_newer_value() {
    let Running { store, control: _control, .. } = start(Options::default());
    let name = key("k");
    let changes = async {
        put(&store, "other", None).await;
        time::sleep(SECOND).await;
        put(&store, "k", None).await
    };
    let (change, revision) = tokio::join!(soon(store.changed(&name, 0)), changes);
    assert!(matches!(change, Ok(Change::Value(found)) if found.revision == revision));
    // What is newer already is not waited for.
    assert!(matches!(store.changed(&name, revision - 1).await, Ok(Change::Value(_))));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_a_removal_by_hand_or_by_time() {
    let Running { store, control: _control, .. } = start(Options::default());
    let (deleted, expired) = (key("deleted"), key("expired"));
    let first = put(&store, "deleted", None).await;
    let second = put(&store, "expired", Some(SECOND)).await;
    let (one, other, _) = tokio::join!(
        soon(store.changed(&deleted, first)),
        soon(store.changed(&expired, second)),
        delete(&store, "deleted")
    );
    assert_eq!((one, other), (Ok(Change::Removed), Ok(Change::Removed)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_lags_behind_the_events_misses_no_change() {
    let Running { store, control: _control, .. } = start(Options::default().events(2));
    let name = key("k");
    let mut wait = pin!(store.changed(&name, 0));
    assert!(time::timeout(SECOND, wait.as_mut()).await.is_err());
    // Nobody polls the wait while these happen.
    for name in ["k", "a", "b", "c", "d"] {
        put(&store, name, None).await;
    }
    let change = soon(wait).await;
    assert!(matches!(change, Ok(Change::Value(found)) if found.revision == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_replace_the_same_revision_one_wins() {
    const TASKS: u64 = 4;
    const WINS: u64 = 50;
    let Running { store, control: _control, .. } = start(Options::default());
    put(&store, "k", None).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut wins = 0;
            while wins < WINS {
                let seen = store.get(&key("k")).await.unwrap().unwrap().revision;
                let unchanged = Condition { if_match: Some(Revisions::OneOf(vec![seen])), ..Condition::default() };
                match store.put(key("k"), b"value", None, unchanged).await {
                    Ok(_) => wins += 1,
                    Err(StoreError::Mismatch(Mismatch::IfMatch)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    while let Some(end) = tasks.join_next().await {
        end.unwrap();
    }
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().revision, 1 + TASKS * WINS);
}

#[tokio::test(start_paused = true)]
async fn the_store_serves_during_the_drain_and_ends_with_the_service() {
    let Running { store, supervisor, control } = start(Options::default());
    control.advance(Phase::Draining);
    put(&store, "k", None).await;
    assert!(time::timeout(SECOND, supervisor.idle()).await.is_err());

    control.advance(Phase::Stopped);
    soon(supervisor.idle()).await;
    assert!(time::timeout(SECOND, supervisor.failed()).await.is_err());
}
