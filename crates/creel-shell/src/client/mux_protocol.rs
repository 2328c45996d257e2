//! The messages between a mux client and a mux master. Touches their socket.
//!
//! ```text
//! client → master   length, 4 bytes, with standard input, output and error as descriptors; then a Request as JSON
//! master → client   `s`                     the command is about to be sent: from here on the call must not be retried
//!                   `e`, status, message    the call has ended: the exit status and the error message, if there is one
//! ```
//! The client sends nothing after its request; when it closes the socket, the call is cancelled.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use super::target::Target;

/// The largest request. Linux limits an argument to 128 KiB, known hosts and identity have limits of their own, and JSON may double
/// them.
const REQUEST_LIMIT: u32 = 1024 * 1024;

/// The longest error message.
const MESSAGE_LIMIT: u64 = 4 * 1024;

const STARTED: u8 = b's';
const EXITED: u8 = b'e';

/// The exit status for every failure that is not the remote command's own, as with OpenSSH.
pub const TRANSPORT_STATUS: u8 = 255;

/// One call.
#[derive(Serialize, Deserialize)]
pub struct Request {
    pub target: Target,
    pub command: String,
    pub terminal: Option<Terminal>,
}

/// What the remote side needs to open a terminal like that of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// The value of `TERM`.
    pub name: String,
    pub columns: u16,
    pub rows: u16,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    pub status: u8,
    pub message: String,
}

/// What the mux master replies.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Started,
    Exited(Exit),
    /// It has closed the socket.
    Closed,
}

/// Sends a request and the standard streams of this process.
pub fn send_request(stream: &UnixStream, request: &Request) -> io::Result<()> {
    let body = serde_json::to_vec(request)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= REQUEST_LIMIT);
    let length = length.ok_or_else(|| io::Error::other("the command is too long"))?.to_be_bytes();

    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let descriptors: [BorrowedFd<'_>; 3] = [input.as_fd(), output.as_fd(), error.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(stream, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    let mut stream = stream;
    stream.write_all(length.get(sent..).unwrap_or_default())?;
    stream.write_all(&body)
}

/// Waits for the next reply.
pub fn receive_reply(mut stream: &UnixStream) -> io::Result<Reply> {
    let mut kind = [0];
    match stream.read(&mut kind) {
        Ok(0) => return Ok(Reply::Closed),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Reply::Closed),
        read => read?,
    };
    if kind == [STARTED] {
        return Ok(Reply::Started);
    }
    let mut exit = Vec::new();
    stream.take(MESSAGE_LIMIT).read_to_end(&mut exit)?;
    match exit.split_first() {
        Some((status, message)) if kind == [EXITED] => {
            Ok(Reply::Exited(Exit { status: *status, message: String::from_utf8_lossy(message).into_owned() }))
        }
        _ => Ok(Reply::Closed),
    }
}

/// Receives a request and the standard input, output and error of the client.
pub async fn receive_request(stream: &mut tokio::net::UnixStream) -> io::Result<(Request, [OwnedFd; 3])> {
    let mut length = [0; 4];
    let (received, descriptors) =
        stream.async_io(Interest::READABLE, || receive_descriptors(stream.as_fd(), &mut length)).await?;
    stream.read_exact(length.get_mut(received..).unwrap_or_default()).await?;
    let length = u32::from_be_bytes(length);
    if received == 0 || length > REQUEST_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    let descriptors = descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((serde_json::from_slice(&body)?, descriptors))
}

fn receive_descriptors(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    let descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    Ok((received.bytes, descriptors))
}

/// Replies that the command is about to be sent.
pub async fn send_started(stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
    stream.write_all(&[STARTED]).await
}

/// Replies how the call ended.
pub async fn send_exit(stream: &mut (impl AsyncWriteExt + Unpin), exit: &Exit) -> io::Result<()> {
    let mut bytes = vec![EXITED, exit.status];
    bytes.extend_from_slice(exit.message.as_bytes());
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}
