//! Every setting once: its flag, its variable, its default and its check.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    num::{NonZeroU32, NonZeroUsize},
    str::FromStr,
    thread::available_parallelism,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};

use crate::{
    duration,
    telemetry::{self, LogFormat},
};

/// Every flag has a variable with this prefix, and no other variable may have it.
const PREFIX: &str = "APP_";

/// A key-value store with revisions, expiry and watching.
///
/// Every flag can be given as an environment variable instead; a flag wins over its variable. Durations are written
/// 250ms, 5s or 2m.
#[derive(Clone, Debug, Parser)]
#[command(version, next_line_help = true)]
pub struct Settings {
    //{% if http %}
    /// Where HTTP is served; port 0 lets the system choose
    #[arg(long, env = "APP_HTTP_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub http_addr: Address,

    //{% endif %}
    /// Where health and the log filter are served; keep it away from the public
    #[arg(long, env = "APP_ADMIN_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub admin_addr: Address,

    /// How long to go on serving after the signal, while load balancers learn of it
    #[arg(long, env = "APP_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = any_duration)]
    pub shutdown_delay: Duration,

    /// How long after the signal unfinished work is cut off, the delay included
    #[arg(long, env = "APP_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s", value_parser = time_limit)]
    pub shutdown_grace: Duration,

    /// Connections at once on a listener; those above it wait to be accepted
    #[arg(long, env = "APP_MAX_CONNECTIONS", value_name = "N", default_value = "10000")]
    pub max_connections: NonZeroU32,

    /// Requests at once; those above it are refused with 503
    #[arg(long, env = "APP_MAX_IN_FLIGHT", value_name = "N", default_value = "1024")]
    pub max_in_flight: NonZeroU32,

    /// From the head of a request to the head of its response
    #[arg(long, env = "APP_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = time_limit)]
    pub request_timeout: Duration,

    /// For the first byte of a connection, a whole request head, and the HTTP/2 preface
    #[arg(long, env = "APP_HEADER_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = time_limit)]
    pub header_timeout: Duration,

    /// For the whole body of a request
    #[arg(long, env = "APP_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = time_limit)]
    pub body_timeout: Duration,

    /// The largest body of a request that is accepted
    #[arg(long, env = "APP_MAX_BODY_BYTES", value_name = "BYTES", default_value = "1048576")]
    pub max_body_bytes: NonZeroU32,

    //{% if actor %}
    /// Places in the inbox of an actor
    #[arg(long, env = "APP_MAILBOX", value_name = "N", default_value = "1024")]
    pub mailbox: NonZeroU32,

    //{% endif %}
    /// Threads that run tasks; by default one for each CPU that this process may use
    #[arg(long, env = "APP_WORKER_THREADS", value_name = "N", default_value_t = cpus(), value_parser = worker_threads)]
    pub worker_threads: NonZeroUsize,

    /// Which events are logged, in the syntax of tracing's EnvFilter: `info,service::net=debug`
    #[arg(long, env = "APP_LOG_FILTER", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log_filter: String,

    /// How events are written [default: text on a terminal, else json]
    #[arg(long, env = "APP_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl Settings {
    /// Reads the settings of this process, which is called `name`.
    ///
    /// # Errors
    /// What to tell the user and how to exit: for a bad setting, and also for `--help`.
    pub fn load(name: &'static str) -> Result<Self, clap::Error> {
        let mut command = Self::command().name(name);
        let settings = Self::from_arg_matches(&command.try_get_matches_from_mut(std::env::args_os())?)?;
        settings
            .check(std::env::vars_os().map(|(variable, _)| variable))
            .map_err(|detail| command.error(ErrorKind::ValueValidation, detail))?;
        Ok(settings)
    }

    /// What no single flag can check.
    fn check(&self, variables: impl IntoIterator<Item = OsString>) -> Result<(), String> {
        if let Some(unknown) = unknown_variable(variables) {
            return Err(format!("the environment variable {unknown} belongs to no setting"));
        }
        if self.shutdown_delay > self.shutdown_grace {
            return Err(format!(
                "--shutdown-delay ({:?}) must not be above --shutdown-grace ({:?}), which includes it",
                self.shutdown_delay, self.shutdown_grace
            ));
        }
        Ok(())
    }
}

/// The first variable with our prefix that no setting has: most likely a typo, which must not go unnoticed.
fn unknown_variable(variables: impl IntoIterator<Item = OsString>) -> Option<String> {
    let command = Settings::command();
    let known: BTreeSet<_> = command.get_arguments().filter_map(clap::Arg::get_env).collect();
    let ours = |name: &OsString| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let unknown = variables.into_iter().filter(ours).find(|name| !known.contains(name.as_os_str()));
    unknown.map(|name| name.to_string_lossy().into_owned())
}

/// `HOST:PORT`; the host is an IP address (`[::1]` for IPv6) or a name, which is resolved when it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080";
        if text.parse::<std::net::SocketAddr>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
        // Only digits and dots, yet no IP address: a name server would be asked for nothing.
        let is_broken_ip = host.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_name && is_port && !is_broken_ip { Ok(Self(text.to_owned())) } else { Err(EXPECTED) }
    }
}

fn any_duration(text: &str) -> Result<Duration, String> {
    /// A year: sums of times stay far from what the clock can hold.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    match duration::parse(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than a year".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn time_limit(text: &str) -> Result<Duration, String> {
    match any_duration(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        duration => Ok(duration),
    }
}

fn worker_threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(threads) if threads.get() <= 1024 => Ok(threads),
        Ok(_) => Err("at most 1024".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    telemetry::parse_filter(text).map(|_| text.to_owned())
}

/// The CPUs that this process may use: affinity and cgroup quota are taken into account.
fn cpus() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        Settings::command().debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for argument in Settings::command().get_arguments() {
            let Some(flag) = argument.get_long() else { continue };
            let expected = format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env(), Some(expected.as_ref()), "--{flag}");
        }
    }

    #[test]
    fn addresses_are_ip_or_name_with_a_port() {
        for good in ["127.0.0.1:0", "[::1]:8080", "localhost:80", "db-1.internal:65535", "0.0.0.0:1"] {
            assert_eq!(good.parse::<Address>().as_ref().map(Address::as_str), Ok(good));
        }
        for bad in
            ["", "8080", ":8080", "localhost", "localhost:", "localhost:65536", "::1:80:", "1.2.3:80", "a b:1", "a:+1"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
