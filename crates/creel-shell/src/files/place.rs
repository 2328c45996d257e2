//! One file in a workspace, whatever an agent put into its place. Touches the disk, below the workspace. Nothing here waits, and nothing is
//! read without a limit.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, Stat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::beneath;

/// Bytes of a file that are read: OpenClaw reads no more of it either.
pub const MOST: u64 = 2 * 1024 * 1024;

/// Why a file cannot be kept in line.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("the path leads out of the workspace: correct it")]
    Path,
    #[error("the directory cannot be used: {0}; remove what is in its place")]
    Directory(#[source] io::Error),
    #[error("a {0} is in its place: remove it from the workspace")]
    NotAFile(&'static str),
    #[error("the file has {0} bytes, and OpenClaw reads at most {MOST}: remove it from the workspace")]
    TooLarge(u64),
    #[error("the file cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the file cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// What distinguishes two states of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([i128; 7]);

/// What a file holds.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// Seconds since 1970.
    pub changed: i64,
}

/// The place of a file: an open directory, and its name there.
#[derive(Debug)]
pub struct Place<'a> {
    directory: OwnedFd,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    /// The place of `path` in a directory of the claim. What is missing of the directories between is created.
    pub fn open(claim: &Path, directory: &'a str, path: &'a str) -> Result<Self, PlaceError> {
        let parts: Vec<Component<'a>> = Path::new(directory).components().chain(Path::new(path).components()).collect();
        let names = parts.iter().map(|part| match part {
            Component::Normal(name) => Ok(*name),
            _ => Err(PlaceError::Path),
        });
        let names: Vec<&OsStr> = names.collect::<Result<_, _>>()?;
        let (name, parents) = names.split_last().ok_or(PlaceError::Path)?;
        let error = |error: Errno| PlaceError::Directory(error.into());
        let mut directory = beneath::mount(claim).map_err(error)?;
        for parent in parents {
            directory = beneath::enter(&directory, *parent).map_err(error)?;
        }
        Ok(Self { directory, name })
    }

    /// How the file is now; `None`: it is not there.
    pub fn stamp(&self) -> Result<Option<Stamp>, PlaceError> {
        Ok(self.stat(self.name)?.map(|stat| stamp(&stat)))
    }

    /// What the file holds; `None`: it is not there.
    pub fn read(&self) -> Result<Option<Content>, PlaceError> {
        let Some(stat) = self.stat(self.name)? else { return Ok(None) };
        regular(&stat)?;
        // Something else may have taken its place since.
        let file = match beneath::open_file(&self.directory, self.name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(PlaceError::Read(error.into())),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| PlaceError::Read(error.into()))?;
        regular(&stat)?;
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes).map_err(PlaceError::Read)?;
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if read > MOST { Err(PlaceError::TooLarge(read)) } else { Ok(Some(Content { bytes, changed: stat.st_mtime })) }
    }

    /// Puts a file with these bytes there, as a whole or not at all.
    pub fn write(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        if let Some(stat) = self.stat(self.name)? {
            regular(&stat)?;
        }
        self.write_as(self.name, bytes)
    }

    /// The same beside it, with this at the end of its name, in place of whatever is there.
    pub fn write_beside(&self, suffix: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        self.write_as(&self.beside("", suffix), bytes)
    }

    /// Whether a file is beside it with this at the end of its name.
    pub fn is_beside(&self, suffix: &str) -> bool {
        self.stat(&self.beside("", suffix)).is_ok_and(|stat| stat.is_some())
    }

    fn beside(&self, prefix: &str, suffix: &str) -> std::ffi::OsString {
        [prefix.as_ref(), self.name, suffix.as_ref()].into_iter().collect::<Vec<&OsStr>>().join(OsStr::new(""))
    }

    fn write_as(&self, name: &OsStr, bytes: &[u8]) -> Result<(), PlaceError> {
        let temporary = self.beside(".", ".creel-new");
        match unlinkat(&self.directory, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(PlaceError::Write(error.into())),
        }
        let written = self
            .create(&temporary, bytes)
            .and_then(|()| renameat(&self.directory, &temporary, &self.directory, name).map_err(io::Error::from));
        written.map_err(|error| {
            let _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
            PlaceError::Write(error)
        })
    }

    fn create(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH;
        let mut file = beneath::create_file(&self.directory, name, mode)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn stat(&self, name: &OsStr) -> Result<Option<Stat>, PlaceError> {
        match statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PlaceError::Read(error.into())),
        }
    }
}

/// A file of a size that is read.
fn regular(stat: &Stat) -> Result<(), PlaceError> {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if size > MOST => Err(PlaceError::TooLarge(size)),
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(PlaceError::NotAFile("symbolic link")),
        FileType::Directory => Err(PlaceError::NotAFile("directory")),
        FileType::Fifo => Err(PlaceError::NotAFile("FIFO")),
        _ => Err(PlaceError::NotAFile("special file")),
    }
}

fn stamp(stat: &Stat) -> Stamp {
    Stamp([
        i128::from(stat.st_dev),
        i128::from(stat.st_ino),
        i128::from(stat.st_size),
        i128::from(stat.st_mtime),
        i128::from(stat.st_mtime_nsec),
        i128::from(stat.st_ctime),
        i128::from(stat.st_ctime_nsec),
    ])
}
