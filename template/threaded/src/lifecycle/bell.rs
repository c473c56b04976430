//! What wakes threads that wait for a socket: a thread can wait for one thing only, unless it asks the kernel.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Rings once, for everyone who waits and whoever comes later: the read end of a pipe that nobody writes to, and whose
/// other end is closed to ring. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bell(Arc<PipeReader>);

/// Rings a [`Bell`], at the latest when it is dropped.
#[derive(Debug)]
pub struct Ringer(Mutex<Option<PipeWriter>>);

/// What a thread was woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The bell.
    Bell,
    /// Something can be done with the socket.
    Ready,
    /// The deadline.
    Late,
}

impl Bell {
    /// A bell that has not rung, and who rings it.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> io::Result<(Ringer, Self)> {
        let (reader, writer) = io::pipe()?;
        Ok((Ringer(Mutex::new(Some(writer))), Self(Arc::new(reader))))
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Ringer {
    /// Wakes everyone.
    pub fn ring(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Waits until `socket` is ready for one of `flags`, or the bell rings, or it is too late. The bell is seen first.
///
/// # Errors
/// When the system can't wait.
pub fn wait(socket: impl AsFd, flags: PollFlags, bell: Option<&Bell>, deadline: Option<Instant>) -> io::Result<Came> {
    let socket = PollFd::from_borrowed_fd(socket.as_fd(), flags);
    let mut one = [socket.clone()];
    let mut both;
    let places: &mut [PollFd<'_>] = match bell {
        Some(bell) => {
            both = [socket, PollFd::new(bell, PollFlags::IN)];
            &mut both
        }
        None => &mut one,
    };
    Ok(match wait_for_any(places, deadline)? {
        false => Came::Late,
        true if places.get(1).is_some_and(|bell| !bell.revents().is_empty()) => Came::Bell,
        true => Came::Ready,
    })
}

/// Waits until something has come of what is waited for, which says what, or it is too late: then it is `false`.
///
/// # Errors
/// When the system can't wait.
pub fn wait_for_any(places: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(places, timeout.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, thread, time::Duration};

    use super::*;

    #[test]
    fn a_bell_wakes_who_waits_and_who_comes_later() {
        let (ringer, bell) = Bell::new().unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let soon = Instant::now() + Duration::from_millis(10);
        assert_eq!(wait(&silent, PollFlags::IN, Some(&bell), Some(soon)).unwrap(), Came::Late);
        thread::scope(|scope| {
            let waits = scope.spawn(|| wait(&silent, PollFlags::IN, Some(&bell), None).unwrap());
            ringer.ring();
            assert_eq!(waits.join().unwrap(), Came::Bell);
        });
        assert_eq!(wait(&silent, PollFlags::IN | PollFlags::OUT, Some(&bell), None).unwrap(), Came::Bell);
        assert_eq!(wait(&silent, PollFlags::OUT, None, None).unwrap(), Came::Ready);
    }
}
