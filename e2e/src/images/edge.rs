//! What stands between people and a gateway, for tests: Chromium with its driver, and nginx and Caddy as proxies, all from Debian. Touches
//! the network (package registry) and the disk.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::{CommandError, run};
use crate::progress::Progress;

/// A name that no registry has: it is only ever found on the node.
pub const EDGE_IMAGE: &str = "localhost/creel-edge:bookworm";

const DEBIAN: &str = "bookworm";
const PACKAGES: &str = "ca-certificates,caddy,chromium,chromium-driver,fonts-dejavu-core,nginx-light";
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "1";
const LEFT_OUT: [&str; 3] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];
/// What only the installation needs, and what draws on a graphics card.
const UNUSED: &str = r#"cd "$1" && rm -rf var/lib/apt/lists/* var/cache/* usr/share/icons usr/share/perl* usr/lib/*/perl usr/lib/*/dri usr/lib/*/libLLVM*"#;

/// Builds the image, or finds the one built before.
pub async fn edge(progress: &Progress) -> Result<Image, Error> {
    let left_out = LEFT_OUT.join(" ");
    let inputs = [DEBIAN, PACKAGES, RECIPE, EDGE_IMAGE, &left_out, UNUSED].map(str::as_bytes);
    let directory = Entry::new("edge-image", &inputs)?
        .or_build::<Error, _>(|directory| async move {
            let root = directory.join("root");
            progress.during("edge image: Chromium, nginx and Caddy (once, some 2 minutes)", debian(&root)).await?;
            let config = json!({"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]});
            let about = About {
                title: "Edge",
                description: "A browser and reverse proxies, for tests of what people see of a gateway",
                version: DEBIAN,
                licenses: None,
                source: None,
            };
            let contents = Contents { name: EDGE_IMAGE, root: &root, owners: Owners::Kept, about, config };
            keep(&contents, &directory).await?;
            std::fs::remove_dir_all(&root).map_err(|source| Error::Disk { path: root.clone(), source })
        })
        .await?;
    kept(EDGE_IMAGE, &directory)
}

async fn debian(root: &Path) -> Result<(), CommandError> {
    // Its mounts in the new root then end with it: one that was left behind would become part of the image.
    let mut mmdebstrap = Command::new("unshare");
    mmdebstrap.args(["--mount", "mmdebstrap", "--quiet", "--variant=minbase", &format!("--include={PACKAGES}")]);
    mmdebstrap.args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")));
    mmdebstrap.arg(format!("--customize-hook={UNUSED}"));
    run(mmdebstrap.arg(DEBIAN).arg(root)).await.map(drop)
}
