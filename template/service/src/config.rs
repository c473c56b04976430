//! Every setting once: its flag, its variable, its default and its check.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    thread::available_parallelism,
    time::Duration,
};

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

impl settings::Settings for Settings {
    fn heading(field: &str) -> Option<&'static str> {
        match field {
            _ if field.ends_with("_addr") => Some("Listeners"),
            _ if field.starts_with("shutdown_") => Some("Shutdown"),
            _ if field.starts_with("max_") || field.ends_with("_timeout") => Some("Limits"),
            "mailbox" | "compute_threads" | "compute_queue" | "worker_threads" => Some("Limits"),
            _ if field.starts_with("webhook_") => Some("Deliveries"),
            _ if field.starts_with("log_") => Some("Log"),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), String> {
        settings::check_times(self.shutdown_delay, self.shutdown_grace)?;
        //{% if console %}
        if self.console_addr.is_some() && !crate::telemetry::console::is_built_in() {
            let why = "--console-addr needs a build with `--cfg tokio_unstable`";
            return Err(format!("{why}; RUSTFLAGS replaces what .cargo/config.toml says, so it has to say that too"));
        }
        //{% endif %}
        //{% if otel %}
        crate::telemetry::otel::check()?;
        //{% endif %}
        Ok(())
    }
}

fn worker_threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(threads) if threads.get() <= 1024 => Ok(threads),
        Ok(_) => Err("at most 1024".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The CPUs that this process may use: affinity and cgroup quota are taken into account.
fn cpus() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
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
