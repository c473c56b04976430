//! The commands that are carried out alone: what they do must not be seen before what came first is done.

use resp::{Command, Reply};

use super::{connection::End, session::Session};

impl Session {
    /// Carries out a command for itself.
    pub(super) async fn carry_out(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Keys(pattern) => self.keys(&pattern).await,
            Command::Subscribe(channels) => self.subscribe(channels).await,
            Command::Unsubscribe(channels) => self.unsubscribe(channels).await,
            Command::Publish { channel, message } => {
                let receivers = self.wire.work(self.shared.channels.publish(channel, &message)).await;
                self.say(receivers.map_or_else(Reply::from, Reply::count)).await
            }
            Command::Quit => {
                self.say(Reply::Simple("OK")).await?;
                Err(End::Farewell)
            }
            about => self.say_all(Reply::about(&about, self.id)).await,
        }
    }
}
