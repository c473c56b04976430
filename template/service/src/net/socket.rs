//! The socket of a listener: what waits in it, and what its connections have from it.

use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    time::Duration,
};

use rustix::net::sockopt::{set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// How many connections may wait in the kernel for their place; it may allow fewer (`net.core.somaxconn`).
pub(super) const QUEUE: u32 = 1024;

/// After this much silence the kernel asks whether a client is still there. Who has vanished without a word, with its
/// machine or its network, would hold its place for ever where it may be silent: between RESP commands, or behind a
/// stream without events.
const SILENCE: Duration = Duration::from_secs(60);

/// How long it waits for an answer before it asks again.
const PROBE: Duration = Duration::from_secs(15);

/// So many questions without an answer end the connection.
const PROBES: u32 = 4;

/// Listens on the first address of `name` that the system gives.
///
/// # Cancel safety
/// Dropping it gives the address back.
pub(super) async fn listen(name: &str) -> Result<TcpListener> {
    let mut result = Err(ErrorKind::AddrNotAvailable.into());
    for address in lookup_host(name).await? {
        result = listen_on(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// As `TcpListener::bind` does, but that asks for a queue of 128 (mio 1.2), and for no signs of life.
fn listen_on(address: SocketAddr) -> Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Connections have these from their listener (Linux, the BSDs, macOS): none of them costs a call.
    socket.set_keepalive(true)?;
    set_tcp_keepidle(&socket, SILENCE)?;
    set_tcp_keepintvl(&socket, PROBE)?;
    set_tcp_keepcnt(&socket, PROBES)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Whether the error is about a client that has gone again, not about the listener.
pub(super) fn is_of_one_connection(error: &Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::{socket_keepalive, tcp_keepcnt, tcp_keepidle, tcp_keepintvl};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_client_that_vanishes_in_silence_is_noticed() {
        let listener = listen("localhost:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        drop(client);
        assert!(socket_keepalive(&accepted).unwrap());
        let times = (tcp_keepidle(&accepted).unwrap(), tcp_keepintvl(&accepted).unwrap());
        assert_eq!((times, tcp_keepcnt(&accepted).unwrap()), ((SILENCE, PROBE), PROBES));
    }
}
