//! Listeners, and the connections that they accept: each has a place and a thread; those beyond the cap wait unaccepted.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use process::{address::Address, log::ALWAYS};
use rustix::{
    event::PollFlags,
    net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::lifecycle::{Came, Phase, Phases, wait};

/// How many connections may wait in the kernel for their place; it may allow fewer (`net.core.somaxconn`).
const QUEUE: i32 = 1024;

/// How long to wait when the system has no descriptor, memory or thread for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// How often it is said that it has none.
const REPORT: Duration = Duration::from_secs(10);

/// The stack of a connection's thread.
const STACK: usize = 256 * 1024;

/// Threads of connections that a process may have. Each takes four mappings of memory, for two stacks and their guards, and
/// Linux gives a process 65530 (`vm.max_map_count`); a thread that gets only some of them ends the process.
const THREADS: usize = 15_000;

/// Descriptors that clients' connections leave to the rest of the process: files, operators, subscribers' bells.
const RESERVE: u64 = 256;

/// After this much silence the kernel asks whether a client is still there, so often, and then ends the connection: who
/// has vanished without a word would hold its thread for ever.
const SIGNS_OF_LIFE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// Why a listener could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {addr} for {listener}")]
pub struct BindError {
    /// Which listener.
    listener: &'static str,
    /// The address as it was given.
    addr: String,
    /// What the system said.
    source: io::Error,
}

/// A socket that is bound, and when it closes.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    /// It accepts until this phase begins.
    until: Phase,
    phases: Phases,
    /// The stack of a connection's thread. Only what has been touched of it takes memory.
    stack: usize,
}

impl Listener {
    /// Binds `addr`, and logs what it has become.
    ///
    /// # Errors
    /// When the system refuses: the address is taken, or not ours.
    pub fn bind(name: &'static str, addr: &Address, until: Phase, phases: &Phases) -> Result<Self, BindError> {
        let socket = listen(addr.as_str()).map_err(|source| BindError {
            listener: name,
            addr: addr.as_str().to_owned(),
            source,
        })?;
        match socket.local_addr() {
            Ok(addr) => tracing::info!(target: ALWAYS, listener = name, %addr, "listening"),
            Err(error) => tracing::warn!(target: ALWAYS, listener = name, %error, "listening"),
        }
        Ok(Self { name, socket, until, phases: phases.clone(), stack: STACK })
    }

    /// Accepts connections until it has to close. `open` makes of each what a thread of its own has to do.
    pub fn serve<W>(self, listening: &Listening, open: impl Fn(TcpStream, Place) -> W)
    where
        W: FnOnce() + Send + 'static,
    {
        let Listening(connections) = listening;
        let mut reported: Option<Instant> = None;
        // One more than asked for is the kernel's; what comes later still has come too late.
        let mut last = 0..=QUEUE;
        loop {
            let is_over = self.phases.current() >= self.until;
            if is_over && last.next().is_none() {
                return;
            }
            let place = connections.place(is_over);
            let bell = (!is_over).then(|| self.phases.bell(self.until));
            // At the end what the kernel has accepted is still taken over, and nothing is waited for.
            let until = is_over.then(Instant::now);
            let error = match wait(&self.socket, PollFlags::IN, bell, until) {
                Ok(Came::Bell) => continue,
                Ok(Came::Late) => return,
                Ok(Came::Ready) => match self.accept(place, &open) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if reported.is_none_or(|reported| reported.elapsed() > REPORT) {
                reported = Some(Instant::now());
                tracing::warn!(listener = self.name, %error, "can't accept; clients wait");
            }
            thread::sleep(BREATH);
        }
    }

    /// Accepts a connection, once there is a thread for it: without one its client waits as it would for a place. Operators
    /// are served all the same, one after the other by this thread: they have to see what is short.
    fn accept<W: FnOnce() + Send + 'static>(
        &self,
        place: Place,
        open: impl Fn(TcpStream, Place) -> W,
    ) -> io::Result<()> {
        let (give, given) = bounded::<W>(1);
        let thread = thread::Builder::new().name(self.name.to_owned()).stack_size(self.stack);
        let thread = thread.spawn(move || given.iter().for_each(|work| work()));
        let thread = match self.until {
            Phase::Stopped => thread.ok(),
            _ => Some(thread?),
        };
        let stream = match self.socket.accept() {
            Ok((stream, _)) => stream,
            Err(error) if is_of_one_connection(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        //{% if metrics %}
        let place = place.counted();
        //{% endif %}
        let work = open(stream, place);
        match thread {
            Some(_) => give.send(work).unwrap_or_default(),
            // A panic is that of one connection here too, and has been logged.
            None => drop(catch_unwind(AssertUnwindSafe(work))),
        }
        Ok(())
    }
}

/// Listens on the first address that `name` stands for and that the system gives.
fn listen(name: &str) -> io::Result<TcpListener> {
    let addresses: Vec<_> = name.to_socket_addrs()?.collect();
    let socket = TcpListener::bind(&*addresses)?;
    // The standard library asks for a queue of 128.
    rustix::net::listen(&socket, QUEUE)?;
    // Somebody else may be quicker than we are: `accept` must not wait for the next one then.
    socket.set_nonblocking(true)?;
    // Connections have these from their listener (Linux, the BSDs, macOS): none of them costs a call.
    let (silence, probe, probes) = SIGNS_OF_LIFE;
    set_socket_keepalive(&socket, true)?;
    set_tcp_keepidle(&socket, silence)?;
    set_tcp_keepintvl(&socket, probe)?;
    set_tcp_keepcnt(&socket, probes)?;
    Ok(socket)
}

/// Whether the error is about a client that has gone again, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | WouldBlock)
}

/// All connections of a listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// How many there may be.
    limit: usize,
    state: Mutex<State>,
    /// A place is free, or the end has come.
    changed: Condvar,
    //{% if metrics %}
    /// How many have come.
    meters: crate::meters::Connections,
    //{% endif %}
}

#[derive(Debug, Default)]
struct State {
    /// The number that the next one gets.
    next: u64,
    /// Those that are there.
    open: BTreeMap<u64, Arc<Task>>,
    /// Listeners that may accept more.
    listeners: usize,
    /// Who is told once nobody is left, when the end has come.
    idle: Option<Sender<()>>,
}

/// What a connection's thread is doing that the drain has to wait for.
type Task = Mutex<Option<&'static str>>;

/// Where a connection belongs: dropped when it is over.
#[derive(Debug)]
pub struct Place {
    /// Unique among the connections of a listener.
    pub id: u64,
    task: Arc<Task>,
    connections: Connections,
    //{% if metrics %}
    /// Counts it, once it is accepted.
    open: Option<crate::meters::Open>,
    //{% endif %}
}

/// A listener that may accept more, until this is dropped.
#[derive(Debug)]
pub struct Listening(Connections);

impl Connections {
    /// At most `limit` at once of `listener`, or as many as there are descriptors and threads.
    #[must_use]
    pub fn new(listener: &'static str, limit: usize) -> Self {
        let available = descriptors().min(THREADS);
        if limit > available {
            tracing::warn!(
                listener,
                limit,
                available,
                threads = THREADS,
                "--max-connections will not be reached: there are not as many file descriptors (ulimit -n) or threads"
            );
        }
        Self(Arc::new(Shared {
            // A connection without a descriptor could not be accepted.
            limit: limit.min(available),
            state: Mutex::default(),
            changed: Condvar::new(),
            //{% if metrics %}
            meters: crate::meters::Connections::of(listener),
            //{% endif %}
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More are to come, from a listener that is bound: what the kernel accepts for it before its thread has a first turn
    /// is not forgotten by the drain.
    #[must_use]
    pub fn enter(&self) -> Listening {
        self.state().listeners += 1;
        Listening(self.clone())
    }

    /// A place for one more, as soon as there is one. At the end nobody waits for that: who has come by then believes to
    /// be connected, and is served beyond the cap.
    pub(crate) fn place(&self, is_over: bool) -> Place {
        let mut state = self.state();
        while state.open.len() >= self.0.limit && !is_over && state.idle.is_none() {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (id, task) = (state.next, Arc::new(Task::default()));
        state.next += 1;
        state.open.insert(id, Arc::clone(&task));
        Place {
            id,
            task,
            // Where it goes back to when it is dropped.
            connections: self.clone(),
            //{% if metrics %}
            open: None,
            //{% endif %}
        }
    }

    /// What threads are doing that should be finished, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<&'static str> {
        let state = self.state();
        state.open.values().filter_map(|task| *task.lock().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// No more are to come. The receiver is told when the last one is gone.
    #[must_use]
    pub fn drain(&self) -> Receiver<()> {
        let (sender, idle) = bounded(1);
        let mut state = self.state();
        state.idle = Some(sender);
        self.0.changed.notify_all();
        state.tell();
        idle
    }
}

impl State {
    /// Tells who waits for it that nobody is left.
    fn tell(&self) {
        if self.listeners == 0
            && self.open.is_empty()
            && let Some(idle) = &self.idle
        {
            // It may have been told before.
            idle.try_send(()).unwrap_or_default();
        }
    }
}

impl Place {
    //{% if metrics %}
    /// That of a connection that is there.
    fn counted(mut self) -> Self {
        self.open = Some(self.connections.0.meters.accepted());
        self
    }

    //{% endif %}
    /// Does something that the drain has to wait for, under a name.
    pub fn work<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let set = |task| std::mem::replace(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner), task);
        // It may be part of other work.
        let before = set(Some(name));
        let result = work();
        set(before);
        result
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        state.open.remove(&self.id);
        self.connections.0.changed.notify_one();
        state.tell();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.listeners -= 1;
        state.tell();
    }
}

/// How many descriptors are left for clients.
fn descriptors() -> usize {
    let all = all_descriptors();
    usize::try_from(all - RESERVE.min(all / 2)).unwrap_or(usize::MAX)
}

/// How many descriptors there are for what connections need besides their own, when there are `limit` of them; the rest of
/// the process keeps most of what is reserved for it.
#[must_use]
pub fn spare_descriptors(limit: usize) -> usize {
    let all = all_descriptors();
    let kept = limit.min(descriptors()) as u64 + RESERVE.min(all / 2) / 4 * 3;
    usize::try_from(all.saturating_sub(kept)).unwrap_or(usize::MAX)
}

/// How many descriptors there are, after the process has asked for as many as it may have: the limit that it is started
/// with is often 1024, for the sake of programs that call select(2) and can't have more.
fn all_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        // Some systems have a limit beyond the one they tell.
        Err(_) => current,
    };
    limit.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::lifecycle;

    /// Greets who comes to a listener that has no threads, and returns what it hears within `patience`.
    fn greet(until: Phase, patience: Duration) -> io::Result<String> {
        let (control, phases) = lifecycle::channel()?;
        let mut listener = Listener::bind("test", &"localhost:0".parse().unwrap(), until, &phases).unwrap();
        listener.stack = 1 << 50;
        let address = listener.socket.local_addr()?;
        let greeter = thread::Builder::new().spawn(move || {
            listener.serve(&Connections::new("test", 10).enter(), |mut stream, place| {
                move || {
                    stream.write_all(b"hi").unwrap();
                    drop(place);
                }
            });
        })?;
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(patience))?;
        let mut heard = String::new();
        let result = client.read_to_string(&mut heard);
        control.advance(until);
        if until == Phase::Stopped {
            greeter.join().unwrap();
        }
        result.map(|_| heard)
    }

    #[test]
    fn operators_are_served_without_a_thread_and_clients_wait() {
        assert_eq!(greet(Phase::Stopped, Duration::from_secs(20)).unwrap(), "hi");
        let error = greet(Phase::Draining, 2 * BREATH).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "it should be open");
    }

    #[test]
    fn the_drain_is_over_when_the_last_connection_is_and_none_is_accepted_any_more() {
        let connections = Connections::new("test", 1);
        let listening = connections.enter();
        let place = connections.place(false);
        drop(connections.place(true));
        place.work("work", || {
            place.work("its part", || assert_eq!(connections.unfinished(), ["its part"]));
            assert_eq!(connections.unfinished(), ["work"]);
        });
        assert!(connections.unfinished().is_empty());
        let idle = connections.drain();
        drop(listening);
        assert!(idle.try_recv().is_err());
        drop(place);
        assert!(idle.try_recv().is_ok());
    }

    #[test]
    fn who_waits_for_a_place_gets_the_one_that_becomes_free_or_learns_of_the_end() {
        let connections = Connections::new("test", 1);
        let place = connections.place(false);
        thread::scope(|scope| {
            let next = scope.spawn(|| connections.place(false));
            drop(place);
            let place = next.join().unwrap();
            let beyond = scope.spawn(|| connections.place(false));
            let idle = connections.drain();
            drop(beyond.join().unwrap());
            assert!(idle.try_recv().is_err());
            drop(place);
            assert!(idle.try_recv().is_ok());
        });
    }
}
