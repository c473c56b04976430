//! What operators and orchestrators ask for, on a listener of its own that closes last: HTTP/1.1, as much as it takes.
//!
//! No crate is known that serves HTTP to blocking code with deadlines, bounds and an end, and is kept. For a handful of
//! routes without streams that is little code around `httparse`, hyper's own parser; put nothing before clients with it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use process::log::LogFilter;
use rustix::event::PollFlags;
use serde_json::{Value, json};

use crate::{
    config::Settings,
    lifecycle::{Came, Phase, Phases, Supervisor, wait},
    net::{Connections, Listener},
};

/// Connections of operators at once.
const OPERATORS: usize = 128;

/// The longest head of a request.
const HEAD: usize = 16 * 1024;

/// The longest body of one: a log filter.
const BODY: usize = 64 * 1024;

/// Fields in a head.
const FIELDS: usize = 64;

/// After our FIN, a client that sends nothing for this long has nothing more to send.
const QUIET: Duration = Duration::from_millis(500);

/// Answers operators.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

/// What all connections share.
struct Shared {
    filter: LogFilter,
    phases: Phases,
    /// For a head, and between requests.
    header_timeout: Duration,
    /// For a body.
    body_timeout: Duration,
}

/// What was asked.
struct Request {
    method: String,
    path: String,
    /// Whether the connection goes on.
    is_kept: bool,
    body: Vec<u8>,
}

/// What is answered.
struct Response {
    status: (u16, &'static str),
    /// Further fields of the head, each with its end.
    fields: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Response {
    fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { status: (200, "OK"), fields: "", content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// An error, as RFC 9457 has it.
    fn problem(status: (u16, &'static str), detail: &str) -> Self {
        let body = json!({ "status": status.0, "title": status.1, "detail": detail });
        Self { status, content_type: "application/problem+json", ..Self::text(body.to_string()) }
    }

    fn json(status: (u16, &'static str), body: &Value) -> Self {
        Self { status, content_type: "application/json", ..Self::text(body.to_string()) }
    }
}

impl Admin {
    /// Answers about this service.
    #[must_use]
    pub fn new(filter: LogFilter, phases: Phases, settings: &Settings) -> Self {
        let (header_timeout, body_timeout) = (settings.header_timeout, settings.body_timeout);
        Self(Arc::new(Shared { filter, phases, header_timeout, body_timeout }))
    }

    /// Serves whoever comes to `listener`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn serve(self, listener: Listener, supervisor: &Supervisor) -> io::Result<()> {
        let listening = Connections::new("admin", OPERATORS).enter();
        supervisor.spawn("admin listener", move || {
            listener.serve(&listening, |stream, place| {
                let shared = Arc::clone(&self.0);
                move || {
                    if let Err(error) = shared.converse(stream) {
                        tracing::debug!(%error, "closed");
                    }
                    drop(place);
                }
            });
        })
    }
}

impl Shared {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.body_timeout))?;
        let mut input = Vec::new();
        loop {
            let (response, is_kept, is_head) = match self.read(&mut stream, &mut input)? {
                None => return Ok(()),
                Some(Ok(request)) => {
                    let is_head = request.method == "HEAD";
                    let method = if is_head { "GET" } else { &request.method };
                    (self.answer(method, &request.path, &request.body), request.is_kept, is_head)
                }
                Some(Err(refused)) => (refused, false, false),
            };
            let is_kept = is_kept && self.phases.current() <= Phase::Ready;
            let Response { status: (code, reason), fields, content_type, body } = response;
            let connection = if is_kept { "" } else { "connection: close\r\n" };
            let content = if code == 204 {
                String::new()
            } else {
                format!("content-type: {content_type}\r\ncontent-length: {}\r\n", body.len())
            };
            let mut bytes = format!("HTTP/1.1 {code} {reason}\r\n{content}{fields}{connection}\r\n").into_bytes();
            if !is_head {
                bytes.extend(body);
            }
            stream.write_all(&bytes)?;
            if !is_kept {
                return close(&mut stream);
            }
        }
    }

    /// The next request, or what to answer instead; `None` when the client or the service has come to its end.
    fn read(&self, stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<Option<Result<Request, Response>>> {
        let deadline = Instant::now() + self.header_timeout;
        let (mut request, length, start) = loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS];
            let mut head = httparse::Request::new(&mut fields);
            match head.parse(input) {
                Ok(httparse::Status::Complete(start)) => match read_head(&head) {
                    Ok((request, length)) => break (request, length, start),
                    Err(refused) => return Ok(Some(Err(refused))),
                },
                Ok(httparse::Status::Partial) if input.len() < HEAD => {}
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    let status = (431, "Request Header Fields Too Large");
                    return Ok(Some(Err(Response::problem(status, "the head is longer than it may be"))));
                }
                Err(error) => {
                    return Ok(Some(Err(Response::problem((400, "Bad Request"), &error.to_string()))));
                }
            }
            if !self.receive(stream, input, deadline)? {
                return Ok(None);
            }
        };
        let deadline = Instant::now() + self.body_timeout;
        while input.len() < start + length {
            if !self.receive(stream, input, deadline)? {
                return Ok(Some(Err(Response::problem((408, "Request Timeout"), "the body took too long to arrive"))));
            }
        }
        request.body = input[start..start + length].to_vec();
        input.drain(..start + length);
        Ok(Some(Ok(request)))
    }

    /// Waits for more; `false` when there is none in time.
    fn receive(&self, stream: &mut TcpStream, input: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
        if wait(&*stream, PollFlags::IN, Some(self.phases.bell(Phase::Stopped)), Some(deadline))? != Came::Ready {
            return Ok(false);
        }
        let mut space = [0; 4 * 1024];
        let count = match stream.read(&mut space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            count => count?,
        };
        input.extend_from_slice(&space[..count]);
        Ok(count > 0)
    }

    fn answer(&self, method: &str, path: &str, body: &[u8]) -> Response {
        match (path, method) {
            ("/livez", "GET") => Response::json((200, "OK"), &json!({ "alive": true })),
            ("/readyz", "GET") => {
                let reason = match self.phases.current() {
                    Phase::Ready => None,
                    Phase::Starting => Some("the service is starting"),
                    Phase::Stopping | Phase::Draining | Phase::Stopped => Some("the service is stopping"),
                };
                let status = if reason.is_none() { (200, "OK") } else { (503, "Service Unavailable") };
                Response::json(status, &json!({ "ready": reason.is_none(), "reasons": Vec::from_iter(reason) }))
            }
            ("/log-filter", "GET") => Response::text(self.filter.current() + "\n"),
            ("/log-filter", "PUT") => {
                let text = String::from_utf8_lossy(body);
                match self.filter.replace(&text) {
                    Ok(()) => {
                        tracing::info!(filter = text.trim(), "log filter replaced");
                        Response { status: (204, "No Content"), ..Response::text("") }
                    }
                    Err(reason) => Response::problem((400, "Bad Request"), &reason),
                }
            }
            //{% if metrics %}
            ("/metrics", "GET") => match crate::meters::text() {
                Ok(text) => Response { content_type: prometheus::TEXT_FORMAT, ..Response::text(text) },
                Err(error) => Response::problem((500, "Internal Server Error"), &error.to_string()),
            },
            //{% endif %}
            ("/log-filter", _) => wrong_method(path, method, "allow: GET,HEAD,PUT\r\n"),
            // `GET` stays out: it is what `has` asks, and `/metrics` may have been left out.
            ("/livez" | "/readyz" | "/metrics", _) if method != "GET" && self.has(path) => {
                wrong_method(path, method, "allow: GET,HEAD\r\n")
            }
            _ => Response::problem((404, "Not Found"), &format!("there is nothing at {path}")),
        }
    }

    /// Whether there is something to get at `path`.
    fn has(&self, path: &str) -> bool {
        self.answer("GET", path, b"").status.0 != 404
    }
}

fn wrong_method(path: &str, method: &str, allow: &'static str) -> Response {
    let detail = format!("{path} does not take {method}");
    Response { fields: allow, ..Response::problem((405, "Method Not Allowed"), &detail) }
}

/// What a head says: the request without its body, and how long that is.
fn read_head(head: &httparse::Request<'_, '_>) -> Result<(Request, usize), Response> {
    let field = |name: &'static str| {
        let values = head.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        values.map(|field| String::from_utf8_lossy(field.value).trim().to_ascii_lowercase())
    };
    let bad = |detail| Response::problem((400, "Bad Request"), detail);
    if field("transfer-encoding").next().is_some() {
        return Err(Response::problem((411, "Length Required"), "a body needs a Content-Length here"));
    }
    if head.version == Some(1) && field("host").count() != 1 {
        return Err(bad("HTTP/1.1 needs one Host"));
    }
    let mut lengths = field("content-length");
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => 0,
        (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map_err(|_| bad("a bad Content-Length"))?
        }
        _ => return Err(bad("a bad Content-Length")),
    };
    if length > BODY {
        return Err(Response::problem((413, "Content Too Large"), "a log filter is shorter than that"));
    }
    let target = head.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let closes = field("connection").any(|value| value.split(',').any(|word| word.trim() == "close"));
    let method = head.method.unwrap_or_default().to_owned();
    Ok((Request { method, path, is_kept: head.version == Some(1) && !closes, body: Vec::new() }, length))
}

/// Closes a connection so that its client gets what was written last, even while it is still sending.
fn close(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let end = Instant::now() + 10 * QUIET;
    let mut space = [0; 4 * 1024];
    while wait(&*stream, PollFlags::IN, None, Some(end.min(Instant::now() + QUIET)))? == Came::Ready
        && stream.read(&mut space)? > 0
        && Instant::now() < end
    {}
    Ok(())
}
