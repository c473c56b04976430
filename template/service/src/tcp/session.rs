//! One client's conversation: its commands are carried out in order, as many together as it has sent together.

use std::{
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::Condition;
use tracing::Span;

use super::{
    Shared,
    answer::{Answer, confused, count, description, refusal, text},
    channels::Subscriptions,
    codec::Fault,
    command::{self, COMMANDS, Command},
    connection::{End, MOST, Stage, Wire},
    glob::Glob,
    reply::Reply,
};
use crate::store::{Done, Op};

/// Commands of one client that are carried out together: the others wait meanwhile.
const WINDOW: usize = 128;

/// How many keys `KEYS` looks at before others have their turn.
const PAGE: usize = 1000;

/// The most keys that `KEYS` answers with.
const KEYS: usize = 100_000;

/// What a client has said and is to be told.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection.
    pub wire: Wire,
    /// What is logged about the connection stands in it.
    pub span: Span,
    /// Unique among the connections of this process.
    id: u64,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// As long as there are some, the client is sent what happens, and may say little.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// What the store is to be asked for, all at once.
    ops: Vec<Op>,
    /// What will be answered, command by command.
    answers: Vec<Answer>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire, peer: Option<SocketAddr>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let span = tracing::info_span!("tcp connection", id, peer = peer.map(tracing::field::display));
        Self { wire, span, id, shared, subscriptions: None, ops: Vec::new(), answers: Vec::new() }
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
                self.ops.push(Op::Get(key));
                Answer::Get
            }
            Command::Set(put) => {
                self.ops.push(Op::Put(put));
                Answer::Set
            }
            Command::Del(keys) => {
                let count = keys.len();
                self.ops.extend(keys.into_iter().map(|key| Op::Delete(key, Condition::default())));
                Answer::Del(count)
            }
            Command::Exists(keys) => {
                let count = keys.len();
                self.ops.extend(keys.into_iter().map(Op::Get));
                Answer::Exists(count)
            }
            Command::Ttl(key) => {
                self.ops.push(Op::Get(key));
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
        let mut done = match mem::take(&mut self.ops) {
            ops if ops.is_empty() => Ok(Vec::new().into_iter()),
            ops => self.wire.work(self.shared.store.run(ops)).await.map(Vec::into_iter),
        };
        let mut answers = mem::take(&mut self.answers);
        for answer in answers.drain(..) {
            let reply = match (answer, &mut done) {
                (Answer::Known(reply), _) => reply,
                (answer, Ok(done)) => answer.reply(done),
                (_, Err(error)) => refusal(*error),
            };
            self.say(reply).await?;
        }
        if answers.capacity() <= 16 {
            self.answers = answers;
        }
        Ok(())
    }

    /// Puts a reply behind the others, and makes sure that these do not become too many.
    pub(super) async fn say(&mut self, reply: Reply) -> Result<(), End> {
        self.wire.put(reply)?;
        // A subscriber must not be waited for here: messages would pile up.
        if self.wire.output.len() >= MOST && self.subscriptions.is_none() {
            self.wire.flush().await?;
        }
        Ok(())
    }

    /// Carries out a command for itself.
    async fn carry_out(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Keys(pattern) => self.keys(&pattern).await,
            Command::Subscribe(channels) => self.subscribe(channels).await,
            Command::Unsubscribe(channels) => self.unsubscribe(channels).await,
            Command::Publish { channel, message } => {
                let receivers = self.wire.work(self.shared.channels.publish(channel, &message)).await;
                self.say(Reply::Integer(count(receivers))).await
            }
            Command::Ping(message) => {
                let pong = [Reply::Array(2), text("pong"), Reply::Bulk(message.unwrap_or_default())];
                self.say_all(pong).await
            }
            Command::Quit => {
                self.say(Reply::Simple("OK")).await?;
                Err(End::Farewell)
            }
            Command::Hello => {
                let server = [text("server"), text("redis"), text("version"), text(env!("CARGO_PKG_VERSION"))];
                let id = i64::try_from(self.id).unwrap_or(i64::MAX);
                let connection = [text("proto"), Reply::Integer(2), text("id"), Reply::Integer(id)];
                let role = [text("mode"), text("standalone"), text("role"), text("master")];
                let modules = [text("modules"), Reply::Array(0)];
                let all = [Reply::Array(14)].into_iter().chain(server).chain(connection).chain(role).chain(modules);
                self.say_all(all).await
            }
            Command::List => {
                let names: Vec<_> = COMMANDS.iter().map(|spec| text(spec.name)).collect();
                self.say(Reply::Array(names.len())).await?;
                self.say_all(names).await
            }
            Command::Info(specs) => {
                self.say(Reply::Array(specs.len())).await?;
                for spec in specs {
                    self.say_all(description(spec)).await?;
                }
                Ok(())
            }
            // Planned with others.
            Command::Get(_) | Command::Set(_) | Command::Del(_) | Command::Exists(_) | Command::Ttl(_) => Ok(()),
            Command::Echo(_) | Command::Count | Command::Docs => Ok(()),
        }
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

    /// The keys that match. They are looked up page by page, so that nobody waits long behind this; what is written
    /// meanwhile may be there or not, what was there all the time is.
    async fn keys(&mut self, pattern: &[u8]) -> Result<(), End> {
        let mut glob = Glob::new(pattern);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let prefix = glob.prefix().to_owned();
            let page = match after {
                None => Op::List(prefix, PAGE),
                Some(after) => Op::ListAfter(prefix, after, PAGE),
            };
            let mut done = match self.wire.work(self.shared.store.run(vec![page])).await {
                Ok(done) => done,
                Err(error) => return self.say(refusal(error)).await,
            };
            let Some(Done::Listed(page)) = done.pop() else { return self.say(confused()).await };
            after = page.keys.last().map(|listed| listed.key.clone());
            for listed in page.keys {
                match glob.matches(listed.key.as_bytes()) {
                    Ok(true) if found.len() == KEYS => {
                        let error = format!("ERR more than {KEYS} keys match: narrow the pattern");
                        return self.say(Reply::Error(error.into())).await;
                    }
                    Ok(true) => found.push(listed.key),
                    Ok(false) => {}
                    Err(error) => return self.say(Reply::Error(format!("ERR {error}").into())).await,
                }
            }
            if !page.more {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.say(Reply::Array(found.len())).await?;
        self.say_all(found.into_iter().map(Reply::Key)).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::{super::connection::Life, *};
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
