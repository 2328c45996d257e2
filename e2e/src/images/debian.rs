//! Images that are a small Debian with some packages, and nothing else. Touches the network (package registry) and the disk.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::{CommandError, run};
use crate::progress::Progress;

/// Which one.
pub const DEBIAN: &str = "bookworm";

/// What an image is made of. All of it but the words is part of the cache's key.
pub struct Debian {
    /// Repository and tag.
    pub name: &'static str,
    /// The entry of the cache.
    pub entry: &'static str,
    /// Change this when the steps below change.
    pub recipe: &'static str,
    /// Beyond Debian's essential packages, separated by commas.
    pub packages: &'static str,
    /// Files that are not installed.
    pub left_out: &'static [&'static str],
    /// What only the installation needs: patterns below the root, separated by spaces.
    pub unused: &'static str,
    /// What is said while it is built.
    pub progress: &'static str,
    pub about: About<'static>,
    /// The `config` object of the OCI image specification.
    pub config: Value,
}

impl Debian {
    /// Builds the image, or finds the one built before.
    pub async fn build(self, progress: &Progress) -> Result<Image, Error> {
        let left_out = self.left_out.join(" ");
        let inputs = [DEBIAN, self.packages, self.recipe, self.name, &left_out, self.unused].map(str::as_bytes);
        let name = self.name;
        let directory = Entry::new(self.entry, &inputs)?
            .or_build::<Error, _>(|directory| async move {
                let root = directory.join("root");
                progress.during(self.progress, self.install(&root)).await?;
                let Self { about, config, .. } = self;
                let contents = Contents { name, root: &root, owners: Owners::Kept, about, config };
                keep(&contents, &directory).await?;
                std::fs::remove_dir_all(&root).map_err(|source| Error::Disk { path: root.clone(), source })
            })
            .await?;
        kept(name, &directory)
    }

    async fn install(&self, root: &Path) -> Result<(), CommandError> {
        // Its mounts in the new root then end with it: one that was left behind would become part of the image.
        let mut mmdebstrap = Command::new("unshare");
        mmdebstrap.args(["--mount", "mmdebstrap", "--quiet", "--variant=minbase"]);
        mmdebstrap.arg(format!("--include={}", self.packages));
        mmdebstrap.args(self.left_out.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
        mmdebstrap.arg(format!(r#"--customize-hook=cd "$1" && rm -rf {}"#, self.unused));
        run(mmdebstrap.arg(DEBIAN).arg(root)).await.map(drop)
    }
}
