//! The task that delivers: it takes events as fast as they can be sent, and sees to their end.

use std::{
    panic::resume_unwind,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use domain::Event;
//{% if measured %}
use opentelemetry::metrics::BoundCounter;
//{% endif %}
use tokio::{
    select,
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tracing::Instrument;

use super::{
    Again, Failure, Sink,
    retry::{ATTEMPTS, Budget, pause},
};
use crate::lifecycle::{Phase, Phases, Supervisor};
//{% if measured %}
use crate::meters;
//{% endif %}

/// How many deliveries are under way at once, those between two attempts included. When the receiver is away, all of
/// them wait for it, and the others behind them.
pub const CONCURRENCY: usize = 16;

/// How often losses are logged.
const REPORT: Duration = Duration::from_secs(5);

/// So long before it is cut, the task gives up on a receiver that does not answer.
const MARGIN: Duration = Duration::from_millis(200);

/// A receiver that does not answer gets this long even when the work has taken all of the grace; less than tasks have
/// to end then.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// What has become of events so far.
#[derive(Debug, Default)]
pub struct Counts {
    delivered: AtomicU64,
    retried: AtomicU64,
    lost: AtomicU64,
    /// Attempts in a row, of all events together, on which the receiver did not do its part.
    failures: AtomicU32,
}

impl Counts {
    /// Events that have arrived.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Attempts that were not the first of their event.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.retried.load(Relaxed)
    }

    /// Events that were given up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

/// Starts the task that delivers what comes from `events`, until the service has stopped and nothing is left.
///
/// While the service serves and drains, a delivery is repeated up to [`ATTEMPTS`] times. Once it has stopped nothing
/// waits any more: every event that is left is tried once, until the receiver has failed often enough in a row. One
/// that goes on answering gets all of `grace`, counted from the signal; one that doesn't never makes the service end
/// later than that, nor as if its own work had been cut.
pub fn start<S: Sink>(
    sink: S,
    events: broadcast::Receiver<Event>,
    supervisor: &Supervisor,
    phases: Phases,
    grace: Duration,
) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let deliveries = Deliveries {
        sink,
        events: Some(events),
        running: JoinSet::new(),
        budget: Arc::new(Budget::new()),
        phases,
        counts: Arc::clone(&counts),
        unreported: 0,
        reason: String::new(),
        reported: None,
        answers: false,
        //{% if measured %}
        meters: Meters { delivered: meters::deliveries("delivered"), lost: meters::deliveries("lost") },
        //{% endif %}
    };
    supervisor.spawn("webhook deliveries", deliveries.run(grace));
    counts
}

/// The state of the task. When it is dropped, what is left in it is lost, and logged.
struct Deliveries<S> {
    sink: S,
    /// What waits; `None` once the store is gone and nothing is left.
    events: Option<broadcast::Receiver<Event>>,
    /// What is under way.
    running: JoinSet<Result<(), Failure>>,
    /// For the retries of all.
    budget: Arc<Budget>,
    /// Where the service stands.
    phases: Phases,
    counts: Arc<Counts>,
    /// Losses that are not in the log yet, and the reason of the last one.
    unreported: u64,
    reason: String,
    /// When losses were logged last.
    reported: Option<Instant>,
    /// Whether anything has arrived since the service has stopped.
    answers: bool,
    //{% if measured %}
    /// What is told to whoever measures.
    meters: Meters,
    //{% endif %}
}
//{% if measured %}

/// Deliveries that have ended, by how they did.
struct Meters {
    delivered: BoundCounter<u64>,
    lost: BoundCounter<u64>,
}
//{% endif %}

impl<S: Sink> Deliveries<S> {
    async fn run(mut self, grace: Duration) {
        let phases = self.phases.clone();
        let (mut stopping, mut stopped) = (pin!(phases.reached(Phase::Stopping)), pin!(phases.stopped()));
        // When the service will be cut, and when a receiver that does not answer is given up.
        let (mut cut, mut give_up) = (None, None);
        loop {
            if give_up.is_some() && (self.waiting() + self.running.len() == 0 || self.is_failing()) {
                return;
            }
            let has_place = self.running.len() < CONCURRENCY;
            let report = self.reported.map_or_else(Instant::now, |reported| reported + REPORT);
            // Nothing is awaited inside an arm: the other arms' futures would stand still meanwhile.
            select! {
                event = next(&mut self.events), if has_place => match event {
                    Ok(event) => self.begin(event),
                    Err(RecvError::Lagged(missed)) => self.lose(missed, "the backlog was full".to_owned()),
                    Err(RecvError::Closed) => self.events = None,
                },
                Some(end) = self.running.join_next() => match end {
                    Ok(Ok(())) => {
                        self.counts.delivered.fetch_add(1, Relaxed);
                        //{% if measured %}
                        self.meters.delivered.add(1);
                        //{% endif %}
                        self.answers |= give_up.is_some();
                    }
                    Ok(Err(failure)) => self.lose(1, failure.reason),
                    // A bug of ours: it ends the service, as in any other task.
                    Err(error) => {
                        if let Ok(panic) = error.try_into_panic() {
                            resume_unwind(panic);
                        }
                    }
                },
                () = sleep_until(report), if self.unreported > 0 => self.report(),
                () = &mut stopping, if cut.is_none() => cut = Some(Instant::now() + grace),
                () = &mut stopped, if give_up.is_none() => {
                    let now = Instant::now();
                    give_up = Some(cut.map_or(now, |cut| cut - MARGIN.min(grace)).max(now + LAST_CHANCE));
                    self.counts.failures.store(0, Relaxed);
                }
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() && !self.answers => return,
            }
        }
    }

    fn begin(&mut self, event: Event) {
        let span = tracing::info_span!("delivery", revision = event.revision);
        let (sink, budget) = (self.sink.clone(), Arc::clone(&self.budget));
        let delivery = deliver(sink, event, budget, self.phases.clone(), Arc::clone(&self.counts));
        self.running.spawn(delivery.instrument(span));
    }
}

impl<S> Deliveries<S> {
    /// How many events wait for their first attempt.
    fn waiting(&self) -> usize {
        self.events.as_ref().map_or(0, broadcast::Receiver::len)
    }

    /// Whether as many attempts in a row have failed as go on at once.
    fn is_failing(&self) -> bool {
        self.counts.failures.load(Relaxed) as usize >= CONCURRENCY
    }

    fn lose(&mut self, events: u64, reason: String) {
        self.counts.lost.fetch_add(events, Relaxed);
        //{% if measured %}
        self.meters.lost.add(events);
        //{% endif %}
        self.unreported += events;
        self.reason = reason;
    }

    fn report(&mut self) {
        tracing::warn!(events = self.unreported, reason = self.reason, "events were not delivered");
        self.unreported = 0;
        self.reported = Some(Instant::now());
    }
}

impl<S> Drop for Deliveries<S> {
    fn drop(&mut self) {
        let left = self.waiting() + self.running.len();
        if left > 0 {
            self.lose(left as u64, "the service has stopped".to_owned());
        }
        if self.unreported > 0 {
            self.report();
        }
    }
}

/// The next event; for ever nothing, once there can't be any.
async fn next(events: &mut Option<broadcast::Receiver<Event>>) -> Result<Event, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// Delivers one event, trying again as long as that makes sense.
async fn deliver(
    sink: impl Sink,
    event: Event,
    budget: Arc<Budget>,
    phases: Phases,
    counts: Arc<Counts>,
) -> Result<(), Failure> {
    budget.earn();
    let mut attempt = 1;
    loop {
        let delivery = sink.deliver(&event);
        //{% if otel %}
        let delivery = crate::telemetry::otel::sent("webhook", delivery);
        //{% endif %}
        let failure = match delivery.await {
            Ok(()) => {
                counts.failures.store(0, Relaxed);
                return Ok(());
            }
            Err(failure) => failure,
        };
        tracing::debug!(attempt, reason = failure.reason, "not delivered");
        if failure.again == Again::Never {
            return Err(failure);
        }
        counts.failures.fetch_add(1, Relaxed);
        if attempt == ATTEMPTS || phases.current() == Phase::Stopped {
            return Err(failure);
        }
        select! {
            () = async { sleep(pause(attempt, failure.again)).await; budget.spend().await } => {}
            // The last attempt, at once.
            () = phases.stopped() => {}
        }
        attempt += 1;
        counts.retried.fetch_add(1, Relaxed);
    }
}
