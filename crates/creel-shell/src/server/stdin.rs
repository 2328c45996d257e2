//! Input that a client has sent and the program has not read yet, and how much more the client may send. Touches nothing.
//!
//! Each SSH channel has a window: the number of bytes that may be sent before the receiver enlarges it. russh enlarges it as soon as
//! data arrives, consumed or not, and the only delay that it offers is to stop the whole connection. That would also stop the output,
//! on which the program may be blocked. But russh does allow to choose the size that a window grows to *from now on*
//! ([`next_window`]). While little input is buffered, that is [`WINDOW`]. Above the high-water mark it is [`MIN_WINDOW`]: the client
//! may send two bytes at a time, each time russh asks for the next size, and the reply is held back for [`ADJUST_DELAY`], so that this
//! costs little. Everything else on the connection continues.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

/// Bytes that a client may send on a channel before its window is adjusted. Small: the data on its way in both directions has to fit
/// into the socket buffers, because russh does not read while it writes.
pub const WINDOW: u32 = 128 * 1024;

/// The smallest window for which russh still asks for the next size.
pub const MIN_WINDOW: u32 = 2;

/// How long to hold back a window adjustment above the high-water mark.
pub const ADJUST_DELAY: Duration = Duration::from_millis(25);

/// Bytes that may be buffered for all channels of a connection before the windows shrink.
const HIGH_WATER: usize = 512 * 1024;

/// Bytes that may be buffered for one channel. A client that respects its window reaches this only after a day at the smallest window.
const LIMIT: usize = 4 * 1024 * 1024;

/// The size of the chunks that the program gets. Smaller packets are merged, so that they need no more memory than they have data.
const CHUNK: usize = 32 * 1024;

/// The client continues to send although its window is exhausted.
#[derive(Debug, PartialEq, Eq)]
pub struct WindowExceeded;

/// The size that a window grows to, with so many bytes buffered for all channels of the connection.
#[must_use]
pub fn next_window(buffered: usize) -> u32 {
    if is_above_high_water(buffered) { MIN_WINDOW } else { WINDOW }
}

/// Whether the windows shrink, with so many bytes buffered for all channels of the connection.
#[must_use]
pub fn is_above_high_water(buffered: usize) -> bool {
    buffered > HIGH_WATER
}

/// The client's end of the buffer. Dropping it does not end the input.
pub struct Sender(Arc<Shared>);

/// The program's end of the buffer.
pub struct Receiver(Arc<Shared>);

struct Shared {
    buffer: Mutex<Buffer>,
    added: Notify,
    /// Shared by all channels of a connection.
    consumed: Arc<Notify>,
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

/// A buffer whose sender never blocks; `consumed` is notified each time something is received.
#[must_use]
pub fn channel(consumed: Arc<Notify>) -> (Sender, Receiver) {
    let shared = Arc::new(Shared { buffer: Mutex::default(), added: Notify::new(), consumed });
    (Sender(shared.clone()), Receiver(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Adds data. Data after the end is dropped.
    pub fn send(&self, data: &[u8]) -> Result<(), WindowExceeded> {
        let mut buffer = self.0.lock();
        if buffer.ended {
            return Ok(());
        }
        if buffer.length + data.len() > LIMIT {
            return Err(WindowExceeded);
        }
        buffer.add(data);
        self.0.added.notify_one();
        Ok(())
    }

    /// Ends the input.
    pub fn end(&self) {
        self.0.lock().ended = true;
        self.0.added.notify_one();
    }

    /// Bytes that have not been received yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.0.lock().length
    }
}

impl Receiver {
    /// Waits for data; `None` after the end.
    pub async fn receive(&self) -> Option<Vec<u8>> {
        loop {
            if let Poll::Ready(data) = self.try_receive() {
                return data;
            }
            self.0.added.notified().await;
        }
    }

    fn try_receive(&self) -> Poll<Option<Vec<u8>>> {
        let mut buffer = self.0.lock();
        let Some(chunk) = buffer.chunks.pop_front() else {
            return if buffer.ended { Poll::Ready(None) } else { Poll::Pending };
        };
        buffer.length -= chunk.len();
        drop(buffer);
        self.0.consumed.notify_one();
        Poll::Ready(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn new() -> (Sender, Receiver) {
        channel(Arc::new(Notify::new()))
    }

    #[tokio::test]
    async fn data_arrives_in_order_and_then_the_end() {
        let (sender, receiver) = new();
        sender.send(b"one ").unwrap();
        sender.send(b"two").unwrap();
        sender.end();
        sender.send(b"late").unwrap();
        assert_eq!(receiver.receive().await.unwrap(), b"one two");
        assert_eq!(receiver.receive().await, None);
    }

    #[tokio::test]
    async fn a_receiver_that_waits_is_woken() {
        let (sender, receiver) = new();
        let receive = tokio::spawn(async move { receiver.receive().await });
        tokio::task::yield_now().await;
        sender.send(b"x").unwrap();
        assert_eq!(receive.await.unwrap().unwrap(), b"x");
    }

    #[tokio::test]
    async fn receiving_counts_down_and_notifies_the_connection() {
        let consumed = Arc::new(Notify::new());
        let (sender, receiver) = channel(consumed.clone());
        sender.send(&vec![0; CHUNK]).unwrap();
        sender.send(b"x").unwrap();
        assert_eq!(receiver.receive().await.unwrap().len(), CHUNK);
        assert_eq!(sender.buffered(), 1);
        consumed.notified().await;
    }

    #[test]
    fn a_client_that_ignores_its_window_is_stopped() {
        let (sender, _receiver) = new();
        sender.send(&vec![0; LIMIT]).unwrap();
        assert_eq!(sender.send(b"x"), Err(WindowExceeded));
    }

    #[test]
    fn the_windows_shrink_above_the_high_water_mark() {
        assert_eq!(next_window(HIGH_WATER), WINDOW);
        assert_eq!(next_window(HIGH_WATER + 1), MIN_WINDOW);
    }
}
