//! Where a frame of HTTP/2 ends, and what its client owes behind it.

/// Frames of HTTP/2 (RFC 9113, 4.1). A client owes its settings, what it has begun of a frame, and the rest of a head that
/// is told in more than one; bodies have deadlines of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// What has come of the head of a frame.
    head: [u8; 9],
    /// How much of that.
    filled: usize,
    /// What is missing of the frame behind its head.
    left: usize,
    /// Whether the first frame, which must be SETTINGS, has come.
    is_greeted: bool,
    /// Whether a CONTINUATION must follow.
    is_continued: bool,
}

impl Frames {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const CONTINUATION: u8 = 9;
    const END_HEADERS: u8 = 4;

    /// How many of `bytes` belong to the frame that is coming, and whether nothing is owed behind them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let count;
        if self.filled < self.head.len() {
            count = bytes.len().min(self.head.len() - self.filled);
            self.head[self.filled..][..count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            if self.filled < self.head.len() {
                return (count, false);
            }
            self.left = usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
            if let Self::HEADERS | Self::CONTINUATION = self.head[3] {
                self.is_continued = self.head[4] & Self::END_HEADERS == 0;
            }
        } else {
            count = bytes.len().min(self.left);
            self.left -= count;
        }
        if self.left == 0 {
            (self.filled, self.is_greeted) = (0, true);
        }
        (count, !self.is_owed())
    }

    /// Whether the client has to send the rest of something, or the first frame.
    pub(super) fn is_owed(&self) -> bool {
        let is_within = self.filled > 0 && (self.filled < self.head.len() || self.head[3] != Self::DATA);
        !self.is_greeted || self.is_continued || is_within
    }
}
