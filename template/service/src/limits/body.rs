//! Request bodies: how long they may be, and how long they may take.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError,
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Interface, Refusal};

/// The bounds of a request body.
#[derive(Clone, Copy, Debug)]
pub struct Bodies {
    /// Its length.
    pub max_bytes: usize,
    /// Its time.
    pub timeout: Duration,
}

impl Bodies {
    /// Lays the bounds around the body of `request`. They are met when it is read: who asks for a route that is not
    /// there learns that, however much is sent along. An encoded body is refused at once: what it would grow to, nobody
    /// has to find out.
    pub(super) fn bound(self, interface: Interface, request: Request) -> Result<(Request, Watch), Refusal> {
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Refusal::Encoded);
        }
        let mut watch = Watch { bodies: self, fault: None };
        if request.body().is_end_stream() {
            return Ok((request, watch));
        }
        let fault = Arc::clone(watch.fault.insert(Arc::default()));
        let request = request.map(|body| {
            let timer = Box::pin(sleep_until(Instant::now() + self.timeout));
            Body::new(Bounded { body, left: self.max_bytes + interface.framing, timer, fault })
        });
        Ok((request, watch))
    }
}

/// Bounds the request's body, for routes that have no other limits.
pub async fn bounded(State((bodies, interface)): State<(Bodies, Interface)>, request: Request, next: Next) -> Response {
    match bodies.bound(interface, request) {
        Ok((request, watch)) => watch.settle(interface, next.run(request).await),
        Err(refusal) => (interface.refuse)(refusal),
    }
}

/// Knows what became of the body of a request: the handler sees only that reading failed.
pub(super) struct Watch {
    /// The bounds.
    bodies: Bodies,
    /// The one that was met; nothing without a body.
    fault: Option<Arc<OnceLock<Fault>>>,
}

impl Watch {
    /// Answers for a handler that could not read the body.
    pub(super) fn settle(&self, interface: Interface, response: Response) -> Response {
        match self.fault.as_ref().and_then(|fault| fault.get()) {
            Some(Fault::TooLarge) => (interface.refuse)(Refusal::TooLarge(self.bodies.max_bytes)),
            Some(Fault::TooSlow) => (interface.refuse)(Refusal::TooSlow(self.bodies.timeout)),
            None => response,
        }
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Fault {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body takes too long")]
    TooSlow,
}

/// A request body that ends with an error when it meets a bound.
struct Bounded {
    /// What is read.
    body: Body,
    /// How many bytes may still come.
    left: usize,
    /// When it must have come.
    timer: Pin<Box<Sleep>>,
    /// Tells [`Watch`] what happened.
    fault: Arc<OnceLock<Fault>>,
}

impl Bounded {
    fn fail(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let fault = *self.fault.get_or_init(|| fault);
        Poll::Ready(Some(Err(fault.into())))
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Known beforehand, it is not even asked for.
        if self.body.size_hint().lower() > self.left as u64 {
            return self.fail(Fault::TooLarge);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.timer.as_mut().poll(cx));
            return self.fail(Fault::TooSlow);
        };
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return self.fail(Fault::TooLarge),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
