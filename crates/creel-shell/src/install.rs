//! `creel-shell install`: copies the running binary to a directory, under both its names. Touches the disk.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::client;

/// The file name of the copy.
pub const NAME: &str = "creel-shell";

/// Why the binary cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("cannot read the running binary: {0}")]
    Source(#[source] io::Error),
    #[error("cannot write {path}: {source}; mount a volume there that this user may write to")]
    Target { path: PathBuf, source: io::Error },
}

/// Copies the running binary to `<directory>/creel-shell`, executable by everyone, and creates the symbolic link
/// `<directory>/creel-shell-ssh`. Existing files are replaced atomically, so that a container that starts one meanwhile gets the
/// old or the new one, never a part of it.
pub fn install(directory: &Path) -> Result<PathBuf, InstallError> {
    let mut source = std::env::current_exe().and_then(File::open).map_err(InstallError::Source)?;
    let target = replace(directory, NAME, |temporary| copy(&mut source, temporary))?;
    replace(directory, client::NAME, |temporary| symlink(NAME, temporary))?;
    Ok(target)
}

fn replace(directory: &Path, name: &str, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<PathBuf, InstallError> {
    let target = directory.join(name);
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    write(&temporary).and_then(|()| fs::rename(&temporary, &target)).map_err(|source| {
        let _ = fs::remove_file(&temporary);
        InstallError::Target { path: target.clone(), source }
    })?;
    Ok(target)
}

fn copy(source: &mut File, temporary: &Path) -> io::Result<()> {
    let mut copy = File::create(temporary)?;
    io::copy(source, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(0o755))?;
    copy.sync_all()
}
