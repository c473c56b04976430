//! Settings, log, runtime, exit code; everything else is in the library.

use std::process::ExitCode;

use anyhow::Context;
use service::{
    config::Settings,
    lifecycle::{self, Outcome},
    telemetry,
};
use tokio::runtime::Builder;

fn main() -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(env!("CARGO_BIN_NAME")) {
        Ok(settings) => settings,
        Err(error) => {
            // Where nobody reads it, the exit code still says it.
            drop(error.print());
            return Ok(ExitCode::from(u8::try_from(error.exit_code())?));
        }
    };
    let telemetry = telemetry::start(&settings)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(settings.worker_threads.get())
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let outcome = match runtime.block_on(service::run(settings, &telemetry)) {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(target: "service", error = format!("{:#}", anyhow::Error::new(error)), "failed to start");
            Outcome::Failed
        }
    };
    lifecycle::end(runtime, telemetry, outcome);
    Ok(ExitCode::from(outcome.code()))
}
