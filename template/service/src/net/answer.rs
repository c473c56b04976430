//! A request's body and its response's, as the connection has to know of them: what is not read, and what is not sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::traffic::{InFlight, Traffic, Unread};

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
    pub(super) fn new(body: Body, in_flight: InFlight) -> Self {
        let in_flight = Arc::new(in_flight);
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

/// A request body in the chunks of HTTP/1.1, which says when it has been read to its end.
pub(super) struct Chunked {
    /// What is read.
    pub(super) body: Incoming,
    /// Where it says so.
    pub(super) traffic: Arc<Traffic>,
}

impl http_body::Body for Chunked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() {
            self.traffic.chunks_are_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
