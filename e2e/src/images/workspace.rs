//! The images of this workspace's own programs: nothing but static binaries. Runs Cargo, which decides what is to be
//! compiled anew; the image is then written anew, which takes a moment and gives the same digest for the same binaries.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::archive::{self, Contents};
use super::{Error, Image};
use crate::cache;
use crate::command::run;
use crate::progress::Progress;

/// The operator, and in the same image the program that its Pods copy from it.
pub const CREEL_IMAGE: &str = concat!("ghcr.io/creel-dev/creel:", env!("CARGO_PKG_VERSION"));
pub const MODEL_SERVER_IMAGE: &str = concat!("ghcr.io/creel-dev/model-server:", env!("CARGO_PKG_VERSION"));

/// Naming the target makes Cargo keep these flags away from build scripts and procedural macros, which cannot be
/// linked statically.
#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TARGET: &str = "aarch64-unknown-linux-gnu";
const NOBODY: &str = "65532:65532";

/// An image of ours and the binaries in it.
struct Contained {
    image: &'static str,
    /// The first is the image's entry point.
    binaries: &'static [&'static str],
}

const CREEL: Contained = Contained { image: CREEL_IMAGE, binaries: &["creel", "creel-shell"] };
const MODEL_SERVER: Contained = Contained { image: MODEL_SERVER_IMAGE, binaries: &["model-server"] };

/// Builds the image of the operator and of creel-shell.
pub async fn creel(progress: &Progress) -> Result<Image, Error> {
    build(progress, &CREEL).await
}

/// Builds the image of the scripted model server.
pub async fn model_server(progress: &Progress) -> Result<Image, Error> {
    build(progress, &MODEL_SERVER).await
}

async fn build(progress: &Progress, contained: &Contained) -> Result<Image, Error> {
    let directory = target_directory()?.join("images").join(contained.binaries[0]);
    progress
        .during(&format!("building {}", contained.image), async {
            cargo(contained).await?;
            let root = stage(contained, &directory)?;
            let config = json!({"Entrypoint": [format!("/{}", contained.binaries[0])], "User": NOBODY});
            archive::write(&Contents { name: contained.image, root: &root, config }, &directory).await
        })
        .await
}

/// Selects the whole workspace for every image, so that each dependency has the same features and is compiled once.
async fn cargo(contained: &Contained) -> Result<(), Error> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--release", "--locked", "--quiet", "--workspace"]);
    cargo.args(["--target", TARGET]).arg("--target-dir").arg(target_directory()?);
    for binary in contained.binaries {
        cargo.args(["--bin", binary]);
    }
    // A panic ends the process, so nothing reads the tables for unwinding: a tenth of creel-shell, which is copied into every Pod.
    run(cargo.env("RUSTFLAGS", "-C target-feature=+crt-static -C force-unwind-tables=no")).await?;
    Ok(())
}

/// Puts the binaries into an empty root directory.
fn stage(contained: &Contained, directory: &Path) -> Result<PathBuf, Error> {
    let disk = |source| Error::Disk { path: directory.to_owned(), source };
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(disk)?;
    }
    let root = directory.join("root");
    std::fs::create_dir_all(&root).map_err(disk)?;
    for binary in contained.binaries {
        let built = target_directory()?.join(TARGET).join("release").join(binary);
        if !built.exists() {
            return Err(Error::NoBinary { path: built });
        }
        std::fs::copy(built, root.join(binary)).map_err(disk)?;
    }
    Ok(root)
}

/// The workspace's root directory.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Outside the checkout: the dependencies of a release take minutes, and a fresh clone finds them compiled. Cargo itself knows by
/// their inputs which of them are good.
fn target_directory() -> Result<PathBuf, Error> {
    Ok(cache::place()?.join("cargo"))
}
