//! The kinds of the Gateway API, from its Go module. Runs Go; touches the network (the module proxy) and the disk.

use std::path::PathBuf;

use serde_json::Value;

use super::error::{At as _, Error};
use super::programs::{go, no_go};
use crate::command::run;

/// That of the Traefik that the tests have.
const MODULE: &str = "sigs.k8s.io/gateway-api@v1.6.3";
/// The channel of what is stable.
const CHANNEL: &str = "config/crd/standard";

/// The `CustomResourceDefinitions` as YAML documents. Only tests need them.
pub async fn gateway_api() -> Result<String, Error> {
    let told = run(go().args(["mod", "download", "-json", MODULE])).await.map_err(no_go)?;
    let told: Value = serde_json::from_str(&told).unwrap_or_default();
    let directory = PathBuf::from(told["Dir"].as_str().unwrap_or_default()).join(CHANNEL);
    let mut documents = Vec::new();
    for file in std::fs::read_dir(&directory).at("read", &directory)? {
        let path = file.at("read", &directory)?.path();
        let document = std::fs::read_to_string(&path).at("read", &path)?;
        // The rest guards against downgrades.
        if document.contains("\nkind: CustomResourceDefinition\n") {
            documents.push(document);
        }
    }
    Ok(documents.join("\n---\n"))
}
