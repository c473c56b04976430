//! Starts the real service and talks to it as its clients do: over sockets, by signals, reading its log.

#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block, where tasks may not")]
#![expect(clippy::expect_used, reason = "in a test, what is not as expected should end it")]

//{% if http %}
pub mod http2;

//{% endif %}
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

//{% if false %}
// Live, two packages have these tests.
pub const PROGRAM: &str = match (option_env!("CARGO_BIN_EXE_my-service"), option_env!("CARGO_BIN_EXE_my-threaded")) {
    (Some(program), _) | (None, Some(program)) => program,
    (None, None) => "",
};
pub const ONE_THREAD: &[&str] = match option_env!("CARGO_BIN_EXE_my-service") {
    Some(_) => &["--worker-threads", "1"],
    None => &[],
};
#[cfg(false)]
//{% endif %}
//{% filter replace("my-service", project_name) %}
/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_my-service");
//{% endfilter %}

//{% if false %}
const ADDRESSES: &[&str] = match option_env!("CARGO_BIN_EXE_my-service") {
    Some(_) => &["APP_HTTP_ADDR", "APP_TCP_ADDR", "APP_ADMIN_ADDR"],
    None => &["APP_TCP_ADDR", "APP_ADMIN_ADDR"],
};
#[cfg(false)]
//{% endif %}
/// Where it listens, as far as it does so by default.
#[rustfmt::skip]
const ADDRESSES: &[&str] = &[
    //{% if http %}
    "APP_HTTP_ADDR",
    //{% endif %}
    //{% if grpc_alone %}
    "APP_GRPC_ADDR",
    //{% endif %}
    //{% if tcp %}
    "APP_TCP_ADDR",
    //{% endif %}
    "APP_ADMIN_ADDR",
];

//{% if false %}
#[cfg(false)]
//{% endif %}
//{% if tokio %}
/// What makes it do with one thread for all connections.
pub const ONE_THREAD: &[&str] = &["--worker-threads", "1"];
//{% endif %}
//{% if false %}
#[cfg(false)]
//{% endif %}
//{% if threads %}
/// It has as many threads as connections.
pub const ONE_THREAD: &[&str] = &[];
//{% endif %}

/// A running service. Killed when the test lets go of it.
pub struct Service {
    child: Child,
    /// What it logs, line by line, as it comes: a service does not wait long for who reads slowly.
    lines: Receiver<String>,
    /// What has been taken from there.
    pub log: Vec<Value>,
}

impl Service {
    /// Starts it on ports that the system chooses.
    pub fn start(flags: &[&str]) -> Self {
        Self::run(Command::new(PROGRAM).args(flags))
    }

    /// Starts `command`, which is or becomes the program.
    pub fn run(command: &mut Command) -> Self {
        let mut child = Self::spawn(command);
        let stdout = child.stdout.take().expect("stdout should be a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, log: Vec::new() }
    }

    /// Starts `command`, and leaves it to the caller to read the log.
    pub fn spawn(command: &mut Command) -> Child {
        // What the developer has set is not under test.
        let own: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        for (name, _) in std::env::vars_os() {
            let is_ours = ["APP_", "OTEL_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix));
            if is_ours && !own.contains(&name) {
                command.env_remove(name);
            }
        }
        command
            .envs(ADDRESSES.iter().map(|name| (name, "127.0.0.1:0")))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program of this package should start")
    }

    /// Waits for a line of the log.
    pub fn logged(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(line) = self.log.iter().find(|line| is_it(line)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the service should have logged it");
            let line = self.keep(&line);
            if is_it(line) {
                return line.clone();
            }
        }
    }

    fn keep(&mut self, line: &str) -> &Value {
        self.log.push(serde_json::from_str(line).expect("a line of the log should be JSON"));
        &self.log[self.log.len() - 1]
    }

    /// A connection to one of the listeners.
    pub fn connect(&mut self, listener: &str) -> Client {
        let line = self.logged(|line| line["message"] == "listening" && line["listener"] == listener);
        Client::to(line["addr"].as_str().expect("an address"))
    }

    /// The address of a listener.
    pub fn address(&mut self, listener: &str) -> String {
        let line = self.logged(|line| line["message"] == "listening" && line["listener"] == listener);
        line["addr"].as_str().expect("an address").to_owned()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`, `INT` or another that `kill` knows.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("sh should run");
        assert!(status.success(), "{kill}");
    }

    /// Waits until `/readyz` says 200: admin is served first.
    pub fn until_ready(&mut self) {
        self.until("/readyz", 200);
    }

    /// Waits until `/readyz` says 503.
    pub fn until_not_ready(&mut self) {
        self.until("/readyz", 503);
    }

    fn until(&mut self, path: &str, status: u16) {
        let start = Instant::now();
        while self.connect("admin").get(path).status != status {
            assert!(start.elapsed() < PATIENCE, "{path} should have become {status}");
        }
    }

    /// Waits for its end: the exit code, and all of its log.
    pub fn ended(mut self) -> (i32, Vec<Value>) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.keep(&line);
        }
        let status = self.child.wait().expect("the service should have ended");
        (status.code().expect("it should have ended by itself"), std::mem::take(&mut self.log))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Errors say that it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the last line of a log says about the end.
pub fn outcome(log: &[Value]) -> &str {
    let last = log.last().expect("a line");
    assert_eq!(last["message"], "stopped", "{log:?}");
    last["outcome"].as_str().expect("an outcome")
}

//{% if metrics %}
/// The measurements, as Prometheus would get them.
pub fn scrape(service: &mut Service) -> String {
    let response = service.connect("admin").get("/metrics");
    assert_eq!(response.status, 200);
    assert!(response.headers["content-type"].starts_with("text/plain; version=0.0.4"), "{:?}", response.headers);
    String::from_utf8_lossy(&response.body).into_owned()
}

/// The value of a series, written as Prometheus writes it.
pub fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

//{% endif %}
/// Stops the service while a client goes on sending `bytes`, one after the other; it should not wait for that.
pub fn stop_while(service: Service, mut client: Client, bytes: &[u8]) {
    let asked = Instant::now();
    service.signal("TERM");
    // Until the connection is closed.
    while client.0.get_mut().write_all(bytes).is_ok() {
        assert!(asked.elapsed() < PATIENCE, "the client should have been cut");
        thread::sleep(Duration::from_millis(100));
    }
    let (code, log) = service.ended();
    // Held up for longer than the deadlines, it would have been forced at the end of the grace.
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

/// A connection, from the client's side.
pub struct Client(pub BufReader<TcpStream>);

/// An answer, read whole.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the connection is not to be used again.
    pub fn says_close(&self) -> bool {
        self.headers.get("connection").is_some_and(|value| value == "close")
    }
}

impl Client {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the service should listen");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the service should read");
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        self.response()
    }

    pub fn put(&mut self, path: &str, body: &str) -> Response {
        self.send(format!("PUT {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        self.response()
    }

    pub fn response(&mut self) -> Response {
        self.try_response().expect("an answer")
    }

    /// Reads an answer with a length, or up to the end of the connection.
    pub fn try_response(&mut self) -> std::io::Result<Response> {
        let mut line = || {
            let mut line = String::new();
            match self.0.read_line(&mut line)? {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ => Ok::<_, std::io::Error>(line.trim_end().to_owned()),
            }
        };
        let status = line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut headers = BTreeMap::new();
        loop {
            let header = line()?;
            let Some((name, value)) = header.split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = Vec::new();
        match headers.get("content-length") {
            Some(length) => {
                body.resize(length.parse().expect("a length"), 0);
                self.0.read_exact(&mut body)?;
            }
            None if status != 204 => drop(self.0.read_to_end(&mut body)?),
            None => {}
        }
        Ok(Response { status, headers, body })
    }

    /// Waits until the service closes the connection, without a byte.
    pub fn is_closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}
