//! Logs: what is written, in which form, and how it gets out without ever blocking the service.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tracing_subscriber::{
    EnvFilter, Registry,
    filter::ParseError,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

/// The target of what operators must never miss: what listens, what was cut off, how it ended. No filter hides it.
pub const ALWAYS: &str = "service::always";

/// Lines that wait for a slow reader before more are dropped.
const LINES: usize = 4096;

/// How long the end of the service waits for a reader that does not read.
const FLUSH: Duration = Duration::from_millis(500);

/// How often lost lines are reported while more are lost.
const REPORT: Duration = Duration::from_secs(1);

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line, fields at the top level.
    Json,
}

/// Reads and replaces the log filter of the running service.
#[derive(Clone, Debug)]
pub struct LogFilter {
    /// Where it acts.
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was written: the filter itself would come out in another order.
    text: Arc<Mutex<String>>,
}

impl LogFilter {
    /// The filter in use.
    #[must_use]
    pub fn current(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the filter, for every event from now on.
    ///
    /// # Errors
    /// Why the text is not a filter.
    pub fn replace(&self, text: &str) -> Result<(), String> {
        let filter = parse_filter(text)?;
        let mut current = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        text.trim().clone_into(&mut current);
        Ok(())
    }
}

/// Reads a filter in the syntax of [`EnvFilter`]; whatever it says, [`ALWAYS`] is logged.
///
/// # Errors
/// Why the text is not a filter.
pub fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    if text.trim().is_empty() {
        return Err("a filter must not be empty; `off` logs as little as possible".to_owned());
    }
    let life = format!("{ALWAYS}=info").parse().map_err(|error: ParseError| error.to_string())?;
    Ok(EnvFilter::try_new(text.trim()).map_err(|error| error.to_string())?.add_directive(life))
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The thread that writes.
    #[error("can't start the thread that writes the log")]
    Thread(#[from] io::Error),
    /// The filter.
    #[error("the log filter is not one: {0}")]
    Filter(String),
    /// Somebody else.
    #[error("events are sent elsewhere already")]
    Taken(#[from] TryInitError),
}

/// Sends events to stdout from now on, and panics with them.
///
/// # Errors
/// When the writing thread can't be started, when the filter is not one, or events are sent elsewhere already.
pub fn start(filter_text: &str, format: Option<LogFormat>) -> Result<(LogFilter, Flush), StartError> {
    let (writer, flush) = Lines::start()?;
    let (filter, handle) = reload::Layer::new(parse_filter(filter_text).map_err(StartError::Filter)?);
    // Colours would be escape codes; `Line` escapes those, wherever they come from.
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    match format.unwrap_or(if io::stdout().is_terminal() { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => registry.with(layer).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let reason = payload.downcast_ref::<&str>().copied();
        let reason = reason.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, reason, "panic");
    }));
    let text = Arc::new(Mutex::new(filter_text.trim().to_owned()));
    Ok((LogFilter { handle, text }, flush))
}

/// Waits for the reader of the log where nothing may be lost: before the last line, and after it.
#[derive(Debug)]
pub struct Flush(SyncSender<Message>);

impl Flush {
    /// Waits until everything logged so far is written, or its reader has had its chance.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let (written, is_written) = sync_channel(1);
        let mut message = Message::Mark(written);
        while let Err(TrySendError::Full(back)) = self.0.try_send(message) {
            if Instant::now() > deadline {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(1));
        }
        match is_written.recv_timeout(FLUSH) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

/// What the writing thread is sent.
#[derive(Debug)]
enum Message {
    /// One event.
    Line(Vec<u8>),
    /// Answer when everything before is written.
    Mark(SyncSender<()>),
}

/// Takes lines from any thread and never blocks it: a pipe that nobody reads would otherwise stop the service with the
/// first line that does not fit into it.
#[derive(Clone)]
struct Lines {
    /// The way to the writing thread.
    queue: SyncSender<Message>,
    /// Lines that found no place in the queue and have not been reported.
    lost: Arc<AtomicU64>,
    /// The writing thread: what it logs itself must not wait behind what it has to write.
    writer: ThreadId,
}

impl Lines {
    fn start() -> io::Result<(Self, Flush)> {
        let (queue, messages) = sync_channel(LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&messages, &counted))?;
        Ok((Self { queue: queue.clone(), lost, writer: thread.thread().id() }, Flush(queue)))
    }
}

fn write_lines(messages: &Receiver<Message>, lost: &AtomicU64) {
    let mut reported = Instant::now();
    loop {
        // Lost lines are reported in time also where no line comes after them.
        let message = match lost.load(Ordering::Relaxed) {
            0 => messages.recv().map_err(RecvTimeoutError::from),
            _ => messages.recv_timeout(REPORT),
        };
        let message = match message {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let is_mark = matches!(message, None | Some(Message::Mark(_)));
        if let Some(Message::Line(line)) = &message {
            write_out(line);
        }
        if lost.load(Ordering::Relaxed) > 0 && (is_mark || reported.elapsed() > REPORT) {
            tracing::warn!(lines = lost.swap(0, Ordering::Relaxed), "log lines dropped: their reader is too slow");
            reported = Instant::now();
        }
        if let Some(Message::Mark(written)) = message {
            // An error says that nobody waits any more.
            written.try_send(()).unwrap_or_default();
        }
    }
}

fn write_out(line: &[u8]) {
    let mut stdout = io::stdout();
    // A reader that is gone for good is no reason to stop serving.
    drop(stdout.write_all(line).and_then(|()| stdout.flush()));
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { to: self, text: Vec::new() }
    }
}

/// One event on its way to the writing thread.
struct Line<'a> {
    /// Where it goes when it is complete.
    to: &'a Lines,
    /// What has been written of it.
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = escape_controls(std::mem::take(&mut self.text));
        if thread::current().id() == self.to.writer {
            write_out(&line);
        } else if self.to.queue.try_send(Message::Line(line)).is_err() {
            self.to.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Escapes control characters (C0, DEL and C1) as JSON does, all but the newline at the end: what a client sends must
/// not drive the terminal of whoever reads the log, nor look like a second event.
fn escape_controls(line: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&line) else { return line };
    let body = text.strip_suffix('\n').unwrap_or(text);
    if !body.contains(char::is_control) {
        return line;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in body.chars() {
        if c.is_control() {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped.push('\n');
    escaped.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_newline_at_the_end_is_not() {
        let line = "a\u{1b}[31m\u{7f}\u{9b}\nb é\n".as_bytes().to_vec();
        assert_eq!(escape_controls(line), "a\\u001b[31m\\u007f\\u009b\\u000ab é\n".as_bytes());
    }

    #[test]
    fn a_queue_without_a_reader_loses_lines_and_counts_them() {
        let (queue, _unread) = sync_channel(1);
        let writer = thread::spawn(|| ()).thread().id();
        let lines = Lines { queue, lost: Arc::default(), writer };
        for _ in 0..3 {
            let mut line = lines.make_writer();
            assert!(line.write_all(b"x\n").is_ok());
        }
        assert_eq!(lines.lost.load(Ordering::Relaxed), 2);
    }
}
