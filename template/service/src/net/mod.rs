//! Listeners: one accept loop for everything that is served, whatever its [`Protocol`].
//!
//! `axum::serve` has no header deadline and no connection cap, closes its listener the moment it is asked to stop, and
//! waits for ever on an open stream (axum 0.8); so the loop is ours, and [`Http`] stands on hyper-util's connection
//! builder.

mod answer;
mod clock;
mod connection;
mod frames;
mod framing;
mod held;
mod host;
mod io;
pub mod linger;
mod places;
mod socket;
mod traffic;
mod woken;

/// What threads meet at. `tests/loom.rs` puts others beneath the same code, to try every order in which they can meet.
mod sync {
    pub(super) use std::sync::atomic::{AtomicUsize, Ordering};

    pub(super) use futures_util::task::AtomicWaker;
}

pub use connection::{Http, OpenEnded};
pub use traffic::InFlight;
//{% if tcp %}
pub use woken::Woken;
//{% endif %}

use std::{io::ErrorKind, net::SocketAddr, pin::pin, time::Duration};

use process::{address::Address, log::ALWAYS};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use places::{Place, Places};

use crate::{
    config::Settings,
    lifecycle::{Phase, Phases},
};

/// How long to wait when the system has no descriptor or memory for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// How often it is said that it has none.
const REPORT: Duration = Duration::from_secs(10);

/// Connections that are left when the service has stopped get this long for an answer; less than its tasks have to end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// An address that is bound, and how it is served.
#[derive(Debug)]
pub struct Listener {
    /// What it is called in the log.
    name: &'static str,
    /// The socket.
    socket: TcpListener,
    /// From this phase on it is closed.
    closes: Phase,
    /// Where the service stands.
    phases: Phases,
    /// Places for connections.
    places: Places,
}

/// How the bytes of a connection are understood.
pub trait Protocol: Clone + Send + Sync + 'static {
    /// Serves one connection until either side has closed it; it strives for its end once `connection` is closing, and
    /// loses nothing then that its client had sent before.
    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// A connection that was accepted, and what it has to know of its listener.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: TcpStream,
    /// What runs on its behalf besides its own task is spawned here: the listener waits for it.
    pub tasks: TaskTracker,
    /// Where the service stands.
    pub phases: Phases,
    /// From this phase on it has to end.
    closes: Phase,
    /// Given back when the connection is dropped.
    _place: Place,
    //{% if measured %}
    /// Counts it until then.
    _open: crate::meters::Open,
    //{% endif %}
}

impl Connection {
    /// Resolves when the connection has to end.
    ///
    /// # Cancel safety
    /// As [`Phases::reached`].
    pub fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let (phases, closes) = (self.phases.clone(), self.closes);
        async move { phases.reached(closes).await }
    }
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address} for {name}")]
pub struct BindError {
    /// The listener.
    name: &'static str,
    /// What it was to be bound to.
    address: String,
    /// What the system said.
    source: std::io::Error,
}

impl Listener {
    /// Binds `address`. The listener closes with the phase `closes`; one that stays to the end, [`Phase::Stopped`], is for
    /// operators, and has places apart from those that clients can take.
    ///
    /// # Errors
    /// When the name does not resolve, or the system does not give the address.
    ///
    /// # Cancel safety
    /// Dropping it gives the address back.
    pub async fn bind(
        name: &'static str,
        address: &Address,
        closes: Phase,
        phases: &Phases,
        settings: &Settings,
    ) -> Result<Self, BindError> {
        let bound = socket::listen(address.as_str()).await;
        let socket = bound.map_err(|source| BindError { name, address: address.as_str().to_owned(), source })?;
        let places = match closes {
            Phase::Stopped => Places::for_operators(),
            _ => Places::for_clients(name, settings.max_connections.get() as usize),
        };
        Ok(Self { name, socket, closes, phases: phases.clone(), places })
    }

    /// Serves whoever connects, from [`Phase::Ready`] until the last connection after the closing phase is gone. Operators
    /// are served from the start, and only for moments after [`Phase::Stopped`].
    ///
    /// # Cancel safety
    /// Dropping it closes the listener; connections go on until their tasks end.
    pub async fn serve(self, protocol: impl Protocol) {
        let (phases, connections) = (self.phases.clone(), TaskTracker::new());
        let opened = opened(self.name, self.socket.local_addr(), phases.clone());
        match self.closes {
            Phase::Stopped => drop(connections.spawn(opened)),
            _ => opened.await,
        }
        let mut closing = pin!(phases.reached(self.closes));
        //{% if measured %}
        let meter = crate::meters::Connections::of(self.name);
        //{% endif %}
        let connect = |stream, permits| {
            let connection = Connection {
                stream,
                tasks: connections.clone(),
                phases: self.phases.clone(),
                closes: self.closes,
                // What it has taken goes back when it is dropped.
                _place: self.places.take(permits),
                //{% if measured %}
                _open: meter.accepted(),
                //{% endif %}
            };
            // As it is: a block around it would hold it twice, where it is captured and where it is awaited.
            connections.spawn(protocol.clone().serve(connection));
        };
        let mut shortage = Shortage { listener: self.name, reported: None };
        loop {
            let next = async {
                let permits = self.places.free().await;
                (self.socket.accept().await, permits)
            };
            let (accepted, permits) = select! {
                biased;
                () = &mut closing => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => connect(stream, permits),
                Err(error) if socket::is_of_one_connection(&error) => {}
                Err(error) => shortage.passes(&error).await,
            }
        }
        backlog(self.socket, |stream| connect(stream, None), shortage).await;
        connections.close();
        select! {
            () = connections.wait() => {}
            // Nobody's work is left then: only the admin listener comes here with connections.
            () = async { phases.stopped().await; sleep(LAST_ANSWERS).await } => {}
        }
    }
}

/// Resolves when the service is ready, which is when a listener says that it is there.
async fn opened(listener: &'static str, addr: std::io::Result<SocketAddr>, phases: Phases) {
    phases.reached(Phase::Ready).await;
    match addr {
        // It could not start, or was asked to stop before it had.
        _ if phases.current() < Phase::Ready => {}
        Ok(addr) => tracing::info!(target: ALWAYS, listener, %addr, "listening"),
        Err(error) => tracing::warn!(target: ALWAYS, listener, %error, "listening"),
    }
}

/// What the kernel has accepted for us, up to now; then the socket is closed. Its clients believe to be connected and
/// have perhaps sent a request, so they are served beyond the cap: as many as the queue holds.
///
/// The socket is asked directly, because tokio only knows of connections that its driver has seen.
async fn backlog(socket: TcpListener, connect: impl Fn(TcpStream) + Send, mut shortage: Shortage) {
    let Ok(socket) = socket.into_std() else { return };
    // One more than asked for is the kernel's; what comes later still has come too late.
    for _ in 0..=socket::QUEUE {
        let accepted = socket.accept().and_then(|(stream, _)| {
            stream.set_nonblocking(true)?;
            TcpStream::from_std(stream)
        });
        match accepted {
            Ok(stream) => connect(stream),
            Err(error) if socket::is_of_one_connection(&error) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // Connections that end in the drain give back what is missing.
            Err(error) => shortage.passes(&error).await,
        }
    }
}

/// The system has no descriptor or memory for another connection.
struct Shortage {
    /// Who wants it.
    listener: &'static str,
    /// When it was logged last.
    reported: Option<Instant>,
}

impl Shortage {
    /// Waits a moment. It is logged once in a while, however long it lasts.
    async fn passes(&mut self, error: &std::io::Error) {
        if self.reported.is_none_or(|reported| reported.elapsed() >= REPORT) {
            tracing::warn!(listener = self.listener, %error, "can't accept; clients wait");
            self.reported = Some(Instant::now());
        }
        sleep(BREATH).await;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;
    use crate::lifecycle;

    /// Greets, and that is all.
    #[derive(Clone)]
    struct Greeting;

    impl Protocol for Greeting {
        async fn serve(self, mut connection: Connection) {
            connection.stream.write_all(b"hi").await.unwrap();
        }
    }

    #[tokio::test]
    async fn operators_are_served_while_the_service_starts_and_clients_when_it_is_ready() {
        let (control, phases) = lifecycle::channel();
        let settings = Settings::parse_from(["service"]);
        let address = "localhost:0".parse().unwrap();
        let tasks = TaskTracker::new();
        let mut streams = Vec::new();
        for closes in [Phase::Stopped, Phase::Draining] {
            let listener = Listener::bind("test", &address, closes, &phases, &settings).await.unwrap();
            streams.push(TcpStream::connect(listener.socket.local_addr().unwrap()).await.unwrap());
            tasks.spawn(listener.serve(Greeting));
        }
        let [operator, client] = &mut streams[..] else { unreachable!() };
        let mut greeting = [0; 2];
        operator.read_exact(&mut greeting).await.unwrap();
        assert!(timeout(BREATH, client.read_exact(&mut greeting)).await.is_err());
        control.advance(Phase::Ready);
        client.read_exact(&mut greeting).await.unwrap();
    }
}
