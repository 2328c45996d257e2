//! An image for sandboxes: a small Debian with what OpenClaw's shell and file tools call, and neither Node nor OpenClaw. Any image with
//! these programs does; this one is here because no registry is asked. Touches the network (package registry) and the disk.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::{CommandError, run};
use crate::progress::Progress;

/// A name that no registry has: it is only ever found on the node.
pub const SANDBOX_IMAGE: &str = "localhost/creel-sandbox:bookworm";

const DEBIAN: &str = "bookworm";
/// What a sandbox needs beyond Debian's essential packages, which hold a shell, coreutils, find and tar: Python. `procps` is for those
/// who look around.
const PACKAGES: &str = "procps,python3";
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "2";
/// Kept out, because a shell of an assistant has no use for it.
const LEFT_OUT: [&str; 4] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/*/gconv/*"];

/// Builds the sandbox image, or finds the one built before.
pub async fn sandbox(progress: &Progress) -> Result<Image, Error> {
    let left_out = LEFT_OUT.join(" ");
    let inputs = [DEBIAN, PACKAGES, RECIPE, SANDBOX_IMAGE, &left_out].map(str::as_bytes);
    let directory = Entry::new("sandbox-image", &inputs)?
        .or_build::<Error, _>(|directory| async move {
            let root = directory.join("root");
            progress.during("sandbox image: Debian (once, some 1 minute)", debian(&root)).await?;
            let config = json!({
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["bash"],
            });
            let about = About {
                title: "Sandbox",
                description: "A small Debian with Python, for the commands of OpenClaw assistants",
                version: DEBIAN,
                licenses: None,
                source: None,
            };
            let contents = Contents { name: SANDBOX_IMAGE, root: &root, owners: Owners::Kept, about, config };
            keep(&contents, &directory).await?;
            std::fs::remove_dir_all(&root).map_err(|source| Error::Disk { path: root.clone(), source })
        })
        .await?;
    kept(SANDBOX_IMAGE, &directory)
}

async fn debian(root: &Path) -> Result<(), CommandError> {
    // Its mounts in the new root then end with it: one that was left behind would become part of the image.
    let mut mmdebstrap = Command::new("unshare");
    mmdebstrap.args(["--mount", "mmdebstrap", "--quiet", "--variant=minbase", &format!("--include={PACKAGES}")]);
    mmdebstrap.args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")));
    // Debian's installation alone needs all of Perl.
    mmdebstrap.arg(r#"--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/usr/share/perl*"#);
    run(mmdebstrap.arg(DEBIAN).arg(root)).await.map(drop)
}
