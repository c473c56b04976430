//! A request's body and its response's, as the connection has to know of them: what is not read, and what is not sent.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    linger,
    traffic::{InFlight, Traffic, Unread},
};

/// A response body that keeps its request in flight.
pub(super) struct Counted {
    /// What is sent.
    body: Body,
    /// Dropped with it and the last of its parts.
    in_flight: Arc<InFlight>,
    /// Here while it waits for the client, not for what makes the body.
    unread: Option<Unread>,
}

/// A part of a response body, dropped when it has been written.
pub(super) struct Part {
    /// What is left to write.
    bytes: Bytes,
    /// Keeps the request in flight too.
    unread: Unread,
}

impl Counted {
    pub(super) fn new(body: Body, in_flight: Arc<InFlight>) -> Self {
        let unread = Some(in_flight.unread());
        Self { body, in_flight, unread }
    }
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.unread.advances();
        self.bytes.advance(count);
    }
}

impl http_body::Body for Counted {
    type Data = Part;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Part>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.unread = None;
            return Poll::Pending;
        };
        if self.unread.is_none() {
            self.unread = Some(self.in_flight.unread());
        }
        let part = |bytes| Part { bytes, unread: self.in_flight.unread() };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request body, and what becomes of the rest that nobody reads.
pub(super) struct Upload {
    /// What is read, until its end or an error.
    body: Option<Incoming>,
    /// What becomes of the rest.
    rest: Rest,
}

/// What becomes of the rest of a body.
pub(super) enum Rest {
    /// It ends the connection, which has to know: in the chunks of HTTP/1.1, hyper does not look for the end.
    Tell(Arc<Traffic>),
    /// It is thrown away by a task. For a while: dropped at once, h2 answers with RST_STREAM, and some clients take that
    /// for an error even though they have the whole response (curl before 8.0).
    Discard(TaskTracker),
}

impl Upload {
    pub(super) fn new(body: Incoming, rest: Rest) -> Self {
        Self { body: Some(body), rest }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
            if let Rest::Tell(traffic) = &self.rest {
                traffic.chunks_are_read();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(body), Rest::Discard(tasks)) = (self.body.take(), &self.rest)
            && !body.is_end_stream()
        {
            tasks.spawn(discard(body));
        }
    }
}

/// Reads what still comes, as long as a connection lingers.
async fn discard(mut body: Incoming) {
    let end = Instant::now() + linger::LONGEST;
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        match timeout_at(end.min(Instant::now() + linger::QUIET), frame).await {
            Ok(Some(Ok(_))) if Instant::now() < end => {}
            _ => return,
        }
    }
}
