//! Settings, the run, what a person is told, exit code; everything else is in the library.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use batch::{Settings, readable};

fn main() -> ExitCode {
    let settings = match Settings::load(env!("CARGO_BIN_NAME")) {
        Ok(settings) => settings,
        Err(error) => {
            // Where nobody reads it, the exit code still says it.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match batch::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            drop(writeln!(stderr(), "{}", readable(&failure.to_string())));
            ExitCode::from(failure.code())
        }
    }
}
