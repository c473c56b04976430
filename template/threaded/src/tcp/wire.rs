//! A connection's bytes on their way in and out: reading with deadlines, writing with backpressure.

use std::{
    io::{self, ErrorKind, Read},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use resp::{Codec, Fault, Output, Request};
use rustix::event::PollFlags;

use crate::lifecycle::{Bell, Came, Phase, Phases, wait};

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

/// In the drain: more than this can't have been in the kernel's buffers when it began.
const LAST_BYTES: usize = 16 * 1024 * 1024;

/// After our FIN: how long a client may be silent, and how long it may go on sending. One that is still sending would
/// never learn why it was refused.
const LINGER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// In the drain: how long a client may take to notice what it was sent last.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client has gone, or it is to be cut off.
    Gone(io::Error),
    /// What has been said to the client last has to reach it.
    Farewell,
    /// The same, and what is wrong with what it has sent.
    Fault(Fault),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// A connection's bytes on their way in and out.
pub(super) struct Wire {
    pub stream: TcpStream,
    /// What has come and is not understood yet.
    pub input: BytesMut,
    /// What is to be sent.
    pub output: Output,
    codec: Codec,
    /// How much to read at once.
    chunk: usize,
    /// How long a command may take to arrive.
    frame_timeout: Duration,
    /// When the command that has begun to arrive must be here.
    deadline: Option<Instant>,
    /// Where the service stands.
    phases: Phases,
    /// How long the drain has waited for this client.
    waited: Duration,
    /// What the client has sent since the drain began.
    drained: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, longest: usize, frame_timeout: Duration, phases: Phases) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Output::default(),
            codec: Codec::new(longest),
            chunk: LEAST,
            frame_timeout,
            deadline: None,
            phases,
            waited: Duration::ZERO,
            drained: 0,
        }
    }

    /// Prepares the socket.
    pub(super) fn begin(&self) -> io::Result<()> {
        // Where a listener does not wait, its connections don't either on some systems (the BSDs, macOS).
        self.stream.set_nonblocking(false)?;
        self.stream.set_nodelay(true)?;
        self.stream.set_write_timeout(Some(STALL))
    }

    /// Whether the connection has to end.
    pub(super) fn is_draining(&self) -> bool {
        self.phases.current() >= Phase::Draining
    }

    /// Rings when it has to.
    pub(super) fn bell(&self) -> &Bell {
        self.phases.bell(Phase::Draining)
    }

    /// The next command that has come whole.
    pub(super) fn next(&mut self) -> Result<Option<Request>, Fault> {
        let request = self.codec.decode(&mut self.input)?;
        if request.is_some() {
            self.deadline = None;
        }
        Ok(request)
    }

    /// Knows from when on a command is late.
    pub(super) fn prepare(&mut self) -> Option<Instant> {
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
        self.output.shrink(KEPT);
        if self.codec.has_begun(&self.input) {
            self.deadline.get_or_insert_with(|| Instant::now() + self.frame_timeout);
        } else {
            // What had begun may have been no command: an empty line, or an array of nothing.
            self.deadline = None;
        }
        self.deadline
    }

    /// Reads what has come. Who sends much at once is read in larger pieces.
    pub(super) fn read(&mut self) -> Result<(), End> {
        let length = self.input.len();
        self.input.resize(length + self.chunk, 0);
        let result = loop {
            match self.stream.read(&mut self.input[length..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let count = *result.as_ref().unwrap_or(&0);
        self.input.truncate(length + count);
        match result {
            Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        if count == self.chunk {
            self.chunk = (self.chunk * 2).min(MOST);
        } else if count < self.chunk / 4 {
            self.chunk = (self.chunk / 2).max(LEAST);
        }
        Ok(())
    }

    /// Waits for more from the client.
    pub(super) fn fill(&mut self) -> Result<(), End> {
        let deadline = self.prepare();
        while !self.is_draining() {
            match wait(&self.stream, PollFlags::IN, Some(self.bell()), deadline)? {
                Came::Bell => {}
                Came::Ready => return self.read(),
                Came::Late => return Err(End::Fault(Fault::Slow)),
            }
        }
        self.last_call(deadline)
    }

    /// Waits for the rest of a command, or for a last one, in the drain.
    fn last_call(&mut self, deadline: Option<Instant>) -> Result<(), End> {
        let start = Instant::now();
        let (silence, all) = if deadline.is_some() { LAST_CALL_BEGUN } else { LAST_CALL };
        let last = start + silence.min(all.saturating_sub(self.waited));
        let until = deadline.map_or(last, |deadline| deadline.min(last));
        if self.drained > LAST_BYTES {
            return Err(End::Farewell);
        }
        match wait(&self.stream, PollFlags::IN, None, Some(until))? {
            Came::Late if deadline == Some(until) => Err(End::Fault(Fault::Slow)),
            Came::Late => Err(End::Farewell),
            Came::Bell | Came::Ready => {
                self.waited += start.elapsed();
                let before = self.input.len();
                self.read()?;
                self.drained += self.input.len() - before;
                Ok(())
            }
        }
    }

    /// Sends what there is to send. As long as the client does not take it, nothing more is read from it.
    pub(super) fn flush(&mut self) -> Result<(), End> {
        self.output.write(&mut self.stream)?;
        if self.output.is_empty() { Ok(()) } else { Err(stalled()) }
    }

    /// Closes the connection so that its client gets what was written last, even while it is still sending.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let (silence, mut longest) = LINGER;
        if self.is_draining() {
            // Whoever goes on sending must not hold the drain.
            longest = FAREWELL;
        }
        let end = Instant::now() + longest;
        let mut space = [0; 8 * 1024];
        while wait(&self.stream, PollFlags::IN, None, Some(end.min(Instant::now() + silence)))? == Came::Ready
            && self.stream.read(&mut space)? > 0
            && Instant::now() < end
        {}
        Ok(())
    }
}

pub(super) fn stalled() -> End {
    io::Error::new(ErrorKind::TimedOut, "the client does not read").into()
}
