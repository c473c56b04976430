//! The commands that are carried out alone: what they do must not be seen before what came first is done.

use super::{
    answer::{description, integer, text},
    command::{COMMANDS, Command},
    connection::End,
    reply::Reply,
    session::Session,
};

impl Session {
    /// Carries out a command for itself.
    pub(super) async fn carry_out(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Keys(pattern) => self.keys(&pattern).await,
            Command::Subscribe(channels) => self.subscribe(channels).await,
            Command::Unsubscribe(channels) => self.unsubscribe(channels).await,
            Command::Publish { channel, message } => {
                let receivers = self.wire.work(self.shared.channels.publish(channel, &message)).await;
                self.say(receivers.map_or_else(Reply::from, integer)).await
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
}
