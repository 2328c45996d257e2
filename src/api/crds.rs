//! The CRDs as YAML: generated from the types, committed under `crds/`, applied by `kubectl` and the chart. No I/O.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use thiserror::Error;

use super::{Agent, CronJob, Provider, Sandbox};

/// Makes a CRD.
type MakeCrd = fn() -> CustomResourceDefinition;

/// One file for each kind: its name and how to make the CRD.
pub const CRD_FILES: [(&str, MakeCrd); 4] = [
    ("creel.dev_agents.yaml", Agent::crd),
    ("creel.dev_cronjobs.yaml", CronJob::crd),
    ("creel.dev_providers.yaml", Provider::crd),
    ("creel.dev_sandboxes.yaml", Sandbox::crd),
];

/// Why a CRD could not be written down.
#[derive(Debug, Error)]
pub enum CrdError {
    #[error("CRD {name} cannot be written as YAML")]
    Yaml { name: String, source: serde_yaml::Error },
}

/// The YAML of one CRD, with a header that says where it comes from.
pub fn crd_yaml(crd: &CustomResourceDefinition) -> Result<String, CrdError> {
    let name = crd.metadata.name.clone().unwrap_or_default();
    let yaml = serde_yaml::to_string(crd).map_err(|source| CrdError::Yaml { name, source })?;
    let yaml: String = yaml.lines().flat_map(|line| [quoted(line), "\n".to_owned()]).collect();
    Ok(format!("# Generated from src/api by `cargo run -- crds --directory crds`; do not edit.\n{yaml}"))
}

/// Words that Kubernetes and Helm, which read YAML 1.1, take for booleans where they stand alone.
const BOOLEANS: [&str; 6] = ["on", "off", "yes", "no", "y", "n"];

/// A line of YAML 1.2 that YAML 1.1 reads alike.
fn quoted(line: &str) -> String {
    match line.rsplit_once("- ") {
        Some((indent, word)) if indent.trim().is_empty() && BOOLEANS.contains(&word) => format!("{indent}- '{word}'"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_crds_are_fresh() {
        for (file, crd) in CRD_FILES {
            let path = format!("{}/crds/{file}", env!("CARGO_MANIFEST_DIR"));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == crd_yaml(&crd()).unwrap(),
                "crds/{file} is stale: run `cargo run -- crds --directory crds` and commit it"
            );
        }
    }

    #[test]
    fn a_word_that_older_yaml_takes_for_a_boolean_is_quoted() {
        assert_eq!(quoted("        - off"), "        - 'off'");
        assert_eq!(quoted("        - low"), "        - low");
        assert!(crd_yaml(&CronJob::crd()).unwrap().contains("- 'off'\n"));
    }

    /// `kubectl apply` keeps the whole object in an annotation of at most 256 KiB.
    #[test]
    fn plain_kubectl_apply_can_hold_every_crd() {
        for (file, crd) in CRD_FILES {
            let size = serde_json::to_string(&crd()).unwrap().len();
            assert!(size < 200_000, "{file} has {size} bytes");
        }
    }

    #[test]
    fn every_field_is_described_in_a_full_sentence() {
        fn walk(path: &str, schema: &serde_json::Value, bare: &mut Vec<String>) {
            if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
                for (name, property) in properties {
                    let path = format!("{path}.{name}");
                    let described = property
                        .get("description")
                        .and_then(|d| d.as_str())
                        .is_some_and(|d| d.trim_end().ends_with(['.', ')']));
                    // Kubernetes' own types describe themselves in their own way.
                    let foreign = [".conditions", ".tolerations.", ".affinity."].iter().any(|part| path.contains(part));
                    if !described && !foreign {
                        bare.push(path.clone());
                    }
                    walk(&path, property, bare);
                }
            }
            if let Some(items) = schema.get("items") {
                walk(path, items, bare);
            }
        }
        for (_, crd) in CRD_FILES {
            let crd = serde_json::to_value(crd()).unwrap();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let mut bare = Vec::new();
            for root in ["spec", "status"] {
                walk(root, &schema["properties"][root], &mut bare);
            }
            assert!(bare.is_empty(), "fields without a full sentence: {bare:#?}");
        }
    }
}
