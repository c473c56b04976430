//! The form of log lines.

use std::{
    error::Error,
    fmt::{self, Debug, Write},
};

use clap::ValueEnum;
use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput},
    fmt::{
        FormatFields, FormattedFields,
        format::{DefaultVisitor, Writer},
    },
};

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line, fields at the top level.
    Json,
}

/// Writes the fields of a span as a JSON object, when the span begins: every request pays for it, whether a line is
/// logged about it or not. `tracing-subscriber`'s own form sorts them in a map first, and takes ten times as long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SpanFields;

impl<'a> FormatFields<'a> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'_>, fields: R) -> fmt::Result {
        // Written in one go: as it comes, the text would be moved each time it outgrows its place.
        let mut text = String::with_capacity(256);
        text.push('{');
        let mut object = Object { is_empty: true, result: Ok(()), text: &mut text };
        fields.record(&mut object);
        object.result?;
        text.push('}');
        writer.write_str(&text)
    }

    fn add_fields(&self, current: &'a mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        // The object is opened again; of a name that is in it twice, the last counts.
        let is_empty = current.fields.pop().is_none_or(|_| current.fields == "{");
        let mut object = Object { is_empty, result: Ok(()), text: &mut current.fields };
        fields.record(&mut object);
        object.result?;
        current.fields.push('}');
        Ok(())
    }
}

/// Writes fields as `tracing-subscriber` does for people, without those that are for exporters alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextFields;

impl<'a> FormatFields<'a> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut text = Text(DefaultVisitor::new(writer, true));
        fields.record(&mut text);
        text.0.finish()
    }
}

/// Text that is being written.
struct Text<'a>(DefaultVisitor<'a>);

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_logged(field) {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if is_logged(field) {
            self.0.record_error(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_logged(field) {
            self.0.record_debug(field, value);
        }
    }
}

/// Whether a field is for the log: `otel.kind` and the like are not.
fn is_logged(field: &Field) -> bool {
    !field.name().starts_with("otel.")
}

/// A JSON object that is being written.
struct Object<'a> {
    /// Whether nothing stands in it yet.
    is_empty: bool,
    /// The first error: visitors can't return it.
    result: fmt::Result,
    /// Where it is written.
    text: &'a mut String,
}

impl Object<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        if self.result.is_ok() && is_logged(field) {
            if !std::mem::take(&mut self.is_empty) {
                self.text.push(',');
            }
            // A field's name is a Rust identifier, with dots perhaps: nothing in it has to be escaped.
            self.text.push('"');
            self.text.push_str(field.name());
            self.text.push_str("\":");
            self.result = value(self.text);
        }
    }

    fn string(&mut self, field: &Field, value: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        self.member(field, |text| {
            text.push('"');
            value(&mut Escaped(text))?;
            text.push('"');
            Ok(())
        });
    }
}

impl Visit for Object<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field, |text| text.write_str(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |text| write!(text, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |text| write!(text, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |text| write!(text, "{value}"));
    }

    /// Whatever else: JSON has no number for some floats, and none that every reader takes for 128 bits.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.string(field, |text| write!(text, "{value:?}"));
    }
}

/// The inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most text is plain, and that is seen much faster byte by byte: many at once, as none of them ends it.
        let is_plain = |byte| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            self.0.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                _ if c.is_control() => write!(self.0, "\\u{:04x}", u32::from(c))?,
                _ => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::mpsc};

    use serde_json::{Value, json};
    use tracing::{field::Empty, subscriber::with_default};
    use tracing_subscriber::{fmt::layer, layer::SubscriberExt};

    use super::*;

    /// Sends each write on: one line.
    struct Sent(mpsc::Sender<Vec<u8>>);

    impl io::Write for Sent {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).map(|()| line.len()).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The span that is told with a line which `log` logs.
    fn span_of(log: impl FnOnce()) -> Value {
        let (sender, lines) = mpsc::channel();
        let writer = move || Sent(sender.clone());
        let lines_layer = layer().with_writer(writer).json().fmt_fields(SpanFields);
        with_default(tracing_subscriber::registry().with(lines_layer), log);
        serde_json::from_slice::<Value>(&lines.recv().unwrap()).unwrap()["span"].clone()
    }

    #[test]
    fn a_line_carries_the_fields_of_its_span_whatever_is_in_them() {
        let hostile = "a\"b\\c\nd\u{9b}e é";
        let span = span_of(|| {
            let span = tracing::info_span!("request", id = hostile, size = 7, is = true, task = ?Some(hostile));
            span.in_scope(|| tracing::info!("inside"));
        });
        let task = format!("{:?}", Some(hostile));
        assert_eq!(span, json!({"name": "request", "id": hostile, "size": 7, "is": true, "task": task}));
    }

    #[test]
    fn what_is_for_exporters_is_not_in_the_log() {
        let span = span_of(|| {
            let span = tracing::info_span!("request", id = 1, otel.kind = "server");
            span.in_scope(|| tracing::info!("inside"));
        });
        assert_eq!(span, json!({"name": "request", "id": 1}));

        let (sender, lines) = mpsc::channel();
        let text = layer().with_writer(move || Sent(sender.clone())).with_ansi(false).fmt_fields(TextFields);
        with_default(tracing_subscriber::registry().with(text), || {
            let span = tracing::info_span!("request", otel.kind = "server", id = 1, otel.name = "x", by = Empty);
            span.record("by", "me");
            span.in_scope(|| tracing::info!(otel.name = "x", size = 7, "inside"));
        });
        let line = String::from_utf8(lines.recv().unwrap()).unwrap();
        let (_, told) = line.split_once("request").unwrap();
        assert!(told.starts_with("{id=1 by=\"me\"}: "), "{line}");
        assert!(told.ends_with("inside size=7\n"), "{line}");
    }

    #[test]
    fn fields_that_become_known_later_are_added() {
        let span = span_of(|| {
            let span = tracing::info_span!("request", first = Empty, second = Empty);
            span.record("first", 1).record("second", "two");
            span.in_scope(|| tracing::info!("inside"));
        });
        assert_eq!(span, json!({"name": "request", "first": 1, "second": "two"}));
    }
}
