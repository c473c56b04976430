//! RESP as its clients meet it: every command, what is refused and in which words, and the end of the service.

#![expect(clippy::unwrap_used, reason = "in a test, what is not as expected should end it")]
#![allow(clippy::disallowed_methods, reason = "a test is a thread of its own: it may block, where tasks may not")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::Command,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use common::{Client, ONE_THREAD, PATIENCE, PROGRAM, Service, outcome, stop_while};

/// Sends commands and expects these answers, to the byte.
fn say(client: &mut Client, commands: impl AsRef<[u8]>, answers: impl AsRef<[u8]>) {
    client.send(commands.as_ref());
    hears(client, answers);
}

/// Expects these bytes.
fn hears(client: &mut Client, answers: impl AsRef<[u8]>) {
    let expected = answers.as_ref();
    let mut heard = vec![0; expected.len()];
    client.0.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
}

/// Expects one line, which it returns.
fn line(client: &mut Client) -> String {
    let mut line = String::new();
    client.0.read_line(&mut line).unwrap();
    line
}

/// A command as client libraries send it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

#[test]
fn every_command_answers_as_redis_does() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    for (command, answer) in [
        ("PING", "+PONG\r\n"),
        ("ping hello", "$5\r\nhello\r\n"),
        ("ECHO hi", "$2\r\nhi\r\n"),
        ("GET k", "$-1\r\n"),
        ("SET k v", "+OK\r\n"),
        ("GET k", "$1\r\nv\r\n"),
        ("TTL k", ":-1\r\n"),
        ("TTL nowhere", ":-2\r\n"),
        ("SET k w NX", "$-1\r\n"),
        ("SET k2 w xx", "$-1\r\n"),
        // In one go, so that no time passes between the two.
        ("SET k2 w nx ex 100\r\nTTL k2", "+OK\r\n:100\r\n"),
        ("SET k2 x XX", "+OK\r\n"),
        ("TTL k2", ":-1\r\n"),
        ("SET k2 x PX 4600\r\nTTL k2", "+OK\r\n:5\r\n"),
        ("EXISTS k k nowhere k2", ":3\r\n"),
        ("SET \"with space\" ''", "+OK\r\n"),
        ("KEYS *", "*3\r\n$1\r\nk\r\n$2\r\nk2\r\n$10\r\nwith space\r\n"),
        ("KEYS k?", "*1\r\n$2\r\nk2\r\n"),
        ("KEYS [^k]*", "*1\r\n$10\r\nwith space\r\n"),
        ("KEYS nothing*", "*0\r\n"),
        ("DEL k k nowhere k2", ":2\r\n"),
        ("GET \"with space\"", "$0\r\n\r\n"),
        ("PUBLISH nobody hello", ":0\r\n"),
        ("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"),
        ("UNSUBSCRIBE a", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"),
        ("COMMAND COUNT", ":14\r\n"),
        ("COMMAND DOCS", "*0\r\n"),
        ("COMMAND INFO get no", "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n$-1\r\n"),
    ] {
        say(&mut client, format!("{command}\r\n"), answer);
    }
    for hello in ["HELLO", "HELLO 2", "hello 2 setname me"] {
        say(&mut client, format!("{hello}\r\n"), "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n");
        let mut rest = String::new();
        while !rest.ends_with("modules\r\n*0\r\n") {
            rest += &line(&mut client);
        }
        assert!(rest.contains("proto\r\n:2\r\n"), "{rest}");
    }
    say(&mut client, "QUIT\r\nPING\r\n", "+OK\r\n");
    client.is_closed();
}

#[test]
fn what_is_wrong_is_said_as_redis_says_it() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    for (command, error) in [
        ("FOO", "ERR unknown command 'FOO', with args beginning with: "),
        ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("CONFIG GET save", "ERR unknown command 'CONFIG', with args beginning with: 'GET' 'save' "),
        ("\"FOO\\r\\n+OK\" '\\\\x'", "ERR unknown command 'FOO  +OK', with args beginning with: '\\\\x' "),
        ("GET", "ERR wrong number of arguments for 'get' command"),
        ("Get a b", "ERR wrong number of arguments for 'get' command"),
        ("SET k", "ERR wrong number of arguments for 'set' command"),
        ("DEL", "ERR wrong number of arguments for 'del' command"),
        ("PING a b", "ERR wrong number of arguments for 'ping' command"),
        ("SUBSCRIBE", "ERR wrong number of arguments for 'subscribe' command"),
        ("SET k v NX XX", "ERR syntax error"),
        ("SET k v EX 1 PX 1", "ERR syntax error"),
        ("SET k v EX", "ERR syntax error"),
        ("SET k v KEEPTTL", "ERR syntax error"),
        ("SET k v EX 1.5", "ERR value is not an integer or out of range"),
        ("SET k v EX 0", "ERR invalid expire time in 'set' command"),
        ("SET k v PX -1", "ERR invalid expire time in 'set' command"),
        ("SET k v EX 9223372036854775807", "ERR invalid expire time in 'set' command"),
        ("GET ''", "ERR a key must not be empty"),
        (
            &format!("*2\r\n$3\r\nGET\r\n$65537\r\n{}", "k".repeat(65_537)),
            "ERR a key must not be longer than 4096 bytes",
        ),
        ("GET \"\\xff\"", "ERR a key must be UTF-8"),
        ("HELLO 3", "NOPROTO unsupported protocol version"),
        ("HELLO two", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 FOO", "ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 2 AUTH a b", "ERR AUTH is not supported: there are no users here"),
        ("COMMAND FOO", "ERR unknown subcommand 'FOO'. Try COMMAND INFO."),
    ] {
        say(&mut client, format!("{command}\r\n"), format!("-{error}\r\n"));
    }
    say(&mut client, "KEYS *\r\n", "*0\r\n");
}

#[test]
fn a_pipeline_is_answered_in_order_in_whatever_pieces_it_comes() {
    const COMMANDS: usize = 5000;
    let mut service = Service::start(&[]);
    let (mut sent, mut expected) = (Vec::new(), String::new());
    for number in 0..COMMANDS {
        let (key, value) = (format!("k{}", number % 7), format!("{number}"));
        sent.extend(command(&[b"SET", key.as_bytes(), value.as_bytes()]));
        sent.extend(command(&[b"GET", key.as_bytes()]));
        expected += &format!("+OK\r\n${}\r\n{value}\r\n", value.len());
        match number % 100 {
            0 => (sent.extend(b"PING\r\n"), expected += "+PONG\r\n").1,
            50 => (sent.extend(b"FOO\r\n"), expected += "-ERR unknown command 'FOO', with args beginning with: \r\n").1,
            _ => {}
        }
    }
    for size in [usize::MAX, 1000, 17] {
        let mut client = service.connect("tcp");
        for piece in sent.chunks(size.min(sent.len())) {
            client.send(piece);
        }
        hears(&mut client, &expected);
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        client.is_closed();
    }
}

#[test]
fn a_key_expires() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    let start = Instant::now();
    say(&mut client, "SET k v PX 1\r\nSET s v EX 1\r\n", "+OK\r\n+OK\r\n");
    for key in ["k", "s"] {
        loop {
            client.send(format!("EXISTS {key}\r\n"));
            if line(&mut client) == ":0\r\n" {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{key} should have expired");
        }
    }
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_malformed_frame_is_answered_and_ends_the_connection() {
    let mut service = Service::start(&["--max-body-bytes", "1000"]);
    for (frame, fault) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*1\r\n:1\r\n", "expected '$', got ':'"),
        ("*1\r\n*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$1001\r\n", "invalid bulk length"),
        ("*1\r\n$1073741824\r\n", "invalid bulk length"),
        ("*1\r\n$4\r\nPINGPING", "expected CRLF after a bulk string"),
        ("GET \"k\r\n", "unbalanced quotes in request"),
        (&"x".repeat(70_000), "too big inline request"),
    ] {
        let mut client = service.connect("tcp");
        // What came before is answered, what comes after is not.
        let answers = format!("+PONG\r\n-ERR Protocol error: {fault}\r\n");
        say(&mut client, format!("PING\r\n{frame}PING\r\n"), answers);
        client.is_closed();
    }
    say(&mut service.connect("tcp"), "PING\r\n", "+PONG\r\n");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    client.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n");
    let piece = [b'x'; 100_000];
    for _ in 0..30 {
        client.send(piece);
    }
    hears(&mut client, "-ERR Protocol error: invalid bulk length\r\n");
    client.is_closed();
}

#[test]
fn who_speaks_http_is_not_obeyed() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n");
    assert!(line(&mut client).starts_with("-ERR unknown command 'POST'"));
    client.is_closed();
    say(&mut service.connect("tcp"), "EXISTS k\r\n", ":0\r\n");
}

/// What the service holds in memory, in KiB.
fn memory(service: &Service) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_length_that_is_claimed_takes_no_memory() {
    let mut service = Service::start(&["--max-body-bytes", "2147483648"]);
    say(&mut service.connect("tcp"), "PING\r\n", "+PONG\r\n");
    let before = memory(&service);
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = service.connect("tcp");
        // The answer says that what stands before the claim was read.
        say(&mut client, "PING\r\n*16000\r\n$3\r\nSET\r\n$1\r\nk\r\n$2147483648\r\nx", "+PONG\r\n");
        clients.push(client);
    }
    assert!(memory(&service) < before + 10_000, "{} KiB, before {before}", memory(&service));
}

#[test]
fn above_the_cap_clients_wait_unaccepted() {
    let mut service = Service::start(&["--max-connections", "1"]);
    let (mut first, mut second) = (service.connect("tcp"), service.connect("tcp"));
    say(&mut first, "PING\r\n", "+PONG\r\n");
    second.send("PING\r\n");
    say(&mut first, "PING\r\n", "+PONG\r\n");
    assert!(!has_come(&second), "it should not be served yet");
    drop(first);
    hears(&mut second, "+PONG\r\n");
}

#[test]
fn who_waits_above_the_cap_when_the_drain_begins_is_served() {
    let mut service = Service::start(&["--max-connections", "1"]);
    let mut first = service.connect("tcp");
    say(&mut first, "PING\r\n", "+PONG\r\n");
    let mut waiting: Vec<_> = (0..5).map(|_| service.connect("tcp")).collect();
    waiting.iter_mut().for_each(|client| client.send("PING\r\n"));
    service.signal("TERM");
    waiting.iter_mut().for_each(|client| hears(client, "+PONG\r\n"));
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    drop(first);
}

#[test]
fn the_last_line_is_the_last_one_also_while_others_are_cut_off() {
    let mut service = Service::start(&["--log-filter", "debug", "--shutdown-delay", "60s", "--shutdown-grace", "60s"]);
    let address = service.address("tcp");
    let clients = [(); 4].map(|()| {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        thread::spawn(
            move || while client.write_all(b"GET k\r\n").and_then(|()| client.read_exact(&mut [0; 5])).is_ok() {},
        )
    });
    service.logged(|line| line["command"] == "get");
    service.signal("TERM");
    service.until_not_ready();
    service.signal("INT");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (130, "forced"));
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_its_loss_is_counted() {
    let mut child = Service::spawn(Command::new(PROGRAM).args(["--log-filter", "debug"]));
    let mut log = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = log.find(|line| line.contains(r#""listener":"tcp""#)).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
    // From here on nobody reads. A pipe holds 64 KiB, the queue 4096 lines: each command logs one of more than 100 bytes.
    let mut client = Client::to(listening["addr"].as_str().unwrap());
    for _ in 0..60 {
        say(&mut client, "PING\r\n".repeat(100), "+PONG\r\n".repeat(100));
    }
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let log: Vec<_> = log.collect();
    let counted =
        log.iter().filter_map(|line| line.split_once(r#""lines":"#)?.1.split(',').next()?.parse::<u64>().ok());
    assert!(counted.sum::<u64>() > 0);
    assert!(log.last().unwrap().contains(r#""outcome":"drained""#));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_command_that_trickles_is_given_up_and_an_idle_connection_is_not() {
    let mut service = Service::start(&["--body-timeout", "300ms", "--header-timeout", "100ms"]);
    let (mut silent, mut idle) = (service.connect("tcp"), service.connect("tcp"));
    say(&mut idle, "PING\r\n", "+PONG\r\n");
    for beginning in ["*2\r\n$3\r\nGET\r\n$1000\r\n", "GET "] {
        let mut client = service.connect("tcp");
        say(&mut client, format!("PING\r\n{beginning}"), "+PONG\r\n");
        let start = Instant::now();
        // An error says that it is closed.
        while start.elapsed() < PATIENCE && client.0.get_mut().write_all(b"x").is_ok() && !has_come(&client) {
            thread::sleep(Duration::from_millis(20));
        }
        hears(&mut client, "-ERR Protocol error: the command took too long to arrive\r\n");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    say(&mut silent, "PING\r\n", "+PONG\r\n");
    say(&mut idle, "PING\r\n", "+PONG\r\n");
}

/// Whether there is something to read.
fn has_come(client: &Client) -> bool {
    let stream = client.0.get_ref();
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn subscribed(channel: &str, total: usize) -> String {
    format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:{total}\r\n", channel.len())
}

fn message(channel: &str, message: &str) -> String {
    format!("*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{message}\r\n", channel.len(), message.len())
}

#[test]
fn subscribers_get_what_is_published() {
    let mut service = Service::start(&[]);
    let (mut first, mut second, mut publisher) =
        (service.connect("tcp"), service.connect("tcp"), service.connect("tcp"));
    say(&mut first, "SUBSCRIBE a b a\r\n", [subscribed("a", 1), subscribed("b", 2), subscribed("a", 2)].concat());
    say(&mut second, "PING\r\nSUBSCRIBE b\r\n", ["+PONG\r\n", &subscribed("b", 1)].concat());
    say(&mut publisher, "PUBLISH a 1\r\nPUBLISH b 2\r\nPUBLISH c 3\r\n", ":1\r\n:2\r\n:0\r\n");
    hears(&mut first, message("a", "1") + &message("b", "2"));
    hears(&mut second, message("b", "2"));

    let error = "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context";
    say(&mut first, "GET k\r\n", format!("-{error}\r\n"));
    say(&mut first, "PING\r\nPING x\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    say(&mut first, "UNSUBSCRIBE b\r\n", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    say(&mut publisher, "PUBLISH b 4\r\nPUBLISH a 5\r\n", ":1\r\n:1\r\n");
    hears(&mut first, message("a", "5"));
    say(&mut first, "UNSUBSCRIBE\r\nGET k\r\n", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n$-1\r\n");
    hears(&mut second, message("b", "4"));
    say(&mut second, "QUIT\r\n", "+OK\r\n");
    second.is_closed();
}

#[test]
fn a_burst_of_messages_reaches_who_reads() {
    // Many small ones, and more of large ones than are on their way at once.
    for (messages, size) in [(20_000, 5), (50, 60_000)] {
        let mut service = Service::start(&[]);
        let (mut subscriber, mut publisher) = (service.connect("tcp"), service.connect("tcp"));
        say(&mut subscriber, "SUBSCRIBE c\r\n", subscribed("c", 1));
        let reader = thread::spawn(move || {
            for number in 0..messages {
                hears(&mut subscriber, message("c", &format!("{number:0size$}")));
            }
        });
        let publish = |number| command(&[b"PUBLISH", b"c", format!("{number:0size$}").as_bytes()]);
        say(&mut publisher, (0..messages).flat_map(publish).collect::<Vec<_>>(), ":1\r\n".repeat(messages));
        reader.join().unwrap();
    }
}

#[test]
fn subscribers_get_the_events_of_keys() {
    let mut service = Service::start(&[]);
    let (mut events, mut key, mut client) = (service.connect("tcp"), service.connect("tcp"), service.connect("tcp"));
    let channels = ["set", "del", "expired"].map(|kind| format!("__keyevent@0__:{kind}"));
    let expected: Vec<_> = channels.iter().zip(1..).map(|(channel, total)| subscribed(channel, total)).collect();
    say(&mut events, format!("SUBSCRIBE {}\r\n", channels.join(" ")), expected.concat());
    say(&mut key, "SUBSCRIBE __keyspace@0__:k\r\n", subscribed("__keyspace@0__:k", 1));
    say(&mut client, "SET k v\r\nDEL k\r\nSET x v PX 1\r\n", "+OK\r\n:1\r\n+OK\r\n");
    let [set, del, expired] = &channels;
    hears(&mut events, message(set, "k") + &message(del, "k") + &message(set, "x") + &message(expired, "x"));
    hears(&mut key, message("__keyspace@0__:k", "set") + &message("__keyspace@0__:k", "del"));
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_before_it_costs_memory() {
    let mut service = Service::start(&[]);
    let mut subscribers = Vec::new();
    for _ in 0..10 {
        let mut subscriber = service.connect("tcp");
        say(&mut subscriber, "SUBSCRIBE c\r\n", subscribed("c", 1));
        subscribers.push(subscriber);
    }
    let mut publisher = service.connect("tcp");
    let before = memory(&service);
    let publish = command(&[b"PUBLISH", b"c", &[b'x'; 100_000]]);
    let start = Instant::now();
    loop {
        publisher.send(&publish);
        if line(&mut publisher) == ":0\r\n" {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "they should have been dropped");
    }
    let most = 10 * 2 * 1024 + 20_000;
    assert!(memory(&service) < before + most, "{} KiB, before {before}", memory(&service));
    service.logged(|line| line["message"] == "subscriber dropped: it does not read");
    say(&mut publisher, "PING\r\n", "+PONG\r\n");
}

#[test]
fn a_client_that_does_not_read_its_replies_is_not_read_either() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    say(&mut client, command(&[b"SET", b"k", &[b'x'; 100_000]]), "+OK\r\n");
    let before = memory(&service);
    // 1 GB of answers.
    let gets = b"GET k\r\n".repeat(10_000);
    client.0.get_ref().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let took_all = (0..1000).all(|_| client.0.get_mut().write_all(&gets).is_ok());
    assert!(!took_all, "it should have stopped reading");
    assert!(memory(&service) < before + 20_000, "{} KiB, before {before}", memory(&service));
    say(&mut service.connect("tcp"), "PING\r\n", "+PONG\r\n");
}

#[test]
fn a_large_value_is_held_once_however_many_clients_do_not_read_it() {
    const CLIENTS: usize = 50;
    const LARGE: usize = 1_000_000;
    let mut service = Service::start(&[]);
    let mut writer = service.connect("tcp");
    say(&mut writer, command(&[b"SET", b"k", &[b'x'; LARGE]]), "+OK\r\n");
    let before = memory(&service);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = service.connect("tcp");
        // The first answer says that the second is on its way.
        say(&mut client, "PING\r\n".to_owned() + &"GET k\r\n".repeat(100), "+PONG\r\n");
        clients.push(client);
    }
    assert!(memory(&service) < before + 10_000, "{} KiB, before {before}", memory(&service));
    // Who reads gets what was there when it asked.
    say(&mut writer, "SET k v\r\n", "+OK\r\n");
    hears(&mut clients[0], format!("${LARGE}\r\n{}\r\n", "x".repeat(LARGE)));
}

#[test]
fn a_command_with_many_keys_is_answered_once() {
    const KEYS: usize = 5000;
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    let names: Vec<_> = (0..KEYS).map(|number| number.to_string()).collect();
    let all = |name: &str| {
        command(&[name].into_iter().chain(names.iter().map(String::as_str)).map(str::as_bytes).collect::<Vec<_>>())
    };
    say(
        &mut client,
        names.iter().step_by(2).map(|name| format!("SET {name} v\r\n")).collect::<String>(),
        "+OK\r\n".repeat(KEYS / 2),
    );
    let commands =
        [b"PING\r\n", &*all("EXISTS"), b"GET 0\r\n", &all("DEL"), b"GET 0\r\n", &all("EXISTS"), b"TTL 0\r\n"];
    say(&mut client, commands.concat(), "+PONG\r\n:2500\r\n$1\r\nv\r\n:2500\r\n$-1\r\n:0\r\n:-2\r\n");
}

#[test]
fn large_values_in_a_pipeline_keep_their_places() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    let sizes = [0, 1, 4095, 4096, 70_000, 200_000];
    let (mut commands, mut expected) = (Vec::new(), String::new());
    for (size, name) in sizes.iter().zip('a'..) {
        say(&mut client, command(&[b"SET", &[name as u8], &vec![name as u8; *size]]), "+OK\r\n");
    }
    for round in 0..20 {
        for (size, name) in sizes.iter().zip('a'..) {
            commands.extend(format!("GET {name}\r\nPING\r\nEXISTS a b {name} no\r\nTTL {name}\r\nDEL no\r\n").bytes());
            let value = name.to_string().repeat(*size);
            expected += &format!("${size}\r\n{value}\r\n+PONG\r\n:3\r\n:-1\r\n:0\r\n");
        }
        commands.extend(command(&[b"ECHO", &vec![b'0' + round; 5000]]));
        expected += &format!("$5000\r\n{}\r\n", char::from(b'0' + round).to_string().repeat(5000));
    }
    say(&mut client, commands, expected);
}

#[test]
fn the_drain_answers_what_was_sent_and_ends_who_waits() {
    let mut service = Service::start(&[]);
    let mut subscriber = service.connect("tcp");
    say(&mut subscriber, "SUBSCRIBE c\r\n", subscribed("c", 1));
    let mut unread = service.connect("tcp");
    say(&mut unread, "SUBSCRIBE c\r\n", subscribed("c", 1));
    let (mut silent, mut half) = (service.connect("tcp"), service.connect("tcp"));
    half.send("*2\r\n$3\r\nGET\r\n$10\r\nx");
    let mut pipelining = service.connect("tcp");
    pipelining.send("SET k v\r\n".repeat(20_000));
    say(&mut service.connect("tcp"), "PING\r\nPUBLISH c hello\r\n", "+PONG\r\n:2\r\n");
    let asked = Instant::now();
    service.signal("TERM");
    hears(&mut pipelining, "+OK\r\n".repeat(20_000));
    hears(&mut subscriber, message("c", "hello"));
    for client in [&mut pipelining, &mut subscriber, &mut silent, &mut half] {
        client.is_closed();
    }
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    drop(unread);
}

#[test]
fn no_command_begun_before_the_drain_is_lost() {
    let delay = Duration::from_millis(500);
    let mut service = Service::start(&["--shutdown-delay", "500ms"]);
    let address = service.address("tcp");
    let (begins, has_begun) = channel();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (address, begins) = (address.clone(), begins.clone());
            // Each command on a connection of its own, or all on one.
            let is_new_each_time = number % 2 == 0;
            thread::spawn(move || {
                let (mut sent, mut lost, mut client) = (0, Vec::new(), None);
                loop {
                    let Ok(stream) = client.take().map_or_else(|| TcpStream::connect(&address), Ok) else {
                        return lost;
                    };
                    let mut stream: TcpStream = stream;
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let written = stream.write_all(b"PING\r\n");
                    // Before that nobody can know of it.
                    let begun = Instant::now();
                    if written.and_then(|()| stream.read_exact(&mut [0; 7])).is_err() {
                        lost.push(begun);
                    } else if !is_new_each_time {
                        client = Some(stream);
                    }
                    sent += 1;
                    if sent == 20 {
                        begins.send(()).unwrap();
                    }
                }
            })
        })
        .collect();
    for _ in &clients {
        has_begun.recv_timeout(PATIENCE).unwrap();
    }
    let asked = Instant::now();
    service.signal("TERM");
    let lost: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(lost.iter().all(|begun| *begun > asked + delay), "{lost:?} after {asked:?}");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (0, "drained"));
}

#[test]
fn a_command_that_has_begun_to_arrive_is_waited_for() {
    let mut service = Service::start(&[]);
    let mut client = service.connect("tcp");
    say(&mut client, "PING\r\n*2\r\n$3\r\nGET\r\n$4000\r\n", "+PONG\r\n");
    let (stops, is_stopping) = channel();
    let mut writes = client.0.get_ref().try_clone().unwrap();
    // However long it takes until the drain has begun: the client is slow, not silent.
    let sender = thread::spawn(move || {
        let mut left = 4000;
        while is_stopping.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) && left > 1 {
            writes.write_all(b"k").unwrap();
            left -= 1;
        }
        writes.write_all(&[&*b"k".repeat(left), b"\r\n"].concat()).unwrap();
    });
    service.signal("TERM");
    service.until_not_ready();
    stops.send(()).unwrap();
    hears(&mut client, "$-1\r\n");
    sender.join().unwrap();
    client.is_closed();
    let (code, _) = service.ended();
    assert_eq!(code, 0);
}

#[test]
fn a_command_that_drips_does_not_hold_the_drain() {
    let mut service = Service::start(&["--body-timeout", "20s", "--shutdown-grace", "15s"]);
    let mut client = service.connect("tcp");
    say(&mut client, "PING\r\n*2\r\n$3\r\nGET\r\n$1000\r\n", "+PONG\r\n");
    stop_while(service, client, b"x");
}

#[test]
fn who_sends_without_end_holds_neither_the_drain_nor_the_only_thread() {
    for commands in ["PING\r\n", "\r\n"] {
        let mut service = Service::start(&[ONE_THREAD, &["--shutdown-grace", "60s"]].concat());
        let (mut writes, mut reads) = (TcpStream::connect(service.address("tcp")).unwrap(), Vec::new());
        let mut answers = writes.try_clone().unwrap();
        let sender = thread::spawn(move || while writes.write_all(commands.repeat(10_000).as_bytes()).is_ok() {});
        let reader = thread::spawn(move || answers.read_to_end(&mut reads));
        assert_eq!(service.connect("admin").get("/livez").status, 200);
        service.signal("TERM");
        let (code, log) = service.ended();
        assert_eq!((code, outcome(&log)), (0, "drained"), "{commands:?}");
        sender.join().unwrap();
        // An error says that it was cut off while it was sending.
        drop(reader.join().unwrap());
    }
}

#[test]
fn replies_that_nobody_reads_are_unfinished_work() {
    let mut service = Service::start(&["--shutdown-grace", "2s"]);
    let mut client = service.connect("tcp");
    say(&mut client, command(&[b"SET", b"k", &[b'x'; 1_000_000]]), "+OK\r\n");
    client.send("GET k\r\n".repeat(100));
    say(&mut service.connect("tcp"), "PING\r\n", "+PONG\r\n");
    service.signal("TERM");
    let (code, log) = service.ended();
    assert_eq!((code, outcome(&log)), (3, "forced"));
    let cut: Vec<_> = log.iter().filter(|line| line["message"] == "still running").map(|line| &line["task"]).collect();
    assert_eq!(cut, ["tcp GET"]);
}

/// Where a line of the log says which connection it is about: in its span, or by itself.
fn about(line: &serde_json::Value) -> &serde_json::Value {
    line.get("span").unwrap_or(line)
}

#[test]
fn log_lines_name_the_connection_and_never_show_values() {
    let mut service = Service::start(&["--log-filter", "debug"]);
    let mut client = service.connect("tcp");
    say(&mut client, "SET k secret\r\n", "+OK\r\n");
    let line = service.logged(|line| line["command"] == "set");
    let connection = about(&line);
    assert!(connection["id"].is_u64() && connection["peer"].is_string(), "{line}");
    //{% if false %}
    #[cfg(not(feature = "mutex-store"))]
    //{% endif %}
    //{% if actor %}
    service.logged(|line| line["message"] == "done by the store" && about(line)["id"] == connection["id"]);
    //{% endif %}
    drop(client);
    service.signal("TERM");
    let (_, log) = service.ended();
    assert!(log.iter().all(|line| !line.to_string().contains("secret")));
}

#[test]
fn a_client_library_of_redis_works() -> redis::RedisResult<()> {
    let mut service = Service::start(&[]);
    let client = redis::Client::open("redis://".to_owned() + &service.address("tcp"))?;
    let mut connection = client.get_connection()?;
    let set: String = redis::cmd("SET").arg("k").arg("v").query(&mut connection)?;
    assert_eq!(set, "OK");
    let mut pipe = redis::pipe();
    pipe.get("k").get("nowhere").cmd("SET").arg("k").arg("w").arg("EX").arg(100).ignore().ttl("k").keys("*");
    let found: (Option<String>, Option<String>, u64, Vec<String>) = pipe.query(&mut connection)?;
    assert_eq!(found, (Some("v".to_owned()), None, 100, vec!["k".to_owned()]));

    let mut subscribed = client.get_connection()?;
    let mut subscriber = subscribed.as_pubsub();
    subscriber.subscribe("c")?;
    let receivers: u64 = redis::cmd("PUBLISH").arg("c").arg("hello").query(&mut connection)?;
    assert_eq!(receivers, 1);
    assert_eq!(subscriber.get_message()?.get_payload::<String>()?, "hello");
    Ok(())
}
