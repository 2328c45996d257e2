//! Names that Creel gives: labels, annotations, field managers, children. Each is defined once, here.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

use crate::api::Agent;

/// Field manager of the Agent controller.
pub const AGENT_MANAGER: &str = "creel/agent";
/// Field manager of the Provider controller.
pub const PROVIDER_MANAGER: &str = "creel/provider";

/// Field manager of the Sandbox controller.
pub const SANDBOX_MANAGER: &str = "creel/sandbox";

/// Field manager of the CronJob controller.
pub const CRON_JOB_MANAGER: &str = "creel/cron-job";

/// How the names of Creel's own labels and annotations begin.
pub const PREFIX: &str = "creel.dev/";

/// What manages the object: always [`MANAGED_BY`]. The cache of children selects by it.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "creel";
/// The application, always `openclaw`.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// The part of it: [`GATEWAY`], [`SANDBOX`] or [`FENCE`].
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// A value of [`LABEL_COMPONENT`].
pub const GATEWAY: &str = "gateway";
/// A value of [`LABEL_COMPONENT`].
pub const SANDBOX: &str = "sandbox";
/// A value of [`LABEL_COMPONENT`].
pub const FENCE: &str = "fence";
/// Labels of the operator's own Pod, as the chart sets them.
pub const OPERATOR: [(&str, &str); 2] = [(LABEL_NAME, "creel"), (LABEL_COMPONENT, "operator")];
/// The `NetworkPolicy` of a namespace that selects all Pods of ours there. No child of an Agent can have this name: none ends so.
pub const FENCE_NAME: &str = "creel-fence";
/// On a gateway's children: the Agent that owns the gateway.
pub const LABEL_GATEWAY: &str = "creel.dev/gateway";
/// On a sandbox's children: the Agent whose commands run there.
pub const LABEL_AGENT: &str = "creel.dev/agent";
/// On a sandbox's Pod: the Agent that owns the gateway which connects to it. A gateway prefers the node of its sandboxes.
pub const LABEL_SANDBOX_GATEWAY: &str = "creel.dev/sandbox-gateway";

/// On any object of ours: `"true"` stops Creel from writing its children.
pub const PAUSED: &str = "creel.dev/paused";
/// Whether these are the annotations of a paused object.
#[must_use]
pub fn is_paused(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PAUSED).is_some_and(|value| value == "true")
}

/// On an Agent: any new value recreates its gateway, brought up to date.
pub const RESTART: &str = "creel.dev/restart";

/// On an Agent that owns a gateway: the id of a request of a device, which it approves.
pub const APPROVE_DEVICE: &str = "creel.dev/approve-device";
/// On an Agent that owns a gateway: the id of a request of a device, which it rejects.
pub const REJECT_DEVICE: &str = "creel.dev/reject-device";
/// On an Agent that owns a gateway: the id of a device that is removed from the gateway, or `all`.
pub const REMOVE_DEVICE: &str = "creel.dev/remove-device";

/// On a CronJob: any new value runs it once, now.
pub const RUN_NOW: &str = "creel.dev/run-now";

/// On a Deployment and its Pod template: the hash of everything of the user's that decides the Pod.
pub const PLAN: &str = "creel.dev/plan";
/// On a Deployment: the hash of the Pod template as this version of Creel renders it.
pub const RENDERING: &str = "creel.dev/rendering";
/// On a Deployment: one short hash per part of the plan, so that a rollout can name what changed.
pub const PARTS: &str = "creel.dev/parts";
/// On a Deployment: one keyed digest per value that the Pod reads as environment.
pub const ENVIRONMENT: &str = "creel.dev/environment";
/// On a Deployment: why and when its Pod was last recreated.
pub const ROLLOUT: &str = "creel.dev/rollout";
/// On a Pod: the configuration that it should read now, and which attempt this is. The kubelet syncs a Pod that changes.
pub const CONFIG_SYNC: &str = "creel.dev/config-sync";
/// On a Pod: the state of the files that its workspaces should have now, and which attempt this is. The kubelet syncs a Pod that changes.
pub const FILES_SYNC: &str = "creel.dev/files-sync";
/// On a Pod: the skills that it should have now, for the same reason.
pub const SKILLS_SYNC: &str = "creel.dev/skills-sync";
/// On a ConfigMap: the hash of a configuration that the gateway rejected, while the last accepted one stands in.
pub const REJECTED_HASH: &str = "creel.dev/rejected-hash";
/// On a ConfigMap: why the gateway rejected it, in its own words.
pub const REJECTED_MESSAGE: &str = "creel.dev/rejected-message";
/// The two above as earlier versions named them.
pub const REFUSED_HASH: &str = "creel.dev/refused-hash";
pub const REFUSED_MESSAGE: &str = "creel.dev/refused-message";
/// On a ConfigMap: `"true"` where the gateway did not start with the rejected configuration, which may have another cause.
pub const FAILED_START: &str = "creel.dev/failed-start";
/// On a ConfigMap: the hash of a configuration that is not why the gateway does not start.
pub const ACQUITTED_HASH: &str = "creel.dev/acquitted-hash";
/// On a ConfigMap: the keys of single users that the gateway rejected, hashed, and why, in its own words. Their last accepted ones stand in.
pub const REJECTED_KEYS: &str = "creel.dev/rejected-keys";
/// On a sandbox's Pod: the Sandbox that it was made from.
pub const SANDBOX_NAME: &str = "creel.dev/sandbox";
/// On a sandbox's Pod: a hash of the versions of what its files come from. The kubelet syncs a Pod that changes.
pub const FILES: &str = "creel.dev/files";
/// On a sandbox's Pod: `"true"` tells it to end as soon as no command runs.
pub const DRAIN: &str = "creel.dev/drain";
/// On a sandbox's Pod: since when [`DRAIN`] is there.
pub const DRAIN_SINCE: &str = "creel.dev/drain-since";
/// On an Agent, for tests only: JSON that is merged into openclaw.json where the operator allows it.
#[cfg(feature = "test-config-override")]
pub const TEST_CONFIG: &str = "creel.dev/test-config";

/// Metadata of a child of this name that goes when the Agent goes.
#[must_use]
pub fn child_of(agent: &Agent, name: &str, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: agent.namespace(),
        labels: Some(labels),
        owner_references: Some(agent.controller_owner_ref(&()).into_iter().collect()),
        ..ObjectMeta::default()
    }
}

/// What controls the object.
#[must_use]
pub fn controller_of<K: Resource>(object: &K) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|reference| reference.controller == Some(true))
}

/// Whether the Agent controls the object.
#[must_use]
pub fn is_child_of<K: Resource>(object: &K, agent: &Agent) -> bool {
    controller_of(object).is_some_and(|controller| Some(&controller.uid) == agent.uid().as_ref())
}

/// Whether an Agent of the same name that was deleted controls the object: garbage collection removes it soon.
#[must_use]
pub fn is_child_of_predecessor<K: Resource>(object: &K, agent: &Agent) -> bool {
    agent.controller_owner_ref(&()).is_some_and(|owner| is_of_predecessor(object, &owner))
}

/// The same, for what refers to its controller so.
#[must_use]
pub fn is_of_predecessor<K: Resource>(object: &K, owner: &OwnerReference) -> bool {
    controller_of(object).is_some_and(|controller| {
        let group = |reference: &OwnerReference| reference.api_version.split('/').next().map(str::to_owned);
        (group(controller), &controller.kind, &controller.name) == (group(owner), &owner.kind, &owner.name)
            && controller.uid != owner.uid
    })
}

/// The names of a gateway's children, all from the name of the Agent that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayNames {
    /// Deployment, Service, ServiceAccount and NetworkPolicy.
    pub gateway: String,
    /// The claim.
    pub claim: String,
    /// The generated Secret.
    pub secret: String,
    /// The Secret with the key of the operator's own device, made when a run is first asked for.
    pub device: String,
    /// The ConfigMap with the last configuration that the gateway accepted.
    pub accepted: String,
    /// The ConfigMap with the clients of its relay.
    pub clients: String,
    /// The ConfigMap with the files of its Agents' workspaces.
    pub files: String,
    /// The ConfigMap with the skills of its Agents.
    pub skills: String,
    owner: String,
}

impl GatewayNames {
    /// The names for the gateway of the Agent `owner`.
    #[must_use]
    pub fn of(owner: &str) -> Self {
        Self {
            gateway: format!("{owner}-gateway"),
            claim: format!("{owner}-claim"),
            secret: format!("{owner}-secret"),
            device: format!("{owner}-device"),
            accepted: format!("{owner}-accepted"),
            clients: format!("{owner}-clients"),
            files: format!("{owner}-files"),
            skills: format!("{owner}-skills"),
            owner: owner.to_owned(),
        }
    }

    /// The Agent that owns the gateway.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The ConfigMap that a Pod of this plan mounts: environment and configuration change together, and a Pod that still
    /// ends keeps its own.
    #[must_use]
    pub fn config(&self, plan: &str) -> String {
        format!("{}-config-{}", self.owner, plan.get(..8).unwrap_or(plan))
    }

    /// The labels that select the gateway's Pod.
    #[must_use]
    pub fn selector(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_NAME.to_owned(), "openclaw".to_owned()),
            (LABEL_COMPONENT.to_owned(), GATEWAY.to_owned()),
            (LABEL_GATEWAY.to_owned(), self.owner.clone()),
        ])
    }

    /// The labels of every child.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.selector();
        labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
        labels
    }
}

/// The names of what one Agent's sandbox consists of, all from the name of the Agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxNames {
    /// Pod, Service, NetworkPolicy, and the Secret with the host key.
    pub sandbox: String,
    /// The claim with the home directory.
    pub home: String,
    agent: String,
}

impl SandboxNames {
    /// The names for the sandbox of this Agent.
    #[must_use]
    pub fn of(agent: &str) -> Self {
        Self { sandbox: format!("{agent}-sandbox"), home: format!("{agent}-home"), agent: agent.to_owned() }
    }

    /// The labels that select the sandbox's Pod.
    #[must_use]
    pub fn selector(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_NAME.to_owned(), "openclaw".to_owned()),
            (LABEL_COMPONENT.to_owned(), SANDBOX.to_owned()),
            (LABEL_AGENT.to_owned(), self.agent.clone()),
        ])
    }

    /// The labels of every child.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.selector();
        labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
        labels
    }
}
