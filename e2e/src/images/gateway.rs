//! The gateway image: OpenClaw from npm on a small Debian, in the shape of the official image and under its name (user
//! `node` 1000, work directory /app, `node openclaw.mjs gateway`). Touches the network (package registries) and the disk.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::archive::Contents;
use super::{Error, Image, keep, kept};
use crate::cache::Entry;
use crate::command::{CommandError, run};
use crate::progress::Progress;

/// The name that Creel's default points at, so that nothing has to be configured for the tests.
pub const GATEWAY_IMAGE: &str = "ghcr.io/openclaw/openclaw:2026.9.6-slim";

const OPENCLAW: &str = "openclaw@2026.9.6";
/// OpenClaw needs 24.16 or later.
const NODE: &str = "node@24.21.0";
const DEBIAN: &str = "bookworm";
/// What OpenClaw's tools call, beyond Debian's essential packages.
const PACKAGES: &str = "ca-certificates,curl,git,openssh-client,procps,python3";
/// Change this when the steps below change: it is part of the cache's key.
const RECIPE: &str = "1";

/// Builds the gateway image, or finds the one built before.
pub async fn gateway(progress: &Progress) -> Result<Image, Error> {
    let inputs = [OPENCLAW, NODE, DEBIAN, PACKAGES, RECIPE, GATEWAY_IMAGE].map(str::as_bytes);
    let directory = Entry::new("gateway-image", &inputs)?
        .or_build::<Error, _>(|directory| async move {
            let root = directory.join("root");
            let tools = directory.join("tools");
            progress.during("gateway image: Debian (once, some 1 minute)", debian(&root)).await?;
            progress
                .during(&format!("gateway image: {OPENCLAW} from npm (once, some 2 minutes)"), openclaw(&root, &tools))
                .await?;
            let config = json!({
                "User": "node",
                "WorkingDir": "/app",
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_ENV=production"],
                "Cmd": ["node", "openclaw.mjs", "gateway"],
            });
            let contents = Contents { name: GATEWAY_IMAGE, root: &root, config };
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

/// Installs Node, then OpenClaw with that Node first on PATH: its install script refuses an older one.
async fn openclaw(root: &Path, tools: &Path) -> Result<(), Error> {
    npm_install(tools, NODE, std::env::var_os("PATH").unwrap_or_default().into()).await?;
    let node = tools.join("node_modules/node/bin");
    let mut path = node.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());

    let app = root.join("app");
    npm_install(&app, OPENCLAW, path.into()).await?;
    let disk = |path: PathBuf| move |source| Error::Disk { path, source };
    let script = app.join("openclaw.mjs");
    std::os::unix::fs::symlink("node_modules/openclaw/openclaw.mjs", &script).map_err(disk(script))?;
    let installed = root.join("usr/local/bin/node");
    std::fs::copy(node.join("node"), &installed).map_err(disk(installed))?;
    Ok(())
}

async fn npm_install(directory: &Path, package: &str, path: PathBuf) -> Result<(), Error> {
    std::fs::create_dir_all(directory).map_err(|source| Error::Disk { path: directory.to_owned(), source })?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error", "--prefix"]);
    npm.arg(directory).arg(package).current_dir(directory).env("PATH", path);
    match run(&mut npm).await {
        Err(CommandError::Start { .. }) => Err(Error::Missing {
            program: "npm",
            remedy: "install Node.js with npm, the gateway image is built from npm",
        }),
        other => other.map(drop).map_err(Error::from),
    }
}
