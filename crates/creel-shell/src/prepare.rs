//! `creel-shell prepare`: creates directories on mounted volumes. Touches the disk.
//!
//! A directory that the kubelet has to create for a subPath belongs to root, so they are created first, by the user that
//! needs them. An agent can write to some of these volumes and could leave a symbolic link in the way: each part of a
//! path is opened from its parent, and a link is refused. (`openat2` does that in one call; not every sandbox runtime
//! has it.)

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

/// A directory below the place where a volume is mounted, written `<mount>:<path>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    mount: PathBuf,
    path: PathBuf,
}

/// Why a directory could not be created.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("`{0}` is not of the form <mount>:<path>, like /claim:workspaces/writer, with a path without `..`")]
    Form(String),
    #[error("{mount} cannot be opened: {source}; mount the volume there")]
    Mount { mount: PathBuf, source: io::Error },
    #[error("{path} cannot be created: {source}; the volume must be writable for this user")]
    Create { path: PathBuf, source: io::Error },
    #[error("{path} is in the way and is no directory: {source}; remove it from the volume")]
    NoDirectory { path: PathBuf, source: io::Error },
}

impl FromStr for Directory {
    type Err = PrepareError;

    fn from_str(text: &str) -> Result<Self, PrepareError> {
        let form = || PrepareError::Form(text.to_owned());
        let (mount, path) = text.split_once(':').ok_or_else(form)?;
        let plain = |component| matches!(component, Component::Normal(_));
        if mount.is_empty() || path.is_empty() || !Path::new(path).components().all(plain) {
            return Err(form());
        }
        Ok(Self { mount: mount.into(), path: path.into() })
    }
}

/// Creates the directories that are not there yet, with all between them and their mount.
pub fn prepare(directories: &[Directory]) -> Result<(), PrepareError> {
    directories.iter().try_for_each(create)
}

fn create(directory: &Directory) -> Result<(), PrepareError> {
    let mount = &directory.mount;
    let mut parent = openat(CWD, mount, DIRECTORY, Mode::empty())
        .map_err(|error| PrepareError::Mount { mount: mount.clone(), source: error.into() })?;
    let mut path = mount.clone();
    for name in &directory.path {
        path.push(name);
        parent = enter(&parent, name, &path)?;
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// Creates `name` if it is not there, and opens it.
fn enter(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, PrepareError> {
    match mkdirat(parent, name, Mode::RWXU | Mode::RWXG | Mode::ROTH | Mode::XOTH) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(PrepareError::Create { path: path.to_owned(), source: error.into() }),
    }
    openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
        .map_err(|error| PrepareError::NoDirectory { path: path.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_mount_and_a_path_below_it() {
        let directory = "/claim:workspaces/writer".parse::<Directory>().ok();
        assert_eq!(directory, Some(Directory { mount: "/claim".into(), path: "workspaces/writer".into() }));
        for text in ["/claim", "/claim:", ":x", "/claim:/x", "/claim:../x", "/claim:x/../../y"] {
            assert!(text.parse::<Directory>().is_err(), "{text}");
        }
    }
}
