//! Where calls meet the process that holds their connection: a directory of the user's with a socket for each connection.
//! Touches the disk, starts that process.
//!
//! Calls connect to the socket. If nobody listens, one of them, under a lock, makes the socket anew, listens, and starts a
//! holder that inherits the listening socket. So nobody waits for the holder to be ready: the kernel keeps connections
//! until it accepts them. What is left of a holder that was killed refuses connections and is replaced in the same way.

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
use rustix::process::geteuid;

/// How long a call waits for another one that is starting the holder.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// Why a call cannot meet the holder of its connection.
#[derive(Debug, thiserror::Error)]
pub enum RendezvousError {
    #[error("the directory {path} cannot be used: {source}; set TMPDIR to a directory that this user may write to")]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "the directory {path} is not this user's alone (owner {owner}, mode {mode:o}); remove it, or set TMPDIR to another place"
    )]
    Foreign { path: PathBuf, owner: u32, mode: u32 },
    #[error("the socket in {path} cannot be used: {source}")]
    Socket { path: PathBuf, source: io::Error },
    #[error("another call has been starting the background process for {} s; is it stopped?", LOCK_PATIENCE.as_secs())]
    Locked,
    #[error("the background process that holds the connection cannot be started: {0}")]
    Start(#[source] io::Error),
}

/// The directory, open: what is done in it cannot be led elsewhere by renaming.
pub struct Rendezvous {
    directory: File,
    path: PathBuf,
}

impl Rendezvous {
    /// `creel-shell-<uid>` in `$TMPDIR` or `/tmp`, made if it is not there.
    pub fn of_this_user() -> Result<Self, RendezvousError> {
        let base = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.unwrap_or_else(|| PathBuf::from("/tmp"));
        Self::open(&base.join(format!("creel-shell-{}", geteuid().as_raw())))
    }

    /// Opens `path`, which must be a directory and no link, this user's, and closed to all others.
    pub fn open(path: &Path) -> Result<Self, RendezvousError> {
        let unusable = |source| RendezvousError::Directory { path: path.to_owned(), source };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
            _ => {}
        }
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
        let directory = File::options().read(true).custom_flags(flags).open(path).map_err(unusable)?;
        let metadata = directory.metadata().map_err(unusable)?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(RendezvousError::Foreign { path: path.to_owned(), owner, mode });
        }
        Ok(Self { directory, path: path.to_owned() })
    }

    /// A connection to the holder of `key`, which is started if there is none. Nothing if the socket went away meanwhile.
    pub fn reach(&self, key: &str) -> Result<Option<UnixStream>, RendezvousError> {
        if let Some(stream) = self.connect(key)? {
            return Ok(Some(stream));
        }
        let _lock = self.lock()?;
        if let Some(stream) = self.connect(key)? {
            return Ok(Some(stream));
        }
        let listener = self.listen(key)?;
        // Before there is a holder: from here on the connection waits for it, whatever becomes of the socket's name.
        let stream = self.connect(key)?;
        self.start(key, listener)?;
        Ok(stream)
    }

    /// Makes the socket of `key` anew and listens on it.
    pub fn listen(&self, key: &str) -> Result<UnixListener, RendezvousError> {
        self.remove(key)?;
        UnixListener::bind(self.socket(key)).map_err(|source| self.failed(source))
    }

    /// Removes the socket of `key`, so that no call finds it any more.
    pub fn remove(&self, key: &str) -> Result<(), RendezvousError> {
        match fs::remove_file(self.socket(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn connect(&self, key: &str) -> Result<Option<UnixStream>, RendezvousError> {
        match UnixStream::connect(self.socket(key)) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// By way of the open directory: also short enough for a socket's address, however long the directory's own path is.
    fn socket(&self, key: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{key}.socket", self.directory.as_raw_fd()).into()
    }

    fn failed(&self, source: io::Error) -> RendezvousError {
        RendezvousError::Socket { path: self.path.clone(), source }
    }

    fn lock(&self) -> Result<File, RendezvousError> {
        let path = format!("/proc/self/fd/{}/lock", self.directory.as_raw_fd());
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| self.failed(source))?;
        let since = Instant::now();
        while since.elapsed() < LOCK_PATIENCE {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_RETRY),
                Err(error) => return Err(self.failed(error.into())),
            }
        }
        Err(RendezvousError::Locked)
    }

    fn start(&self, key: &str, listener: UnixListener) -> Result<(), RendezvousError> {
        let status = holder(&self.path, key)
            .map_err(RendezvousError::Start)?
            .stdin(std::os::fd::OwnedFd::from(listener))
            .status()
            .map_err(RendezvousError::Start)?;
        if status.success() { Ok(()) } else { Err(RendezvousError::Start(io::Error::other(status.to_string()))) }
    }
}

/// The command that holds a connection; its standard input is to be the listening socket. It keeps nothing of the call that
/// starts it: no pipe, no directory, no environment.
pub fn holder(directory: &Path, key: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0("creel-shell").arg("hold").arg("--directory").arg(directory).arg("--key").arg(key);
    command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").env_clear();
    Ok(command)
}
