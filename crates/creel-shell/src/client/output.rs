//! Output of the sandbox that the client has not read yet, with a limit. Touches the standard streams of the client.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::stdio::Stdio;

/// How many bytes are queued before no more is read from the channel.
const QUEUE_LIMIT: usize = 64 * 1024;

/// The queued output of a call.
pub struct Output {
    pub stdout: Stream,
    pub stderr: Stream,
    full_since: Option<Instant>,
}

impl Output {
    pub fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        Ok(Self { stdout: Stream::new(stdout)?, stderr: Stream::new(stderr)?, full_since: None })
    }

    pub fn is_empty(&self) -> bool {
        self.stdout.queue.is_empty() && self.stderr.queue.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.stdout.queued + self.stderr.queued < QUEUE_LIMIT
    }

    /// Notes since when the queue is full. Called after something was added.
    pub fn note_fill_level(&mut self) {
        self.full_since = if self.has_room() { None } else { self.full_since.or(Some(Instant::now())) };
    }

    /// Whether the queue has been full, with nothing read from it, for longer than `limit`.
    pub fn is_stalled_for(&self, limit: Duration) -> bool {
        self.full_since.is_some_and(|since| since.elapsed() > limit)
    }

    /// No more output will be added. Both streams are closed once everything is written.
    pub fn finish(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    /// Writes a part of what is queued; waits if the queue is empty.
    pub async fn write(&mut self) -> io::Result<()> {
        tokio::select! {
            written = self.stdout.write(), if !self.stdout.queue.is_empty() => written?,
            written = self.stderr.write(), if !self.stderr.queue.is_empty() => written?,
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
        // An empty write would never complete, and after the end there is no stream to write to.
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
