//! The owner's side of the actor: the loop that takes one message at a time.

use std::{pin::pin, time::Duration};

use domain::Event;
use tokio::{
    sync::{broadcast, mpsc},
    task::yield_now,
    time,
};

use super::{Envelope, Message, Reply};
use crate::{lifecycle::Phases, store::Keys};

/// How many messages are done before the task looks at anything else.
const BATCH: usize = 64;

/// How many operations are done before other tasks have their turn.
const BUSY: usize = 1024;

/// The task and all it has. Nobody else can reach it.
pub(super) struct Task(Keys);

impl Task {
    pub(super) fn new(events: broadcast::Sender<Event>) -> Self {
        Self(Keys::new(events))
    }

    /// Serves until the service has stopped or the last handle is gone. What the inbox has taken by then is still done.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Envelope>, phases: Phases) {
        let mut stopped = pin!(phases.stopped());
        // One timer for the whole life: it moves when the soonest deadline does.
        let mut alarm = pin!(time::sleep(Duration::ZERO));
        let (mut armed, mut done) = (None, 0);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            // Nothing is awaited inside an arm: the other arms' futures would stand still meanwhile.
            tokio::select! {
                count = inbox.recv_many(&mut batch, BATCH) => match count {
                    0 => return,
                    _ => {
                        done += batch.iter().map(|envelope| envelope.message.weight()).sum::<usize>();
                        batch.drain(..).for_each(|envelope| self.handle(envelope));
                    }
                },
                () = &mut alarm, if armed.is_some() => self.0.expire(),
                () = &mut stopped => break,
            }
            let deadline = self.0.next_deadline();
            if let Some(deadline) = deadline
                && armed != Some(deadline)
            {
                alarm.as_mut().reset(deadline.into());
            }
            armed = deadline;
            if done >= BUSY {
                done = 0;
                // A full inbox would otherwise be emptied in one go, whatever else this thread has to do.
                yield_now().await;
            }
        }
        // From here on nothing comes in, but what is in the inbox was accepted.
        inbox.close();
        while let Some(envelope) = inbox.recv().await {
            self.handle(envelope);
        }
    }

    fn handle(&mut self, Envelope { message, span }: Envelope) {
        let _entered = span.enter();
        tracing::debug!(operation = message.name(), "done by the store");
        let keys = &mut self.0;
        match message {
            Message::Get { key, reply } => answer(reply, keys.get(&key)),
            Message::Put { write, reply } => answer(reply, keys.put(write)),
            Message::Delete { key, condition, reply } => answer(reply, keys.delete(&key, &condition)),
            Message::List { prefix, limit, reply } => answer(reply, keys.list(&prefix, limit)),
            //{% if compute %}
            Message::Entries { prefix, after, limit, reply } => {
                answer(reply, keys.entries(&prefix, after.as_ref(), limit));
            }
            //{% endif %}
            Message::ChangedSince { key, after, reply } => answer(reply, keys.changed_since(&key, after)),
            Message::Run { ops, reply } => answer(reply, keys.run(ops)),
        }
    }
}

fn answer<T>(reply: Reply<T>, answer: T) {
    // An error says that the caller has gone away, which is its right: what it asked for is done.
    drop(reply.send(answer));
}

#[cfg(test)]
mod tests {
    use domain::{Condition, Key, Write, Written};
    use tokio::sync::oneshot;

    use super::*;
    use crate::lifecycle::{self, Phase};

    fn put(name: &str) -> (Envelope, oneshot::Receiver<Result<Written, domain::Mismatch>>) {
        let key = Key::try_from(name).unwrap();
        let (reply, answer) = oneshot::channel();
        let write = Write::new(key, b"value", None, Condition::default());
        (Envelope { message: Message::Put { write, reply }, span: tracing::Span::none() }, answer)
    }

    #[tokio::test]
    async fn what_the_inbox_has_taken_is_done_though_the_service_has_stopped() {
        let (control, phases) = lifecycle::channel();
        let (inbox, messages) = mpsc::channel(8);
        let mut answers = Vec::new();
        for name in ["a", "b", "c"] {
            let (message, answer) = put(name);
            inbox.send(message).await.unwrap();
            answers.push(answer);
        }
        control.advance(Phase::Stopped);
        Task::new(broadcast::Sender::new(8)).run(messages, phases).await;
        for (answer, revision) in answers.into_iter().zip(1..) {
            assert_eq!(answer.await.unwrap(), Ok(Written { created: true, revision }));
        }
        assert!(inbox.send(put("d").0).await.is_err());
    }

    #[tokio::test]
    async fn the_task_ends_with_the_last_handle_after_its_work() {
        let (_control, phases) = lifecycle::channel();
        let (inbox, messages) = mpsc::channel(8);
        let (message, answer) = put("a");
        inbox.send(message).await.unwrap();
        drop(inbox);
        Task::new(broadcast::Sender::new(8)).run(messages, phases).await;
        assert!(answer.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_away_is_done() {
        let (_control, phases) = lifecycle::channel();
        let (inbox, messages) = mpsc::channel(8);
        let events = broadcast::Sender::new(8);
        let mut watcher = events.subscribe();
        inbox.send(put("a").0).await.unwrap();
        drop(inbox);
        Task::new(events).run(messages, phases).await;
        assert_eq!(&*watcher.recv().await.unwrap().key, "a");
    }
}
