//! `creel-shell install`: copies the running binary into a directory. Touches the disk.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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

/// Copies the running binary to `<directory>/creel-shell`, executable by all. A copy that is there already is replaced
/// in one step, so that whoever starts it meanwhile gets the old or the new one, never a part.
pub fn install(directory: &Path) -> Result<PathBuf, InstallError> {
    let target = directory.join(NAME);
    let draft = directory.join(format!(".{NAME}.{}", std::process::id()));
    let mut source = std::env::current_exe().and_then(File::open).map_err(InstallError::Source)?;
    write(&mut source, &draft, &target).map_err(|source| {
        let _ = fs::remove_file(&draft);
        InstallError::Target { path: target.clone(), source }
    })?;
    Ok(target)
}

fn write(source: &mut File, draft: &Path, target: &Path) -> io::Result<()> {
    let mut copy = File::create(draft)?;
    io::copy(source, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(0o755))?;
    copy.sync_all()?;
    fs::rename(draft, target)
}
