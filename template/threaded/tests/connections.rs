//! Thousands of threads, of which some things know fewer.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use common::{PATIENCE, Service, outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One more than tracing's registry of spans has room for.
const CONNECTIONS: u64 = 4097;

#[test]
fn more_connections_than_4096_are_served_and_drained() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where the system does not give as many descriptors, the service caps its connections by itself.
    let room = maximum.unwrap_or(u64::MAX).saturating_sub(512);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let mut service = Service::start(&["--log-filter", "warn"]);
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
