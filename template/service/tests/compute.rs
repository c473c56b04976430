//! What the pool beside the runtime promises: the runtime goes on, queues are bounded, and nothing is computed for nobody.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use domain::{Condition, Key};
use futures_util::poll;
use service::{
    compute::{ComputeError, Pool, Thread, digest},
    lifecycle::{self, PhaseControl, Supervisor},
    store::{Options, Store},
};
use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of one thread, for which two jobs may wait.
fn pool() -> Pool {
    Pool::start(NonZeroUsize::MIN, 2).unwrap()
}

/// Keeps a thread busy until the sender is used or dropped.
#[expect(clippy::disallowed_methods, reason = "the pool's threads may block, which is the point")]
fn busy(thread: Thread) -> (impl Future<Output = Result<(), ComputeError>>, Sender<()>) {
    let (done, wait): (_, Receiver<()>) = channel();
    let run = thread.run(move |_| {
        wait.recv().unwrap_or_default();
        Some(())
    });
    (run, done)
}

async fn soon<F: Future>(future: F) -> F::Output {
    time::timeout(PATIENCE, future).await.unwrap()
}

#[tokio::test]
async fn the_only_worker_of_the_runtime_goes_on_while_a_job_computes() {
    let (run, done) = busy(pool().reserve().await.unwrap());
    let on_the_runtime = async {
        tokio::task::yield_now().await;
        done.send(()).unwrap();
    };
    let (result, ()) = soon(async { tokio::join!(run, on_the_runtime) }).await;
    assert_eq!(result, Ok(()));
}

#[tokio::test]
async fn jobs_run_on_threads_with_a_name() {
    let name = pool().reserve().await.unwrap().run(|_| thread::current().name().map(str::to_owned)).await.unwrap();
    assert_eq!(name, "compute-0");
}

#[tokio::test]
async fn beyond_the_queue_jobs_are_refused_at_once_and_what_waits_can_be_seen() {
    let pool = pool();
    let (run, done) = busy(pool.reserve().await.unwrap());
    let mut run = pin!(run);
    assert!(poll!(run.as_mut()).is_pending());
    let (mut second, mut third) = (pin!(pool.reserve()), pin!(pool.reserve()));
    assert!(poll!(second.as_mut()).is_pending());
    assert!(poll!(third.as_mut()).is_pending());
    assert_eq!((pool.running(), pool.waiting()), (1, 2));
    assert_eq!(pool.reserve().await.unwrap_err(), ComputeError::Overloaded);

    done.send(()).unwrap();
    soon(run).await.unwrap();
    drop(soon(second).await.unwrap());
    drop(soon(third).await.unwrap());
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_the_place_to_others() {
    let pool = pool();
    let (run, _done) = busy(pool.reserve().await.unwrap());
    let mut run = pin!(run);
    assert!(poll!(run.as_mut()).is_pending());
    {
        let waits = pin!(pool.reserve());
        assert!(poll!(waits).is_pending());
        assert_eq!(pool.waiting(), 1);
    }
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_learns_of_it_and_gives_its_thread_back() {
    let pool = pool();
    let (began, begin) = oneshot::channel();
    {
        let job = pool.reserve().await.unwrap().run(move |unwanted| {
            began.send(()).unwrap();
            while !unwanted.is_cancelled() {
                thread::yield_now();
            }
            None::<()>
        });
        tokio::select! {
            _ = job => panic!("nobody has told it to end"),
            began = begin => began.unwrap(),
        }
    }
    soon(pool.reserve()).await.unwrap();
}

#[tokio::test]
async fn a_job_that_panics_is_an_error_and_the_pool_lives_on() {
    let pool = pool();
    let panics = pool.reserve().await.unwrap().run(|_| -> Option<()> { panic!("on purpose") });
    assert_eq!(soon(panics).await, Err(ComputeError::Panicked));
    let next = soon(pool.reserve()).await.unwrap().run(|_| Some(7));
    assert_eq!(soon(next).await, Ok(7));
}

#[tokio::test]
async fn nobody_waits_for_a_stuck_job_when_the_pool_is_let_go() {
    let pool = pool();
    let (run, _done) = busy(pool.reserve().await.unwrap());
    {
        let run = pin!(run);
        assert!(poll!(run).is_pending());
    }
    drop(pool); // returns, or the test hangs
}

/// A store with these keys, and what keeps it going.
async fn store(entries: &[(&str, &str)]) -> (Store, PhaseControl) {
    let (control, phases) = lifecycle::channel();
    let store = Store::start(Options::default(), &Supervisor::new(phases.clone()), phases);
    for (key, value) in entries {
        store.put(Key::try_from(*key).unwrap(), value.as_bytes(), None, Condition::default()).await.unwrap();
    }
    (store, control)
}

#[tokio::test]
async fn a_digest_is_over_the_bytes_of_keys_and_values_in_key_order() {
    let (store, _control) = store(&[("b", "two"), ("a", "one"), ("c/é", "")]).await;
    let all = digest(&store, &pool(), "").await.unwrap();
    // printf 'aonebtwoc/é' | sha256sum
    assert_eq!(all.sha256, "0f5711da165397bf2e28055323021366b940ec97bb444da098e799997c87bdda");
    assert_eq!(all.keys, 3);
    let none = digest(&store, &pool(), "d").await.unwrap();
    assert_eq!(
        (none.keys, none.sha256.as_str()),
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
}

#[tokio::test]
async fn a_digest_covers_more_keys_than_are_read_at_once() {
    let names: Vec<_> = (0..2500).map(|number| format!("key {number:04}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), "value")).collect();
    let (store, _control) = store(&entries).await;
    let expected = Sha256::digest(names.iter().map(|name| format!("{name}value")).collect::<String>());
    let hex: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    let all = digest(&store, &pool(), "key").await.unwrap();
    assert_eq!((all.keys, all.sha256), (2500, hex));
}
