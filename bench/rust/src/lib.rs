//! What the generators have in common: the clock they go by, and what they report.

use std::{
    cell::RefCell,
    fmt::Display,
    future::Future,
    io::{Error, ErrorKind, Result},
    rc::Rc,
    str::FromStr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::LocalSet;

/// The protocol, as the rendered service has it.
pub mod kv {
    tonic::include_proto!("kv.v1");
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Served.
    Good,
    /// Refused because the server has too much to do.
    Shed,
}

/// The answers of one run, shared by all connections of the one thread that a generator has.
#[derive(Clone, Debug)]
pub struct Report(Rc<RefCell<Counts>>);

#[derive(Debug)]
struct Counts {
    /// When the run began: all connections stood then.
    start: Instant,
    /// Answers after it do not count.
    until: Instant,
    good: u64,
    shed: u64,
    /// Open loop: arrivals that found no connection free.
    unsent: u64,
    /// Nanoseconds that the good answers took; nothing is allocated when one is recorded.
    latencies: Histogram<u32>,
}

impl Report {
    /// Begins a run of so many seconds.
    ///
    /// # Errors
    /// Never in practice: when the bounds of the histogram are impossible.
    pub fn begin(seconds: f64) -> Result<Self> {
        let start = Instant::now();
        let counts = Counts {
            start,
            until: start + Duration::from_secs_f64(seconds),
            good: 0,
            shed: 0,
            unsent: 0,
            // Up to ten minutes, to three digits.
            latencies: Histogram::new_with_bounds(1, 600_000_000_000, 3).map_err(Error::other)?,
        };
        Ok(Self(Rc::new(RefCell::new(counts))))
    }

    /// When the run began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.0.borrow().start
    }

    /// When the run ends.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.0.borrow().until
    }

    /// Counts what a request that was due at `due` has been answered just now.
    pub fn count(&self, due: Instant, answer: Answer) {
        let now = Instant::now();
        let counts = &mut *self.0.borrow_mut();
        let count = u64::from(now <= counts.until);
        match answer {
            Answer::Good => {
                counts.good += count;
                counts.latencies.saturating_record(u64::try_from((now - due).as_nanos()).unwrap_or(u64::MAX));
            }
            Answer::Shed => counts.shed += count,
        }
    }

    /// Counts a request that could not be sent when it was due.
    pub fn count_unsent(&self) {
        self.0.borrow_mut().unsent += 1;
    }

    /// One line of JSON: counts, and microseconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let counts = self.0.borrow();
        let micros = |quantile| counts.latencies.value_at_quantile(quantile) as f64 / 1e3;
        format!(
            r#"{{"seconds":{},"good":{},"shed":{},"unsent":{},"p50":{},"p99":{},"p999":{}}}"#,
            (counts.until - counts.start).as_secs_f64(),
            counts.good,
            counts.shed,
            counts.unsent,
            micros(0.5),
            micros(0.99),
            micros(0.999),
        )
    }
}

/// Runs a generator on one thread, and prints its report.
///
/// # Errors
/// Those of the generator.
pub fn run(generator: impl Future<Output = Result<Report>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = LocalSet::new().block_on(&runtime, generator)?;
    println!("{}", report.to_json());
    Ok(())
}

/// The next argument, called `name` in the usage.
///
/// # Errors
/// When it is missing or not what was expected.
pub fn argument<T: FromStr<Err: Display>>(args: &mut impl Iterator<Item = String>, name: &str) -> Result<T> {
    let bad = |problem: String| Error::new(ErrorKind::InvalidInput, format!("{name}: {problem}"));
    let text = args.next().ok_or_else(|| bad("missing".to_owned()))?;
    text.parse().map_err(|error: T::Err| bad(error.to_string()))
}
