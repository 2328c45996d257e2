//! Makes the directory of skills in a workspace equal to what it should be. Touches the disk.
//!
//! An agent may write to its workspace and put anything in the way: what is not a regular file with the right text is replaced.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, fstat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Skill;
use crate::beneath;

/// The directory in a workspace that is the operator's alone.
const DIRECTORY: [&str; 2] = ["skills", "creel.dev"];

/// A file on its way. No skill has a file of this name: those of a ConfigMap never contain a `~`.
const TEMPORARY: &str = "~creel";

/// How deep a directory is removed. What is deeper stays until the next time.
const DEPTH: u32 = 64;

/// Writes the skills of one workspace and removes all others. Without any, the directory goes.
pub fn write(claim: &Path, workspace: &Path, skills: &BTreeMap<String, Skill>) -> io::Result<()> {
    if !workspace.components().all(|component| matches!(component, Component::Normal(_))) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut directory = beneath::mount(claim)?;
    if skills.is_empty() {
        return remove_all(directory, workspace);
    }
    for name in workspace {
        directory = beneath::enter(&directory, c_string(name.as_encoded_bytes())?.as_c_str())?;
    }
    let [parent, own] = DIRECTORY;
    directory = beneath::enter(&directory, parent)?;
    directory = replace_by_directory(&directory, &c_string(own.as_bytes())?)?;
    remove_others(&directory, |name| skills.contains_key(name))?;
    for (name, files) in skills {
        let skill = replace_by_directory(&directory, &c_string(name.as_bytes())?)?;
        remove_others(&skill, |name| files.contains_key(name))?;
        for (name, text) in files {
            write_file(&skill, &c_string(name.as_bytes())?, text)?;
        }
    }
    Ok(())
}

fn remove_all(mut directory: OwnedFd, workspace: &Path) -> io::Result<()> {
    let [parent, own] = DIRECTORY;
    for name in workspace.iter().map(OsStr::as_encoded_bytes).chain([parent.as_bytes()]) {
        directory = match beneath::open(&directory, c_string(name)?) {
            Ok(next) => next,
            // Whatever is there instead, the skills are not in it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
    }
    remove(&directory, &c_string(own.as_bytes())?, DEPTH)
}

fn c_string(name: &[u8]) -> io::Result<CString> {
    let is_plain = !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/');
    let name = CString::new(name).ok().filter(|_| is_plain);
    name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Opens the directory, whatever is there.
fn replace_by_directory(parent: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    if let Err(Errno::NOTDIR | Errno::LOOP) = beneath::open(parent, name) {
        unlinkat(parent, name, AtFlags::empty())?;
    }
    Ok(beneath::enter(parent, name)?)
}

fn write_file(parent: &OwnedFd, name: &CStr, text: &str) -> io::Result<()> {
    if has_text(parent, name, text)? {
        return Ok(());
    }
    let temporary = c_string(TEMPORARY.as_bytes())?;
    remove(parent, &temporary, DEPTH)?;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let written = beneath::create_file(parent, &temporary, mode)?.write_all(text.as_bytes());
    if let Err(error) = written {
        let _ = unlinkat(parent, &temporary, AtFlags::empty());
        return Err(error);
    }
    match renameat(parent, &temporary, parent, name) {
        Err(Errno::ISDIR) => {
            remove(parent, name, DEPTH)?;
            Ok(renameat(parent, &temporary, parent, name)?)
        }
        renamed => Ok(renamed?),
    }
}

/// Reads no more than the text has: what is there may be any size, or a pipe.
fn has_text(parent: &OwnedFd, name: &CStr, text: &str) -> io::Result<bool> {
    // What cannot be opened may be anything: it is replaced.
    let Ok(mut file) = beneath::open_file(parent, name) else { return Ok(false) };
    let stat = fstat(&file)?;
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_regular || usize::try_from(stat.st_size) != Ok(text.len()) {
        return Ok(false);
    }
    let mut found = vec![0; text.len()];
    Ok(file.read_exact(&mut found).is_ok() && found == text.as_bytes())
}

fn remove_others(directory: &OwnedFd, is_wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in names(directory)? {
        if !name.to_str().is_ok_and(&is_wanted) {
            remove(directory, &name, DEPTH)?;
        }
    }
    Ok(())
}

/// Removes what is there under this name, with everything in it. No link is followed.
fn remove(parent: &OwnedFd, name: &CStr, depth: u32) -> io::Result<()> {
    let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(unlinkat(parent, name, AtFlags::empty())?);
    }
    let Some(depth) = depth.checked_sub(1) else { return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty)) };
    let directory = beneath::open(parent, name)?;
    for name in names(&directory)? {
        remove(&directory, &name, depth)?;
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let entries = Dir::read_from(directory)?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}
