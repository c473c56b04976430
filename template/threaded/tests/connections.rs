//! Thousands of threads, of which some things know fewer.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Mutex,
    thread::{Builder, scope},
};

use common::{PATIENCE, Service, outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One more than tracing's registry of spans has room for.
const CONNECTIONS: u64 = 4097;

/// How many threads the system gives, `most` at most. Nobody tells: there are limits of a process, of a user, of a
/// container and of memory, and others have threads too.
fn threads(most: u64) -> u64 {
    let ends = Mutex::new(());
    scope(|scope| {
        let _not_yet = ends.lock();
        let start = |_: &u64| Builder::new().spawn_scoped(scope, || drop(ends.lock())).is_ok();
        (0..most).take_while(start).count() as u64
    })
}

#[test]
fn more_connections_than_4096_are_served_and_drained() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where the system does not give as many descriptors or threads, those beyond would wait, as they should.
    let room = maximum.unwrap_or(u64::MAX).min(threads(CONNECTIONS + 512)).saturating_sub(512);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let mut service = Service::start(&[]);
    let address = service.address("tcp");
    let clients: Vec<_> = (0..CONNECTIONS.min(room))
        .map(|_| {
            let mut client = TcpStream::connect(&address).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"PING\r\n").unwrap();
            let mut answer = [0; 7];
            client.read_exact(&mut answer).unwrap();
            client
        })
        .collect();
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(log.iter().all(|line| line["message"] != "panic"), "{log:?}");
    drop(clients);
}
