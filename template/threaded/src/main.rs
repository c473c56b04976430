//! Settings, log, exit code; everything else is in the library.

use std::process::ExitCode;

use process::{Outcome, log, log::Log, settings::Settings as _};
use threaded::config::Settings;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

fn main() -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(env!("CARGO_BIN_NAME")) {
        Ok(settings) => settings,
        Err(error) => {
            // Where nobody reads it, the exit code still says it.
            drop(error.print());
            return Ok(ExitCode::from(u8::try_from(error.exit_code())?));
        }
    };
    let (log, lines) = Log::start(&settings.log_filter, settings.log_format)?;
    tracing_subscriber::registry().with(lines).try_init()?;
    log::panics();
    let outcome = threaded::run(&settings, &log).unwrap_or_else(|error| {
        let error = anyhow::Error::new(error);
        tracing::error!(target: "threaded", error = format!("{error:#}"), "failed to start");
        Outcome::Failed
    });
    log.end(outcome);
    // Threads that still run end with the process.
    Ok(ExitCode::from(outcome.code()))
}
