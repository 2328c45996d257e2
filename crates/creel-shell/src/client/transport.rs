//! The TCP connection below SSH, which continues to read while it cannot write. Touches the network.
//!
//! russh reads and writes in one loop, and does not read while a write is blocked. If both ends do that with full socket buffers (for
//! example with a command that echoes a large input), they block each other forever. So data that arrives during a blocked write is
//! read ahead and kept for the next read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How many bytes are read ahead: the windows of 32 channels. More arrives only if the other side ignores its windows.
const READ_AHEAD_LIMIT: usize = 32 * super::connection::WINDOW as usize;

/// How many bytes are read ahead at once.
const READ_SIZE: usize = 16 * 1024;

pub struct Transport {
    tcp: TcpStream,
    read_ahead: Vec<u8>,
    /// How many bytes of `read_ahead` have been consumed.
    consumed: usize,
}

impl Transport {
    /// The connection ends if sent bytes are not acknowledged within `write_timeout`. Keepalives alone would not notice that, because
    /// they queue behind the bytes that cannot be written.
    pub fn new(tcp: TcpStream, write_timeout: Duration) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        set_tcp_user_timeout(&tcp, u32::try_from(write_timeout.as_millis()).unwrap_or(u32::MAX))?;
        Ok(Self { tcp, read_ahead: Vec::new(), consumed: 0 })
    }

    fn read_ahead(&mut self, context: &mut Context<'_>) {
        while self.read_ahead.len() < READ_AHEAD_LIMIT {
            let filled = self.read_ahead.len();
            self.read_ahead.resize(filled + READ_SIZE, 0);
            let mut buffer = ReadBuf::new(self.read_ahead.get_mut(filled..).unwrap_or_default());
            let result = Pin::new(&mut self.tcp).poll_read(context, &mut buffer);
            let arrived = buffer.filled().len();
            self.read_ahead.truncate(filled + arrived);
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
        let available = this.read_ahead.get(this.consumed..).unwrap_or_default();
        if available.is_empty() {
            return Pin::new(&mut this.tcp).poll_read(context, buffer);
        }
        let (now, later) = available.split_at(available.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.consumed += now.len();
        if later.is_empty() {
            (this.read_ahead, this.consumed) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.tcp).poll_write(context, bytes);
        if result.is_pending() {
            self.read_ahead(context);
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

    /// Far more than the buffers of two sockets, less than what is read ahead.
    const LENGTH: usize = 3 << 20;

    fn socket() -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket
    }

    #[tokio::test]
    async fn two_ends_that_write_before_they_read_do_not_block_each_other() {
        let server = socket();
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let write_timeout = Duration::from_mins(2);
        let ours = socket().connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let mut ours = Transport::new(ours, write_timeout).unwrap();
        let data: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();

        let expected = data.clone();
        let other = tokio::spawn(async move {
            theirs.write_all(&expected).await.unwrap();
            let mut received = vec![0; LENGTH];
            theirs.read_exact(&mut received).await.unwrap();
            assert!(received == expected);
        });
        ours.write_all(&data).await.unwrap();
        let mut received = vec![0; LENGTH];
        ours.read_exact(&mut received).await.unwrap();
        assert!(received == data);
        other.await.unwrap();
    }
}
