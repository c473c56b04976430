//! Settings, log, runtime, exit code; everything else is in the library.

use std::process::ExitCode;

use process::{Outcome, settings::Settings as _};
use service::{config::Settings, lifecycle, telemetry};
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
    let runtime = Builder::new_multi_thread().worker_threads(settings.worker_threads.get()).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(service::run(settings, &telemetry));
            lifecycle::end(runtime);
            result.map_err(anyhow::Error::new)
        }
        Err(error) => Err(anyhow::Error::new(error).context("can't start the runtime")),
    };
    let outcome = result.unwrap_or_else(|error| {
        tracing::error!(target: "service", error = format!("{error:#}"), "failed to start");
        Outcome::Failed
    });
    telemetry.end(outcome);
    Ok(ExitCode::from(outcome.code()))
}
