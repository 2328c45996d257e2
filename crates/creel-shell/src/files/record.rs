//! Which contents of files are Creel's own: whatever else a managed file holds, an agent wrote. Kept on the claim, outside of all workspaces,
//! so that a new Pod knows it too. Touches the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::{Place, PlaceError};

/// The file, at the root of the claim.
const FILE: &str = ".creel-files.json";

/// Contents that count as Creel's own: those before and after a change that may have been cut short.
const OWN: usize = 2;

/// What is known of all files.
#[derive(Debug)]
pub struct Record {
    claim: PathBuf,
    known: Known,
}

/// By workspace and path.
type Known = BTreeMap<String, BTreeMap<String, Entry>>;

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Hashes, the last one first.
    own: Vec<String>,
    /// The version of the agent that is kept beside the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub hash: String,
    /// Seconds since 1970.
    pub since: i64,
}

impl Entry {
    pub fn is_own(&self, hash: &str) -> bool {
        self.own.iter().any(|own| own == hash)
    }

    /// The same, once content with this hash is written.
    #[must_use]
    pub fn with_own(mut self, hash: &str) -> Self {
        self.own.retain(|own| own != hash);
        self.own.insert(0, hash.to_owned());
        self.own.truncate(OWN);
        self
    }
}

impl Record {
    /// What an earlier Pod left; nothing, if that cannot be read.
    pub fn load(claim: &Path) -> Self {
        let content = Place::open(claim, "", FILE).and_then(|place| place.read()).ok().flatten();
        let known = content.and_then(|content| serde_json::from_slice(&content.bytes).ok()).unwrap_or_default();
        Self { claim: claim.to_owned(), known }
    }

    pub fn of(&self, directory: &str, path: &str) -> Entry {
        self.known.get(directory).and_then(|files| files.get(path)).cloned().unwrap_or_default()
    }

    /// Remembers this of the file.
    pub fn put(&mut self, directory: &str, path: &str, entry: Entry) -> Result<(), PlaceError> {
        let files = self.known.entry(directory.to_owned()).or_default();
        if files.get(path) == Some(&entry) {
            return Ok(());
        }
        files.insert(path.to_owned(), entry);
        self.save()
    }

    /// Forgets the files of this workspace that are not among these.
    pub fn retain(&mut self, directory: &str, is_wanted: impl Fn(&str) -> bool) {
        if let Some(files) = self.known.get_mut(directory) {
            files.retain(|path, _| is_wanted(path));
        }
    }

    fn save(&self) -> Result<(), PlaceError> {
        let text = serde_json::to_vec(&self.known).unwrap_or_default();
        Place::open(&self.claim, "", FILE)?.write(&text)
    }
}
