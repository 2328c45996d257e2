//! The images of the tests and the demo: the gateway (OpenClaw from npm under the official name), the sandbox (a small Debian), Creel
//! and the model server (static binaries of this workspace), and the pause image. No registry is asked and no Docker is needed.
//!
//! Each is built by its own room and written by `archive`; `Cluster::load` brings it into the node's image store.

mod archive;
mod debian;
mod edge;
mod gateway;
mod pause;
mod sandbox;
mod traefik;
mod workspace;

use std::path::{Path, PathBuf};

pub use archive::Image;
pub use edge::{EDGE_IMAGE, edge};
pub use gateway::GATEWAY_IMAGE;
pub use pause::pause;
pub use sandbox::SANDBOX_IMAGE;
pub use traefik::{TRAEFIK_IMAGE, traefik};
pub use workspace::{CREEL_IMAGE, MODEL_SERVER_IMAGE, Profile};

use crate::cluster::{Cluster, Programs};
use crate::command::CommandError;
use crate::progress::Progress;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{program}` is not on PATH: {remedy}")]
    Missing { program: &'static str, remedy: &'static str },
    #[error("the build left no {}", path.display())]
    NoBinary { path: PathBuf },
    #[error("cannot build an image at {}: {source}", path.display())]
    Disk { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Cache(#[from] crate::cache::CacheError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Reads what was kept of an earlier build of the image `name` in `directory`.
fn kept(name: &str, directory: &Path) -> Result<Image, Error> {
    let path = directory.join("digest");
    let digest = std::fs::read_to_string(&path).map_err(|source| Error::Disk { path, source })?;
    Ok(Image { name: name.to_owned(), archive: directory.join("image.tar"), digest })
}

/// Writes the image into `directory`, so that `kept` finds it.
async fn keep(contents: &archive::Contents<'_>, directory: &Path) -> Result<(), Error> {
    let image = archive::write(contents, directory).await?;
    let path = directory.join("digest");
    std::fs::write(&path, image.digest).map_err(|source| Error::Disk { path, source })
}

/// The images that Creel's Pods need.
#[derive(Debug, Clone)]
pub struct Images {
    /// Absent where nodes pull the official one.
    pub gateway: Option<Image>,
    pub sandbox: Image,
    pub creel: Image,
    pub model_server: Image,
}

impl Images {
    /// Builds every image. Their Debian packages must be installed.
    pub async fn build(profile: Profile, progress: &Progress) -> Result<Self, Error> {
        let (gateway, others) = tokio::join!(gateway::gateway(progress), Self::build_unpublished(profile, progress));
        Ok(Self { gateway: Some(gateway?), ..others? })
    }

    /// Builds those that no registry has. All at once: one waits for the network while another compiles. A failure does not
    /// stop the others, so that the next attempt finds what they built.
    pub async fn build_unpublished(profile: Profile, progress: &Progress) -> Result<Self, Error> {
        let ours = async {
            // One after the other: Cargo lets only one build work in a directory.
            let creel = workspace::creel(profile, progress).await?;
            Ok::<_, Error>((creel, workspace::model_server(profile, progress).await?))
        };
        let (sandbox, ours) = tokio::join!(sandbox::sandbox(progress), ours);
        let (creel, model_server) = ours?;
        Ok(Self { gateway: None, sandbox: sandbox?, creel, model_server })
    }

    pub fn all(&self) -> impl Iterator<Item = &Image> {
        self.gateway.iter().chain([&self.sandbox, &self.creel, &self.model_server])
    }

    /// Brings them to the cluster's node.
    pub async fn load(&self, cluster: &Cluster, progress: &Progress) -> Result<(), crate::cluster::Error> {
        for image in self.all() {
            cluster.load(image, progress).await?;
        }
        Ok(())
    }
}

/// Builds every image, with what that needs.
pub async fn build_all(profile: Profile, progress: &Progress) -> Result<Images, crate::cluster::Error> {
    Programs::ensure_image_tools(progress).await?;
    Ok(Images::build(profile, progress).await?)
}

/// Builds every image and brings it to the cluster's node.
pub async fn load_all(
    cluster: &Cluster,
    profile: Profile,
    progress: &Progress,
) -> Result<Images, crate::cluster::Error> {
    let images = build_all(profile, progress).await?;
    images.load(cluster, progress).await?;
    Ok(images)
}
