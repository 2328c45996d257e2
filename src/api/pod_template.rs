//! What users may add to a Pod that Creel makes: where it runs and how it is labelled.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// Additions to a Pod. Everything that decides what runs in the Pod, and with which rights, stays with Creel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels and annotations added to the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodTemplateMetadata>,
    /// Labels that a node must have to run the Pod. Default: any node. Example: `{kubernetes.io/arch: amd64}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the Pod tolerates. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Where the Pod prefers or requires to run. Default: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The `PriorityClass` of the Pod. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
}

/// Labels and annotations of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PodTemplateMetadata {
    /// Labels added to the Pod. Creel's own (`creel.dev/*`) and `app.kubernetes.io/*` are refused: selectors rest on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && !key.startsWith('creel.dev/') && !key.startsWith('app.kubernetes.io/'))").message("labels under creel.dev/ and app.kubernetes.io/ are reserved for Creel"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the Pod. Those under `creel.dev/` are refused: Creel keeps its own state there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && !key.startsWith('creel.dev/'))").message("annotations under creel.dev/ are reserved for Creel"))]
    pub annotations: BTreeMap<String, String>,
}

/// What the container asks for and may use at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Resources {
    /// What the scheduler reserves. Keys are resource names. Example: `{cpu: 250m, memory: 1Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub requests: BTreeMap<String, Quantity>,
    /// The most that the container may use. Keys are resource names. Example: `{memory: 2Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, Quantity>,
}
