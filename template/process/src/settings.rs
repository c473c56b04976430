//! Settings as their user meets them: flags with variables, and what is said about those that are wrong.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    time::Duration,
};

use clap::{Command, Parser};

use crate::{duration, faults::Faults, log};

/// Every flag has a variable with this prefix, and no other variable may have it.
pub const PREFIX: &str = "APP_";

/// What `--help` of a process ends with that is stopped by signals.
pub const AFTER_HELP: &str = "\
Signals:
  SIGTERM, SIGINT  not ready at once; after --shutdown-delay no new connections, and work in flight is finished
  a second one     ends the process at once

Exit codes:
  0         all work was finished
  1         it could not start, or something that it needs has failed
  2         a setting is wrong; nothing was bound
  3         --shutdown-grace ran out with work unfinished, which is named in the log
  130, 143  a second signal: SIGINT, SIGTERM";

/// Settings of a process, each a field with a flag and its variable.
pub trait Settings: Parser {
    /// Under which heading `--help` has the setting of this field.
    fn heading(field: &str) -> Option<&'static str>;

    /// What no single flag can check.
    ///
    /// # Errors
    /// What is wrong, naming the setting.
    fn check(&self) -> Result<(), String>;

    /// Reads the settings of this process, which is called `name`.
    ///
    /// # Errors
    /// What to tell the user and how to exit: for a bad setting, and also for `--help`.
    fn load(name: &'static str) -> Result<Self, clap::Error> {
        let mut command = Self::command().name(name).after_help(AFTER_HELP).mut_args(|argument| {
            let heading = Self::heading(argument.get_id().as_str());
            // What is set may be secret, and help is pasted anywhere.
            argument.help_heading(heading).hide_env_values(true)
        });
        let unknown = unknown_variables(&command, std::env::vars_os().map(|(variable, _)| variable));
        let mut faults = Faults::default();
        if !unknown.is_empty() {
            faults.add(format!("no setting has the environment variable {}", unknown.join(", nor ")));
        }
        let settings = faults.parse::<Self>(command.clone())?;
        let settings = settings.filter(|settings| settings.check().map_err(|detail| faults.add(detail)).is_ok());
        match (settings, faults.is_empty()) {
            (Some(settings), true) => Ok(settings),
            _ => Err(faults.all(&mut command)),
        }
    }
}

/// The variables with our prefix that no setting has, each with the nearest that one has: most likely they are typos,
/// which must not go unnoticed.
fn unknown_variables(command: &Command, variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
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

pub(crate) fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Reads a duration.
///
/// # Errors
/// What is wrong with it.
pub fn any_duration(text: &str) -> Result<Duration, String> {
    /// A year: sums of times stay far from what the clock can hold.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    match duration::parse(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than a year".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a duration in which something can be done.
///
/// # Errors
/// What is wrong with it.
pub fn time_limit(text: &str) -> Result<Duration, String> {
    match any_duration(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads the filter of the log.
///
/// # Errors
/// Why it is none.
pub fn log_filter(text: &str) -> Result<String, String> {
    log::parse_filter(text).map(|_| text.to_owned())
}

/// Whether every flag has the variable of its name: for tests.
///
/// # Errors
/// The first that has not.
pub fn each_flag_has_its_variable(command: &Command) -> Result<(), String> {
    let flags = command.get_arguments().filter_map(|argument| Some((argument.get_long()?, argument.get_env())));
    for (flag, variable) in flags {
        let expected = format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase());
        if variable != Some(expected.as_ref()) {
            return Err(format!("--{flag} has {variable:?}, not {expected}"));
        }
    }
    Ok(())
}

/// What must be true of a shutdown's times.
///
/// # Errors
/// That it is not.
pub fn check_times(delay: Duration, grace: Duration) -> Result<(), String> {
    if delay > grace {
        return Err(format!(
            "--shutdown-delay ({delay:?}) must not be above --shutdown-grace ({grace:?}), which includes it"
        ));
    }
    Ok(())
}
