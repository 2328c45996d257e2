//! Kind `Sandbox`: where the commands of an Agent run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{EnvFromSource, EnvVar};
use super::pod_template::{PodTemplate, Resources};
use super::references::LocalReference;
use super::sandbox_mounts::{
    ARE_APART, ARE_APART_MESSAGE, FileMount, HOME_IS_FREE, HOME_IS_FREE_MESSAGE, Home, LISTS_ARE_APART,
    LISTS_ARE_APART_MESSAGE, VolumeMount,
};

/// A template for the Pods in which Agents run commands.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "creel.dev",
    version = "v1alpha1",
    kind = "Sandbox",
    plural = "sandboxes",
    shortname = "csb",
    category = "creel",
    namespaced,
    status = "SandboxStatus",
    derive = "PartialEq",
    doc = "A Sandbox is a template for the Pods in which Agents run commands. Each Agent that refers to it gets its own Pod, Service, host key and NetworkPolicy. The Pod has no API token unless `serviceAccountName` is set, runs as uid 1000 without capabilities, and only the Agent's gateway can connect to it. Anyone who can create a Sandbox can use every Secret and claim of its namespace, as with Pods.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a Sandbox must be a DNS label: lower-case letters, digits and '-', starting with a letter, without dots"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.readyPods"),
    printcolumn(name = "Access", type_ = "string", json_path = ".spec.workspaceAccess"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(LISTS_ARE_APART).message(LISTS_ARE_APART_MESSAGE))]
#[x_kube(validation = Rule::new(HOME_IS_FREE).message(HOME_IS_FREE_MESSAGE))]
pub struct SandboxSpec {
    /// The image in which commands run, by digest or by a tag that is not `latest`. It needs `sh`, `python3` with its standard library,
    /// GNU coreutils, `find` and `tar`, and runs as uid 1000 with a read-only root filesystem. Example: `docker.io/library/python:3.13-slim-bookworm`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[^@\\\\s]+@sha256:[0-9a-f]{64}$') || (self.matches('^[^@\\\\s]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$') && !self.endsWith(':latest'))").message("the image needs a digest (…@sha256:…) or a tag other than latest (…:3.13-slim-bookworm), so that every restart runs the same version"))]
    pub image: String,
    /// How the Agent's workspace is mounted: `none`: not at all; `ro`: read-only; `rw`: read-write, shared live with the gateway. The
    /// kernel enforces it through the mount. An Agent can override it. Default: `none`.
    #[serde(default)]
    pub workspace_access: WorkspaceAccess,
    /// Environment variables of commands, at most 64. They are set in the sandbox and never in the gateway. A change recreates the Pods
    /// according to `rotation`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps whose keys become environment variables of commands, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub env_from: Vec<EnvFromSource>,
    /// Secrets and ConfigMaps that commands see as directories of files, at most 16. A change of such an object reaches the running Pod within
    /// seconds, without a restart; another list replaces the Pod according to `rotation`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    #[x_kube(validation = Rule::new(ARE_APART).message(ARE_APART_MESSAGE))]
    pub files: Vec<FileMount>,
    /// Volumes that commands see, at most 16. A change replaces the Pods according to `rotation`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    #[x_kube(validation = Rule::new(ARE_APART).message(ARE_APART_MESSAGE))]
    pub volumes: Vec<VolumeMount>,
    /// A directory at `/home/agent` that is kept when the Pod is replaced: a claim `<agent>-home` for each Agent. It is kept when the Agent or
    /// the Sandbox is deleted, too. It starts out empty, and hides what the image has there. OpenClaw sets `HOME` of commands to the workspace:
    /// name this directory to tools that look there, for example with `GIT_CONFIG_GLOBAL` in `env`. Default: none; only `/tmp` and
    /// `/workspaces` can be written to, and are gone with the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// The ServiceAccount of the same namespace as which commands can use the Kubernetes API, with a token that is renewed and ends with the
    /// Pod. Creel creates neither the account nor its permissions, and does not open the network to the API server: list its addresses in
    /// `network.allow`. The administrator has to list the account in `admissionPolicies.serviceAccounts` of the chart. Default: no token.
    /// Example: `cluster-reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub service_account_name: Option<String>,
    /// How running Pods are updated when the template or a referenced value changes. `Recreate`: replaced at once, which ends running
    /// commands; `WhenIdle`: replaced as soon as no command runs, and after one hour at the latest; `OnDelete`: replaced when the Pod is
    /// deleted. What takes something away (a narrower `workspaceAccess`, the removal of a Secret, a volume or a ServiceAccount) replaces
    /// the Pod at once in any case. A running Pod is not replaced while the API server rejects the new one, or something that it mounts is missing.
    /// `status.pods[].pending` shows what is waiting. Default: `Recreate`.
    #[serde(default)]
    pub rotation: Rotation,
    /// The destinations that commands can reach. It does not apply to the Agent's web tools, which run in the gateway.
    #[serde(default, skip_serializing_if = "Network::is_default")]
    pub network: Network,
    /// CPU and memory of the Pod. Default: requests of `100m` and `256Mi`, a memory limit of `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The `RuntimeClass` of the Pod, for stronger isolation, e.g. gvisor or kata. Default: the cluster's default runtime. Example: `gvisor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
    /// Secrets with credentials for the image registry, at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// Scheduling, labels and annotations of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// How the workspace is mounted, as OpenClaw names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceAccess {
    #[default]
    None,
    Ro,
    Rw,
}

impl WorkspaceAccess {
    /// As the API and OpenClaw write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ro => "ro",
            Self::Rw => "rw",
        }
    }
}

/// How running Pods are updated when the template changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rotation {
    #[default]
    Recreate,
    WhenIdle,
    OnDelete,
}

/// The destinations that commands in a sandbox can reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Network {
    /// `None`: nothing; `Internet`: public addresses and the cluster's DNS, but no private or link-local addresses; `All`: everything
    /// except link-local and other addresses where clouds serve machine credentials. The cluster's network plugin enforces it; the
    /// condition `IsolationVerified` of the Agent shows whether it does. Default: `None`.
    #[serde(default)]
    pub egress: Egress,
    /// Additional destinations that are allowed, at most 32. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub allow: Vec<Allow>,
}

impl Network {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The base rule for outgoing connections, from narrow to wide.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[value(rename_all = "PascalCase")]
pub enum Egress {
    #[default]
    None,
    Internet,
    All,
}

/// One destination: a range of addresses, or Pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.cidr) != (has(self.podSelector) || has(self.namespaceSelector))").message("set either cidr, or podSelector and/or namespaceSelector"))]
pub struct Allow {
    /// A range of addresses. Example: `10.0.0.0/24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("cidr must be a range of addresses, for example 10.0.0.0/24 or fd00::/8"))]
    pub cidr: Option<String>,
    /// Pods by label, in the Sandbox's namespace unless `namespaceSelector` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces by label, with all their Pods unless `podSelector` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// TCP ports, 1 to 65535, at most 16. Default: all ports and protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(port, port >= 1 && port <= 65535)").message("a port is a number from 1 to 65535"))]
    pub ports: Vec<i32>,
}

/// What Creel observed of a Sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: every Agent that refers to the Sandbox has a ready Pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The number of ready Pods and of Agents that need one. Example: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_pods: Option<String>,
    /// The Pods, sorted by Agent, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub pods: Vec<SandboxPod>,
}

/// The Pod of one Agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxPod {
    /// The Agent whose commands run in the Pod.
    pub agent: String,
    /// The name of the Pod.
    pub name: String,
    /// Whether commands can run.
    pub ready: bool,
    /// How the Agent's workspace is mounted in the Pod.
    pub workspace_access: WorkspaceAccess,
    /// The state of the Pod in one word. Example: `Running`.
    pub reason: String,
    /// Details about the state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The changes that take effect when the Pod is replaced, while `rotation` delays it. Example: `spec.image changed`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pending: String,
}

/// The sandbox of an Agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxUse {
    /// The Sandbox, in the same namespace.
    #[serde(rename = "ref")]
    pub reference: LocalReference,
    /// How this Agent's workspace is mounted: `none`, `ro` or `rw`. Default: the value in the Sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_access: Option<WorkspaceAccess>,
}
