//! A connection's bytes: counted on their way, and those of HTTP/1.1 given to hyper one request at a time. What came in
//! behind a request waits here until that is answered, so it is known whether an answer is the last.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{framing::Framing, linger::Linger, traffic::Traffic};

/// What has come in.
#[derive(Debug)]
pub(super) struct Inbox(Mutex<Received>);

/// The content of [`Inbox`].
#[derive(Debug)]
struct Received {
    /// Where the request that is being received ends.
    framing: Framing,
    /// What came in behind it.
    behind: BytesMut,
    /// Whether the client has closed its side.
    has_ended: bool,
}

/// What is known of a request of HTTP/1.1 when its response is made.
pub(super) struct Standing {
    /// Whether it has come to its last byte.
    pub(super) is_whole: bool,
    /// Whether nothing has come behind it.
    pub(super) is_last: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self(Mutex::new(Received { framing: Framing::new(), behind: BytesMut::new(), has_ended: false }))
    }
}

impl Inbox {
    /// A head of HTTP/1.1 was understood: a body of this length follows, or one in chunks.
    pub(super) fn begin(&self, length: Option<u64>) {
        self.lock().framing.begin(length);
    }

    /// How the request stands that was begun last.
    pub(super) fn standing(&self) -> Standing {
        let received = self.lock();
        let mut framing = received.framing.clone();
        let taken = framing.take(&received.behind);
        Standing { is_whole: framing.is_whole(), is_last: taken == received.behind.len() }
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection that reports to [`Traffic`].
#[derive(Debug)]
pub(super) struct Io {
    /// The connection itself.
    stream: TcpStream,
    /// Where it reports.
    traffic: Arc<Traffic>,
    /// How it is closed.
    linger: Linger,
}

impl Io {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic, linger: Linger::default() }
    }

    fn sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = result {
            self.traffic.has_moved();
        }
        result
    }
}

impl Received {
    /// While a request of HTTP/1.1 is answered, a look at what comes behind it, and whether its client is still there;
    /// nothing of that is for hyper yet.
    fn look_ahead(&mut self, stream: &mut TcpStream, traffic: &Traffic, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.behind.is_empty() && !self.has_ended && !traffic.is_closed_to_new() {
            let mut space = [MaybeUninit::uninit(); 4 * 1024];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
            self.behind.extend_from_slice(buffer.filled());
            self.has_ended = buffer.filled().is_empty();
            if self.has_ended {
                traffic.is_half_closed();
            } else {
                traffic.has_moved();
            }
        }
        // Nobody else will wake hyper for that.
        traffic.held.holds_back(cx.waker());
        Poll::Pending
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, traffic, .. } = &mut *self;
        if traffic.is_http2() {
            // Nothing but its frames is of interest any more.
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            let mut received = traffic.inbox.lock();
            received.framing.take(&buffer.filled()[before..]);
            traffic.has_moved();
            traffic.owes(received.framing.owed());
            return Poll::Ready(Ok(()));
        }
        let mut received = traffic.inbox.lock();
        if received.framing.is_whole() {
            if !traffic.is_idle() {
                return received.look_ahead(stream, traffic, cx);
            }
            received.framing.next();
        }
        if received.behind.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            traffic.has_moved();
            let taken = received.framing.take(&buffer.filled()[before..]);
            if !traffic.is_closed_to_new() {
                received.behind.extend_from_slice(&buffer.filled()[before + taken..]);
            }
            buffer.set_filled(before + taken);
        } else {
            let Received { framing, behind, .. } = &mut *received;
            let count = behind.len().min(buffer.remaining());
            let taken = framing.take(&behind[..count]);
            buffer.put_slice(&behind[..taken]);
            behind.advance(taken);
            if behind.is_empty() {
                // An idle connection keeps no memory for it.
                *behind = BytesMut::new();
            }
        }
        traffic.owes(received.framing.owed());
        if received.framing.is_http2() {
            traffic.becomes_http2();
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
            this.traffic.has_moved();
        }
        Poll::Ready(Ok(()))
    }
}
