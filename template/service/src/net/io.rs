//! A connection's bytes, counted on their way.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::sleep,
};

use super::linger::Linger;
use crate::lifecycle::Work;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What happens on one connection; its bytes, its requests and its task all report here.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Reads and writes that moved something.
    transfers: AtomicU64,
    /// Whether bytes came in that belong to no request yet.
    head_has_begun: AtomicBool,
    /// Whether it began with the HTTP/2 preface.
    is_http2: AtomicBool,
    /// Request heads that were complete.
    requests: AtomicU64,
    /// Requests whose response has not been written to its last byte.
    in_flight: AtomicUsize,
    /// Those of them that the drain ends rather than waits for.
    streams: AtomicUsize,
}

impl Traffic {
    /// A request head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.head_has_begun.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { traffic: Arc::clone(self), work: None, is_stream: false }
    }

    /// Request heads that have come so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether nobody waits for a response.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Whether the client owes us a head: it has sent nothing yet, or part of one. An HTTP/2 connection owes nothing
    /// after its preface; pings tell whether its client is alive.
    pub(super) fn owes_head(&self) -> bool {
        let begun = self.head_has_begun.load(Ordering::Relaxed);
        self.is_idle() && !self.is_http2.load(Ordering::Relaxed) && (begun || self.requests() == 0)
    }

    /// Whether it began with the HTTP/2 preface.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Resolves when nothing has moved for the length of `calm` and the drain waits for no response; without a response
    /// to wait for it is over after three times `calm`, whatever moves: bytes alone are no work.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing; the next call begins to wait anew.
    pub(super) async fn quiet(&self, calm: Duration) {
        let mut idle = 0;
        while idle < 3 {
            let before = self.transfers.load(Ordering::Relaxed);
            sleep(calm).await;
            if self.in_flight.load(Ordering::Relaxed) <= self.streams.load(Ordering::Relaxed) {
                if self.transfers.load(Ordering::Relaxed) == before {
                    return;
                }
                idle += 1;
            }
        }
    }
}

/// A request in flight. The body of its response holds it, and so does every part of the body until it is written: one
/// that hyper has taken may still wait for a slow reader, or for the flow control of HTTP/2.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Of the request's connection.
    traffic: Arc<Traffic>,
    /// What ends with it, if it has a name.
    work: Option<Arc<Work>>,
    /// Whether its response is a stream of events.
    is_stream: bool,
}

impl InFlight {
    /// There is a response, and `work` ends with it.
    pub(super) fn responds(&mut self, work: Option<Arc<Work>>) {
        self.work = work;
    }

    /// There is a response that has no end of its own: the drain ends it, so it is no work that could be unfinished.
    pub(super) fn streams(&mut self) {
        self.is_stream = true;
        self.traffic.streams.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.traffic.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            // What came in meanwhile were bodies.
            self.traffic.head_has_begun.store(false, Ordering::Relaxed);
        }
        if self.is_stream {
            self.traffic.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A TCP connection that reports to [`Traffic`].
#[derive(Debug)]
pub(super) struct Io {
    /// The connection itself.
    stream: TcpStream,
    /// Where it reports.
    traffic: Arc<Traffic>,
    /// How much of the HTTP/2 preface has come, as long as that is all that has come.
    preface: Option<usize>,
    /// How it is closed.
    linger: Linger,
}

impl Io {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic, preface: Some(0), linger: Linger::default() }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.traffic.transfers.fetch_add(1, Ordering::Relaxed);
        self.traffic.head_has_begun.store(true, Ordering::Relaxed);
        if let Some(seen) = self.preface {
            let expected = &PREFACE[seen..];
            let compared = bytes.len().min(expected.len());
            self.preface = (bytes[..compared] == expected[..compared]).then_some(seen + compared);
            if self.preface == Some(PREFACE.len()) {
                self.traffic.is_http2.store(true, Ordering::Relaxed);
                self.preface = None;
            }
        }
    }

    fn sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = result {
            self.traffic.transfers.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.received(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while ready!(this.linger.poll(&mut this.stream, cx)) {
            this.traffic.transfers.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}
