//! `load ADDR CONNECTIONS SECONDS [METHOD]`: keeps one request under way on each connection, and prints how many were
//! answered. One thread and no parser to speak of, so that the server is what is measured.

use std::{
    cell::Cell,
    env,
    io::{Error, Result},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{LocalSet, spawn_local},
};

/// The length of the whole response that begins `bytes`, once its head is complete.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let body = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    Some(head + body.and_then(|digits| digits.parse().ok()).unwrap_or(0))
}

async fn client(addr: String, request: Vec<u8>, until: Instant, answered: Rc<Cell<u64>>) -> Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    while Instant::now() < until {
        stream.write_all(&request).await?;
        let mut filled = 0;
        loop {
            let count = stream.read(&mut buffer[filled..]).await?;
            if count == 0 {
                return Err(Error::other("the server closed the connection"));
            }
            filled += count;
            if length(&buffer[..filled]).is_some_and(|whole| filled >= whole) {
                break;
            }
        }
        if !buffer.starts_with(b"HTTP/1.1 20") {
            return Err(Error::other(String::from_utf8_lossy(&buffer[..filled]).into_owned()));
        }
        answered.set(answered.get() + 1);
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let usage = || Error::other("load ADDR CONNECTIONS SECONDS [METHOD]");
    let addr = args.next().ok_or_else(usage)?;
    let connections: usize = args.next().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    let seconds = args.next().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    let method = args.next().unwrap_or_else(|| "GET".to_owned());

    let body = if method == "PUT" { "0123456789abcdef" } else { "" };
    let request = format!("{method} /v1/keys/key HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answered = Rc::new(Cell::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        let clients: Vec<_> = (0..connections)
            .map(|_| spawn_local(client(addr.clone(), request.clone().into_bytes(), until, answered.clone())))
            .collect();
        for client in clients {
            client.await.map_err(Error::other)??;
        }
        Ok::<(), Error>(())
    })?;
    println!("{}", answered.get());
    Ok(())
}
