//! Every setting once: its flag, its variable, its default and its check.

use std::{num::NonZeroU32, time::Duration};

use clap::Parser;
use process::{
    address::Address,
    log::LogFormat,
    settings::{self, any_duration, log_filter, time_limit},
};

/// A key-value store with revisions, expiry and watching.
///
/// Every flag can be given as an environment variable instead; a flag wins over its variable. Durations are written
/// 250ms, 5s or 2m.
#[derive(Clone, Debug, Parser)]
#[command(version, next_line_help = true)]
pub struct Settings {
    //{% if tcp %}
    /// Where RESP, the protocol of Redis, is served; port 0 lets the system choose
    #[arg(long, env = "APP_TCP_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:6380")]
    pub tcp_addr: Address,

    //{% endif %}
    /// Where health and telemetry are served; keep it away from the public
    #[arg(long, env = "APP_ADMIN_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub admin_addr: Address,

    /// How long to go on serving after the signal, while load balancers learn of it
    #[arg(long, env = "APP_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = any_duration)]
    pub shutdown_delay: Duration,

    /// How long after the signal unfinished work is cut off, the delay included
    #[arg(long, env = "APP_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s", value_parser = time_limit)]
    pub shutdown_grace: Duration,

    /// Connections at once, each with a thread; those above it wait to be accepted
    #[arg(long, env = "APP_MAX_CONNECTIONS", value_name = "N", default_value = "10000")]
    pub max_connections: NonZeroU32,

    /// For a whole request head on the admin listener
    #[arg(long, env = "APP_HEADER_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = time_limit)]
    pub header_timeout: Duration,

    /// For a whole command once it has begun
    #[arg(long, env = "APP_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = time_limit)]
    pub body_timeout: Duration,

    /// The largest value that is accepted
    #[arg(long, env = "APP_MAX_BODY_BYTES", value_name = "BYTES", default_value = "1048576")]
    pub max_body_bytes: NonZeroU32,

    //{% if actor %}
    /// Places in the inbox of the thread that has the keys
    #[arg(long, env = "APP_MAILBOX", value_name = "N", default_value = "1024")]
    pub mailbox: NonZeroU32,

    //{% endif %}
    /// Which events are logged, in the syntax of tracing's EnvFilter: `info,threaded::net=debug`
    #[arg(long, env = "APP_LOG_FILTER", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log_filter: String,

    /// How events are written [default: text on a terminal, else json]
    #[arg(long, env = "APP_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl settings::Settings for Settings {
    fn heading(field: &str) -> Option<&'static str> {
        match field {
            _ if field.ends_with("_addr") => Some("Listeners"),
            _ if field.starts_with("shutdown_") => Some("Shutdown"),
            _ if field.starts_with("max_") || field.ends_with("_timeout") || field == "mailbox" => Some("Limits"),
            _ if field.starts_with("log_") => Some("Log"),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), String> {
        settings::check_times(self.shutdown_delay, self.shutdown_grace)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        Settings::command().debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        assert_eq!(settings::each_flag_has_its_variable(&Settings::command()), Ok(()));
    }
}
