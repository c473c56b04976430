//! What deliveries promise, without a socket where none is needed: then time stands still, and turns when all wait.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use domain::{Condition, Event, EventKind, Key, Revision};
use serde_json::json;
use service::{
    lifecycle::{self, Phase, PhaseControl, Supervisor},
    outbound::{ATTEMPTS, Again, BACKLOG, CONCURRENCY, Counts, Failure, Sink, Times, Webhook, WebhookUrl, start},
    store::{Options, Store},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{broadcast, watch},
    time::{self, Instant},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string, header, method, path},
};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(revision: Revision) -> Event {
    Event { kind: EventKind::Put, key: Key::try_from("k").unwrap(), revision }
}

/// Each attempt waits for as long as `answer` says, and comes to what it says.
#[derive(Clone)]
struct Receiver<F> {
    answer: F,
    /// What has arrived.
    arrived: Arc<Mutex<Vec<Revision>>>,
    /// How often it was tried.
    attempts: watch::Sender<usize>,
    /// How many attempts go on, and the most there were.
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl<F> Sink for Receiver<F>
where
    F: Fn(usize) -> (Duration, Result<(), Again>) + Clone + Send + Sync + 'static,
{
    async fn deliver(&self, event: &Event) -> Result<(), Failure> {
        let mut attempt = 0;
        self.attempts.send_modify(|attempts| {
            *attempts += 1;
            attempt = *attempts;
        });
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        let (pause, result) = (self.answer)(attempt);
        time::sleep(pause).await;
        self.now.fetch_sub(1, SeqCst);
        result.map_err(|again| Failure { reason: "on purpose".to_owned(), again })?;
        self.arrived.lock().unwrap().push(event.revision);
        Ok(())
    }
}

/// Deliveries on their own, and what keeps them going.
struct Running<F> {
    events: broadcast::Sender<Event>,
    receiver: Receiver<F>,
    counts: Arc<Counts>,
    control: PhaseControl,
    supervisor: Supervisor,
}

/// Deliveries to a receiver that gives these answers to the first attempt, the second, and so on.
fn deliveries<F>(answer: F) -> Running<F>
where
    Receiver<F>: Sink,
{
    let receiver = Receiver {
        answer,
        arrived: Arc::default(),
        attempts: watch::Sender::new(0),
        now: Arc::default(),
        most: Arc::default(),
    };
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let supervisor = Supervisor::new(phases.clone());
    let events = broadcast::Sender::new(BACKLOG);
    let counts = start(receiver.clone(), events.subscribe(), &supervisor, phases, 25 * SECOND);
    Running { events, receiver, counts, control, supervisor }
}

impl<F: Sync> Running<F> {
    fn tell(&self, events: u64) {
        for revision in 1..=events {
            self.events.send(event(revision)).unwrap();
        }
    }

    async fn attempted(&self, times: usize) {
        let mut attempts = self.receiver.attempts.subscribe();
        time::timeout(3600 * SECOND, attempts.wait_for(|attempts| *attempts >= times)).await.unwrap().unwrap();
    }

    /// Stops the service, and waits for the end of the deliveries: how long it took.
    async fn stop(&self) -> Duration {
        let asked = Instant::now();
        for phase in [Phase::Stopping, Phase::Draining, Phase::Stopped] {
            self.control.advance(phase);
            tokio::task::yield_now().await;
        }
        time::timeout(3600 * SECOND, self.supervisor.idle()).await.unwrap();
        asked.elapsed()
    }

    /// What arrived, was tried again, and was lost.
    fn counts(&self) -> (u64, u64, u64) {
        (self.counts.delivered(), self.counts.retried(), self.counts.lost())
    }

    fn arrived(&self) -> Vec<Revision> {
        let mut arrived = self.receiver.arrived.lock().unwrap().clone();
        arrived.sort_unstable();
        arrived
    }
}

const OK: (Duration, Result<(), Again>) = (Duration::ZERO, Ok(()));
const LATER: (Duration, Result<(), Again>) = (Duration::ZERO, Err(Again::Later));

#[tokio::test(start_paused = true)]
async fn a_burst_is_delivered_whole_by_so_many_at_once() {
    let running = deliveries(|_| (SECOND, Ok(())));
    running.tell(5000);
    running.attempted(5000).await;
    running.stop().await;
    assert_eq!(running.arrived(), (1..=5000).collect::<Vec<_>>());
    assert_eq!(running.receiver.most.load(SeqCst), CONCURRENCY);
    assert_eq!(running.counts(), (5000, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_after_a_pause() {
    let running = deliveries(|attempt| if attempt < 4 { LATER } else { OK });
    running.tell(1);
    running.attempted(4).await;
    running.stop().await;
    assert_eq!(running.counts(), (1, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_gets_it() {
    let running = deliveries(|attempt| if attempt == 1 { (Duration::ZERO, Err(Again::After(7 * SECOND))) } else { OK });
    let start = Instant::now();
    running.tell(1);
    running.attempted(2).await;
    assert!((7 * SECOND..8 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_not_tried_again() {
    let running = deliveries(|attempt| if attempt == 1 { (Duration::ZERO, Err(Again::Never)) } else { OK });
    running.tell(2);
    running.attempted(2).await;
    running.stop().await;
    assert_eq!(running.counts(), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_given_up_after_so_many_attempts() {
    let running = deliveries(|_| LATER);
    running.tell(1);
    running.attempted(ATTEMPTS as usize).await;
    time::sleep(60 * SECOND).await;
    assert_eq!(running.counts(), (0, u64::from(ATTEMPTS) - 1, 1));
}

#[tokio::test(start_paused = true)]
async fn retries_keep_within_their_budget_when_all_fails() {
    let running = deliveries(|_| LATER);
    running.tell(1000);
    time::sleep(30 * SECOND).await;
    let (_, retried, _) = running.counts();
    let first = *running.receiver.attempts.borrow() as u64 - retried;
    assert!(retried <= 10 + 30 + first / 5, "{retried} retries of {first} events");
    assert!(retried >= 30, "one a second is always there: {retried}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_away_for_some_seconds_misses_nothing() {
    let back = Instant::now() + 5 * SECOND;
    let running = deliveries(move |_| if Instant::now() < back { LATER } else { OK });
    running.tell(500);
    time::sleep(120 * SECOND).await;
    assert_eq!((running.arrived().len(), running.counts().2), (500, 0));
}

#[tokio::test(start_paused = true)]
async fn more_than_the_backlog_holds_is_lost_and_counted() {
    let running = deliveries(|_| OK);
    running.tell(BACKLOG as u64 + 100);
    running.attempted(BACKLOG).await;
    running.stop().await;
    assert_eq!(running.counts(), (BACKLOG as u64, 0, 100));
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_service_stops_is_still_delivered() {
    let running = deliveries(|_| (100 * Duration::from_millis(1), Ok(())));
    running.tell(1000);
    running.attempted(1).await;
    let took = running.stop().await;
    assert_eq!(running.counts(), (1000, 0, 0));
    assert!(took < 7 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_dead_is_tried_once_more_and_does_not_hold_the_end() {
    let running = deliveries(|_| LATER);
    running.tell(3);
    running.attempted(20).await;
    let (_, before, _) = running.counts();
    let took = running.stop().await;
    let (delivered, retried, lost) = running.counts();
    assert_eq!((delivered, lost), (0, 3));
    assert!(retried - before <= 3, "once more for each");
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_for_a_receiver_that_is_dead_is_given_up_as_a_whole() {
    let running = deliveries(|_| LATER);
    running.tell(5000);
    running.attempted(CONCURRENCY).await;
    let attempts = *running.receiver.attempts.borrow();
    let took = running.stop().await;
    assert_eq!(running.counts().2, 5000);
    assert!(*running.receiver.attempts.borrow() - attempts <= 2 * CONCURRENCY);
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_silent_is_given_up_before_the_grace_ends() {
    let running = deliveries(|_| (3600 * SECOND, Ok(())));
    running.tell(3);
    running.attempted(3).await;
    let took = running.stop().await;
    assert_eq!(running.counts(), (0, 0, 3));
    assert!((24 * SECOND..25 * SECOND).contains(&took), "{took:?}");
}

/// A webhook with times that a test can wait for.
fn webhook(url: &str, times: Times) -> Webhook {
    Webhook::new(url.parse::<WebhookUrl>().unwrap(), times).unwrap()
}

/// The URL of a socket.
fn at(address: SocketAddr) -> String {
    String::from("http://") + &address.to_string()
}

fn patient() -> Times {
    Times { connect: PATIENCE, read: PATIENCE, total: PATIENCE }
}

/// What one attempt comes to, which may take no longer than anything that works.
async fn attempt(url: &str, times: Times) -> Result<(), Failure> {
    time::timeout(PATIENCE / 2, webhook(url, times).deliver(&event(7))).await.unwrap()
}

#[tokio::test]
async fn every_kind_of_event_is_posted_as_json() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/hook")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let (control, phases) = lifecycle::channel();
    control.advance(Phase::Ready);
    let supervisor = Supervisor::new(phases.clone());
    let store = Store::start(Options::default(), &supervisor, phases.clone());
    let sink = webhook(&format!("{}/hook", server.uri()), patient());
    start(sink, store.subscribe(), &supervisor, phases, PATIENCE);

    let key = Key::try_from("a \"quoted\" ключ").unwrap();
    let mut expired = store.subscribe();
    store.put(key.clone(), b"value", None, Condition::default()).await.unwrap();
    store.delete(&key, Condition::default()).await.unwrap();
    store.put(key.clone(), b"value", Some(Duration::from_millis(1)), Condition::default()).await.unwrap();
    while expired.recv().await.unwrap().kind != EventKind::Expire {}
    control.advance(Phase::Stopped);
    supervisor.idle().await;

    let mut bodies: Vec<serde_json::Value> = Vec::new();
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.headers["content-type"], "application/json");
        bodies.push(request.body_json().unwrap());
    }
    bodies.sort_by_key(|body| body["revision"].as_u64());
    let kinds = ["put", "delete", "put", "expire"];
    let expected: Vec<_> = kinds
        .iter()
        .zip(1..)
        .map(|(kind, revision)| json!({"event": kind, "key": &*key, "revision": revision}))
        .collect();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn the_body_is_these_bytes_and_a_password_goes_into_a_header() {
    let server = MockServer::start().await;
    Mock::given(body_string(r#"{"event":"put","key":"k","revision":7}"#))
        .and(header("authorization", "Basic dXNlcjpwYXNz"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let url = format!("http://user:pass@{}/", server.address());
    assert_eq!(attempt(&url, patient()).await, Ok(()));
}

#[tokio::test]
async fn an_answer_says_whether_to_try_again() {
    let server = MockServer::start().await;
    for (status, retry_after, expected) in [
        (200, None, None),
        (299, None, None),
        (400, None, Some(Again::Never)),
        (404, Some("1"), Some(Again::Never)),
        (408, None, Some(Again::Later)),
        (429, Some("3"), Some(Again::After(3 * SECOND))),
        (500, Some("soon"), Some(Again::Later)),
        (503, Some("120"), Some(Again::After(120 * SECOND))),
    ] {
        server.reset().await;
        let response = ResponseTemplate::new(status);
        let response = match retry_after {
            Some(value) => response.insert_header("retry-after", value),
            None => response,
        };
        Mock::given(method("POST")).respond_with(response).mount(&server).await;
        let result = attempt(&server.uri(), patient()).await;
        assert_eq!(result.map_err(|failure| failure.again).err(), expected, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    let response = ResponseTemplate::new(307).insert_header("location", other.uri());
    Mock::given(method("POST")).respond_with(response).mount(&server).await;
    assert_eq!(attempt(&server.uri(), patient()).await.unwrap_err().again, Again::Never);
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_fails() {
    // A queue that is full: the kernel answers no further connection.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = time::timeout(SECOND / 4, TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let times = Times { connect: SECOND / 10, ..patient() };
    let failure = attempt(&at(address), times).await.unwrap_err();
    assert_eq!(failure.again, Again::Later);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_fails() {
    // The kernel accepts for it, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = at(silent.local_addr().unwrap());
    for times in [Times { read: SECOND / 10, ..patient() }, Times { total: SECOND / 10, ..patient() }] {
        assert_eq!(attempt(&url, times).await.unwrap_err().again, Again::Later);
    }
}

#[tokio::test]
async fn nobody_there_and_no_tls_there_are_failures_like_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = attempt(&format!("http://user:secret@{address}/secret"), patient()).await.unwrap_err();
    assert_eq!(failure.again, Again::Later);
    assert!(!failure.reason.contains("secret"), "{}", failure.reason);

    let server = MockServer::start().await;
    let url: WebhookUrl = format!("https://user:secret@{}/secret", server.address()).parse().unwrap();
    // On a system that trusts nobody there is no TLS at all, and the service does not start.
    if let Ok(webhook) = Webhook::new(url, patient()) {
        let failure = webhook.deliver(&event(7)).await.unwrap_err();
        assert_eq!(failure.again, Again::Later);
        assert!(!failure.reason.contains("secret"), "{}", failure.reason);
    }
}
