//! A stream of the calling process, held by its descriptor and used without blocking. Touches that descriptor.
//!
//! The descriptor's open file may be shared with others (a terminal with its shell), for whom `O_NONBLOCK` would come as a
//! surprise. So pipes and terminals are opened anew, sockets (what Node.js gives its children) are asked not to wait call by
//! call, and files, which never keep one waiting, are used as they are.

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
    Waiting(AsyncFd<OwnedFd>),
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
            FileType::Socket => Ok(Self(Kind::Socket(waiting(descriptor, interest)?))),
            FileType::Fifo | FileType::CharacterDevice => {
                let own = own_open_file(descriptor, access)?;
                match waiting(own, interest) {
                    Ok(waiting) => Ok(Self(Kind::Waiting(waiting))),
                    // Devices that never keep one waiting, such as /dev/null, cannot be waited for.
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

    /// Reads what there is; 0 at the end.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Socket(socket) => {
                socket
                    .async_io(Interest::READABLE, |socket| {
                        Ok(recv(socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(n, _)| n)?)
                    })
                    .await
            }
            Kind::Waiting(stream) => {
                stream.async_io(Interest::READABLE, |stream| Ok(rustix::io::read(stream, &mut *buffer)?)).await
            }
            Kind::File(file) => {
                tokio::task::yield_now().await;
                Ok(rustix::io::read(file, buffer)?)
            }
        }
    }

    /// Writes as much as is taken now, at least one byte.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                socket.async_io(Interest::WRITABLE, |socket| Ok(send(socket, bytes, flags)?)).await
            }
            Kind::Waiting(stream) => {
                stream.async_io(Interest::WRITABLE, |stream| Ok(rustix::io::write(stream, bytes)?)).await
            }
            Kind::File(file) => {
                tokio::task::yield_now().await;
                Ok(rustix::io::write(file, bytes)?)
            }
        }
    }
}

#[expect(deprecated, reason = "what replaces it is unsafe; an OwnedFd keeps what that asks for")]
fn waiting(descriptor: OwnedFd, interest: Interest) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    AsyncFd::try_with_interest(descriptor, interest)
}

/// Another open file on the same pipe or device, which alone is set not to block.
fn own_open_file(descriptor: OwnedFd, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Ok(own) => Ok(own),
        // Another user's, or a pipe that has lost its other end: the shared one has to do.
        Err(Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::NOENT) => {
            fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
            Ok(descriptor)
        }
        Err(error) => Err(error.into()),
    }
}
