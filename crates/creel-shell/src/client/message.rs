//! What a call and the holder of its connection say to each other over their socket. Touches that socket.
//!
//! ```text
//! call → holder   length, 4 bytes, with standard input, output and error as descriptors; then a Request as JSON
//! holder → call   `b`                     the command is about to be sent: from here on the call must not be repeated
//!                 `e`, status, message    the end: what the call exits with and what it says, if anything
//! ```
//! The call's side stays open and silent; when it closes, the call is gone.

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

/// The largest request: Linux limits one argument to 128 KiB, known hosts and identity have limits of their own; JSON may
/// double them.
const REQUEST_LIMIT: u32 = 1024 * 1024;

/// The largest message of an end.
const MESSAGE_LIMIT: u64 = 4 * 1024;

const BEGUN: u8 = b'b';
const ENDED: u8 = b'e';

/// The status of everything that is no status of the remote command, as with OpenSSH.
pub const TRANSPORT_STATUS: u8 = 255;

/// One call.
#[derive(Serialize, Deserialize)]
pub struct Request {
    pub target: Target,
    pub command: String,
    pub terminal: Option<Terminal>,
}

/// What the remote side needs to make a terminal like the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    pub name: String,
    pub columns: u16,
    pub rows: u16,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub status: u8,
    pub message: String,
}

/// What the holder says.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Begun,
    Ended(End),
    /// It is gone.
    Nothing,
}

/// Sends a request and the caller's own standard streams.
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

/// Waits for what the holder says next.
pub fn receive_reply(mut stream: &UnixStream) -> io::Result<Reply> {
    let mut kind = [0];
    match stream.read(&mut kind) {
        Ok(0) => return Ok(Reply::Nothing),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Reply::Nothing),
        read => read?,
    };
    if kind == [BEGUN] {
        return Ok(Reply::Begun);
    }
    let mut end = Vec::new();
    stream.take(MESSAGE_LIMIT).read_to_end(&mut end)?;
    match end.split_first() {
        Some((status, message)) if kind == [ENDED] => {
            Ok(Reply::Ended(End { status: *status, message: String::from_utf8_lossy(message).into_owned() }))
        }
        _ => Ok(Reply::Nothing),
    }
}

/// Receives a request and the caller's standard input, output and error.
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

/// Says that the command is about to be sent.
pub async fn send_begun(stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
    stream.write_all(&[BEGUN]).await
}

/// Says how the call ended.
pub async fn send_end(stream: &mut (impl AsyncWriteExt + Unpin), end: &End) -> io::Result<()> {
    let mut bytes = vec![ENDED, end.status];
    bytes.extend_from_slice(end.message.as_bytes());
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}
