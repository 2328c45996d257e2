//! What users may add to a Pod that Creel creates: scheduling, labels and annotations.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// Additions to a Pod. Creel controls what runs in the Pod and with which privileges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels and annotations added to the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodTemplateMetadata>,
    /// Labels that a node must have to run the Pod, at most 32. Default: any node. Example: `{kubernetes.io/arch: amd64}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the Pod tolerates, at most 32. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Affinity rules of the Pod. Default: none of its own.
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
    /// Labels added to the Pod, at most 32. `creel.dev/*` and `app.kubernetes.io/*` are reserved for Creel's selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && !key.startsWith('creel.dev/') && !key.startsWith('app.kubernetes.io/'))").message("labels under creel.dev/ and app.kubernetes.io/ are reserved for Creel"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the Pod, at most 32. `creel.dev/*` is reserved for Creel.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && !key.startsWith('creel.dev/'))").message("annotations under creel.dev/ are reserved for Creel"))]
    pub annotations: BTreeMap<String, String>,
}

/// The resource requests and limits of the container.
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
