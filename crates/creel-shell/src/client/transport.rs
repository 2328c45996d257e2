//! The bytes under the SSH protocol: a TCP connection that goes on reading while it cannot write. Touches the network.
//!
//! russh writes and reads in one loop and does not read while a write waits. If both ends do that with full socket buffers
//! (a command that echoes a large input), both wait for ever. So what arrives during a waiting write is taken out of the
//! socket and kept for the next read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is kept. The windows of 32 channels: more never comes, unless the other side ignores windows.
const KEPT_LIMIT: usize = 32 * super::connection::WINDOW as usize;

/// How much is taken out at once.
const PIECE: usize = 16 * 1024;

pub struct Transport {
    tcp: TcpStream,
    kept: Vec<u8>,
    /// How much of `kept` has been read.
    read: usize,
}

impl Transport {
    /// Bytes that nobody acknowledges for `patience` end the connection; keepalives alone would not, because they queue
    /// behind what cannot be written.
    pub fn new(tcp: TcpStream, patience: Duration) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        set_tcp_user_timeout(&tcp, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX))?;
        Ok(Self { tcp, kept: Vec::new(), read: 0 })
    }

    fn keep_what_arrives(&mut self, context: &mut Context<'_>) {
        while self.kept.len() < KEPT_LIMIT {
            let filled = self.kept.len();
            self.kept.resize(filled + PIECE, 0);
            let mut buffer = ReadBuf::new(self.kept.get_mut(filled..).unwrap_or_default());
            let result = Pin::new(&mut self.tcp).poll_read(context, &mut buffer);
            let arrived = buffer.filled().len();
            self.kept.truncate(filled + arrived);
            if arrived == 0 || !matches!(result, Poll::Ready(Ok(()))) {
                return;
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let kept = this.kept.get(this.read..).unwrap_or_default();
        if kept.is_empty() {
            return Pin::new(&mut this.tcp).poll_read(context, buffer);
        }
        let (now, later) = kept.split_at(kept.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.read += now.len();
        if later.is_empty() {
            (this.kept, this.read) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.tcp).poll_write(context, bytes);
        if result.is_pending() {
            self.keep_what_arrives(context);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    /// Far more than the buffers of two sockets, less than what is kept.
    const MUCH: usize = 3 << 20;

    fn socket() -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket
    }

    #[tokio::test]
    async fn two_ends_that_write_before_they_read_do_not_wait_for_each_other() {
        let server = socket();
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let patience = Duration::from_secs(20);
        let ours = socket().connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let mut ours = Transport::new(ours, patience).unwrap();
        let data: Vec<u8> = (0..=250).cycle().take(MUCH).collect();

        let expected = data.clone();
        let other = tokio::spawn(async move {
            theirs.write_all(&expected).await.unwrap();
            let mut received = vec![0; MUCH];
            theirs.read_exact(&mut received).await.unwrap();
            assert!(received == expected);
        });
        ours.write_all(&data).await.unwrap();
        let mut received = vec![0; MUCH];
        ours.read_exact(&mut received).await.unwrap();
        assert!(received == data);
        other.await.unwrap();
    }
}
