//! Results of long builds, kept outside the checkout and keyed by their inputs, so that only the first run pays.
//! Touches the disk; an entry appears whole or not at all, so an interrupted build leaves nothing that looks done.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// So many hexadecimal digits of the key are enough to tell builds apart.
const KEY_DIGITS: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("there is no place for the cache: set HOME or XDG_CACHE_HOME")]
    NoPlace,
    #[error("cannot {what} the cache at {}: {source}", path.display())]
    Disk { what: &'static str, path: PathBuf, source: io::Error },
}

/// One build's result: a directory that exists only when the build came to its end.
#[derive(Debug, Clone)]
pub struct Entry {
    path: PathBuf,
}

impl Entry {
    /// The entry of the build `name` whose outcome is decided by `inputs`.
    pub fn new(name: &str, inputs: &[&[u8]]) -> Result<Self, CacheError> {
        let key = key(inputs);
        Ok(Self { path: place()?.join(format!("{name}-{key}")) })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The entry's directory; where there is none, `build` fills an empty directory that becomes it by a rename.
    pub async fn or_build<E, F>(self, build: impl FnOnce(PathBuf) -> F) -> Result<PathBuf, E>
    where
        E: From<CacheError>,
        F: Future<Output = Result<(), E>>,
    {
        if self.exists() {
            return Ok(self.path);
        }
        let disk = |source| CacheError::Disk { what: "keep a build in", path: self.path.clone(), source };
        let unfinished = self.path.with_extension(format!("unfinished-{}", std::process::id()));
        std::fs::create_dir_all(&unfinished).map_err(disk)?;
        if let Err(error) = build(unfinished.clone()).await {
            // The build's own error matters more than what is left of it.
            std::fs::remove_dir_all(&unfinished).ok();
            return Err(error);
        }
        match std::fs::rename(&unfinished, &self.path) {
            Ok(()) => Ok(self.path),
            // Another run built the same meanwhile.
            Err(_) if self.exists() => {
                std::fs::remove_dir_all(&unfinished).map_err(disk)?;
                Ok(self.path)
            }
            Err(source) => Err(disk(source).into()),
        }
    }
}

/// The directory that holds all of it.
pub fn place() -> Result<PathBuf, CacheError> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("creel"))
        .ok_or(CacheError::NoPlace)
}

/// The bytes on the disk that the cache in `place` takes, a file with several names counted once; 0 when there is none.
pub fn size() -> Result<u64, CacheError> {
    let path = place()?;
    size_of(&path).map_err(|source| CacheError::Disk { what: "measure", path, source })
}

/// Removes the cache; true when there was one.
pub fn remove() -> Result<bool, CacheError> {
    let path = place()?;
    match std::fs::remove_dir_all(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CacheError::Disk { what: "remove", path, source }),
    }
}

fn size_of(directory: &Path) -> io::Result<u64> {
    let (mut bytes, mut counted, mut left) = (0, HashSet::new(), vec![directory.to_owned()]);
    while let Some(path) = left.pop() {
        let metadata = match std::fs::symlink_metadata(&path) {
            // A build may end meanwhile and rename or remove what it made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if counted.insert((metadata.dev(), metadata.ino())) {
            // stat(2) counts blocks of 512 bytes, whatever the file system's own are.
            bytes += metadata.blocks() * 512;
        }
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    Ok(bytes)
}

/// Each input is hashed with its length, so that moving a byte from one to the next changes the key.
fn key(inputs: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update((input.len() as u64).to_le_bytes());
        hash.update(input);
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(KEY_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_key_tells_where_one_input_ends() {
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_eq!(key(&[b"ab", b"c"]), key(&[b"ab", b"c"]));
    }

    #[test]
    fn a_file_with_two_names_is_counted_once_and_no_cache_is_empty() {
        let directory = std::env::temp_dir().join(format!("creel-cache-size-{}", std::process::id()));
        assert_eq!(size_of(&directory).unwrap(), 0);
        std::fs::create_dir_all(directory.join("a")).unwrap();
        std::fs::write(directory.join("a/file"), vec![1; 100_000]).unwrap();
        let before = size_of(&directory).unwrap();
        std::fs::hard_link(directory.join("a/file"), directory.join("a/link")).unwrap();
        assert!(before >= 100_000);
        assert_eq!(size_of(&directory).unwrap(), before);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn a_failed_build_leaves_nothing_that_looks_done() {
        let directory = std::env::temp_dir().join(format!("creel-cache-{}", std::process::id()));
        let entry = Entry { path: directory.join("thing-1") };
        let failed: Result<_, CacheError> = entry.clone().or_build(|_| async { Err(CacheError::NoPlace) }).await;
        assert!(failed.is_err());
        assert!(!entry.exists());

        let built: Result<PathBuf, CacheError> = entry
            .clone()
            .or_build(|path| async move {
                std::fs::write(path.join("file"), "whole").unwrap();
                Ok(())
            })
            .await;
        assert_eq!(std::fs::read_to_string(built.unwrap().join("file")).unwrap(), "whole");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
