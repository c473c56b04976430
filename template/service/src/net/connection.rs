//! HTTP: one connection from its first byte to its last: deadlines while it is open, and a parting that loses nothing.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Version, header},
    response::Response,
};
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    select,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{
    Connection, Protocol,
    io::{InFlight, Io, Traffic},
};
use crate::{
    config::Settings,
    lifecycle::{Phase, Phases, Work},
};

/// An HTTP/1.1 connection without a request for this long is closed.
const IDLE: Duration = Duration::from_secs(75);

/// In the drain, a connection without a request gets this long to show that one was on its way.
const LAST_CALL: Duration = Duration::from_millis(250);

/// A connection that has been told to end and has nothing in flight, or only streams that have ended too, gets this long
/// to do so.
const FAREWELL: Duration = Duration::from_secs(1);

/// The largest request head.
const HEAD_BYTES: u32 = 64 * 1024;

/// How often an HTTP/2 client is asked whether it is alive, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;

/// HTTP/1.1 and HTTP/2, told apart by their first bytes.
#[derive(Clone, Debug)]
pub struct Http {
    /// What is served.
    app: Router,
    /// For the first byte and the whole head.
    header_timeout: Duration,
}

/// Marks a response that has no end of its own, by standing in its extensions: the drain ends it, so it is no work that
/// could be unfinished.
#[derive(Clone, Copy, Debug)]
pub struct OpenEnded;

impl Http {
    /// Serves `app`.
    #[must_use]
    pub fn new(app: Router, settings: &Settings) -> Self {
        Self { app, header_timeout: settings.header_timeout }
    }
}

impl Protocol for Http {
    async fn serve(self, connection: Connection) {
        let mut closing = pin!(connection.closing());
        let Connection { stream, tasks, phases, .. } = connection;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client has gone before it was served");
            return;
        }
        let traffic = Arc::new(Traffic::default());
        let service = service_fn(|request| respond(self.app.clone(), phases.clone(), request, traffic.begin()));
        let io = TokioIo::new(Io::new(stream, Arc::clone(&traffic)));
        let protocol = protocol(tasks);
        let mut connection = pin!(protocol.serve_connection(io, service));

        let mut clock = Clock::new(self.header_timeout);
        let parting = poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                Poll::Ready(Parting::Gone)
            } else if closing.as_mut().poll(cx).is_ready() {
                Poll::Ready(Parting::Gentle)
            } else {
                // hyper has read all there was, so what is missing now has not come.
                clock.poll(&traffic, cx)
            }
        });
        match parting.await {
            Parting::Gone => return,
            Parting::Late => {
                tracing::debug!("a client took too long to send a request head");
                return;
            }
            Parting::Gentle => {}
        }

        // hyper closes an idle HTTP/1.1 connection at once when it is told to end, and what its client had sent by then
        // with it. So a request that is in the socket, or on its way, is first given the chance to come: its answer
        // says `Connection: close`. A busy connection takes no harm, and HTTP/2 has its own farewell in GOAWAY.
        if traffic.is_idle() && !traffic.is_http2() {
            select! {
                biased;
                _ = connection.as_mut() => return,
                () = traffic.quiet(LAST_CALL) => {}
            }
        }
        connection.as_mut().graceful_shutdown();
        select! {
            biased;
            _ = connection.as_mut() => {}
            () = traffic.quiet(FAREWELL) => {}
        }
    }
}

/// Reads and writes HTTP.
fn protocol(tasks: TaskTracker) -> Builder<Tracked> {
    let mut protocol = Builder::new(Tracked(tasks));
    protocol
        .http1()
        // Ours: hyper's also runs between requests, and would close idle connections.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES as usize)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES);
    protocol
}

/// Hands a request to the application, and its response to hyper.
fn respond(
    mut app: Router,
    phases: Phases,
    request: Request<Incoming>,
    mut in_flight: InFlight,
) -> impl Future<Output = Result<Response<Counted>, Infallible>> + Send {
    let says_close = request.version() < Version::HTTP_2;
    let response = app.call(request.map(Body::new));
    async move {
        let mut response = response.await?;
        if says_close && phases.current() >= Phase::Stopping {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let work = response.extensions_mut().remove::<Arc<Work>>();
        match response.extensions_mut().remove::<OpenEnded>() {
            Some(OpenEnded) => in_flight.streams(),
            None => in_flight.responds(work),
        }
        Ok(response.map(|body| Counted { body, in_flight: Arc::new(in_flight) }))
    }
}

/// How a connection comes to its end.
enum Parting {
    /// It is closed.
    Gone,
    /// Its client owed a head for too long.
    Late,
    /// It has to go, but nobody is to blame.
    Gentle,
}

/// The deadlines of a connection that waits for a request. One timer serves all, and it is touched only when a head is
/// late in coming: a request that arrives whole costs no timer.
struct Clock {
    /// For a whole head.
    header_timeout: Duration,
    /// When to look again.
    timer: Pin<Box<tokio::time::Sleep>>,
    /// Whether the timer stands for a head that is owed.
    is_owed: bool,
    /// Requests that had come when the timer was set to wait for idleness.
    requests: u64,
}

impl Clock {
    fn new(header_timeout: Duration) -> Self {
        Self { header_timeout, timer: Box::pin(sleep(header_timeout)), is_owed: true, requests: 0 }
    }

    fn poll(&mut self, traffic: &Traffic, cx: &mut Context<'_>) -> Poll<Parting> {
        let was_owed = std::mem::replace(&mut self.is_owed, traffic.owes_head());
        if self.is_owed && !was_owed {
            self.timer.as_mut().reset(Instant::now() + self.header_timeout);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.is_owed {
                return Poll::Ready(Parting::Late);
            }
            let requests = std::mem::replace(&mut self.requests, traffic.requests());
            if requests == self.requests && traffic.is_idle() && !traffic.is_http2() {
                return Poll::Ready(Parting::Gentle);
            }
            self.timer.as_mut().reset(Instant::now() + IDLE);
        }
        Poll::Pending
    }
}

/// A response body that keeps its request in flight.
struct Counted {
    /// What is sent.
    body: Body,
    /// Dropped with it and the last of its parts.
    in_flight: Arc<InFlight>,
}

/// A part of a response body, dropped when it has been written.
struct Part {
    /// What is left to write.
    bytes: Bytes,
    /// Shared with the body.
    _in_flight: Arc<InFlight>,
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl http_body::Body for Counted {
    type Data = Part;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Part>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let part = |bytes| Part { bytes, _in_flight: Arc::clone(&self.in_flight) };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs the requests of HTTP/2 connections as tasks of their listener.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, request: F) {
        self.0.spawn(request);
    }
}
