//! What Cargo knows of the crates: licenses, sources, and which is linked into which. Runs Cargo.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use super::DependenciesError;
use crate::command::run;

/// The part of the output of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    id: String,
    pub name: String,
    pub version: String,
    /// An SPDX expression, in older crates with `/` for `OR`.
    pub license: Option<String>,
    /// Where it comes from; nothing for what is part of the checkout.
    pub source: Option<String>,
    pub manifest_path: PathBuf,
    targets: Vec<Target>,
}

impl Package {
    /// Procedural macros run while others are compiled and are linked into none.
    fn is_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// Nothing, `build` or `dev`.
    kind: Option<String>,
}

impl Metadata {
    /// The crates of the workspace at `root` and all their dependencies for `targets`. The features are those that the whole
    /// workspace asks for, as for the images.
    pub async fn read(root: &Path, targets: &[String]) -> Result<Self, DependenciesError> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).args(["metadata", "--locked", "--all-features", "--format-version=1"]);
        cargo.args(targets.iter().map(|target| format!("--filter-platform={target}")));
        Ok(serde_json::from_str(&run(&mut cargo).await?)?)
    }

    /// The foreign crates that are linked into the binaries of these packages of the workspace, by name and version.
    pub fn linked(&self, binaries: &[&str]) -> Vec<&Package> {
        let packages: HashMap<_, _> = self.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let nodes: HashMap<_, _> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let ours = |package: &&Package| package.source.is_none() && binaries.contains(&package.name.as_str());
        let mut next: Vec<_> = self.packages.iter().filter(ours).map(|package| package.id.as_str()).collect();
        let mut reached = BTreeSet::new();
        while let Some(id) = next.pop() {
            let Some(package) = packages.get(id).filter(|package| !package.is_macro()) else { continue };
            if reached.insert((&package.name, &package.version, id)) {
                let linked = |one: &&Dependency| one.dep_kinds.iter().any(|kind| kind.kind.is_none());
                let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
                next.extend(dependencies.filter(linked).map(|one| one.pkg.as_str()));
            }
        }
        let all = reached.into_iter().filter_map(|(_, _, id)| packages.get(id).copied());
        all.filter(|package| package.source.is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::{Value, json};

    use super::*;

    fn package(id: &str, source: Option<&str>, kind: &str) -> Value {
        json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT", "source": source, "manifest_path": "/x",
               "targets": [{"kind": [kind]}]})
    }

    #[test]
    fn what_only_builds_tests_or_expands_is_not_linked() {
        let registry = Some("registry");
        let edge = |id: &str, kind: Option<&str>| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                package("creel", None, "bin"), package("others", None, "bin"), package("linked", registry, "lib"),
                package("deeper", registry, "lib"), package("built", registry, "lib"), package("tested", registry, "lib"),
                package("expanded", registry, "proc-macro"), package("foreign", registry, "lib"),
            ],
            "resolve": {"nodes": [
                {"id": "creel", "deps": [edge("linked", None), edge("built", Some("build")), edge("tested", Some("dev")), edge("expanded", None)]},
                {"id": "linked", "deps": [edge("deeper", None)]},
                {"id": "expanded", "deps": [edge("foreign", None)]},
                {"id": "others", "deps": [edge("foreign", None)]},
            ]},
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let names: Vec<_> = metadata.linked(&["creel"]).into_iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["deeper", "linked"]);
    }
}
