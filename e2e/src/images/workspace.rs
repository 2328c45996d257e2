//! The images of this workspace's own programs: nothing but static binaries and their licenses. Runs Cargo, which decides what is to be
//! compiled anew; the image is then written anew, which takes a moment and gives the same digest for the same binaries.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::archive::{self, About, Contents, Owners};
use super::{Error, Image};
use crate::cache;
use crate::command::run;
use crate::progress::Progress;

/// The operator, and in the same image the program that its Pods copy from it.
pub const CREEL_IMAGE: &str = concat!("ghcr.io/creel-dev/creel:", env!("CARGO_PKG_VERSION"));
pub const MODEL_SERVER_IMAGE: &str = concat!("ghcr.io/creel-dev/model-server:", env!("CARGO_PKG_VERSION"));

/// For what the images are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// To be tried or tested: compiled quickly.
    E2e,
    /// To be measured: as a release, except that measurements bring configurations of their own onto a gateway.
    Benchmark,
    /// To be used elsewhere.
    Release,
}

impl Profile {
    /// In the workspace's Cargo.toml; also the directory in which Cargo leaves what it has compiled with it.
    fn name(self) -> &'static str {
        match self {
            Self::E2e => "e2e",
            Self::Benchmark | Self::Release => "release",
        }
    }

    /// What the operator has beside its default features.
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::E2e | Self::Benchmark => &["--features", "creel/test-config-override"],
            Self::Release => &[],
        }
    }
}

/// How a binary is compiled.
struct Recipe {
    /// Naming the target makes Cargo keep the flags away from build scripts and procedural macros, which cannot be linked
    /// statically.
    target: &'static str,
    /// The packages whose features are united, and which.
    packages: &'static [&'static str],
    /// Whether the operator is among them, whose features depend on the profile.
    with_operator: bool,
}

/// What runs for long. The whole workspace is selected for each binary, so that each dependency has the same features and is
/// compiled once.
const SERVICE: Recipe = Recipe {
    #[cfg(target_arch = "x86_64")]
    target: "x86_64-unknown-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    target: "aarch64-unknown-linux-gnu",
    packages: &["--workspace"],
    with_operator: true,
};

/// What is copied into every Pod and started for every call. At each start, glibc asks the processor dozens of times what it
/// is, and in a virtual machine each answer comes from the hypervisor: half of the time of a call's process. musl does not.
const TOOL: Recipe = Recipe {
    #[cfg(target_arch = "x86_64")]
    target: "x86_64-unknown-linux-musl",
    #[cfg(target_arch = "aarch64")]
    target: "aarch64-unknown-linux-musl",
    packages: &["--package", "creel-shell"],
    with_operator: false,
};

/// Where Rust's libraries for musl are not to be had: the same program, which starts slower.
const TOOL_WITHOUT_MUSL: Recipe = Recipe { target: SERVICE.target, ..TOOL };

const NOBODY: &str = "65532:65532";

struct Binary {
    name: &'static str,
    recipe: &'static Recipe,
}

/// An image of ours and what is in it.
struct Contained {
    image: &'static str,
    about: About<'static>,
    /// The first is the image's entry point.
    binaries: &'static [Binary],
    /// Files of the workspace's root, which the image has in /licenses.
    licenses: &'static [&'static str],
}

const CREEL: Contained = Contained {
    image: CREEL_IMAGE,
    about: About {
        title: "Creel",
        description: "Runs OpenClaw assistants on Kubernetes: the operator, and the program that its Pods copy",
        ..ABOUT
    },
    binaries: &[Binary { name: "creel", recipe: &SERVICE }, Binary { name: "creel-shell", recipe: &TOOL }],
    licenses: &["LICENSE", "THIRD_PARTY"],
};
const MODEL_SERVER: Contained = Contained {
    image: MODEL_SERVER_IMAGE,
    about: About { title: "Model server", description: "A scripted model, for tests of Creel", ..ABOUT },
    binaries: &[Binary { name: "model-server", recipe: &SERVICE }],
    licenses: &["LICENSE"],
};

/// What all of them say.
const ABOUT: About<'static> = About {
    title: "",
    description: "",
    version: env!("CARGO_PKG_VERSION"),
    licenses: Some(env!("CARGO_PKG_LICENSE")),
    source: Some(env!("CARGO_PKG_REPOSITORY")),
};

/// Builds the image of the operator and of creel-shell.
pub async fn creel(profile: Profile, progress: &Progress) -> Result<Image, Error> {
    build(progress, &CREEL, profile).await
}

/// Builds the image of the scripted model server.
pub async fn model_server(profile: Profile, progress: &Progress) -> Result<Image, Error> {
    build(progress, &MODEL_SERVER, profile).await
}

async fn build(progress: &Progress, contained: &Contained, profile: Profile) -> Result<Image, Error> {
    let directory = target_directory()?.join("images").join(profile.name()).join(contained.binaries[0].name);
    progress
        .during(&format!("building {}", contained.image), async {
            let mut built = Vec::new();
            for binary in contained.binaries {
                built.push((binary.name, cargo(binary, profile).await?));
            }
            write(contained, &built, &directory).await
        })
        .await
}

/// Writes the image of these binaries, named and by their paths.
async fn write(contained: &Contained, built: &[(&str, PathBuf)], directory: &Path) -> Result<Image, Error> {
    let root = stage(built, contained.licenses, directory)?;
    let config = json!({"Entrypoint": [format!("/{}", contained.binaries[0].name)], "User": NOBODY});
    let (name, about) = (contained.image, contained.about);
    archive::write(&Contents { name, root: &root, owners: Owners::Root, about, config }, directory).await
}

/// Returns where the binary lies.
async fn cargo(binary: &Binary, profile: Profile) -> Result<PathBuf, Error> {
    let recipe = if is_provided(binary.recipe.target).await? { binary.recipe } else { &TOOL_WITHOUT_MUSL };
    let Recipe { target, packages, with_operator } = recipe;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--locked", "--quiet", "--bin", binary.name]).args(*packages);
    if *with_operator {
        cargo.args(profile.features());
    }
    cargo.args(["--profile", profile.name(), "--target", target]).arg("--target-dir").arg(target_directory()?);
    // A panic ends the process, so nothing reads the tables for unwinding: a tenth of creel-shell, which is copied into every Pod.
    run(cargo.env("RUSTFLAGS", "-C target-feature=+crt-static -C force-unwind-tables=no")).await?;
    Ok(target_directory()?.join(target).join(profile.name()).join(binary.name))
}

/// Whether Rust's libraries for the target are there, or could be fetched.
async fn is_provided(target: &str) -> Result<bool, Error> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let libraries = run(rustc.current_dir(workspace()).args(["--print", "target-libdir", "--target", target])).await?;
    let fetch = || async { run(Command::new("rustup").current_dir(workspace()).args(["target", "add", target])).await };
    Ok(Path::new(libraries.trim_end()).exists() || fetch().await.is_ok())
}

/// Puts the binaries and the licenses into an empty root directory.
fn stage(built: &[(&str, PathBuf)], licenses: &[&str], directory: &Path) -> Result<PathBuf, Error> {
    let disk = |source| Error::Disk { path: directory.to_owned(), source };
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(disk)?;
    }
    let root = directory.join("root");
    std::fs::create_dir_all(root.join("licenses")).map_err(disk)?;
    for name in licenses {
        std::fs::copy(workspace().join(name), root.join("licenses").join(name)).map_err(disk)?;
    }
    for (name, path) in built {
        if !path.exists() {
            return Err(Error::NoBinary { path: path.clone() });
        }
        std::fs::copy(path, root.join(name)).map_err(disk)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The image of the operator with other binaries in it, which Cargo left with this mode.
    async fn built(directory: &Path, mode: u32) -> Image {
        fs::create_dir_all(directory).unwrap();
        let binary = |name: &'static str| {
            let path = directory.join(name);
            fs::write(&path, name).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            (name, path)
        };
        let binaries: Vec<_> = CREEL.binaries.iter().map(|one| binary(one.name)).collect();
        write(&CREEL, &binaries, &directory.join("image")).await.unwrap()
    }

    #[tokio::test]
    async fn two_builds_of_the_same_binaries_are_the_same_archive_to_the_byte() {
        let scratch = std::env::temp_dir().join(format!("creel-workspace-image-{}", std::process::id()));
        let first = built(&scratch.join("first"), 0o755).await;
        let second = built(&scratch.join("second"), 0o700).await;
        assert_eq!(first.digest, second.digest);
        assert!(fs::read(&first.archive).unwrap() == fs::read(&second.archive).unwrap());
        for license in CREEL.licenses {
            assert!(scratch.join("first/image/root/licenses").join(license).exists(), "{license}");
        }
        fs::remove_dir_all(scratch).unwrap();
    }
}
