//! A command that reads dumps of the store, sums them up, and writes one report, whole or not at all.
//!
//! The data goes one way: `input` opens what is named, `pieces` cuts it into whole lines, `part` says what one piece
//! comes to, `total` puts the parts together in the order of the input, `report` gives it a form, `output` puts it in
//! place. `entry`, `part`, `total` and `report` are pure: they compute, and neither read nor write. `serial` is the loop
//! from pieces to total.

mod config;
mod entry;
mod error;
mod input;
mod output;
//{% if rayon %}
/// What `serial` does, on many threads.
pub mod parallel;
//{% endif %}
mod part;
mod pieces;
mod progress;
mod report;
pub mod serial;
mod signals;
mod total;

pub use config::Settings;
pub use entry::{BadLine, Entry};
pub use error::{Error, Failure, readable};
pub use part::{Largest, Part, Rules, Summary};
pub use pieces::{Origin, Piece, Pieces, Source};
pub use report::{Figures, Report};
pub use total::Total;

use std::sync::Arc;

use input::Input;
use output::{Output, Unfinished};
use progress::Progress;
use signals::Ended;

/// Does the whole job: the report is in place when it returns.
///
/// SIGINT and SIGTERM end it early, also while it waits for stdin; a second one ends the process at once.
///
/// # Errors
/// [`Failure`] says why there is no report, and how to exit. What was at the place of the report is still there.
pub fn run(settings: Settings) -> Result<(), Failure> {
    let progress = Progress::new(settings.quiet);
    let unfinished = Arc::new(Unfinished::default());
    let ended = {
        let (progress, unfinished) = (progress.clone(), Arc::clone(&unfinished));
        signals::run(move || job(settings, &progress, &unfinished))
    };
    progress.clear();
    match ended {
        Ok(Ended::Returned(result)) => Ok(result?),
        // The report was in place before the signal came: then the job is done.
        Ok(Ended::Interrupted(_)) if !unfinished.abandon() => Ok(()),
        Ok(Ended::Interrupted(signal)) => Err(Failure::Interrupted(signal)),
        Ok(Ended::Panicked) => Err(Failure::Panicked),
        Err(error) => Err(Error::Signals(error).into()),
    }
}

/// The job, on a thread of its own: it may wait for files and for stdin as long as they take.
fn job(settings: Settings, progress: &Progress, unfinished: &Unfinished) -> Result<(), Error> {
    let rules = settings.rules();
    let inputs = settings.inputs.into_iter().map(Input::check).collect::<Result<Vec<_>, _>>()?;
    let output = Output::check(settings.output)?;
    if inputs.iter().any(|input| output.is(input.identity)) {
        return Err(Error::OutputIsInput { output: output.name() });
    }
    progress.start(inputs.iter().map(|input| input.size).sum());
    let seen = progress.clone();
    let pieces = Pieces::new(inputs.into_iter().map(Input::open), rules.max_line_bytes)
        .inspect(move |piece| seen.add(piece.as_ref().map_or(0, |piece| piece.lines.len())));
    //{% if rayon %}
    let total = match settings.threads {
        1 => serial::total(pieces, &rules),
        threads => parallel::total(pieces, &rules, threads.into()),
    }?;
    //{% endif %}
    //{% if false %}
    #[cfg(false)] // Live, rayon is there.
    //{% endif %}
    //{% if blocking %}
    let total = serial::total(pieces, &rules)?;
    //{% endif %}
    progress.clear();
    output.write(&total.report().to_json()?, unfinished)
}
