//! The crates that Creel depends on: which may be used (`deny.toml`), and the notices that their licenses demand (`THIRD_PARTY`).
//!
//! The rules are in the format of cargo-deny, which can be run beside: it also asks for advisories. That it is not part of the
//! verification has two reasons: compiling it takes longer than all other checks of the sources, and the database of advisories
//! is not reachable from everywhere. `metadata` runs Cargo, the others are pure.

mod metadata;
mod notices;
mod policy;

use std::io;
use std::path::{Path, PathBuf};

use crate::command::CommandError;
use metadata::Metadata;
use policy::Policy;

/// The rules, at the root of the workspace.
const RULES: &str = "deny.toml";
/// The packages whose binaries are in the image that users run.
const SHIPPED: [&str; 2] = ["creel", "creel-shell"];

/// Why the dependencies were not read, or are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum DependenciesError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("cannot read {}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("cannot read what `cargo metadata` says: {0}")]
    Metadata(#[from] serde_json::Error),
    #[error("cannot read {RULES}: {0}")]
    Rules(#[from] toml::de::Error),
    #[error("dependencies break the rules of {RULES}:\n{}", findings.join("\n"))]
    Forbidden { findings: Vec<String> },
    #[error(
        "{name} {version} is licensed under {license} and brings no text of it: add one to e2e/src/dependencies/notices.rs"
    )]
    NoText { name: String, version: String, license: String },
}

/// Checks licenses, bans and sources of all crates of the workspace below `root`.
pub async fn check(root: &Path) -> Result<(), DependenciesError> {
    let policy: Policy = toml::from_str(&read(&root.join(RULES))?)?;
    let metadata = Metadata::read(root, &policy.graph.targets).await?;
    let findings = policy.findings(&metadata.packages);
    if findings.is_empty() { Ok(()) } else { Err(DependenciesError::Forbidden { findings }) }
}

/// The notices of all that is linked into the binaries that users run.
pub async fn notices(root: &Path) -> Result<String, DependenciesError> {
    let policy: Policy = toml::from_str(&read(&root.join(RULES))?)?;
    let metadata = Metadata::read(root, &policy.graph.targets).await?;
    let linked = metadata.linked(&SHIPPED);
    let crates = linked.into_iter().map(notices::collect).collect::<Result<Vec<_>, _>>()?;
    notices::render(&crates, &read(&root.join("LICENSE"))?)
}

fn read(path: &Path) -> Result<String, DependenciesError> {
    std::fs::read_to_string(path).map_err(|source| DependenciesError::Disk { path: path.to_owned(), source })
}
