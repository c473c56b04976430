//! Many pieces at once, on a pool of threads, while another thread reads the next ones.
//!
//! Only [`Part::of`] runs in parallel, which is nearly all that there is to compute. The parts are added in the order of
//! the input, so the total is that of `serial`, whichever thread was faster; an error too.

use std::{
    io, panic,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use rayon::{
    ThreadPoolBuilder,
    iter::{IntoParallelIterator, ParallelIterator},
};

use crate::{Error, Origin, Part, Piece, Rules, Total};

/// Bytes of input that a thread gets at a time: some milliseconds of work, beside which the wait for the slowest thread
/// is short. Two such batches are in memory, one being read and one being computed, and the parts of a third.
const BATCH_BYTES_A_THREAD: usize = 1024 * 1024;

type Batch = Vec<Result<Piece, Error>>;
type Parts = Vec<Result<(Origin, Part), Error>>;

/// Sums up all pieces on `threads` threads.
///
/// After an error, the thread that reads is left to itself: it may wait for a terminal or a pipe, and nobody has to wait
/// for that with it.
///
/// # Errors
/// The first one, in the order of the input; or the system gives no threads.
///
/// # Panics
/// When a thread did.
pub fn total<P>(pieces: P, rules: &Rules, threads: usize) -> Result<Total, Error>
where
    P: Iterator<Item = Result<Piece, Error>> + Send + 'static,
{
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("compute-{index}")).build();
    let pool = pool.map_err(|error| Error::Threads(io::Error::other(error)))?;
    // Without a place in it: a batch is read ahead, and no more.
    let (sender, batches) = sync_channel(0);
    let reader = thread::Builder::new().name("read".to_owned());
    let reader = reader.spawn(move || read(pieces, threads, &sender)).map_err(Error::Threads)?;
    let mut total = Total::new(rules);
    let mut parts = Parts::new();
    for batch in batches {
        // Adding is a tenth of the work. One thread does it while the others go on, and then helps them.
        let (next, added) = pool.join(|| compute(batch, rules), || add(&mut total, parts));
        added?;
        parts = next;
    }
    add(&mut total, parts)?;
    match reader.join() {
        Ok(()) => Ok(total),
        // Then it is not known whether that was all.
        Err(panic) => panic::resume_unwind(panic),
    }
}

fn compute(batch: Batch, rules: &Rules) -> Parts {
    let part = |Piece { origin, lines }| (origin, Part::of(&lines, rules));
    batch.into_par_iter().map(|piece| piece.map(part)).collect()
}

fn add(total: &mut Total, parts: Parts) -> Result<(), Error> {
    parts.into_iter().try_for_each(|part| {
        let (origin, part) = part?;
        total.add(&origin, part)
    })
}

/// Reads until the end, or until nobody wants more.
fn read(mut pieces: impl Iterator<Item = Result<Piece, Error>>, threads: usize, batches: &SyncSender<Batch>) {
    loop {
        let batch = batch(&mut pieces, threads);
        if batch.is_empty() || batches.send(batch).is_err() {
            return;
        }
    }
}

/// Enough for all threads, by bytes and by pieces: pieces with very long lines are few.
fn batch(pieces: &mut impl Iterator<Item = Result<Piece, Error>>, threads: usize) -> Batch {
    let mut batch = Batch::new();
    let mut bytes = 0;
    while bytes < threads * BATCH_BYTES_A_THREAD || batch.len() < threads {
        let Some(piece) = pieces.next() else { break };
        bytes += piece.as_ref().map_or(usize::MAX / 2, |piece| piece.lines.len());
        batch.push(piece);
    }
    batch
}
