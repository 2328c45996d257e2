//! `creel-shell keep`: holds an exclusive lock on a gateway's claim for as long as its Pod lives, so that the gateway of
//! the next Pod starts only when this one has ended. Touches the disk, signals and one abstract socket.
//!
//! The lock is `flock`: it belongs to the open file and goes with the process, however that dies, without a trace to
//! clean up; on a network file system the kernel turns it into a lock of the whole file at the server, so that it holds
//! between nodes too. (The POSIX lock beside it is lost when any part of the process closes the file.)
//!
//! That the lock is held is told by an abstract datagram socket of the Pod's network namespace: it is there exactly while
//! this process is. A file would outlive it, a port would be open to others.

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

/// The lock's file in the claim.
pub const LOCK_FILE: &str = ".creel-lock";

/// Created in the claim once it is ours: a directory that the kubelet makes for a mount would be root's.
const WORKSPACES: &str = "workspaces";

/// How often a held lock is tried again, and how often the wait is mentioned.
const RETRY: Duration = Duration::from_millis(200);
const MENTION: Duration = Duration::from_secs(10);

/// What the wait is called in the log and in the probe's event.
pub const WAITING: &str = "waiting for the gateway before this one to end";

/// Why the claim cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(
        "{path} cannot be created: {source}; the claim's volume must be writable for this user (fsGroup, or the volume's own permissions)"
    )]
    Claim { path: PathBuf, source: io::Error },
    #[error("{path} cannot be locked: {source}; the claim's volume must support file locks")]
    Lock { path: PathBuf, source: io::Error },
    #[error("the socket that tells of the lock cannot be opened: {0}; does another keeper run in this Pod?")]
    Socket(#[source] io::Error),
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    #[error("{WAITING}")]
    NotReady,
}

/// Waits for the lock on `directory`, then holds it until SIGTERM or SIGINT. `pod` keeps apart the keepers of one network
/// namespace.
///
/// The handler is explicit because the first process of a container ignores a signal that it does not handle.
pub fn keep(directory: &Path, pod: &str) -> Result<(), KeepError> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(KeepError::Signals)?;
    let Some(_lock) = wait(directory, &mut signals)? else {
        return Ok(());
    };
    let workspaces = directory.join(WORKSPACES);
    fs::create_dir_all(&workspaces).map_err(|source| KeepError::Claim { path: workspaces, source })?;
    let _ready = UnixDatagram::bind_addr(&address(pod).map_err(KeepError::Socket)?).map_err(KeepError::Socket)?;
    eprintln!("{} is locked: the gateway may start", directory.display());
    signals.forever().next();
    eprintln!("the Pod ends: the lock is released");
    Ok(())
}

/// Succeeds while a keeper of this network namespace holds its lock.
pub fn ready(pod: &str) -> Result<(), KeepError> {
    let socket = UnixDatagram::unbound().map_err(KeepError::Socket)?;
    let address = address(pod).map_err(KeepError::Socket)?;
    socket.connect_addr(&address).map_err(|_| KeepError::NotReady)
}

fn address(pod: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("creel-keep/{pod}"))
}

/// The lock, or nothing if a signal came first.
fn wait(directory: &Path, signals: &mut Signals) -> Result<Option<File>, KeepError> {
    let path = directory.join(LOCK_FILE);
    let mut mentioned: Option<Instant> = None;
    loop {
        if let Some(lock) = try_lock(&path)? {
            return Ok(Some(lock));
        }
        if mentioned.is_none_or(|last| last.elapsed() >= MENTION) {
            eprintln!("{WAITING}");
            mentioned = Some(Instant::now());
        }
        thread::sleep(RETRY);
        if signals.pending().next().is_some() {
            return Ok(None);
        }
    }
}

fn try_lock(path: &Path) -> Result<Option<File>, KeepError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| KeepError::Claim { path: path.to_owned(), source })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if is_still_at(&file, path) => Ok(Some(file)),
        // Locked by someone, or removed since it was opened: then the lock is worth nothing.
        Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(KeepError::Lock { path: path.to_owned(), source: error.into() }),
    }
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}
