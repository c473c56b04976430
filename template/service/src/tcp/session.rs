//! One client's conversation: its commands are carried out in order, as many together as it has sent together.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::{Op, Ran};
use resp::{Batch, Reply, Step};
use tokio::task::yield_now;
use tracing::{Instrument, Level, Span};

use super::{
    Shared,
    connection::End,
    life::Stage,
    subscriptions::Subscriptions,
    wire::{MOST, Wire},
};
use crate::store::StoreError;

/// What a client has said and is to be told.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection.
    pub wire: Wire,
    /// What is logged about the connection stands in it.
    pub span: Span,
    /// Unique among the connections of this process.
    pub id: u64,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// As long as there are some, the client is sent what happens, and may say little.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// What is to be carried out, all at once.
    batch: Batch,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire, peer: Option<SocketAddr>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let span = tracing::info_span!("tcp connection", id, peer = peer.map(tracing::field::display));
        Self { wire, span, id, shared, subscriptions: None, batch: Batch::default() }
    }

    /// Talks with the client until the connection has to end.
    ///
    /// # Cancel safety
    /// What the store has taken is carried out all the same; only the answers are lost.
    pub(super) async fn run(&mut self) -> End {
        if let Err(error) = self.wire.stream.set_nodelay(true) {
            return error.into();
        }
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        self.wire.rest().await;
        //{% if measured %}
        let (began, output) = (std::time::Instant::now(), self.wire.output.len());
        //{% endif %}
        self.answer().await?;
        //{% if measured %}
        if self.wire.output.len() > output {
            self.shared.meters.answered(began);
        }
        //{% endif %}
        if self.subscriptions.is_some() && self.wire.life.stage != Stage::Draining {
            return Box::pin(self.listen()).await;
        }
        self.wire.flush().await?;
        self.wire.fill().await
    }

    /// Answers all commands that have come whole.
    async fn answer(&mut self) -> Result<(), End> {
        loop {
            let request = match self.wire.next() {
                Ok(Some(request)) => request,
                Ok(None) => return self.settle().await,
                Err(fault) => {
                    self.settle().await?;
                    tracing::debug!(parent: &self.span, %fault, "protocol error");
                    self.wire.put(&fault.into());
                    return Err(End::Farewell);
                }
            };
            let is_subscribed = self.subscriptions.is_some();
            match resp::parse(&request, is_subscribed) {
                Ok((spec, command)) => {
                    tracing::debug!(parent: &self.span, command = spec.name);
                    //{% if measured %}
                    self.shared.meters.called(spec);
                    //{% endif %}
                    if self.batch.is_empty() {
                        self.wire.task = spec.task;
                    }
                    if let Some(command) = self.batch.plan(command, is_subscribed) {
                        self.settle().await?;
                        self.wire.task = spec.task;
                        Box::pin(self.carry_out(command)).await?;
                    }
                }
                Err(error) => {
                    self.batch.put(Reply::Error(error));
                    if resp::is_http(&request) {
                        self.settle().await?;
                        return Err(End::Farewell);
                    }
                }
            }
            if self.batch.is_full() {
                self.settle().await?;
            }
        }
    }

    /// Carries out what is planned, and answers it.
    async fn settle(&mut self) -> Result<(), End> {
        while let Some(step) = self.batch.step() {
            match step {
                Step::Ask(ops) => {
                    let said = self.ask(ops).await;
                    self.batch.told(said);
                }
                Step::Say(reply) => self.say(reply).await?,
            }
        }
        Ok(())
    }

    /// Asks the store, on behalf of this connection.
    ///
    /// # Errors
    /// What to answer instead.
    pub(super) async fn ask(&mut self, ops: VecDeque<Op>) -> Result<Ran, Reply> {
        // Only where the store logs what it does: to enter the span and to leave it, twice, takes 2 % of a GET.
        let span = if tracing::enabled!(Level::DEBUG) { self.span.clone() } else { Span::none() };
        let run = pin!(self.shared.store.run(ops).instrument(span));
        let ran = self.wire.work(run).await.map_err(refusal)?;
        if !ran.rest.is_empty() {
            // A store behind a lock does not make anyone wait.
            yield_now().await;
        }
        Ok(ran)
    }

    /// Puts a reply behind the others, and makes sure that these do not become too many.
    pub(super) async fn say(&mut self, reply: Reply) -> Result<(), End> {
        self.wire.put(&reply);
        // A subscriber must not be waited for here: messages would pile up.
        if self.wire.output.len() >= MOST && self.subscriptions.is_none() {
            self.wire.flush().await?;
            // A client that reads as fast as we write must not keep the thread for itself.
            yield_now().await;
        }
        Ok(())
    }

    /// Puts several replies behind the others.
    pub(super) async fn say_all(
        &mut self,
        replies: impl IntoIterator<Item = Reply, IntoIter: Send> + Send,
    ) -> Result<(), End> {
        for reply in replies {
            self.say(reply).await?;
        }
        Ok(())
    }
}

/// Why the store has not done it.
fn refusal(error: StoreError) -> Reply {
    Reply::Error(match error {
        StoreError::Overloaded => "BUSY the store is overloaded: try again later".into(),
        other => format!("ERR {other}").into(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::{super::life::Life, *};
    use crate::{
        config::Settings,
        lifecycle::{self, Phases, Supervisor},
        store::{Options, Store},
        tcp::Resp,
    };

    /// What a client is answered that sends all of this at once, `QUIT` last.
    async fn answers(commands: &[u8], store: impl FnOnce(&Supervisor, Phases) -> Store) -> String {
        let (_control, phases) = lifecycle::channel();
        let supervisor = Supervisor::new(phases.clone());
        let store = store(&supervisor, phases.clone());
        let Resp(shared) = Resp::new(store, &supervisor, &Settings::parse_from(["service"]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(commands).await.unwrap();

        let wire = Wire::new(&shared, listener.accept().await.unwrap().0, Life::new(phases, std::future::pending()));
        let mut session = Session::new(shared, wire, None);
        assert!(matches!(session.run().await, End::Farewell));
        session.wire.flush().await.unwrap();
        drop(session);
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        answers
    }

    #[tokio::test]
    async fn what_is_carried_out_alone_sees_what_came_before_and_not_what_comes_after() {
        let commands = b"SET k v\r\nKEYS *\r\nDEL k\r\nKEYS *\r\nSET k v\r\nQUIT\r\n";
        let start = |supervisor: &Supervisor, phases| Store::start(Options::default(), supervisor, phases);
        let expected = "+OK\r\n*1\r\n$1\r\nk\r\n:1\r\n*0\r\n+OK\r\n+OK\r\n";
        assert_eq!(answers(commands, start).await, expected);
    }
    //{% if actor %}

    //{% endif %}
    //{% if false %}
    #[cfg(not(feature = "mutex-store"))]
    //{% endif %}
    //{% if actor %}
    #[tokio::test]
    async fn overload_is_refused_command_by_command_and_in_order() {
        let commands = b"PING\r\nGET k\r\nSET k v\r\nECHO hi\r\nDEL a b\r\nKEYS *\r\nQUIT\r\n";
        let busy = "-BUSY the store is overloaded: try again later\r\n";
        let expected = format!("+PONG\r\n{busy}{busy}$2\r\nhi\r\n{busy}{busy}+OK\r\n");
        assert_eq!(answers(commands, |_, _| Store::stuck()).await, expected);
    }
    //{% endif %}
}
