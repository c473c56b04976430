//! What the standard's variables say about the export.

use std::env;

use axum::http::Uri;

/// What is exported apart from the other: each signal has variables of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// The variable that holds for this signal, and what it says: its own, or the one for all.
    fn variable(self, end: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{end}", self.name()), format!("OTEL_EXPORTER_OTLP_{end}")];
        names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
    }

    /// Whether it is exported.
    pub(super) fn is_on(self) -> bool {
        let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let has_none = variable(&format!("OTEL_{}_EXPORTER", self.name())).is_some_and(|value| value == "none");
        !is_disabled && !has_none && self.variable("ENDPOINT").is_some()
    }

    fn check(self) -> Result<(), String> {
        match self.variable("PROTOCOL") {
            Some((name, value)) if value != "grpc" && value != "http/protobuf" => {
                return Err(format!("invalid value '{value}' for '{name}': expected grpc or http/protobuf"));
            }
            _ => {}
        }
        match self.variable("ENDPOINT") {
            Some((name, value)) if value.starts_with("https:") => Err(format!(
                "invalid value for '{name}': this program has no TLS for telemetry; export to a collector beside it, by http://"
            )),
            // An endpoint may hold a password, so it is not repeated.
            Some((name, value)) if !value.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http")) => {
                Err(format!("invalid value for '{name}': expected http://HOST:PORT"))
            }
            _ => Ok(()),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// Checks what the variables say, as settings are checked.
///
/// # Errors
/// What is wrong, and with which variable.
pub fn check() -> Result<(), String> {
    [Signal::Traces, Signal::Metrics].into_iter().filter(|signal| signal.is_on()).try_for_each(Signal::check)
}
