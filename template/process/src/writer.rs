//! The way of log lines to stdout: bounded, and never in the way of the process.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::filter::ALWAYS;

/// Lines that wait for a slow reader before more are dropped.
const LINES: usize = 4096;

/// How long the end of the process waits for a reader that does not read.
const FLUSH: Duration = Duration::from_millis(500);

/// How often lost lines are reported while more are lost.
const REPORT: Duration = Duration::from_secs(1);

/// Waits for the reader of the log where nothing may be lost: before the last line, and after it.
#[derive(Debug)]
pub(super) struct Flush {
    /// The way to the writing thread.
    queue: SyncSender<Message>,
    /// As in [`Lines`].
    last: Arc<OnceLock<ThreadId>>,
}

impl Flush {
    /// From now on only this thread is heard, and its next line is the last one.
    pub(super) fn announce_last(&self) {
        self.last.get_or_init(|| thread::current().id());
    }

    /// Waits until everything logged so far is written, or its reader has had its chance.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let (written, is_written) = sync_channel(1);
        let mut message = Message::Mark(written);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
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
    /// The event after which there are no more.
    Last(Vec<u8>),
    /// Answer when everything before is written.
    Mark(SyncSender<()>),
}

/// Takes lines from any thread and never blocks it: a pipe that nobody reads would otherwise stop the process with the
/// first line that does not fit into it.
#[derive(Clone)]
pub(super) struct Lines {
    /// The way to the writing thread.
    queue: SyncSender<Message>,
    /// Lines that found no place in the queue and have not been reported.
    lost: Arc<AtomicU64>,
    /// The thread that has the last word, once it has come to that.
    last: Arc<OnceLock<ThreadId>>,
    /// The writing thread: what it logs itself must not wait behind what it has to write.
    writer: ThreadId,
}

impl Lines {
    pub(super) fn start() -> io::Result<(Self, Flush)> {
        let (queue, messages) = sync_channel(LINES);
        let (lost, last) = (Arc::new(AtomicU64::new(0)), Arc::default());
        let counted = Arc::clone(&lost);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&messages, &counted))?;
        let flush = Flush { queue: queue.clone(), last: Arc::clone(&last) };
        Ok((Self { queue, lost, last, writer: thread.thread().id() }, flush))
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
        let is_due = !matches!(message, Some(Message::Line(_)));
        if let Some(Message::Line(line)) = &message {
            write_out(line);
        }
        if lost.load(Ordering::Relaxed) > 0 && (is_due || reported.elapsed() > REPORT) {
            let lines = lost.swap(0, Ordering::Relaxed);
            tracing::warn!(target: ALWAYS, lines, "log lines dropped: their reader is too slow");
            reported = Instant::now();
        }
        match message {
            // An error says that nobody waits any more.
            Some(Message::Mark(written)) => written.try_send(()).unwrap_or_default(),
            // Whoever waits for a mark learns that this has ended.
            Some(Message::Last(line)) => return write_out(&line),
            Some(Message::Line(_)) | None => {}
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
pub(super) struct Line<'a> {
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
        let this = thread::current().id();
        if this == self.to.writer {
            return write_out(&line);
        }
        let message = match self.to.last.get() {
            None => Message::Line(line),
            Some(last) if *last == this => Message::Last(line),
            Some(_) => return,
        };
        if self.to.queue.try_send(message).is_err() {
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
        let lines = Lines { queue, lost: Arc::default(), last: Arc::default(), writer };
        for _ in 0..3 {
            let mut line = lines.make_writer();
            assert!(line.write_all(b"x\n").is_ok());
        }
        assert_eq!(lines.lost.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn nothing_comes_after_the_last_line_and_nobody_waits_for_it() {
        let (lines, flush) = Lines::start().unwrap();
        flush.announce_last();
        thread::scope(|scope| scope.spawn(|| assert!(lines.make_writer().write_all(b"late\n").is_ok())).join())
            .unwrap();
        assert!(lines.make_writer().write_all(b"last\n").is_ok());
        let asked = Instant::now();
        while lines.lost.load(Ordering::Relaxed) == 0 {
            assert!(asked.elapsed() < Duration::from_secs(20), "what would come later has no reader");
            flush.flush();
            assert!(lines.make_writer().write_all(b"later\n").is_ok());
        }
    }
}
