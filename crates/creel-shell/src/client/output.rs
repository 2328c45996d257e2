//! What a sandbox sent and the caller has not taken yet, within bounds. Touches the caller's streams.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::stdio::Stdio;

/// How many bytes wait for the caller before no more is taken from the channel.
const QUEUE_LIMIT: usize = 64 * 1024;

/// How long a full queue may hold up other calls.
pub const STALL_LIMIT: Duration = Duration::from_secs(10);

/// What the sandbox sent and the caller has not taken yet.
pub struct Output {
    pub normal: Stream,
    pub error: Stream,
    full_since: Option<Instant>,
}

impl Output {
    pub fn new(normal: OwnedFd, error: OwnedFd) -> io::Result<Self> {
        Ok(Self { normal: Stream::new(normal)?, error: Stream::new(error)?, full_since: None })
    }

    pub fn is_empty(&self) -> bool {
        self.normal.queue.is_empty() && self.error.queue.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.normal.queued + self.error.queued < QUEUE_LIMIT
    }

    pub fn note_room(&mut self) {
        self.full_since = if self.has_room() { None } else { self.full_since.or(Some(Instant::now())) };
    }

    pub fn is_stalled(&self) -> bool {
        self.full_since.is_some_and(|since| since.elapsed() > STALL_LIMIT)
    }

    pub fn finish(&mut self) {
        self.normal.finish();
        self.error.finish();
    }

    /// Writes a part of what is queued; waits if nothing is.
    pub async fn write(&mut self) -> io::Result<()> {
        tokio::select! {
            written = self.normal.write(), if !self.normal.queue.is_empty() => written?,
            written = self.error.write(), if !self.error.queue.is_empty() => written?,
            else => pending().await,
        }
        self.full_since = None;
        Ok(())
    }
}

/// Standard output or standard error.
pub struct Stream {
    stdio: Option<Stdio>,
    queue: VecDeque<Bytes>,
    queued: usize,
    finished: bool,
}

impl Stream {
    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let stdio = Some(Stdio::writer(descriptor)?);
        Ok(Self { stdio, queue: VecDeque::new(), queued: 0, finished: false })
    }

    pub fn push(&mut self, data: Bytes) {
        // An empty piece could never be written, and data after the end has nowhere to go.
        if !data.is_empty() && !self.finished {
            self.queued += data.len();
            self.queue.push_back(data);
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        if self.queue.is_empty() {
            self.stdio = None;
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        let (Some(stdio), Some(front)) = (&self.stdio, self.queue.front_mut()) else { return Ok(()) };
        let written = stdio.write(front).await?;
        front.advance(written.min(front.len()));
        self.queued -= written;
        if front.is_empty() {
            self.queue.pop_front();
        }
        if self.finished {
            self.finish();
        }
        Ok(())
    }
}
