//! `creel-shell keep`: holds an exclusive lock on the volume of a gateway for the life of its Pod, so that the gateway of the next
//! Pod starts only after this one has ended. Touches the disk, signals and one abstract socket.
//!
//! It is a `flock` lock: it belongs to the open file and is released with the process, however that ends, so nothing has to be
//! cleaned up. On a network file system the kernel turns it into a lock of the whole file at the server, which also works between
//! nodes. (A POSIX record lock is lost when any part of the process closes the file.)
//!
//! Other processes of the Pod see that the lock is held by an abstract datagram socket in the Pod's network namespace, which exists
//! exactly as long as this process. A file would outlive it, and others could connect to a port.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::files;
use crate::prepare::{self, Directory, PrepareError};

/// The file that is locked.
pub const LOCK_FILE: &str = ".creel-lock";

/// Created on the volume once it is locked: a directory that the kubelet creates for a mount belongs to root. A volume of another layout has
/// directories that are required instead.
const WORKSPACES: &str = "workspaces";

/// How often to try to get the lock, and how often to log that it is not there yet.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Logged while waiting, and the message of the startup probe.
pub const WAITING: &str = "waiting for the previous gateway to end";

/// Why the volume cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum ClaimLockError {
    #[error(
        "cannot create {path}: {source}; the volume must be writable for this user (set fsGroup, or change its permissions)"
    )]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}: {source}; the volume must support file locks")]
    Lock { path: PathBuf, source: io::Error },
    #[error("cannot open the readiness socket: {0}; is the lock already held in this Pod?")]
    Socket(#[source] io::Error),
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Required(#[from] PrepareError),
    #[error("{WAITING}")]
    NotReady,
}

/// Waits for the lock on `directory`, then holds it until SIGTERM or SIGINT. `pod` distinguishes the locks of one network
/// namespace. With directories that are `required` and not there, it fails instead of holding the lock. `workspaces`: the files that it keeps
/// in line all the while.
///
/// The signals are handled explicitly because the first process of a container ignores those that it does not handle.
pub fn hold(
    directory: &Path,
    required: &[Directory],
    pod: &str,
    workspaces: Option<&files::Settings>,
) -> Result<(), ClaimLockError> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(ClaimLockError::Signals)?;
    let Some(_lock) = wait(directory, &mut signals)? else {
        return Ok(());
    };
    prepare::require(required)?;
    if required.is_empty() {
        let workspaces = directory.join(WORKSPACES);
        fs::create_dir_all(&workspaces).map_err(|source| ClaimLockError::Create { path: workspaces, source })?;
    }
    if let Some(workspaces) = workspaces {
        files::start(workspaces, directory, std::env::var(crate::TOKEN_VARIABLE).ok());
    }
    let address = address(pod).map_err(ClaimLockError::Socket)?;
    let _ready = UnixDatagram::bind_addr(&address).map_err(ClaimLockError::Socket)?;
    eprintln!("locked {}: the gateway can start", directory.display());
    signals.forever().next();
    eprintln!("stopping: the lock is released");
    Ok(())
}

/// Succeeds if the lock is held in this network namespace.
pub fn ready(pod: &str) -> Result<(), ClaimLockError> {
    let socket = UnixDatagram::unbound().map_err(ClaimLockError::Socket)?;
    let address = address(pod).map_err(ClaimLockError::Socket)?;
    socket.connect_addr(&address).map_err(|_| ClaimLockError::NotReady)
}

fn address(pod: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("creel-claim-lock/{pod}"))
}

/// The lock, or `None` after a signal.
fn wait(directory: &Path, signals: &mut Signals) -> Result<Option<File>, ClaimLockError> {
    let path = directory.join(LOCK_FILE);
    let mut logged: Option<Instant> = None;
    loop {
        if let Some(lock) = try_lock(&path)? {
            return Ok(Some(lock));
        }
        if logged.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            eprintln!("{WAITING}");
            logged = Some(Instant::now());
        }
        thread::sleep(RETRY_INTERVAL);
        if signals.pending().next().is_some() {
            return Ok(None);
        }
    }
}

fn try_lock(path: &Path) -> Result<Option<File>, ClaimLockError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| ClaimLockError::Create { path: path.to_owned(), source })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if is_still_at(&file, path) => Ok(Some(file)),
        // Locked by another process, or removed since it was opened: the lock of a removed file excludes no one.
        Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(ClaimLockError::Lock { path: path.to_owned(), source: error.into() }),
    }
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(opened), Ok(current)) => opened.ino() == current.ino() && opened.dev() == current.dev(),
        _ => false,
    }
}
