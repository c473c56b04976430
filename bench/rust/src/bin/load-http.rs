//! `load-http ADDR CONNECTIONS SECONDS RATE METHOD TARGET BODY_BYTES`: sends one request again and again, and reports
//! the answers as one line of JSON.
//!
//! RATE 0 is a closed loop: each connection sends its next request when the one before is answered. Another RATE is an
//! open loop: so many requests a second fall due, evenly, whatever the server does; latency counts from then. One that
//! finds no connection free is not sent later, but counted: a queue in here would hide that the server is late.
//!
//! One thread, no parser to speak of and no allocation for a request, so that the server is what is measured.

use std::{
    cell::RefCell,
    collections::VecDeque,
    env,
    io::{Error, Result},
    rc::Rc,
    time::{Duration, Instant},
};

use bench::{Answer, Report, argument, run};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::{JoinHandle, spawn_local},
    time::{MissedTickBehavior, interval},
};

/// Where the head of the response that begins `bytes` ends, and the whole response, once the head is there.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    const NAME: &[u8] = b"content-length:";
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = bytes[..head]
        .split(|&byte| byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok());
    Some((head, head + body.unwrap_or(0)))
}

/// One connection, kept open.
struct Connection {
    stream: TcpStream,
    /// What it sends.
    request: Rc<[u8]>,
    /// What it reads into; of a body longer than this only the length is of interest.
    buffer: Box<[u8]>,
}

impl Connection {
    async fn open(addr: &str, request: Rc<[u8]>) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request, buffer: vec![0; 16 * 1024].into() })
    }

    /// Sends the request and reads the answer.
    async fn exchange(&mut self) -> Result<Answer> {
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        let whole = loop {
            filled += self.read(filled).await?;
            if let Some((_, whole)) = lengths(&self.buffer[..filled]) {
                break whole;
            }
        };
        let answer = match self.buffer.get(9..12) {
            Some([b'2', ..]) => Answer::Good,
            Some(b"503") => Answer::Shed,
            _ => return Err(Error::other(String::from_utf8_lossy(&self.buffer[..filled]).into_owned())),
        };
        while filled < whole {
            filled += self.read(0).await?;
        }
        Ok(answer)
    }

    async fn read(&mut self, from: usize) -> Result<usize> {
        match self.stream.read(&mut self.buffer[from..]).await? {
            0 => Err(Error::other("the server closed the connection, or its head is too long")),
            count => Ok(count),
        }
    }
}

/// Every connection sends when its last request is answered.
fn closed_loop(connections: Vec<Connection>, report: &Report) -> Vec<JoinHandle<Result<()>>> {
    let client = |mut connection: Connection| {
        let report = report.clone();
        async move {
            let mut due = Instant::now();
            while due < report.until() {
                let answer = connection.exchange().await?;
                report.count(due, answer);
                due = Instant::now();
            }
            Ok(())
        }
    };
    connections.into_iter().map(|connection| spawn_local(client(connection))).collect()
}

/// Requests fall due by the clock; each goes to the connection that has been idle for longest.
async fn open_loop(connections: Vec<Connection>, rate: f64, report: &Report) -> Vec<JoinHandle<Result<()>>> {
    let idle: Rc<RefCell<VecDeque<usize>>> = Rc::new(RefCell::new((0..connections.len()).collect()));
    let client = |index: usize, mut connection: Connection, mut due: mpsc::Receiver<Instant>| {
        let (report, idle) = (report.clone(), Rc::clone(&idle));
        async move {
            while let Some(due) = due.recv().await {
                let answer = connection.exchange().await?;
                report.count(due, answer);
                idle.borrow_mut().push_back(index);
            }
            Ok(())
        }
    };
    let (senders, clients): (Vec<_>, Vec<_>) = connections
        .into_iter()
        .enumerate()
        .map(|(index, connection)| {
            let (sender, due) = mpsc::channel(1);
            (sender, spawn_local(client(index, connection, due)))
        })
        .unzip();

    // The timer's resolution: what fell due since the last tick goes out at once, and latency still counts from when
    // it fell due.
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut dues = (0_u64..).map(|nth| report.start() + Duration::from_secs_f64(nth as f64 / rate)).peekable();
    loop {
        let now = ticks.tick().await.into_std();
        if now >= report.until() {
            return clients;
        }
        while let Some(due) = dues.next_if(|&due| due <= now) {
            let free = idle.borrow_mut().pop_front();
            if free.is_none_or(|index| senders[index].try_send(due).is_err()) {
                report.count_unsent();
            }
        }
    }
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let addr: String = argument(&mut args, "ADDR")?;
    let connections: usize = argument(&mut args, "CONNECTIONS")?;
    let seconds: f64 = argument(&mut args, "SECONDS")?;
    let rate: f64 = argument(&mut args, "RATE")?;
    let method: String = argument(&mut args, "METHOD")?;
    let target: String = argument(&mut args, "TARGET")?;
    let body: usize = argument(&mut args, "BODY_BYTES")?;

    let length = if body > 0 { format!("Content-Length: {body}\r\n") } else { String::new() };
    let request = format!("{method} {target} HTTP/1.1\r\nHost: bench\r\n{length}\r\n{}", "x".repeat(body));
    let request: Rc<[u8]> = request.into_bytes().into();
    run(async {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(&addr, Rc::clone(&request)).await?);
        }
        let report = Report::begin(seconds)?;
        let clients = if rate > 0.0 { open_loop(open, rate, &report).await } else { closed_loop(open, &report) };
        for client in clients {
            client.await.map_err(Error::other)??;
        }
        Ok(report)
    })
}
