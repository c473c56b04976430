//! Every setting once: its flag, its variable, its default and its check.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    num::{NonZeroU32, NonZeroUsize},
    thread::available_parallelism,
    time::Duration,
};

use clap::{
    CommandFactory, FromArgMatches, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    address::Address,
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
    //{% if grpc_shares %}
    /// Where gRPC is served, if not where HTTP is; port 0 lets the system choose
    #[arg(long, env = "APP_GRPC_ADDR", value_name = "HOST:PORT")]
    pub grpc_addr: Option<Address>,

    //{% endif %}
    //{% if false %}
    #[cfg(false)] // Live, HTTP is there to be shared.
    //{% endif %}
    //{% if grpc_alone %}
    /// Where gRPC is served; port 0 lets the system choose
    #[arg(long, env = "APP_GRPC_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:50051")]
    pub grpc_addr: Option<Address>,

    //{% endif %}
    //{% if tcp %}
    /// Where RESP, the protocol of Redis, is served
    #[arg(long, env = "APP_TCP_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:6380")]
    pub tcp_addr: Address,

    //{% endif %}
    /// Where health and telemetry are served; keep it away from the public
    #[arg(long, env = "APP_ADMIN_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub admin_addr: Address,

    //{% if console %}
    /// Where tokio-console finds the tasks of the runtime [default: nowhere, and nothing is recorded]
    #[arg(long, env = "APP_CONSOLE_ADDR", value_name = "HOST:PORT")]
    pub console_addr: Option<Address>,

    //{% endif %}
    /// How long to go on serving after the signal, while load balancers learn of it
    #[arg(long, env = "APP_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = any_duration)]
    pub shutdown_delay: Duration,

    /// How long after the signal unfinished work is cut off, the delay included
    #[arg(long, env = "APP_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s", value_parser = time_limit)]
    pub shutdown_grace: Duration,

    /// Connections at once on a listener; those above it wait to be accepted
    #[arg(long, env = "APP_MAX_CONNECTIONS", value_name = "N", default_value = "10000")]
    pub max_connections: NonZeroU32,

    /// Requests at once; those above it are refused at once
    #[arg(long, env = "APP_MAX_IN_FLIGHT", value_name = "N", default_value = "1024")]
    pub max_in_flight: NonZeroU32,

    /// From the head of a request to the head of its response
    #[arg(long, env = "APP_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = time_limit)]
    pub request_timeout: Duration,

    /// For the first byte of a connection, a whole request head, and the HTTP/2 preface
    #[arg(long, env = "APP_HEADER_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = time_limit)]
    pub header_timeout: Duration,

    /// For the whole body of a request, or a whole command once it has begun
    #[arg(long, env = "APP_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = time_limit)]
    pub body_timeout: Duration,

    /// The largest body, message or value that is accepted; times --max-in-flight, what bodies may take of the memory
    #[arg(long, env = "APP_MAX_BODY_BYTES", value_name = "BYTES", default_value = "1048576")]
    pub max_body_bytes: NonZeroU32,

    //{% if actor %}
    /// Places in the inbox of an actor
    #[arg(long, env = "APP_MAILBOX", value_name = "N", default_value = "1024")]
    pub mailbox: NonZeroU32,

    //{% endif %}
    //{% if outbound %}
    /// Where every event is POSTed to, as JSON; without it, nowhere
    #[arg(long, env = "APP_WEBHOOK_URL", value_name = "URL", hide_env_values = true)]
    pub webhook_url: Option<crate::outbound::WebhookUrl>,

    //{% endif %}
    //{% if compute %}
    /// Threads that compute; by default one for each CPU that this process may use
    #[arg(long, env = "APP_COMPUTE_THREADS", value_name = "N", default_value_t = cpus(), value_parser = worker_threads)]
    pub compute_threads: NonZeroUsize,

    /// Computations that may wait for such a thread; those above it are refused with 503
    #[arg(long, env = "APP_COMPUTE_QUEUE", value_name = "N", default_value = "64")]
    pub compute_queue: NonZeroU32,

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

/// What `--help` ends with.
const AFTER_HELP: &str = "\
Signals:
  SIGTERM, SIGINT  not ready at once; after --shutdown-delay no new connections, and work in flight is finished
  a second one     ends the process at once

Exit codes:
  0         all work was finished
  1         it could not start, or a task that it needs has failed
  2         a setting is wrong; nothing was bound
  3         --shutdown-grace ran out with work unfinished, which is named in the log
  130, 143  a second signal: SIGINT, SIGTERM";

impl Settings {
    /// Reads the settings of this process, which is called `name`.
    ///
    /// # Errors
    /// What to tell the user and how to exit: for a bad setting, and also for `--help`.
    pub fn load(name: &'static str) -> Result<Self, clap::Error> {
        let mut command = Self::command().name(name).after_help(AFTER_HELP).mut_args(|argument| {
            let heading = heading(argument.get_id().as_str());
            // What is set may be secret, and help is pasted anywhere.
            argument.help_heading(heading).hide_env_values(true)
        });
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let settings = match matches.and_then(|matches| Self::from_arg_matches(&matches)) {
            Ok(settings) => settings,
            Err(error) if error.kind() == ErrorKind::InvalidUtf8 => {
                return Err(command.error(ErrorKind::ValueValidation, not_unicode()));
            }
            Err(error) => return Err(discreet(error)),
        };
        let variables = std::env::vars_os().map(|(variable, _)| variable);
        settings.check(variables).map_err(|detail| command.error(ErrorKind::ValueValidation, detail))?;
        Ok(settings)
    }

    /// What no single flag can check.
    fn check(&self, variables: impl IntoIterator<Item = OsString>) -> Result<(), String> {
        let unknown = unknown_variables(variables);
        if !unknown.is_empty() {
            return Err(format!("no setting has the environment variable {}", unknown.join(", nor ")));
        }
        if self.shutdown_delay > self.shutdown_grace {
            return Err(format!(
                "--shutdown-delay ({:?}) must not be above --shutdown-grace ({:?}), which includes it",
                self.shutdown_delay, self.shutdown_grace
            ));
        }
        //{% if console %}
        if self.console_addr.is_some() && !telemetry::console::is_built_in() {
            let why = "--console-addr needs a build with `--cfg tokio_unstable`";
            return Err(format!("{why}; RUSTFLAGS replaces what .cargo/config.toml says, so it has to say that too"));
        }
        //{% endif %}
        //{% if otel %}
        telemetry::otel::check()?;
        //{% endif %}
        Ok(())
    }
}

/// Under which heading `--help` has a setting.
fn heading(id: &str) -> Option<&'static str> {
    match id {
        _ if id.ends_with("_addr") => Some("Listeners"),
        _ if id.starts_with("shutdown_") => Some("Shutdown"),
        _ if id.starts_with("max_") || id.ends_with("_timeout") => Some("Limits"),
        "mailbox" | "compute_threads" | "compute_queue" | "worker_threads" => Some("Limits"),
        _ if id.starts_with("webhook_") => Some("Deliveries"),
        _ if id.starts_with("log_") => Some("Log"),
        _ => None,
    }
}

/// The error without the value, if the setting is secret: its field says so with `hide_env_values = true`.
fn discreet(mut error: clap::Error) -> clap::Error {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(usage)) => usage.trim_start_matches('-').split(' ').next().map(str::to_owned),
        _ => None,
    };
    let command = Settings::command();
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| named.is_some() && argument.get_long() == named.as_deref());
    if argument.is_some_and(clap::Arg::is_hide_env_values_set) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(secret)".to_owned()));
    }
    error
}

/// Which arguments and variables are no text.
fn not_unicode() -> String {
    let flags = std::env::args_os().filter(|argument| argument.to_str().is_none());
    // Its value may be a secret.
    let name = |flag: &str| flag.starts_with("--").then(|| flag.split('=').next().unwrap_or_default().to_owned());
    let flags = flags.map(|argument| name(&argument.to_string_lossy()).unwrap_or_else(|| "an argument".to_owned()));
    let variables = std::env::vars_os().filter(|(name, value)| is_ours(name) && value.to_str().is_none());
    let variables = variables.map(|(name, _)| name.to_string_lossy().into_owned());
    format!("not UTF-8: {}", flags.chain(variables).collect::<Vec<_>>().join(", "))
}

/// The variables with our prefix that no setting has, each with the nearest that one has: most likely they are typos,
/// which must not go unnoticed.
fn unknown_variables(variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let command = Settings::command();
    let known: BTreeSet<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    let ours = variables.into_iter().filter(|name| is_ours(name)).map(|name| name.to_string_lossy().into_owned());
    let unknown = ours.filter(|name| !known.contains(name.as_str()));
    unknown
        .map(|name| {
            let nearest = known.iter().map(|known| (strsim::jaro(&name, known), known));
            match nearest.max_by(|one, other| one.0.total_cmp(&other.0)) {
                Some((likeness, nearest)) if likeness > 0.8 => format!("{name} (did you mean {nearest}?)"),
                _ => name,
            }
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
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
}
