//! `load-resp ADDR CONNECTIONS SECONDS PERIOD_MS`: asks for a key on every connection, and reports the answers as one
//! line of JSON.
//!
//! PERIOD 0 is a closed loop: each connection asks again when it is answered. With another PERIOD each asks once in so
//! many milliseconds, evenly spread, whatever the server does; latency counts from when it was due.
//!
//! `open` is printed when all connections stand and have been used once; the run begins with a line on stdin, and the
//! connections close at its end: in between the server can be looked at. One thread, so that the server is what is
//! measured.

use std::{
    env,
    io::{Error, Result},
    time::{Duration, Instant},
};

use bench::{Answer, Report, argument};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::{LocalSet, spawn_local},
    time::sleep_until,
};

const REQUEST: &[u8] = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
const ANSWER: &[u8] = b"$-1\r\n";

/// Asks, and waits for the answer.
async fn exchange(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(REQUEST).await?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).await?;
    if answer == *ANSWER { Ok(()) } else { Err(Error::other("another answer than that there is no such key")) }
}

/// Waits for a line of whoever started this.
fn line() -> Result<()> {
    std::io::stdin().read_line(&mut String::new()).map(drop)
}

async fn run(addr: &str, connections: usize, seconds: f64, period: Duration) -> Result<Vec<TcpStream>> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        exchange(&mut stream).await?;
        open.push(stream);
    }
    println!("open");
    line()?;
    let report = Report::begin(seconds)?;
    let clients: Vec<_> = (0_u32..)
        .zip(open)
        .map(|(nth, mut stream)| {
            let report = report.clone();
            let mut due = report.start() + period * nth / u32::try_from(connections).unwrap_or(u32::MAX);
            spawn_local(async move {
                while due < report.until() {
                    if !period.is_zero() {
                        sleep_until(due.into()).await;
                    }
                    exchange(&mut stream).await?;
                    report.count(due, Answer::Good);
                    due = if period.is_zero() { Instant::now() } else { due + period };
                }
                Ok::<_, Error>(stream)
            })
        })
        .collect();
    let mut open = Vec::with_capacity(connections);
    for client in clients {
        open.push(client.await.map_err(Error::other)??);
    }
    println!("{}", report.to_json());
    Ok(open)
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let addr: String = argument(&mut args, "ADDR")?;
    let connections: usize = argument(&mut args, "CONNECTIONS")?;
    let seconds: f64 = argument(&mut args, "SECONDS")?;
    let period: u64 = argument(&mut args, "PERIOD_MS")?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let open = LocalSet::new().block_on(&runtime, run(&addr, connections, seconds, Duration::from_millis(period)))?;
    line()?;
    drop(open);
    Ok(())
}
