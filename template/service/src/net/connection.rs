//! HTTP: one connection from its first byte to its last: deadlines while it is open, and a parting that loses nothing.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Version, header},
    response::{IntoResponse, Response},
};
use futures_util::future::{Either, ready};
use http_body::Body as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::select;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{
    Connection, Protocol,
    answer::{Counted, Rest, Upload},
    clock::{Clock, Late},
    host,
    io::Io,
    traffic::Traffic,
    woken::Woken,
};
use crate::{
    config::Settings,
    lifecycle::{Phase, Phases},
};

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
        let closing = connection.closing();
        let Connection { stream, tasks, phases, .. } = connection;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client has gone before it was served");
            return;
        }
        let traffic = Traffic::new();
        let stages = phases.clone();
        let service = service_fn(|request| respond(self.app.clone(), stages.clone(), request, &traffic, &tasks));
        let io = TokioIo::new(Io::new(stream, Arc::clone(&traffic)));
        let mut connection = pin!({
            let protocol = protocol(tasks.clone());
            // Owned: what it borrows would stay in memory as long as the connection.
            protocol.serve_connection(io, service).into_owned()
        });

        let mut clock = Clock::new(self.header_timeout);
        let mut closing = Woken::new(closing);
        let mut has_yielded = false;
        let parting = poll_fn(|cx| {
            // First, here and below: a client that sends without end uses up all that tokio lets a task do in one go, and
            // then nothing is ready any more.
            if closing.poll(cx).is_ready() {
                return Poll::Ready(Parting::Gentle);
            }
            // Of several requests in flight, those that can be answered have their turn before the connection has its
            // own: then their answers leave in one write, and nothing about a small answer costs more than its write.
            has_yielded = !has_yielded && traffic.held.in_flight() > 1;
            if has_yielded {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if drive(connection.as_mut(), &traffic, cx).is_ready() {
                return Poll::Ready(Parting::Gone);
            }
            // hyper has read all there was, so what is missing now has not come.
            clock.poll(&traffic, cx).map(|late| match late {
                Late::Client(fault) => Parting::Late(fault),
                Late::Nobody => Parting::Gentle,
            })
        });
        match parting.await {
            Parting::Gone => return,
            Parting::Late(fault) => {
                tracing::debug!("a client {fault}");
                return;
            }
            Parting::Gentle => {}
        }

        // hyper closes an idle HTTP/1.1 connection at once when it is told to end, a busy one after the next answer, and
        // drops what its client had sent by then. So what is in the socket, or on its way, is first given the chance to
        // come, and the last answer says `Connection: close`. HTTP/2 has its own farewell in GOAWAY.
        //
        // The box keeps all that out of the memory of connections that have not come to it.
        let farewell = Box::pin(async {
            if !traffic.is_http2() {
                select! {
                    biased;
                    () = traffic.quiet(LAST_CALL) => {}
                    () = poll_fn(|cx| drive(connection.as_mut(), &traffic, cx)) => return,
                }
            }
            connection.as_mut().graceful_shutdown();
            select! {
                biased;
                () = traffic.quiet(FAREWELL) => {}
                () = poll_fn(|cx| drive(connection.as_mut(), &traffic, cx)) => {}
            }
        });
        farewell.await;
    }
}

/// How a connection comes to its end.
enum Parting {
    /// It is closed.
    Gone,
    /// Its client has done this.
    Late(&'static str),
    /// It has to go, but nobody is to blame.
    Gentle,
}

/// Polls hyper's connection, and again when it was kept from reading what it may read now.
fn drive<E>(
    mut connection: Pin<&mut impl Future<Output = Result<(), E>>>,
    traffic: &Traffic,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while connection.as_mut().poll(cx).is_pending() {
        if !traffic.held.gives_free() {
            return Poll::Pending;
        }
    }
    Poll::Ready(())
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
    mut request: Request<Incoming>,
    traffic: &Arc<Traffic>,
    tasks: &TaskTracker,
) -> impl Future<Output = Result<Response<Counted>, Infallible>> + Send + use<> {
    let length = request.body().size_hint().exact();
    let in_flight = Arc::new(traffic.begin(length));
    // The limits know what the request is called.
    request.extensions_mut().insert(Arc::clone(&in_flight));
    let is_http2 = request.version() >= Version::HTTP_2;
    let response = match host::check(request.version(), request.headers()) {
        Ok(()) => Either::Left(app.call(request.map(|body| match length {
            _ if body.is_end_stream() => Body::empty(),
            _ if is_http2 => Body::new(Upload::new(body, Rest::Discard(tasks.clone()))),
            None => Body::new(Upload::new(body, Rest::Tell(Arc::clone(traffic)))),
            Some(_) => Body::new(body),
        }))),
        Err(problem) => Either::Right(ready(Ok(problem.into_response()))),
    };
    let traffic = (!is_http2).then(|| Arc::clone(traffic));
    async move {
        let mut response = response.await?;
        if traffic.is_some_and(|traffic| traffic.is_last(phases.current() >= Phase::Stopping)) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        match response.extensions_mut().remove() {
            Some(OpenEnded) => in_flight.streams(),
            None => in_flight.responds(),
        }
        Ok(response.map(|body| Counted::new(body, in_flight)))
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
