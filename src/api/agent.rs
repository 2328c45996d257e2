//! Kind `Agent`: an OpenClaw agent, and the gateway that it owns or joins.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;
use super::access::{ControlUi, HttpApis};
use super::adopt::{self, Adopt};
use super::channels::{Channel, ChannelStatus};
use super::clients::{Auth, Client};
use super::delegates::Delegate;
use super::devices::{Device, DevicesStatus};
use super::environment::{EnvFromSource, EnvVar};
use super::exposure::Exposure;
use super::heartbeat::{Heartbeat, HeartbeatStatus};
use super::identity::Identity;
use super::models::{ActiveModelProfile, ModelProfile, ModelSelection};
use super::passthrough::Passthrough;
use super::pod_template::{PodTemplate, Resources};
use super::references::{LocalReference, SecretSource};
use super::sandbox::SandboxUse;
use super::skills::Skill;
use super::tools::Tools;
use super::workspace::{Workspace, WorkspaceFile, WorkspaceStatus};

/// An OpenClaw agent: which model answers, and on which gateway it runs.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "creel.dev",
    version = "v1alpha1",
    kind = "Agent",
    plural = "agents",
    shortname = "cag",
    category = "creel",
    namespaced,
    status = "AgentStatus",
    derive = "PartialEq",
    doc = "An Agent is an OpenClaw agent. Without gatewayRef it owns a gateway: a Deployment with a Service, a configuration, a volume claim and a token. With gatewayRef it joins the gateway of another Agent. Its name is also the OpenClaw agent id and the prefix of the names of the objects that it owns. Anyone who can create an Agent can use every Secret of its namespace, as with Pods.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("the name of an Agent must be a DNS label of at most 40 characters: lower-case letters, digits and '-', starting with a letter, without dots"),
    validation = Rule::new("!(self.metadata.name in ['constructor', 'prototype'])").message("OpenClaw cannot use the names 'constructor' and 'prototype': choose another name"),
    validation = Rule::new("!has(self.spec.gatewayRef) || self.spec.gatewayRef.name != self.metadata.name").message("spec.gatewayRef names this Agent itself: omit it to own a gateway, or name the Agent whose gateway to join"),
    validation = Rule::new("!has(self.spec.delegates) || self.spec.delegates.all(delegate, delegate.agent != self.metadata.name)").message("spec.delegates names this Agent itself: remove the entry; an Agent can always start sub-agents of its own"),
    validation = Rule::new("!has(oldSelf.status) || !(has(oldSelf.status.agentID) || (!has(oldSelf.spec.gatewayRef) && has(oldSelf.status.gateway) && has(oldSelf.status.gateway.deployment))) || (has(self.spec.gatewayRef) == has(oldSelf.spec.gatewayRef) && (!has(self.spec.gatewayRef) || self.spec.gatewayRef.name == oldSelf.spec.gatewayRef.name))").message("spec.gatewayRef can't change once the Agent has joined or has a gateway of its own: its memory is on the claim of its gateway; create a new Agent instead"),
    validation = Rule::new(adopt::IS_UNCHANGED).message("spec.gateway.storage.adopt can't change once the Agent has used the claim: delete the Agent and create it again; its claim is kept"),
    validation = Rule::new(adopt::HAS_ITS_OWN_WORKSPACE).message("workspace-<agent> in the state directory is the workspace of the Agent with this name: rename the directory, for example to workspace"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Model", type_ = "string", json_path = ".status.model"),
    printcolumn(name = "Profile", type_ = "string", json_path = ".status.activeModelProfile.name"),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".status.gateway.agent"),
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".spec.sandbox.ref.name"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.gateway) && has(self.gatewayRef))").message("set gateway (to own one) or gatewayRef (to join one), not both"))]
#[x_kube(validation = Rule::new("!has(self.activeModelProfile) || (has(self.modelProfiles) && self.modelProfiles.exists(profile, profile.name == self.activeModelProfile))").message("activeModelProfile must be the name of an entry of modelProfiles; omit it to use spec.model"))]
pub struct AgentSpec {
    /// Stops the Agent. An owner's gateway is scaled to zero; a joined Agent is removed from the configuration. Sessions and workspace
    /// are kept on the claim. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The models that answer, unless `activeModelProfile` is set. A change is applied without a restart, unless it adds a Provider with a
    /// key that is new to the gateway.
    pub model: ModelSelection,
    /// Other models to switch to with `activeModelProfile`, at most 16 profiles. The gateway has the keys of all of them, so a switch needs no
    /// restart. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub model_profiles: Vec<ModelProfile>,
    /// The name of the entry of `modelProfiles` whose models answer. A change is applied without a restart, from the next turn on.
    /// Default: `spec.model`. Example: `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub active_model_profile: Option<String>,
    /// What the Agent is for, in a sentence. It is `description` of the agent in openclaw.json, and no part of the prompt.
    /// Default: none. Example: `Talks to people and hands work on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub description: Option<String>,
    /// How the Agent presents itself in chats and in the Control UI. A change is applied without a restart. Default: OpenClaw's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Files in the workspace of the Agent: its persona, its instructions, its notes. With `{}` Creel only makes sure that there is an
    /// `AGENTS.md`, a `SOUL.md` and an `IDENTITY.md`. Default: Creel writes no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// The tools that the Agent can use. A change is applied without a restart. Default: all tools but those that Creel always denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Tools>,
    /// The Agents of the same gateway to which this Agent can hand work, as sub-agents, at most 32. An Agent in a sandbox can hand work only to
    /// Agents in a sandbox. A change is applied without a restart. Default: none but itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub delegates: Vec<Delegate>,
    /// The skills that the Agent has, and no others, at most 32. Other Agents of the gateway do not see their files. A change is applied without
    /// a restart. An empty list gives it none. Default: those that OpenClaw has, and those in the Agent's workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub skills: Option<Vec<Skill>>,
    /// Where the Agent's commands run. Default: the Agent has no shell, and its file tools are confined to its workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxUse>,
    /// Wakes the Agent at regular intervals in its main session to check whether anything needs attention. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// The channels on which people talk to the Agent, such as a Telegram bot, at most 16. A change is applied without a restart, unless it
    /// brings a Secret key that is new to the gateway. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub channels: Vec<Channel>,
    /// Keys of this agent's entry in openclaw.json that have no field here, at most 64 KiB. A change is applied without a restart, unless it
    /// brings a Secret key that is new to the gateway. In place of any value, `{valueFrom: {secretKeyRef: {name, key}}}` takes it from a
    /// Secret. Keys that Creel sets are rejected; the condition names the field to use instead. Default: none.
    /// Example: `{thinkingDefault: high, typingMode: message}`.
    #[serde(default, skip_serializing_if = "Passthrough::is_empty")]
    pub config: Passthrough,
    /// The gateway that this Agent owns. Default: a gateway with all defaults, unless `gatewayRef` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Joins the gateway of the named Agent instead of owning one. That Agent must own its gateway. Agents of one gateway share
    /// a process: the gateway is the trust boundary. It is immutable once the Agent has joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<LocalReference>,
}

impl AgentSpec {
    /// The files of the workspace.
    #[must_use]
    pub fn files(&self) -> &[WorkspaceFile] {
        self.workspace.as_ref().map(|workspace| workspace.files.as_slice()).unwrap_or_default()
    }
}

/// The gateway of an Agent: one Deployment with one Pod, its storage and its environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// The OpenClaw image, by digest or by a tag that is not `latest`. A change recreates the Pod. Default: the operator's default image
    /// when the gateway is created; it stays pinned until the Agent is restarted with the annotation `creel.dev/restart`.
    /// Example: `ghcr.io/openclaw/openclaw:2026.9.6-slim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[^@\\\\s]+@sha256:[0-9a-f]{64}$') || (self.matches('^[^@\\\\s]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$') && !self.endsWith(':latest'))").message("the image needs a digest (…@sha256:…) or a tag other than latest (…:2026.9.6-slim), so that every restart runs the same version"))]
    pub image: Option<String>,
    /// When the kubelet pulls the image. Default: `IfNotPresent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets with credentials for the image registry, at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// CPU and memory of the gateway container. Default: requests of `250m` and `1Gi`, a memory limit of `2Gi`. The Node.js heap
    /// is limited to three quarters of the memory limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The volume claim with the sessions, memory and workspaces of all Agents of this gateway.
    #[serde(default, skip_serializing_if = "Storage::is_default")]
    pub storage: Storage,
    /// How callers authenticate. Default: Creel generates a token and stores it in the Secret `<agent>-secret`, key `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Environment variables of the gateway container, at most 64. A change recreates the Pod. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps whose keys become environment variables of the gateway container, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub env_from: Vec<EnvFromSource>,
    /// Devices that may connect to the gateway's WebSocket, at most 64: a request of one of them is approved if its role and scopes are
    /// covered. One that is taken out is removed from the gateway; devices that people approved otherwise stay. Applied without a restart.
    /// An empty list approves nothing and shows the requests of devices in `status.gateway.pendingDevices`. Default: an empty list with
    /// the Control UI; without it, Creel does not look at the devices of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub devices: Option<Vec<Device>>,
    /// Scheduling, labels and annotations of the Pod. A change recreates the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// A way to the gateway from outside of the cluster: an Ingress or an HTTPRoute, the network policy that it needs, and the origin of
    /// its pages. List the proxy in `trustedProxies` too. A change is applied without a restart. Default: reached inside the cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// OpenClaw's page for browsers, and the pages that may connect to the gateway. A change is applied without a restart. Default: no page.
    #[serde(default, rename = "controlUI", skip_serializing_if = "Option::is_none")]
    pub control_ui: Option<ControlUi>,
    /// The addresses of the reverse proxies in front of the gateway, or narrow ranges of them, at most 32, beside the Pods that
    /// `exposure.from` selects in the namespaces of proxies that the operator knows. OpenClaw answers 403 to a request
    /// with forwarding headers from any other address, and to a request without such headers from one of these. So a range that contains
    /// the operator, the gateway or its node has no effect: the operator and the kubelet send none. A change is applied without a restart;
    /// connected clients have to connect again. Default: none. Example: `10.244.3.17`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(proxy, isIP(proxy) || isCIDR(proxy))").message("a proxy is an address or a range of addresses, for example 10.244.3.17 or 10.20.0.0/28"))]
    #[x_kube(validation = Rule::new("self.all(proxy, !isCIDR(proxy) || cidr(proxy).prefixLength() >= 8)").message("the range is too wide: OpenClaw would answer 403 to the kubelet and the operator too; list the addresses of the proxies alone"))]
    pub trusted_proxies: Vec<String>,
    /// The HTTP APIs that the gateway serves. A change is applied without a restart. Default: `/v1/responses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpApis>,
    /// Keys of openclaw.json for the whole gateway that have no field here, at most 256 KiB. In place of any value,
    /// `{valueFrom: {secretKeyRef: {name, key}}}` takes it from a Secret. Most keys are applied without a restart; one that the running
    /// gateway can't apply recreates the Pod, and so does a Secret key that is new to it. Keys that Creel sets are rejected; the condition
    /// names the field to use instead. Default: none. Example: `{agents: {defaults: {maxConcurrent: 2}}, messages: {responsePrefix: auto}}`.
    #[serde(default, skip_serializing_if = "Passthrough::is_empty")]
    pub config: Passthrough,
}

impl AgentSpec {
    /// The way to its gateway from outside of the cluster.
    #[must_use]
    pub fn exposure(&self) -> Option<&Exposure> {
        self.gateway.as_ref()?.exposure.as_ref()
    }
}

impl Gateway {
    /// Where the user's token of the gateway is. `None`: it is generated.
    #[must_use]
    pub fn token(&self) -> Option<&SecretSource> {
        self.auth.as_ref()?.token.as_ref()
    }

    /// The clients with tokens of their own.
    #[must_use]
    pub fn clients(&self) -> &[Client] {
        self.auth.as_ref().map(|auth| auth.clients.as_slice()).unwrap_or_default()
    }
}

/// When the kubelet pulls an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl ImagePullPolicy {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// The claim of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.existingClaim) || !(has(self.size) || has(self.storageClassName) || has(self.accessMode) || has(self.retention))").message("existingClaim is used as it is: omit size, storageClassName, accessMode and retention"))]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)").message("storageClassName is immutable: create a new Agent instead"))]
#[x_kube(validation = Rule::new("has(self.accessMode) == has(oldSelf.accessMode) && (!has(self.accessMode) || self.accessMode == oldSelf.accessMode)").message("accessMode is immutable: create a new Agent instead"))]
#[x_kube(validation = Rule::new("!has(oldSelf.size) || !has(self.size) || quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0").message("a claim can grow but not shrink: set size to at least its current value"))]
#[x_kube(validation = Rule::new("!has(self.adopt) || has(self.existingClaim)").message("adopt needs existingClaim: name the claim with the data of the other installation"))]
pub struct Storage {
    /// The requested size. It can grow if the storage class allows expansion, and never shrink. Default: `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,
    /// The `StorageClass` of the claim. Immutable. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// How the claim may be mounted. Immutable. Default: `ReadWriteOnce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// Uses this claim, in the same namespace, instead of creating one. Creel never changes or deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub existing_claim: Option<String>,
    /// Takes over the data that another installation of OpenClaw left on `existingClaim`: docker compose, the manifests of OpenClaw, a Helm
    /// chart or openclaw-operator. `{}` fits these. The name of the Agent must be the id of one of the agents there, usually `main`;
    /// otherwise the gateway does not start. It is immutable once the Agent has used the claim. Default: the layout of Creel, which is empty
    /// on such a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// What happens to the claim when the Agent is deleted: `Retain` keeps it, and a new Agent of the same name reuses it;
    /// `Delete` deletes it with the Agent. Default: `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

impl Storage {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a claim may be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    ReadWriteOnce,
    ReadWriteMany,
}

impl AccessMode {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// What happens to a claim when its Agent is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    Retain,
    Delete,
}

/// What Creel observed of an Agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the summary; `Reconciling`: Creel is still working; `Stalled`: a person must act; `ReferencesResolved`: everything that
    /// the spec names exists; `GatewayReady`: the gateway answers; `ConfigApplied`: the gateway itself confirmed the configuration;
    /// `Exposed`: the Ingress or HTTPRoute is there; `SandboxReady`: commands can run; `IsolationVerified`: the checks from inside the
    /// sandbox found it isolated; `DevicesReady`: the devices of the spec are paired, and no other one waits for approval;
    /// `ChannelsReady`: the channels of the spec are connected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The OpenClaw agent id. It is set once the Agent is part of its gateway.
    #[serde(default, rename = "agentID", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The gateway that runs the Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayStatus>,
    /// The primary model, as `provider/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model profile in use; absent while the models of `spec.model` are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_model_profile: Option<ActiveModelProfile>,
    /// The most recent heartbeat that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatStatus>,
    /// The files in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceStatus>,
    /// How each channel of `spec.channels` fares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub channels: Vec<ChannelStatus>,
    /// The Agents that joined this Agent's gateway, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined_agents: Vec<String>,
}

/// The gateway that runs an Agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The Agent that owns the gateway.
    pub agent: String,
    /// The Deployment of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The Service of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The address of the gateway inside the cluster. Example: `http://concierge-gateway.assistants.svc:18789`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The address of the gateway outside of the cluster, if it is exposed. Example: `https://claw.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The image that the Deployment runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The Secret and key of the token that callers send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret: Option<super::references::SecretKeySelector>,
    /// Whether this version of Creel would render the Pod differently. The new rendering is applied with the next change that recreates the
    /// Pod, or when the annotation `creel.dev/restart` is set to a new value.
    #[serde(default)]
    pub outdated: bool,
    /// The paths of openclaw.json that come from `spec.gateway.config` and from `spec.config` of the Agents, as the Pod has them: sorted, at
    /// most 100 of at most 200 characters. Example: `agents.entries.concierge.thinkingDefault`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 200)))]
    pub passthrough: Vec<String>,
    /// Why and when the Pod was last recreated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rollout: Option<Rollout>,
    #[serde(flatten)]
    pub devices: DevicesStatus,
}

/// One recreation of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Rollout {
    /// The change that caused it. Example: `Secret "openai" key "api-key" changed`.
    pub reason: String,
    /// When Creel changed the Deployment.
    pub time: Time,
}
