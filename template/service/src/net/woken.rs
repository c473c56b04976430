//! A future that is polled only when it has been woken.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Asks its future only when that has something new to say. A connection is polled for each packet, and whether it has to
/// end is a question that takes a lock: so the question has a waker of its own, which remembers that it was woken.
pub struct Woken<F> {
    /// What is asked.
    future: Pin<Box<F>>,
    /// What it rings.
    bell: Arc<Bell>,
    /// How it rings that.
    waker: Waker,
}

/// Wakes the task, and remembers that it was the future who did.
struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future> Woken<F> {
    /// Asks `future` when it is first polled, and then when it has been woken.
    pub fn new(future: F) -> Self {
        // A future is asked once to begin with.
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// As [`Future::poll`]; not to be called again when it was ready.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        // First registered, then looked at: whoever rings in between is seen, and whoever rings later wakes the task.
        self.bell.task.register(cx.waker());
        if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_when_it_was_woken_and_not_when_others_were() {
        let mut asked = 0;
        let mut nap = Box::pin(sleep(Duration::from_secs(10)));
        let mut woken = Woken::new(poll_fn(|cx| {
            asked += 1;
            nap.as_mut().poll(cx)
        }));
        let mut others = Box::pin(sleep(Duration::ZERO));
        let both = poll_fn(|cx| {
            while others.as_mut().poll(cx).is_ready() {
                others.as_mut().reset(tokio::time::Instant::now() + Duration::from_millis(100));
            }
            woken.poll(cx)
        });
        assert!(timeout(Duration::from_secs(11), both).await.is_ok());
        drop(woken);
        assert_eq!(asked, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_its_task_to_another_waker() {
        let mut woken = Woken::new(sleep(Duration::from_secs(1)));
        assert!(woken.poll(&Context::from_waker(Waker::noop())).is_pending());
        assert!(timeout(Duration::from_secs(2), poll_fn(|cx| woken.poll(cx))).await.is_ok());
    }
}
