//! The deadlines of an HTTP connection. One timer serves all, and it is touched only when something is late: a request
//! that arrives whole, and whose answer is read, costs no timer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::traffic::{Owed, Traffic};

/// An HTTP/1.1 connection without a request for this long is closed.
const IDLE: Duration = Duration::from_secs(75);

/// A client that has not taken a byte of its answers for this long is cut off. Of all its answers: one stream of HTTP/2 may
/// wait while others go on, as a proxy has it with one slow client among many. Streams are bounded, so that costs little.
const STALLED: Duration = Duration::from_secs(30);

/// A client that has closed its side gets this long for the beginning of its answer. Nothing tells one that waits from one
/// that has gone, until it is written to; and who has gone should not hold a place.
const HALF_CLOSED: Duration = Duration::from_secs(2);

/// How often it is looked whether anything goes on.
const TICK: Duration = Duration::from_secs(15);

/// What a clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The client took too long.
    Client(&'static str),
    /// Nothing has happened for long, and nobody is to blame.
    Nobody,
}

/// The deadlines of one connection.
pub(super) struct Clock {
    /// For a whole head.
    header_timeout: Duration,
    /// Goes off at `deadline` or `look`, whichever comes first, and without need where the deadline was met.
    timer: Pin<Box<Sleep>>,
    /// What the client has to send.
    owed: Owed,
    /// Until when.
    deadline: Option<Instant>,
    /// When to look whether anything goes on. What is owed does not move it: who always owes something new would never
    /// have to read.
    look: Instant,
    /// Requests that had come, and since when there are no more.
    requests: (u64, Instant),
    /// What the client had read, and since when it has not read more.
    unread: (Option<u64>, Instant),
}

impl Clock {
    pub(super) fn new(header_timeout: Duration) -> Self {
        let now = Instant::now();
        let (deadline, look) = (now + header_timeout, now + TICK);
        Self {
            header_timeout,
            timer: Box::pin(sleep_until(deadline.min(look))),
            owed: Owed::Head(0),
            deadline: Some(deadline),
            look,
            requests: (0, now),
            unread: (None, now),
        }
    }

    pub(super) fn poll(&mut self, traffic: &Traffic, cx: &mut Context<'_>) -> Poll<Late> {
        let owed = traffic.owed();
        if owed != self.owed {
            self.owed = owed;
            let time = match owed {
                // The timer may stay as it is.
                Owed::Nothing => None,
                Owed::SignOfLife => Some(HALF_CLOSED),
                Owed::Head(_) => Some(self.header_timeout),
            };
            self.deadline = time.map(|time| Instant::now() + time);
            if let Some(deadline) = self.deadline {
                self.timer.as_mut().reset(deadline.min(self.look));
            }
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_late = self.deadline.is_some_and(|deadline| deadline <= now);
            match owed {
                Owed::SignOfLife if is_late => {
                    return Poll::Ready(Late::Client("closed its side and was not answered soon"));
                }
                Owed::Head(_) if is_late => return Poll::Ready(Late::Client("took too long to send a request head")),
                _ => {}
            }
            if since(&mut self.unread, traffic.unread(), now) >= STALLED && self.unread.0.is_some() {
                return Poll::Ready(Late::Client("took too long to read"));
            }
            let is_quiet = since(&mut self.requests, traffic.requests(), now) >= IDLE;
            if is_quiet && owed == Owed::Nothing && traffic.is_idle() && !traffic.is_http2() {
                return Poll::Ready(Late::Nobody);
            }
            self.look = now + TICK;
            self.timer.as_mut().reset(self.deadline.map_or(self.look, |deadline| deadline.min(self.look)));
        }
    }
}

/// For how long `seen` has been what it is now.
fn since<T: PartialEq>(seen: &mut (T, Instant), current: T, now: Instant) -> Duration {
    if seen.0 != current {
        *seen = (current, now);
    }
    now - seen.1
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc};

    use tokio::time::{sleep, timeout};

    use super::*;

    const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

    /// What the clock says of a connection, and after which time.
    async fn verdict(traffic: &Traffic) -> (Late, Duration) {
        let (mut clock, start) = (Clock::new(HEADER_TIMEOUT), Instant::now());
        let late = poll_fn(|cx| clock.poll(traffic, cx)).await;
        (late, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_deadline() {
        let (late, after) = verdict(&Traffic::new()).await;
        assert!(matches!(late, Late::Client(_)));
        assert_eq!(after.as_secs(), HEADER_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_goes_after_a_while() {
        let traffic = Traffic::new();
        drop(traffic.begin(Some(0)));
        traffic.owes(None);
        let (late, after) = verdict(&traffic).await;
        assert_eq!(late, Late::Nobody);
        assert!((IDLE..=IDLE + 2 * TICK).contains(&after), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off_and_a_slow_one_is_not() {
        let traffic = Traffic::new();
        let unread = Arc::new(traffic.begin(Some(0))).unread();
        traffic.owes(None);
        let slow = async {
            for _ in 0..10 {
                sleep(STALLED / 2).await;
                unread.advances();
            }
            Instant::now()
        };
        let start = Instant::now();
        let (read_last, (late, after)) = tokio::join!(slow, verdict(&traffic));
        assert!(matches!(late, Late::Client(_)));
        assert!(start + after >= read_last + STALLED);
        assert!(start + after <= read_last + STALLED + 2 * TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn who_always_owes_the_rest_of_a_frame_has_to_read_all_the_same() {
        let traffic = Traffic::new();
        let _unread = Arc::new(traffic.begin(Some(0))).unread();
        let frames = async {
            for number in 1.. {
                traffic.owes(Some(number));
                sleep(HEADER_TIMEOUT / 2).await;
            }
        };
        let cut = async {
            tokio::select! {
                () = frames => None,
                (late, _) = verdict(&traffic) => Some(late),
            }
        };
        let late = timeout(2 * STALLED + TICK, cut).await;
        assert!(matches!(late, Ok(Some(Late::Client("took too long to read")))), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_may_take_its_time() {
        let traffic = Traffic::new();
        let in_flight = traffic.begin(Some(0));
        traffic.owes(None);
        let end = timeout(10 * IDLE, verdict(&traffic)).await;
        assert!(end.is_err(), "{end:?}");
        drop(in_flight);
    }
}
