//! The image of every Pod's first container, which holds its network and reaps its orphans: Debian's static
//! `catatonit`, as Podman uses it. Touches the disk.

use std::path::Path;

use serde_json::json;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::cluster::PAUSE_IMAGE;

const CATATONIT: &str = "/usr/bin/catatonit";
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "2";

/// Builds the pause image, or finds the one built before.
pub async fn pause() -> Result<Image, Error> {
    let disk = |source| Error::Disk { path: CATATONIT.into(), source };
    let program = std::fs::read(CATATONIT).map_err(disk)?;
    let entry = Entry::new("pause-image", &[&program, PAUSE_IMAGE.as_bytes(), RECIPE.as_bytes()])?;
    let directory = entry
        .or_build(|directory| async move {
            let root = directory.join("root");
            std::fs::create_dir(&root).map_err(disk)?;
            std::fs::copy(Path::new(CATATONIT), root.join("catatonit")).map_err(disk)?;
            let config = json!({"Entrypoint": ["/catatonit", "-P"], "User": "65534:65534"});
            let about = About {
                title: "Pause",
                description: "Holds the network of a Pod and reaps its orphans: catatonit of Debian",
                version: "1",
                licenses: None,
                source: None,
            };
            let contents = Contents { name: PAUSE_IMAGE, root: &root, owners: Owners::Root, about, config };
            keep(&contents, &directory).await?;
            std::fs::remove_dir_all(&root).map_err(disk)
        })
        .await?;
    kept(PAUSE_IMAGE, &directory)
}
