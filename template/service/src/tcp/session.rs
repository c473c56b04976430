//! One client's conversation: its commands are carried out in order, as many together as it has sent together.

use std::{
    collections::VecDeque,
    mem,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::Condition;
use tokio::task::yield_now;
use tracing::{Instrument, Level, Span};

use super::{
    Shared,
    answer::{Answer, confused, count, refusal},
    command::{self, COMMANDS, Command},
    connection::End,
    fault::Fault,
    life::Stage,
    reply::Reply,
    subscriptions::Subscriptions,
    wire::{MOST, Wire},
};
use crate::store::{Op, Ran, StoreError};

/// Commands of one client that are carried out together.
const WINDOW: usize = 128;

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
    /// What the store is to be asked for, all at once.
    ops: VecDeque<Op>,
    /// What will be answered, command by command.
    answers: Vec<Answer>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire, peer: Option<SocketAddr>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let span = tracing::info_span!("tcp connection", id, peer = peer.map(tracing::field::display));
        Self { wire, span, id, shared, subscriptions: None, ops: VecDeque::new(), answers: Vec::new() }
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
                Err(Fault::Io(error)) => return Err(error.into()),
                Err(fault) => {
                    self.settle().await?;
                    tracing::debug!(parent: &self.span, %fault, "protocol error");
                    self.wire.put(fault.into())?;
                    return Err(End::Farewell);
                }
            };
            match command::parse(&request, self.subscriptions.is_some()) {
                Ok((spec, command)) => {
                    tracing::debug!(parent: &self.span, command = spec.name);
                    //{% if measured %}
                    self.shared.meters.called(spec);
                    //{% endif %}
                    if self.answers.is_empty() {
                        self.wire.task = spec.task;
                    }
                    if let Some(command) = self.plan(command) {
                        self.settle().await?;
                        self.wire.task = spec.task;
                        Box::pin(self.carry_out(command)).await?;
                    }
                }
                Err(error) => {
                    self.answers.push(Answer::Known(Reply::Error(error)));
                    if command::is_http(&request) {
                        self.settle().await?;
                        return Err(End::Farewell);
                    }
                }
            }
            if self.answers.len() >= WINDOW || self.ops.len() >= WINDOW {
                self.settle().await?;
            }
        }
    }

    /// Puts the command behind those that are to be carried out together, or gives it back when it has to be alone:
    /// what it does must not be seen before what came first is done.
    fn plan(&mut self, command: Command) -> Option<Command> {
        let answer = match command {
            Command::Get(key) => {
                self.ops.push_back(Op::Get(key));
                Answer::Get
            }
            Command::Set(put) => {
                self.ops.push_back(Op::Put(put));
                Answer::Set
            }
            Command::Del(keys) => {
                let answer = Answer::hits(keys.len());
                self.ops.extend(keys.into_iter().map(|key| Op::Delete(key, Condition::default())));
                answer
            }
            Command::Exists(keys) => {
                let answer = Answer::hits(keys.len());
                self.ops.extend(keys.into_iter().map(Op::Ttl));
                answer
            }
            Command::Ttl(key) => {
                self.ops.push_back(Op::Ttl(key));
                Answer::Ttl
            }
            Command::Ping(None) if self.subscriptions.is_none() => Answer::Known(Reply::Simple("PONG")),
            Command::Ping(Some(message)) if self.subscriptions.is_none() => Answer::Known(Reply::Bulk(message)),
            Command::Echo(message) => Answer::Known(Reply::Bulk(message)),
            Command::Count => Answer::Known(Reply::Integer(count(COMMANDS.len()))),
            Command::Docs => Answer::Known(Reply::Array(0)),
            alone => return Some(alone),
        };
        self.answers.push(answer);
        None
    }

    /// Carries out what is planned, and answers it.
    async fn settle(&mut self) -> Result<(), End> {
        let mut answers = mem::take(&mut self.answers);
        let (mut left, mut done) = (Ok(mem::take(&mut self.ops)), Vec::new().into_iter());
        for mut answer in answers.drain(..) {
            let reply = loop {
                answer = match answer.reply(&mut done) {
                    Ok(reply) => break reply,
                    Err(unanswered) => unanswered,
                };
                let ran = match &mut left {
                    Ok(ops) => self.ask(mem::take(ops)).await,
                    Err(error) => Err(*error),
                };
                match ran {
                    Ok(ran) if ran.done.is_empty() => break confused(),
                    Ok(ran) => (left, done) = (Ok(ran.rest), ran.done.into_iter()),
                    Err(error) => {
                        left = Err(error);
                        break refusal(error);
                    }
                }
            };
            self.say(reply).await?;
        }
        if answers.capacity() <= 16 {
            self.answers = answers;
        }
        Ok(())
    }

    /// Asks the store, on behalf of this connection.
    pub(super) async fn ask(&mut self, ops: VecDeque<Op>) -> Result<Ran, StoreError> {
        // Only where the store logs what it does: to enter the span and to leave it, twice, takes 2 % of a GET.
        let span = if tracing::enabled!(Level::DEBUG) { self.span.clone() } else { Span::none() };
        let run = pin!(self.shared.store.run(ops).instrument(span));
        let ran = self.wire.work(run).await?;
        if !ran.rest.is_empty() {
            // A store behind a lock does not make anyone wait.
            yield_now().await;
        }
        Ok(ran)
    }

    /// Puts a reply behind the others, and makes sure that these do not become too many.
    pub(super) async fn say(&mut self, reply: Reply) -> Result<(), End> {
        self.wire.put(reply)?;
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
