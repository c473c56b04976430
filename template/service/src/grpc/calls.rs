//! What every call gets, and tonic leaves to its server: the client's deadline, and the end of its stream.
//!
//! tonic's services don't look at `grpc-timeout`; its server does, but says `CANCELLED` where clients are promised
//! `DEADLINE_EXCEEDED` (tonic 0.14).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{self, HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, Either, FutureExt};
use http_body::Frame;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tower::Service;

use super::is_call;
use crate::{lifecycle::Phases, net::OpenEnded, problem::Problem};

/// How long a client waits.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A service of tonic's whose calls have a deadline, and whose open-ended streams have an end.
#[derive(Clone, Debug)]
pub(super) struct Calls<S> {
    /// What is called.
    service: S,
    /// When all of its responses end, if they are open-ended without saying so.
    streams: Option<UntilDrained>,
}

/// When an open-ended response ends, unless its client has set an earlier deadline.
#[derive(Clone, Debug)]
struct UntilDrained(Phases);

impl<S> Calls<S> {
    /// Calls `service`.
    pub(super) fn new(service: S) -> Self {
        Self { service, streams: None }
    }

    /// Calls `service`, all of whose methods stream without end.
    pub(super) fn streaming(service: S, phases: &Phases) -> Self {
        Self { service, streams: Some(UntilDrained(phases.clone())) }
    }
}

/// Says of a response that it has no end of its own: it gets one when the drain begins.
pub(super) fn open_ended<T>(mut response: tonic::Response<T>, phases: &Phases) -> tonic::Response<T> {
    response.extensions_mut().insert(UntilDrained(phases.clone()));
    response
}

impl<S> Service<Request> for Calls<S>
where
    S: Service<Request, Response = http::Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, Answer<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let refused = |response: Response| Either::Left(ready(Ok(response)));
        if !is_call(request.headers()) {
            let detail = "this is spoken to in gRPC: application/grpc";
            return refused(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
        }
        let deadline = match timeout(request.headers()) {
            Ok(None) => None,
            Ok(Some(Duration::ZERO)) => return refused(too_late().into_http()),
            Ok(Some(timeout)) => Some(Box::pin(sleep(timeout))),
            Err(status) => return refused(status.into_http()),
        };
        Either::Right(Answer { call: self.service.call(request), deadline, streams: self.streams.clone() })
    }
}

/// The client's patience, if it has told. gRPC's form of it is up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let malformed = || Status::invalid_argument("grpc-timeout: expected up to eight digits and one of H M S m u n");
    let (digits, unit) = match value.as_bytes() {
        [digits @ .., unit] if (1..=8).contains(&digits.len()) => (digits, unit),
        _ => return Err(malformed()),
    };
    let number = digits.iter().try_fold(0, |number: u64, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + u64::from(digit - b'0')),
        _ => Err(malformed()),
    })?;
    Ok(Some(match unit {
        b'H' => Duration::from_secs(number * 60 * 60),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(malformed()),
    }))
}

fn too_late() -> Status {
    Status::deadline_exceeded("the client's deadline has passed")
}

/// The answer to a call. When the deadline passes, the call is dropped with it.
pub(super) struct Answer<F> {
    /// What is done.
    call: F,
    /// Until when the client waits.
    deadline: Option<Pin<Box<Sleep>>>,
    /// When its response ends, if it is known to be open-ended.
    streams: Option<UntilDrained>,
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<http::Response<tonic::body::Body>, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(Ok(mut response)) = Pin::new(&mut self.call).poll(cx) {
            if let Some(code) = response.headers_mut().get_mut(Status::GRPC_STATUS) {
                // tonic's word for a message that is too large; here it is the same as for everything that is too much.
                if code == "11" {
                    *code = HeaderValue::from_static("8");
                }
                return Poll::Ready(Ok(response.map(Body::new)));
            }
            let streams = response.extensions_mut().remove().or_else(|| self.streams.take());
            let Some(UntilDrained(phases)) = streams else {
                return Poll::Ready(Ok(response.map(Body::new)));
            };
            response.extensions_mut().insert(OpenEnded);
            let draining = async move { phases.draining().await }.boxed();
            let deadline = self.deadline.take();
            return Poll::Ready(Ok(
                response.map(|body| Body::new(Stream { body, deadline, draining, end: None, is_over: false }))
            ));
        }
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(cx).map(|()| Ok(too_late().into_http())),
            None => Poll::Pending,
        }
    }
}

/// The body of a response that goes on until its client's deadline or the drain, whichever comes first.
struct Stream {
    /// What is sent.
    body: tonic::body::Body,
    /// Until when the client listens.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Until when the service speaks.
    draining: BoxFuture<'static, ()>,
    /// How it ends, once that is known.
    end: Option<Status>,
    /// Whether it has.
    is_over: bool,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(end) = self.end.take() {
            return self.over(&end);
        }
        let end = if self.deadline.as_mut().is_some_and(|deadline| deadline.poll_unpin(cx).is_ready()) {
            Some(too_late())
        } else if self.draining.poll_unpin(cx).is_ready() {
            Some(Status::unavailable("the service is stopping"))
        } else {
            None
        };
        // What there is by then is still sent: the watchers of health learn why their stream ends.
        match (Pin::new(&mut self.body).poll_frame(cx), end) {
            (Poll::Pending, Some(end)) => self.over(&end),
            (frame, end) => {
                self.end = end;
                frame
            }
        }
    }
}

impl Stream {
    fn over(&mut self, end: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(end.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn read(value: &str) -> Result<Option<Duration>, Code> {
        let value = HeaderValue::try_from(value).unwrap();
        timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT, value)])).map_err(|status| status.code())
    }

    #[test]
    fn a_deadline_is_read_in_every_unit() {
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        for (value, expected) in [
            ("2H", hours(2)),
            ("3M", Duration::from_secs(180)),
            ("4S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
            ("0S", Duration::ZERO),
            ("00000001S", Duration::from_secs(1)),
            ("99999999H", hours(99_999_999)),
        ] {
            assert_eq!(read(value), Ok(Some(expected)), "{value}");
        }
    }

    #[test]
    fn a_deadline_that_cannot_be_read_is_refused() {
        for value in ["", "S", "1", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1.5S", "100000000S", "1SS", "S1"] {
            assert_eq!(read(value), Err(Code::InvalidArgument), "{value:?}");
        }
    }
}
