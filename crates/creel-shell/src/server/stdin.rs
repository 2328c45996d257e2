//! What a client has sent for a program's standard input and the program has not read yet, and how much more it may
//! send. Touches nothing.
//!
//! SSH gives every channel a window: what may be sent before the receiver says that it has room again. russh says so as
//! soon as data arrives, whether or not it was consumed, and offers to wait only by stopping the whole connection, which
//! would stop the output that the program may be blocked on, too. What it does offer is the size that a window grows to
//! *from now on* ([`next_window`]). As long as little is waiting, that is [`WINDOW`]. Once much is waiting it is
//! [`TRICKLE`]: the client may send two bytes at a time, each of which asks again whether there is room, and the answer
//! is held back for [`PACE`] so that the asking costs nothing. All else on the connection goes on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

/// Bytes that a client may send on a channel beyond those that were accepted. Small: what is on its way in both
/// directions has to fit into the buffers of the sockets, because russh does not read while it writes.
pub const WINDOW: u32 = 128 * 1024;

/// The least window with which russh still asks for the next one.
pub const TRICKLE: u32 = 2;

/// How long the answer to a trickle is held back while too much is waiting.
pub const PACE: Duration = Duration::from_millis(25);

/// Bytes that may wait in all channels of a connection before the windows close.
const PLENTY: usize = 512 * 1024;

/// Bytes that may wait in one channel. No client comes here that keeps to its window, except by a day of trickling.
const MOST: usize = 4 * 1024 * 1024;

/// Handed to a program at once. What comes in smaller pieces is put together, so that pieces cost no more than they hold.
const CHUNK: usize = 32 * 1024;

/// The client keeps sending although its window is closed.
#[derive(Debug, PartialEq, Eq)]
pub struct Overrun;

/// The window to grow to, with so many bytes waiting in all channels of the connection.
#[must_use]
pub fn next_window(waiting: usize) -> u32 {
    if is_plenty(waiting) { TRICKLE } else { WINDOW }
}

/// Whether the windows are closed with so many bytes waiting in all channels of the connection.
#[must_use]
pub fn is_plenty(waiting: usize) -> bool {
    waiting > PLENTY
}

/// The client's end; dropping it is not the end of the input.
pub struct Inlet(Arc<Pipe>);

/// The program's end.
pub struct Outlet(Arc<Pipe>);

struct Pipe {
    buffer: Mutex<Buffer>,
    filled: Notify,
    /// Shared by all channels of a connection.
    drained: Arc<Notify>,
}

#[derive(Default)]
struct Buffer {
    chunks: VecDeque<Vec<u8>>,
    length: usize,
    ended: bool,
}

impl Buffer {
    fn add(&mut self, data: &[u8]) {
        self.length += data.len();
        match self.chunks.back_mut() {
            Some(last) if last.len() + data.len() <= CHUNK => last.extend_from_slice(data),
            _ => self.chunks.push_back(data.to_vec()),
        }
    }
}

/// A pipe that never blocks; `drained` is told whenever something was taken out.
#[must_use]
pub fn pipe(drained: Arc<Notify>) -> (Inlet, Outlet) {
    let pipe = Arc::new(Pipe { buffer: Mutex::default(), filled: Notify::new(), drained });
    (Inlet(pipe.clone()), Outlet(pipe))
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inlet {
    /// Adds what has come. What comes after the end is dropped.
    pub fn push(&self, data: &[u8]) -> Result<(), Overrun> {
        let mut buffer = self.0.lock();
        if buffer.ended {
            return Ok(());
        }
        if buffer.length + data.len() > MOST {
            return Err(Overrun);
        }
        buffer.add(data);
        self.0.filled.notify_one();
        Ok(())
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.0.lock().ended = true;
        self.0.filled.notify_one();
    }

    /// Bytes that were not taken out yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().length
    }
}

impl Outlet {
    /// The next bytes, or nothing after the end.
    pub async fn next(&self) -> Option<Vec<u8>> {
        loop {
            if let Poll::Ready(taken) = self.take() {
                return taken;
            }
            self.0.filled.notified().await;
        }
    }

    fn take(&self) -> Poll<Option<Vec<u8>>> {
        let mut buffer = self.0.lock();
        let Some(chunk) = buffer.chunks.pop_front() else {
            return if buffer.ended { Poll::Ready(None) } else { Poll::Pending };
        };
        buffer.length -= chunk.len();
        drop(buffer);
        self.0.drained.notify_one();
        Poll::Ready(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn new() -> (Inlet, Outlet) {
        pipe(Arc::new(Notify::new()))
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_in_order_and_then_the_end() {
        let (inlet, outlet) = new();
        inlet.push(b"one ").unwrap();
        inlet.push(b"two").unwrap();
        inlet.end();
        inlet.push(b"late").unwrap();
        assert_eq!(outlet.next().await.unwrap(), b"one two");
        assert_eq!(outlet.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (inlet, outlet) = new();
        let reader = tokio::spawn(async move { outlet.next().await });
        tokio::task::yield_now().await;
        inlet.push(b"x").unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"x");
    }

    #[tokio::test]
    async fn taking_counts_down_and_tells_the_connection() {
        let drained = Arc::new(Notify::new());
        let (inlet, outlet) = pipe(drained.clone());
        inlet.push(&vec![0; CHUNK]).unwrap();
        inlet.push(b"x").unwrap();
        assert_eq!(outlet.next().await.unwrap().len(), CHUNK);
        assert_eq!(inlet.waiting(), 1);
        drained.notified().await;
    }

    #[test]
    fn a_client_that_ignores_its_window_is_stopped() {
        let (inlet, _outlet) = new();
        inlet.push(&vec![0; MOST]).unwrap();
        assert_eq!(inlet.push(b"x"), Err(Overrun));
    }

    #[test]
    fn the_windows_close_while_much_is_waiting() {
        assert_eq!(next_window(0), WINDOW);
        assert_eq!(next_window(PLENTY + 1), TRICKLE);
    }
}
