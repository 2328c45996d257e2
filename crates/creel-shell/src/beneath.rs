//! Directories and files on a volume to which an agent can write, and where it can put anything. Touches the disk.
//!
//! Each part of a path is opened relative to its parent, and a symbolic link is never followed: an agent cannot have another file read or
//! written. (`openat2` does that in one call, but not every sandboxed runtime has it.)

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// Opens the directory where a volume is mounted. What leads there is not the agent's.
pub fn mount(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens a directory.
pub fn open(parent: &OwnedFd, name: impl Arg) -> Result<OwnedFd, Errno> {
    openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

/// Creates a directory, unless something is there.
pub fn create(parent: &OwnedFd, name: impl Arg) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::RWXU | Mode::RWXG | Mode::ROTH | Mode::XOTH) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a directory, which is created if nothing is there.
pub fn enter(parent: &OwnedFd, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    create(parent, name)?;
    open(parent, name)
}

/// Creates a file where nothing is.
pub fn create_file(parent: &OwnedFd, name: impl Arg, mode: Mode) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, mode).map(File::from)
}

/// Opens whatever is there, without waiting for anybody.
pub fn open_file(parent: &OwnedFd, name: impl Arg) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map(File::from)
}
