//! How far it is, for whoever sits at the terminal; nothing for anybody else.

use std::{
    env,
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a job without a known length shows that it is alive.
const TURN: Duration = Duration::from_millis(100);

/// The bar, or none. Cheap to clone: all clones are one bar.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shown on stderr if that is a terminal which can move its cursor, and nobody wants plain output.
    pub fn new(is_quiet: bool) -> Self {
        let is_plain = |variable, plain: fn(&str) -> bool| env::var(variable).is_ok_and(|value| plain(&value));
        let is_dumb = is_plain("TERM", |value| value == "dumb") || is_plain("NO_COLOR", |value| !value.is_empty());
        let bar = ProgressBar::no_length();
        bar.set_draw_target(match stderr().is_terminal() && !is_quiet && !is_dumb {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        Self(bar)
    }

    /// Begins to show it. Without `bytes` it is not known how much there is.
    pub fn start(&self, bytes: Option<u64>) {
        let form = match bytes {
            Some(_) => "{wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
            None => "{spinner} {binary_bytes} {binary_bytes_per_sec}",
        };
        // A form that does not parse would be a bar in the form that indicatif gives it.
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.0.set_style(style);
        }
        match bytes {
            Some(bytes) => self.0.set_length(bytes),
            None => self.0.enable_steady_tick(TURN),
        }
    }

    /// That many bytes more have been read.
    pub fn add(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// Takes it off the screen, for good.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
