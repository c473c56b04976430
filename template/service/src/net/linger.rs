//! The last moments of a connection: our FIN, then what its client still sends, until it has taken notice.
//!
//! A socket closed with unread bytes answers with RST, and that may destroy what was said last on its way: a client that
//! is still sending would never learn why it was refused.

use std::{
    future::poll_fn,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// After our FIN, a client that sends nothing for this long has nothing more to send.
pub(super) const QUIET: Duration = Duration::from_millis(500);

/// After our FIN, a client that goes on sending for this long does not read.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Closes a connection so that its client gets what was written last, even while it is still sending. It takes a moment
/// for a client that stays silent without closing too, and a few seconds for one that goes on sending.
///
/// # Cancel safety
/// Dropping it loses nothing, but the wait: a later call, or the end of the stream, closes at once what is not closed.
pub async fn close(stream: &mut TcpStream) {
    let mut linger = Linger::default();
    while poll_fn(|cx| linger.poll(stream, cx)).await {}
}

/// The state of such a close, for those who have to poll.
#[derive(Debug, Default)]
pub(super) struct Linger {
    /// Once our FIN is sent: until when the client may go on sending, and until when it may be silent.
    patience: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Linger {
    /// Resolves with `true` when the client has sent something more, which is thrown away; with `false` at the end.
    pub(super) fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<bool> {
        if self.patience.is_none() && ready!(Pin::new(&mut *stream).poll_shutdown(cx)).is_err() {
            return Poll::Ready(false);
        }
        let (end, silence) = self.patience.get_or_insert_with(|| {
            let now = Instant::now();
            (now + LONGEST, Box::pin(sleep_until(now + QUIET)))
        });
        if silence.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        let mut space = [MaybeUninit::uninit(); 8 * 1024];
        let mut buffer = ReadBuf::uninit(&mut space);
        let goes_on = ready!(Pin::new(stream).poll_read(cx, &mut buffer)).is_ok() && !buffer.filled().is_empty();
        if goes_on {
            silence.as_mut().reset((Instant::now() + QUIET).min(*end));
        }
        // Otherwise the client has closed too, one way or the other.
        Poll::Ready(goes_on)
    }
}
