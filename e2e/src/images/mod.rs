//! The images of the tests and the demo: the gateway (OpenClaw from npm under the official name), the sandbox (a small Debian), Creel
//! and the model server (static binaries of this workspace), and the pause image. No registry is asked and no Docker is needed.
//!
//! Each is built by its own room and written by `archive`; `Cluster::load` brings it into the node's image store.

mod archive;
mod gateway;
mod pause;
mod sandbox;
mod workspace;

use std::path::{Path, PathBuf};

pub use archive::Image;
pub use gateway::{GATEWAY_IMAGE, gateway};
pub use pause::pause;
pub use sandbox::{SANDBOX_IMAGE, sandbox};
pub use workspace::{CREEL_IMAGE, MODEL_SERVER_IMAGE, creel, model_server};

use crate::cluster::Cluster;
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

/// Every image that Creel's Pods need.
#[derive(Debug, Clone)]
pub struct Images {
    pub gateway: Image,
    pub sandbox: Image,
    pub creel: Image,
    pub model_server: Image,
}

/// Builds every image and brings it to the cluster's node.
pub async fn load_all(cluster: &Cluster, progress: &Progress) -> Result<Images, crate::cluster::Error> {
    let gateway = gateway(progress).await?;
    cluster.load(&gateway, progress).await?;
    let sandbox = sandbox(progress).await?;
    cluster.load(&sandbox, progress).await?;
    let creel = creel(progress).await?;
    cluster.load(&creel, progress).await?;
    let model_server = model_server(progress).await?;
    cluster.load(&model_server, progress).await?;
    Ok(Images { gateway, sandbox, creel, model_server })
}
