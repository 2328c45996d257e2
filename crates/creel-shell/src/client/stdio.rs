//! Non-blocking use of a standard stream of the client, by its descriptor. Touches that descriptor.
//!
//! The open file may be shared with other processes (a terminal with its shell), which do not expect `O_NONBLOCK` on it. So pipes and
//! terminals are opened again, sockets (which Node.js gives its children) are used with `MSG_DONTWAIT`, and files, which never block,
//! are used directly.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

/// One stream, for reading or for writing.
pub struct Stdio(Kind);

enum Kind {
    Socket(AsyncFd<OwnedFd>),
    Pollable(AsyncFd<OwnedFd>),
    File(OwnedFd),
}

impl Stdio {
    pub fn reader(descriptor: OwnedFd) -> io::Result<Self> {
        Self::new(descriptor, OFlags::RDONLY, Interest::READABLE)
    }

    pub fn writer(descriptor: OwnedFd) -> io::Result<Self> {
        Self::new(descriptor, OFlags::WRONLY, Interest::WRITABLE)
    }

    fn new(descriptor: OwnedFd, access: OFlags, interest: Interest) -> io::Result<Self> {
        match FileType::from_raw_mode(fstat(&descriptor)?.st_mode) {
            FileType::Socket => Ok(Self(Kind::Socket(pollable(descriptor, interest)?))),
            FileType::Fifo | FileType::CharacterDevice => {
                let own = reopen(descriptor, access)?;
                match pollable(own, interest) {
                    Ok(stream) => Ok(Self(Kind::Pollable(stream))),
                    // Devices that never block, such as /dev/null, cannot be polled.
                    Err(error) => match error.into_parts() {
                        (device, cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                            Ok(Self(Kind::File(device)))
                        }
                        (_, cause) => Err(cause),
                    },
                }
            }
            _ => Ok(Self(Kind::File(descriptor))),
        }
    }

    /// Reads what is available; 0 at the end.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Socket(socket) => {
                socket
                    .async_io(Interest::READABLE, |socket| {
                        Ok(recv(socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(n, _)| n)?)
                    })
                    .await
            }
            Kind::Pollable(stream) => {
                stream.async_io(Interest::READABLE, |stream| Ok(rustix::io::read(stream, &mut *buffer)?)).await
            }
            Kind::File(file) => {
                tokio::task::yield_now().await;
                Ok(rustix::io::read(file, buffer)?)
            }
        }
    }

    /// Writes as much as possible without blocking, at least one byte.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                socket.async_io(Interest::WRITABLE, |socket| Ok(send(socket, bytes, flags)?)).await
            }
            Kind::Pollable(stream) => {
                stream.async_io(Interest::WRITABLE, |stream| Ok(rustix::io::write(stream, bytes)?)).await
            }
            Kind::File(file) => {
                tokio::task::yield_now().await;
                Ok(rustix::io::write(file, bytes)?)
            }
        }
    }
}

#[expect(deprecated, reason = "its replacement is unsafe, and an OwnedFd fulfils what that requires")]
fn pollable(descriptor: OwnedFd, interest: Interest) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    AsyncFd::try_with_interest(descriptor, interest)
}

/// Opens the same pipe or device again, as an open file of our own that does not block.
fn reopen(descriptor: OwnedFd, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Ok(own) => Ok(own),
        // It belongs to another user, or is a pipe whose other end is closed: only the shared open file is left.
        Err(Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::NOENT) => {
            fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
            Ok(descriptor)
        }
        Err(error) => Err(error.into()),
    }
}
