//! `creel-shell prepare`: creates directories on mounted volumes, or sees to it that they exist. Touches the disk.
//!
//! A directory that the kubelet creates for a subPath belongs to root, so these are created before, by the user that needs them. An
//! agent can write to some of the volumes and could put a symbolic link in the path: it is refused.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;

use crate::beneath;

/// A directory below a mount path, written `<mount>:<path>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    mount: PathBuf,
    path: PathBuf,
}

/// How the message begins about a directory that must exist.
pub const MISSING: &str = "the volume has no directory";

/// Names that such a message has.
const NAMES_LIMIT: usize = 10;
/// Characters of each.
const NAME_LIMIT: usize = 40;

/// Why a directory cannot be created or used.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("`{0}` must have the form <mount>:<path> without `..`, for example /claim:workspaces/writer")]
    Form(String),
    #[error("cannot open {mount}: {source}; mount the volume there")]
    Mount { mount: PathBuf, source: io::Error },
    #[error("cannot create {path}: {source}; the volume must be writable for this user")]
    Create { path: PathBuf, source: io::Error },
    #[error("{path} exists and is not a directory: {source}; remove it from the volume")]
    NotADirectory { path: PathBuf, source: io::Error },
    #[error("{MISSING} `{}`{}; {}", .path.display(), .instead.unwrap_or_default(), there_is(.parent, .found))]
    Missing { path: PathBuf, instead: Option<&'static str>, parent: PathBuf, found: Vec<String> },
    #[error("cannot open {path}: {source}; the volume must be readable for this user")]
    Look { path: PathBuf, source: io::Error },
}

impl FromStr for Directory {
    type Err = PrepareError;

    fn from_str(text: &str) -> Result<Self, PrepareError> {
        let form = || PrepareError::Form(text.to_owned());
        let (mount, path) = text.split_once(':').ok_or_else(form)?;
        let is_plain = |component| matches!(component, Component::Normal(_));
        if mount.is_empty() || path.is_empty() || !Path::new(path).components().all(is_plain) {
            return Err(form());
        }
        Ok(Self { mount: mount.into(), path: path.into() })
    }
}

/// Creates the directories that do not exist yet, with all directories between them and their mount.
pub fn prepare(directories: &[Directory]) -> Result<(), PrepareError> {
    directories.iter().try_for_each(create)
}

/// Fails unless the directories exist.
pub fn require(directories: &[Directory]) -> Result<(), PrepareError> {
    directories.iter().try_for_each(find)
}

fn find(directory: &Directory) -> Result<(), PrepareError> {
    let Directory { mount, path } = directory;
    let mut parent = open(mount)?;
    let mut reached = PathBuf::new();
    for name in path {
        parent = match beneath::open(&parent, name) {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                let found = directories_in(&mount.join(&reached));
                let instead = instead(&mount.join(&reached).join(name));
                return Err(PrepareError::Missing { path: path.clone(), instead, parent: reached, found });
            }
            Err(error) => {
                return Err(PrepareError::Look { path: mount.join(reached).join(name), source: error.into() });
            }
        };
        reached.push(name);
    }
    Ok(())
}

/// What is there in place of a directory, to be read after its path.
fn instead(path: &Path) -> Option<&'static str> {
    let found = fs::symlink_metadata(path).ok()?;
    Some(if found.is_symlink() { ", but a symbolic link, which Creel does not follow" } else { ", but a file" })
}

/// The names of the directories in this one, sorted; as many as a message can have.
fn directories_in(parent: &Path) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> = directories.map(|entry| short(&entry.file_name().to_string_lossy())).collect();
    names.sort();
    names.truncate(NAMES_LIMIT);
    names
}

/// The kubelet keeps the last 2 KiB of a message, and this one is known by its beginning.
fn short(name: &str) -> String {
    let letters = name.escape_debug().take(NAME_LIMIT + 1).collect::<String>();
    if letters.chars().count() > NAME_LIMIT {
        letters.chars().take(NAME_LIMIT - 1).chain(['…']).collect()
    } else {
        letters
    }
}

fn there_is(parent: &Path, found: &[String]) -> String {
    let parent = if parent.as_os_str().is_empty() { "its root".to_owned() } else { format!("`{}`", parent.display()) };
    if found.is_empty() {
        return format!("{parent} has no directories");
    }
    let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    format!("the directories in {parent} are {}", names.join(", "))
}

fn open(mount: &Path) -> Result<OwnedFd, PrepareError> {
    beneath::mount(mount).map_err(|error| PrepareError::Mount { mount: mount.to_owned(), source: error.into() })
}

fn create(directory: &Directory) -> Result<(), PrepareError> {
    let mount = &directory.mount;
    let mut parent = open(mount)?;
    let mut path = mount.clone();
    for name in &directory.path {
        path.push(name);
        parent = enter(&parent, name, &path)?;
    }
    Ok(())
}

/// Creates `name` if it does not exist, and opens it.
fn enter(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, PrepareError> {
    beneath::create(parent, name)
        .map_err(|error| PrepareError::Create { path: path.to_owned(), source: error.into() })?;
    beneath::open(parent, name)
        .map_err(|error| PrepareError::NotADirectory { path: path.to_owned(), source: error.into() })
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
