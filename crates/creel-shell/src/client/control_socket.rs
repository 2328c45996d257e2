//! The sockets of the mux masters: one per connection, in a directory of the user. Touches the disk, starts mux masters.
//!
//! Calls connect to the socket. If there is no mux master, one call, under a lock, creates the socket, listens, and starts a mux master
//! that inherits the listening socket. So no call waits for the mux master to be ready: the kernel queues connections until it
//! accepts them. The socket of a mux master that was killed refuses connections, and is replaced in the same way.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::geteuid;

/// How long a call waits for another one that is starting the mux master.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// How long a call waits for room in the queue of a mux master that does not accept connections. One that works accepts at once.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
const QUEUE_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Why a call cannot connect to the mux master.
#[derive(Debug, thiserror::Error)]
pub enum ControlSocketError {
    #[error("cannot use the directory {path}: {source}; set TMPDIR to a directory that this user may write to")]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "the directory {path} is accessible to other users (owner {owner}, mode {mode:o}); remove it, or set TMPDIR to another directory"
    )]
    Permissions { path: PathBuf, owner: u32, mode: u32 },
    #[error("cannot use the socket in {path}: {source}")]
    Socket { path: PathBuf, source: io::Error },
    #[error("another call has been starting the background process for {} s; is it stopped?", LOCK_TIMEOUT.as_secs())]
    Locked,
    #[error(
        "the background process that holds the connection has accepted no call for {} s; is it stopped?",
        QUEUE_TIMEOUT.as_secs()
    )]
    Full,
    #[error("cannot start the background process that holds the connection: {0}")]
    Start(#[source] io::Error),
}

/// The directory of the sockets, held open so that renaming it cannot redirect what is done in it.
pub struct ControlDirectory {
    directory: File,
    path: PathBuf,
}

impl ControlDirectory {
    /// `creel-shell-<uid>` in `$TMPDIR` or `/tmp`, created if it does not exist.
    pub fn of_this_user() -> Result<Self, ControlSocketError> {
        let base = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.unwrap_or_else(|| PathBuf::from("/tmp"));
        Self::open(&base.join(format!("creel-shell-{}", geteuid().as_raw())))
    }

    /// Opens `path`, which must be a directory, not a link, belong to this user, and be accessible to no other.
    pub fn open(path: &Path) -> Result<Self, ControlSocketError> {
        let unusable = |source| ControlSocketError::Directory { path: path.to_owned(), source };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
            _ => {}
        }
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
        let directory = File::options().read(true).custom_flags(flags).open(path).map_err(unusable)?;
        let metadata = directory.metadata().map_err(unusable)?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(ControlSocketError::Permissions { path: path.to_owned(), owner, mode });
        }
        Ok(Self { directory, path: path.to_owned() })
    }

    /// Connects to the mux master of a connection, and starts it if there is none. `None` if the socket was removed meanwhile.
    pub fn connect_or_start(&self, id: &str) -> Result<Option<UnixStream>, ControlSocketError> {
        if let Some(stream) = self.connect(id)? {
            return Ok(Some(stream));
        }
        let _lock = self.lock()?;
        if let Some(stream) = self.connect(id)? {
            return Ok(Some(stream));
        }
        let listener = self.listen(id)?;
        // Before the mux master starts: from here on this connection waits for it, even if the socket is removed.
        let stream = self.connect(id)?;
        self.start(id, listener)?;
        Ok(stream)
    }

    /// Creates the socket of a connection and listens on it.
    pub fn listen(&self, id: &str) -> Result<UnixListener, ControlSocketError> {
        self.remove(id)?;
        UnixListener::bind(self.socket(id)).map_err(|source| self.socket_error(source))
    }

    /// Removes the socket of a connection, so that calls no longer find it.
    pub fn remove(&self, id: &str) -> Result<(), ControlSocketError> {
        match fs::remove_file(self.socket(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.socket_error(error)),
            _ => Ok(()),
        }
    }

    fn connect(&self, id: &str) -> Result<Option<UnixStream>, ControlSocketError> {
        let since = Instant::now();
        while since.elapsed() < QUEUE_TIMEOUT {
            match connect_now(&self.socket(id)) {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
                    io::ErrorKind::WouldBlock => thread::sleep(QUEUE_RETRY_INTERVAL),
                    _ => return Err(self.socket_error(error)),
                },
            }
        }
        Err(ControlSocketError::Full)
    }

    /// A path through the open directory. It is also short enough for a socket address, however long the path of the directory is.
    fn socket(&self, id: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{id}.socket", self.directory.as_raw_fd()).into()
    }

    fn socket_error(&self, source: io::Error) -> ControlSocketError {
        ControlSocketError::Socket { path: self.path.clone(), source }
    }

    fn lock(&self) -> Result<File, ControlSocketError> {
        let path = format!("/proc/self/fd/{}/lock", self.directory.as_raw_fd());
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| self.socket_error(source))?;
        let since = Instant::now();
        while since.elapsed() < LOCK_TIMEOUT {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_RETRY_INTERVAL),
                Err(error) => return Err(self.socket_error(error.into())),
            }
        }
        Err(ControlSocketError::Locked)
    }

    fn start(&self, id: &str, listener: UnixListener) -> Result<(), ControlSocketError> {
        let status = mux_master(&self.path, id)
            .map_err(ControlSocketError::Start)?
            .stdin(std::os::fd::OwnedFd::from(listener))
            .status()
            .map_err(ControlSocketError::Start)?;
        if status.success() { Ok(()) } else { Err(ControlSocketError::Start(io::Error::other(status.to_string()))) }
    }
}

/// Connects, unless the queue of the listener is full: with a blocking socket that would wait for ever.
fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The command that starts a mux master; its standard input must be the listening socket. It inherits nothing else of the call that
/// starts it: no pipe, no directory, no environment.
pub fn mux_master(directory: &Path, id: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0("creel-shell").arg("mux").arg("--directory").arg(directory).arg("--connection").arg(id);
    command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").env_clear();
    Ok(command)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mux_master_that_accepts_nothing_holds_no_call_up_for_ever() {
        let path = std::env::temp_dir().join(format!("creel-shell-full-{}.socket", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let mut connect = || connect_now(&path).map(|stream| waiting.push(stream));
        let error = std::iter::from_fn(|| Some(connect())).find_map(Result::err).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(listener);
    }
}
