//! Every setting once: its flag, its default and its check.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, builder::NonEmptyStringValueParser, error::ErrorKind};

use crate::Rules;

/// Sums up dumps of a key-value store: what is under each prefix of the keys, and a digest to compare dumps by.
///
/// A dump is JSON Lines, an entry a line: {"key":"user:1","value":"…"}, with "ttl_ms":5000 if it expires.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Settings {
    /// Dumps, in the order in which they count; `-` is stdin
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,

    /// Where the report goes, whole or not at all; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// What ends the prefix of a key; keys without it are under the empty prefix
    #[arg(long, value_name = "TEXT", default_value = ":", value_parser = NonEmptyStringValueParser::new())]
    pub separator: String,

    /// The most prefixes that there may be; the memory that is needed grows with them
    #[arg(long, value_name = "N", default_value = "10000")]
    pub max_prefixes: NonZeroUsize,

    /// The longest line that is accepted; the memory that is needed grows with it
    #[arg(long, value_name = "BYTES", default_value = "16777216", value_parser = line_bytes)]
    pub max_line_bytes: usize,

    //{% if rayon %}
    /// Threads that compute; by default one for each CPU that this process may use
    #[arg(long, value_name = "N", default_value_t = cpus(), value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,

    //{% endif %}
    /// Shows no progress, which is shown on a terminal only
    #[arg(short, long)]
    pub quiet: bool,
}

/// What `--help` ends with.
const AFTER_HELP: &str = "\
Exit codes:
  0    the report is written
  1    it is not, and what was there before is untouched; stderr says why, with file and line
  2    the command line is wrong; nothing was read
  130  SIGINT (Ctrl-C) came first; nothing was written
  143  SIGTERM came first; nothing was written";

impl Settings {
    /// Reads the settings of this process, which is called `name`.
    ///
    /// # Errors
    /// What to tell the user and how to exit: for a bad setting, and also for `--help`.
    pub fn load(name: &'static str) -> Result<Self, clap::Error> {
        let mut command = Self::command().name(name).after_help(AFTER_HELP);
        let settings = Self::from_arg_matches(&command.try_get_matches_from_mut(std::env::args_os())?)?;
        if settings.inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
            let twice = "stdin can be read only once: name `-` once";
            return Err(command.error(ErrorKind::ValueValidation, twice));
        }
        Ok(settings)
    }

    /// What the computation has to know of them.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            separator: self.separator.clone(),
            max_line_bytes: self.max_line_bytes,
            max_prefixes: self.max_prefixes.get(),
        }
    }
}
//{% if rayon %}

/// The CPUs that this process may use: affinity and cgroup quota count.
fn cpus() -> u16 {
    std::thread::available_parallelism().ok().and_then(|cpus| u16::try_from(cpus.get()).ok()).unwrap_or(1).min(1024)
}
//{% endif %}

/// A line needs room for an entry; and twice the longest one must be a number of bytes.
fn line_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 1..=0x4000_0000) => Ok(bytes),
        _ => Err("expected a number of bytes from 1 to 1073741824".to_owned()),
    }
}
