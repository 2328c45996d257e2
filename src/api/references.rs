//! References to objects of the same namespace.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A reference by name to an object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LocalReference {
    /// The name of the object, in the same namespace. Example: `concierge`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
}

/// One key of a Secret or ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct KeySelector {
    /// The name of the Secret or ConfigMap, in the same namespace. Example: `openai`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The key whose value is used. Example: `api-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("a key consists of letters, digits, '-', '_' and '.'"))]
    pub key: String,
    /// Whether the object or the key may be missing; the variable is then not set. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A required key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeySelector {
    /// The name of the Secret, in the same namespace. Example: `openai`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The key whose value is used. Example: `api-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("a key consists of letters, digits, '-', '_' and '.'"))]
    pub key: String,
}

/// A value stored in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// The Secret and the key that hold the value. The value never appears in this object, its status, an Event or a log.
    pub secret_key_ref: SecretKeySelector,
}
