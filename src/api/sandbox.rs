//! Kind `Sandbox`: where the shell and the files of an Agent live.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{EnvFromSource, EnvVar};
use super::pod_template::{PodTemplate, Resources};
use super::references::LocalReference;

/// A template for the Pods in which the shells of Agents run.
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
    doc = "A Sandbox is a template for the Pods in which Agents run commands. Each Agent that names it gets a Pod of its own, with its own Service, host key and NetworkPolicy; the Pod has no API token, runs as uid 1000 without capabilities, and only the Agent's gateway may connect to it. Creating one equals creating a Pod: it can name every Secret of the namespace.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a Sandbox is a DNS label: lower-case letters, digits and '-', starting with a letter, without dots"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.readyPods"),
    printcolumn(name = "Access", type_ = "string", json_path = ".spec.workspaceAccess"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// The image in which commands run: any with `sh`, `python3` and its standard library, GNU coreutils, `find` and `tar`; it runs as uid 1000 with a read-only
    /// root. By digest or by a tag that is not `latest`. Example: `docker.io/library/python:3.13-slim-bookworm`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[^@\\\\s]+@sha256:[0-9a-f]{64}$') || (self.matches('^[^@\\\\s]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$') && !self.endsWith(':latest'))").message("name an image by digest (…@sha256:…) or by a tag that is not latest (…:3.13-slim-bookworm), so that the same version runs after each restart"))]
    pub image: String,
    /// What the Pod sees of the Agent's workspace: `none`: nothing; `ro`: reading; `rw`: reading and writing, live on both sides.
    /// Kept by the kernel, through what is mounted. An Agent may override it. Default: `none`.
    #[serde(default)]
    pub workspace_access: WorkspaceAccess,
    /// Environment variables of commands, at most 64. They reach the sandbox and never the gateway. A change recreates the Pods, as
    /// `rotation` says. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps whose keys become environment variables of commands, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub env_from: Vec<EnvFromSource>,
    /// What a changed template or value does to a running Pod. `Recreate`: replaced at once, a running command is cut off;
    /// `WhenIdle`: replaced as soon as no command runs; `OnDelete`: replaced when somebody deletes the Pod. What is pending is in status.
    /// Default: `Recreate`.
    #[serde(default)]
    pub rotation: Rotation,
    /// What commands may reach. The web tools of an Agent run in the gateway and are not governed by this.
    #[serde(default, skip_serializing_if = "Network::is_default")]
    pub network: Network,
    /// CPU and memory of the Pod. Default: requests of `100m` and `256Mi`, a memory limit of `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The `RuntimeClass` of the Pod, for a stronger wall than the kernel's own. Default: the cluster's default runtime. Example: `gvisor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
    /// Secrets with credentials for the image's registry, at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// Where the Pod runs and how it is labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// What a sandbox sees of the workspace, in OpenClaw's words.
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

    /// The other way round; `None` for a word that does not exist.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Ro, Self::Rw].into_iter().find(|access| access.as_str() == word)
    }
}

/// What a changed template does to a running Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rotation {
    #[default]
    Recreate,
    WhenIdle,
    OnDelete,
}

/// What commands in a sandbox may reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Network {
    /// `None`: nothing; `Internet`: public addresses, and the cluster's DNS for their names, but no private or link-local ones;
    /// `All`: everything but link-local addresses, where clouds keep the credentials of their machines. Enforced by the cluster's network
    /// plugin: the condition `IsolationVerified` of the Agent says whether it does. Default: `None`.
    #[serde(default)]
    pub egress: Egress,
    /// Exceptions that are allowed as well, at most 32. Default: none.
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

/// How far commands reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Egress {
    #[default]
    None,
    Internet,
    All,
}

/// One destination: a range of addresses, or Pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.cidr) != (has(self.podSelector) || has(self.namespaceSelector))").message("set cidr, or podSelector and namespaceSelector, not both"))]
pub struct Allow {
    /// A range of addresses. Example: `10.0.0.0/24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("name a range of addresses like 10.0.0.0/24 or fd00::/8"))]
    pub cidr: Option<String>,
    /// Pods by label; of the Sandbox's own namespace unless `namespaceSelector` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces by label; all their Pods unless `podSelector` is set.
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
    /// `Ready`: every Agent that names the Sandbox has its Pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many Pods are ready, of how many Agents. Example: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_pods: Option<String>,
    /// The Pod of each Agent, sorted by Agent, the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub pods: Vec<SandboxPod>,
}

/// The Pod of one Agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxPod {
    /// The Agent whose commands run in it.
    pub agent: String,
    /// The name of the Pod.
    pub name: String,
    /// Whether commands can run now.
    pub ready: bool,
    /// What the Pod sees of the Agent's workspace.
    pub workspace_access: WorkspaceAccess,
    /// How the Pod is, in one word. Example: `Running`.
    pub reason: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What a replacement of the Pod will bring, while `rotation` puts it off. Example: `spec.image changed`.
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
    /// What the Pod sees of this Agent's workspace: `none`, `ro` or `rw`. Default: what the Sandbox says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_access: Option<WorkspaceAccess>,
}
