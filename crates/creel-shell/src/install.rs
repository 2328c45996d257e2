//! `creel-shell install`: copies the running binary into a directory, under both its names. Touches the disk.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::client;

/// The name of the copy.
pub const NAME: &str = "creel-shell";

/// Why the binary could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the running binary cannot be read: {0}")]
    Source(#[source] io::Error),
    #[error("{path} cannot be written: {source}; mount a volume there that this user may write to")]
    Target { path: PathBuf, source: io::Error },
}

/// Copies the running binary to `<directory>/creel-shell`, executable by all, with `<directory>/creel-shell-ssh` as a link
/// to it. What is there already is replaced in one step, so that whoever starts it meanwhile gets the old or the new one,
/// never a part.
pub fn install(directory: &Path) -> Result<PathBuf, InstallError> {
    let mut source = std::env::current_exe().and_then(File::open).map_err(InstallError::Source)?;
    let target = place(directory, NAME, |draft| copy(&mut source, draft))?;
    place(directory, client::NAME, |draft| symlink(NAME, draft))?;
    Ok(target)
}

fn place(directory: &Path, name: &str, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<PathBuf, InstallError> {
    let target = directory.join(name);
    let draft = directory.join(format!(".{name}.{}", std::process::id()));
    write(&draft).and_then(|()| fs::rename(&draft, &target)).map_err(|source| {
        let _ = fs::remove_file(&draft);
        InstallError::Target { path: target.clone(), source }
    })?;
    Ok(target)
}

fn copy(source: &mut File, draft: &Path) -> io::Result<()> {
    let mut copy = File::create(draft)?;
    io::copy(source, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(0o755))?;
    copy.sync_all()
}
