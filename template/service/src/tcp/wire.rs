//! A connection's bytes on their way in and out: reading with deadlines, writing with backpressure.

use std::{io, time::Duration};

use bytes::{BufMut, BytesMut};
use resp::{Codec, Fault, Output, Reply, Request};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    select,
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{
    Shared,
    connection::End,
    life::{Life, Stage},
};
use crate::lifecycle::Supervisor;

/// The least that is read at once. What a client pipelines usually fits, and thousands of idle clients cost little.
const LEAST: usize = 1024;

/// The most that is read at once, and that is written without asking whether the client reads.
pub(super) const MOST: usize = 64 * 1024;

/// Larger buffers are given back as soon as they are empty.
const KEPT: usize = 16 * 1024;

/// A client that takes nothing of its replies for this long does not read them.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// In the drain: how long a client may be silent, and how long all waiting for it may take. What had been sent when the
/// drain began is here by then.
const LAST_CALL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(750));

/// The same for a client of whose command the beginning has come.
const LAST_CALL_BEGUN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// In the drain: how long a client may take to notice what it was sent last.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// In the drain: more than this can't have been in the kernel's buffers when it began.
const LAST_BYTES: usize = 16 * 1024 * 1024;

/// Writes what the kernel takes at once.
struct AtOnce<'a>(&'a TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection's bytes on their way in and out.
#[derive(Debug)]
pub(super) struct Wire {
    pub stream: TcpStream,
    /// What has come and is not understood yet.
    pub input: BytesMut,
    /// What is to be sent.
    pub output: Output,
    /// Reads and writes RESP.
    codec: Codec,
    /// How much to read at once.
    pub chunk: usize,
    /// How much was read since others had their turn.
    unrested: usize,
    /// How long a command may take to arrive.
    frame_timeout: Duration,
    /// When the command that has begun to arrive must be here.
    deadline: Option<Instant>,
    /// Where the service stands, as far as this connection has to know.
    pub life: Life,
    /// What the work that is going on is called.
    pub task: &'static str,
    /// Knows of work that the drain waits for.
    supervisor: Supervisor,
    //{% if measured %}
    /// What is measured.
    meters: std::sync::Arc<super::meters::Meters>,
    //{% endif %}
}

impl Wire {
    pub(super) fn new(shared: &Shared, stream: TcpStream, life: Life) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Output::default(),
            codec: Codec::new(shared.longest),
            chunk: LEAST,
            unrested: 0,
            frame_timeout: shared.frame_timeout,
            deadline: None,
            life,
            task: "tcp",
            supervisor: shared.supervisor.clone(),
            //{% if measured %}
            meters: shared.meters.clone(),
            //{% endif %}
        }
    }

    /// The next command that has come whole.
    pub(super) fn next(&mut self) -> Result<Option<Request>, Fault> {
        let request = self.codec.decode(&mut self.input)?;
        if request.is_some() {
            self.deadline = None;
        }
        Ok(request)
    }

    /// Puts a reply behind those that are to be sent.
    pub(super) fn put(&mut self, reply: &Reply) {
        //{% if measured %}
        if let Reply::Error(error) = reply {
            self.meters.failed(error);
        }
        //{% endif %}
        self.output.put_reply(reply);
    }

    /// Does work that the drain has to wait for. It is named only once the service is stopping: before that nobody asks
    /// what is unfinished.
    ///
    /// # Cancel safety
    /// That of the work.
    pub(super) async fn work<T>(&mut self, work: impl Future<Output = T> + Send) -> T {
        let mut work = std::pin::pin!(work);
        if self.life.stage == Stage::Serving {
            select! {
                biased;
                result = work.as_mut() => return result,
                () = self.life.next() => {}
            }
        }
        let _named = self.supervisor.begin(self.task);
        work.await
    }

    /// Makes room for what comes, and knows from when on a command is late.
    pub(super) fn prepare(&mut self) -> Option<Instant> {
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
        self.output.shrink(KEPT);
        self.input.reserve(self.chunk);
        if self.codec.has_begun(&self.input) {
            self.deadline.get_or_insert_with(|| Instant::now() + self.frame_timeout);
        } else {
            // What had begun may have been no command: an empty line, or an array of nothing.
            self.deadline = None;
        }
        self.deadline
    }

    /// Takes notice of what was read. Who sends much at once is read in larger pieces.
    pub(super) fn received(&mut self, count: usize) -> Result<(), End> {
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if count >= self.chunk {
            self.chunk = (self.chunk * 2).min(MOST);
        } else if count < self.chunk / 4 {
            self.chunk = (self.chunk / 2).max(LEAST);
        }
        self.life.bytes += count;
        self.unrested += count;
        Ok(())
    }

    /// Lets others have their turn, if this client has had much of it: one that sends without end is never waited for, and
    /// would keep the thread for itself.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(super) async fn rest(&mut self) {
        if self.unrested >= MOST {
            self.unrested = 0;
            yield_now().await;
        }
    }

    /// Waits for more from the client.
    ///
    /// # Cancel safety
    /// Nothing that was read is lost when it is dropped.
    pub(super) async fn fill(&mut self) -> Result<(), End> {
        let deadline = self.prepare();
        while deadline.is_none() && self.life.stage != Stage::Draining {
            let mut room = (&mut self.input).limit(self.chunk);
            select! {
                // The end first: a client that sends without end would never let it be asked for.
                biased;
                () = self.life.next() => {}
                read = self.stream.read_buf(&mut room) => return self.received(read?),
            }
        }
        // Rare, and so it need not make the future of every idle connection larger.
        Box::pin(self.fill_until(deadline)).await
    }

    /// Waits for the rest of a command, or for a last one in the drain.
    async fn fill_until(&mut self, deadline: Option<Instant>) -> Result<(), End> {
        loop {
            let start = Instant::now();
            let is_draining = self.life.stage == Stage::Draining;
            let last_call = is_draining.then(|| {
                let (silence, all) = if deadline.is_some() { LAST_CALL_BEGUN } else { LAST_CALL };
                start + silence.min(all.saturating_sub(self.life.waited))
            });
            if is_draining && self.life.bytes > LAST_BYTES {
                return Err(End::Farewell);
            }
            let mut room = (&mut self.input).limit(self.chunk);
            let until = [deadline, last_call].into_iter().flatten().min().unwrap_or(start);
            select! {
                biased;
                () = self.life.next(), if !is_draining => {}
                read = self.stream.read_buf(&mut room) => {
                    if is_draining {
                        self.life.waited += start.elapsed();
                    }
                    return self.received(read?);
                }
                () = sleep_until(until) => {
                    if deadline == Some(until) {
                        self.put(&Fault::Slow.into());
                    }
                    return Err(End::Farewell);
                }
            }
        }
    }

    /// Sends what there is to send. As long as the client does not take it, nothing more is read from it.
    ///
    /// # Cancel safety
    /// What was sent is known; the rest can be sent by another call.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        self.write()?;
        if self.output.is_empty() {
            return Ok(());
        }
        Box::pin(self.flush_slowly()).await
    }

    /// Sends what the client takes at once.
    pub(super) fn write(&mut self) -> Result<(), End> {
        Ok(self.output.write(&mut AtOnce(&self.stream))?)
    }

    /// Sends at the client's pace.
    async fn flush_slowly(&mut self) -> Result<(), End> {
        let mut named = None;
        let mut stall = Instant::now() + STALL;
        while !self.output.is_empty() {
            if self.life.stage != Stage::Serving {
                named.get_or_insert_with(|| self.supervisor.begin(self.task));
            }
            let left = self.output.len();
            select! {
                biased;
                ready = self.stream.writable() => ready?,
                () = self.life.next(), if self.life.stage != Stage::Draining => {}
                () = sleep_until(stall) => return Err(stalled()),
            }
            self.write()?;
            if self.output.len() < left {
                stall = Instant::now() + STALL;
            }
        }
        Ok(())
    }

    /// Sends what there is, in the drain, to a client that had not asked for it just now: it is no work that could be
    /// unfinished.
    pub(super) async fn flush_until(&mut self, end: Instant) -> Result<(), End> {
        while !self.output.is_empty() {
            select! {
                ready = self.stream.writable() => ready?,
                () = sleep_until(end) => return Err(stalled()),
            }
            self.write()?;
        }
        Ok(())
    }
}

pub(super) fn stalled() -> End {
    io::Error::new(io::ErrorKind::TimedOut, "the client does not read").into()
}
