//! One client's conversation: its commands are carried out in order, as many together as it has sent together.

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use domain::{Op, Ran};
use resp::{Batch, Command, Reply, Step};

use super::{
    Shared,
    subscriber::Subscription,
    wire::{End, MOST, Wire},
};
use crate::{lifecycle::Phases, net::Place, store::StoreError};

/// What a client has said and is to be told.
pub(super) struct Session {
    /// The connection.
    pub wire: Wire,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// As long as there is one, the client is sent what happens, and may say little.
    pub subscription: Option<Subscription>,
    /// Its place among the others.
    pub place: Place,
    /// What the work that is going on is called.
    pub task: &'static str,
    /// The client's address.
    peer: Option<SocketAddr>,
    /// What is to be carried out, all at once.
    batch: Batch,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, stream: TcpStream, place: Place, phases: Phases) -> Self {
        let peer = stream.peer_addr().ok();
        let wire = Wire::new(stream, shared.longest, shared.frame_timeout, phases);
        Self { wire, shared, subscription: None, place, peer, batch: Batch::default(), task: "tcp" }
    }

    /// Serves the client until either side closes the connection.
    pub(super) fn serve(mut self) {
        let mut end = self.run();
        if let End::Fault(fault) = end {
            tracing::debug!(id = self.place.id, %fault, "protocol error");
            self.put(&fault.into());
            end = End::Farewell;
        }
        // Nothing is published to it any more while it takes notice.
        self.subscription = None;
        let id = self.place.id;
        match end {
            End::Gone(error) => tracing::debug!(id, %error, "closed"),
            End::Farewell | End::Fault(_) => {
                // What goes wrong here is the client's business: it is going.
                drop(self.flush().map(|()| self.wire.close()));
                tracing::debug!(id, "closed");
            }
        }
    }

    /// Talks with the client until the connection has to end.
    fn run(&mut self) -> End {
        if let Err(error) = self.wire.begin() {
            return error.into();
        }
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    fn turn(&mut self) -> Result<(), End> {
        //{% if metrics %}
        let (began, output) = (std::time::Instant::now(), self.wire.output.len());
        //{% endif %}
        self.answer()?;
        //{% if metrics %}
        if self.wire.output.len() > output {
            self.shared.meters.answered(began);
        }
        //{% endif %}
        if self.subscription.is_some() && self.listen()? {
            return Ok(());
        }
        self.flush()?;
        self.wire.fill()
    }

    /// Answers all commands that have come whole.
    fn answer(&mut self) -> Result<(), End> {
        loop {
            let request = match self.wire.next() {
                Ok(Some(request)) => request,
                Ok(None) => return self.settle(),
                Err(fault) => {
                    self.settle()?;
                    return Err(End::Fault(fault));
                }
            };
            let is_subscribed = self.subscription.is_some();
            match resp::parse(&request, is_subscribed) {
                Ok((spec, command)) => {
                    tracing::debug!(
                        id = self.place.id,
                        peer = self.peer.map(tracing::field::display),
                        command = spec.name
                    );
                    //{% if metrics %}
                    self.shared.meters.called(spec);
                    //{% endif %}
                    if self.batch.is_empty() {
                        self.task = spec.task;
                    }
                    if let Some(command) = self.batch.plan(command, is_subscribed) {
                        self.settle()?;
                        self.task = spec.task;
                        self.carry_out(command)?;
                    }
                }
                Err(error) => {
                    self.batch.put(Reply::Error(error));
                    if resp::is_http(&request) {
                        self.settle()?;
                        return Err(End::Farewell);
                    }
                }
            }
            if self.batch.is_full() {
                self.settle()?;
            }
        }
    }

    /// Carries out what is planned, and answers it.
    fn settle(&mut self) -> Result<(), End> {
        while let Some(step) = self.batch.step() {
            match step {
                Step::Ask(ops) => {
                    let said = self.ask(ops);
                    self.batch.told(said);
                }
                Step::Say(reply) => self.say(&reply)?,
            }
        }
        Ok(())
    }

    /// Carries out a command for itself.
    fn carry_out(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Keys(pattern) => self.keys(&pattern),
            Command::Subscribe(channels) => self.subscribe(channels),
            Command::Unsubscribe(channels) => self.unsubscribe(channels),
            Command::Publish { channel, message } => {
                let count = self.place.work(self.task, || self.shared.channels.publish(&channel, &message));
                self.say(&Reply::count(count))
            }
            Command::Quit => {
                self.say(&Reply::Simple("OK"))?;
                Err(End::Farewell)
            }
            about => self.say_all(&Reply::about(&about, self.place.id)),
        }
    }

    /// Asks the store, on behalf of this connection.
    ///
    /// # Errors
    /// What to answer instead.
    pub(super) fn ask(&self, ops: VecDeque<Op>) -> Result<Ran, Reply> {
        self.place.work(self.task, || self.shared.store.run(self.place.id, ops)).map_err(refusal)
    }

    /// Puts a reply behind the others, and makes sure that these do not become too many.
    pub(super) fn say(&mut self, reply: &Reply) -> Result<(), End> {
        self.put(reply);
        // A subscriber must not be waited for here: messages would pile up.
        if self.wire.output.len() >= MOST && self.subscription.is_none() {
            self.flush()?;
        }
        Ok(())
    }

    /// Puts several replies behind the others.
    pub(super) fn say_all(&mut self, replies: &[Reply]) -> Result<(), End> {
        replies.iter().try_for_each(|reply| self.say(reply))
    }

    fn put(&mut self, reply: &Reply) {
        //{% if metrics %}
        if let Reply::Error(error) = reply {
            self.shared.meters.failed(error);
        }
        //{% endif %}
        self.wire.output.put_reply(reply);
    }

    /// Sends what there is to send: replies that a client does not take are unfinished work.
    pub(super) fn flush(&mut self) -> Result<(), End> {
        self.place.work(self.task, || self.wire.flush())
    }
}

/// Why the store has not done it.
fn refusal(error: StoreError) -> Reply {
    Reply::Error(match error {
        StoreError::Overloaded => "BUSY the store is overloaded: try again later".into(),
        StoreError::Stopped => format!("ERR {error}").into(),
    })
}
