//! Environment variables that users add to a Pod.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::references::KeySelector;

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.value) && has(self.valueFrom))").message("set value or valueFrom, not both"))]
pub struct EnvVar {
    /// The name of the variable. Creel sets the following, and they can't be used: `OPENCLAW_*`, `CREEL_*`, `LD_*`, `HOME`, `NODE_OPTIONS`,
    /// `XDG_CACHE_HOME`, `CHOKIDAR_USEPOLLING` and `NODE_DISABLE_COMPILE_CACHE`. Example: `HTTPS_PROXY`.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("a variable name consists of letters, digits and '_' and does not start with a digit"))]
    #[x_kube(validation = Rule::new("!self.matches('^(OPENCLAW_|CREEL_|LD_).*') && !(self in ['HOME', 'NODE_OPTIONS', 'XDG_CACHE_HOME', 'CHOKIDAR_USEPOLLING', 'NODE_DISABLE_COMPILE_CACHE'])").message("this variable is reserved: OPENCLAW_*, CREEL_*, LD_*, HOME, NODE_OPTIONS, NODE_DISABLE_COMPILE_CACHE, XDG_CACHE_HOME and CHOKIDAR_USEPOLLING are set by Creel"))]
    pub name: String,
    /// The value, as plain text. Use `valueFrom` for anything secret. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub value: Option<String>,
    /// Takes the value from a Secret or ConfigMap. The Pod is recreated when that value changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Where a variable's value comes from: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)").message("set exactly one of secretKeyRef and configMapKeyRef"))]
pub struct EnvVarSource {
    /// A key of a Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySelector>,
    /// A key of a ConfigMap of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySelector>,
}

/// All keys of one Secret or ConfigMap as environment variables. Those whose names `env` can't use have no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.configMapRef)").message("set exactly one of secretRef and configMapRef"))]
pub struct EnvFromSource {
    /// A prefix for the name of each variable. Default: empty. Example: `TOOLS_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("a prefix consists of letters, digits and '_', and does not start with a digit"))]
    pub prefix: Option<String>,
    /// A Secret of the same namespace. Every key becomes a variable, so any change of its data recreates the Pod. A variable that Creel sets,
    /// see `env`, is not taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<EnvFromReference>,
    /// A ConfigMap of the same namespace. Every key becomes a variable, so any change of its data recreates the Pod. A variable that Creel
    /// sets, see `env`, is not taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<EnvFromReference>,
}

/// A whole Secret or ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct EnvFromReference {
    /// The name of the object. Example: `tools`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Whether the object may be missing. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}
