//! Reads what an Agent's sandbox depends on: stores first, the API server for what no store holds. Touches the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::secret::Keys;
use crate::api::sandbox::{Egress, Network, SandboxUse, WorkspaceAccess};
use crate::api::{Agent, Sandbox};
use crate::kubernetes::errors::brief;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::pod_status::{has_ended, node};
use crate::kubernetes::received::{self, Received};
use crate::naming::{self, SandboxNames, is_child_of};
use crate::pods::egress::{Limited, limited};
use crate::pods::workspace;
use crate::references::digests::{Digests, Read, SourceName};
use crate::references::generated_secret::SecretError;
use crate::references::mounted::{self, Mounted};
use crate::references::sources;
use crate::world::stores::{Stores, key_of, named};
use crate::world::triggers::{gateway_owner, pods_of_gateway};

/// Everything that a reconcile of one Agent's sandbox looks at.
#[derive(Debug)]
pub struct Gathered {
    pub agent: Arc<Agent>,
    /// What the Agent's spec says of its sandbox.
    pub used: SandboxUse,
    /// Its network is within the administrator's limit.
    pub sandbox: Option<Arc<Sandbox>>,
    /// The Agent that owns the gateway, unless it is on its way out.
    pub owner: Option<Arc<Agent>>,
    /// It is there, and does not parse.
    pub owner_unparsable: bool,
    pub keys: Keys,
    /// The public half of the gateway's key.
    pub client_key: Found<String>,
    /// The access modes of the gateway's claim.
    pub access_modes: Found<Vec<String>>,
    /// The newest Pod of the gateway.
    pub gateway: Option<Arc<Pod>>,
    pub reads: BTreeMap<SourceName, Read>,
    /// What the Sandbox mounts.
    pub mounted: Mounted,
    pub live: Live,
}

/// What looking for one thing gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    Here(T),
    Missing,
    /// Not to be read now; why.
    Unreadable(String),
}

/// The sandbox's children as the stores show them.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub network_policy: Option<Arc<Observed<NetworkPolicy>>>,
    /// Whether somebody edited the policy since this process applied it.
    pub policy_edited: bool,
    pub service: Option<Arc<Observed<Service>>>,
    /// The claim with the home directory.
    pub home: Option<Arc<Observed<PersistentVolumeClaim>>>,
    pub pod: Option<Arc<Pod>>,
}

impl Live {
    /// What the Pod sees of the workspace, while it runs or is about to.
    #[must_use]
    pub fn access(&self) -> Option<WorkspaceAccess> {
        workspace::access_now(self.pod.as_deref()?)
    }
}

/// The digests of the environment on a Pod.
#[must_use]
pub fn digests(pod: &Pod) -> Digests {
    pod.annotations().get(naming::ENVIRONMENT).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The parts of the plan on a Pod.
#[must_use]
pub fn parts(pod: &Pod) -> BTreeMap<String, String> {
    pod.annotations().get(naming::PARTS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl Gathered {
    /// The Agent's own word, else the Sandbox's.
    #[must_use]
    pub fn access(&self) -> WorkspaceAccess {
        let default = self.sandbox.as_ref().map(|sandbox| sandbox.spec.workspace_access);
        self.used.workspace_access.or(default).unwrap_or_default()
    }

    /// The network of the Pod; `None`: that of the policy that is there. A Pod with the secrets of one Sandbox never gets the network of
    /// another: until it is replaced it reaches nothing. Nor does one whose Sandbox is gone, once its policy is gone too or was edited.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        let live = self.live.pod.as_deref();
        let Some(sandbox) = &self.sandbox else {
            let as_it_was = self.live.network_policy.is_some() && !self.live.policy_edited;
            return (live.is_some() && !as_it_was).then(Network::default);
        };
        let of_another = live.and_then(|pod| pod.annotations().get(naming::SANDBOX_NAME));
        let of_another = of_another.is_some_and(|name| *name != sandbox.name_any());
        Some(if of_another { Network::default() } else { sandbox.spec.network.clone() })
    }

    /// The node of the gateway.
    #[must_use]
    pub fn gateway_node(&self) -> Option<&str> {
        self.gateway.as_deref().and_then(node)
    }
}

/// Reads everything for the sandbox of `agent`.
pub async fn gather(context: &Context, agent: Arc<Agent>, used: SandboxUse) -> Result<Gathered, SecretError> {
    let namespace = agent.namespace().unwrap_or_default();
    let names = SandboxNames::of(&agent.name_any());
    let (client, stores) = (&context.client, &context.stores);
    let owner_name = gateway_owner(&agent);
    let Look { sandbox, owner, owner_unparsable, gateway, sources, mut live } =
        look(stores, &agent, &used.reference.name);
    live.policy_edited = live.network_policy.as_ref().is_some_and(|policy| context.applier.was_edited(policy));
    let sandbox = sandbox.map(|sandbox| within_limit(sandbox, context.max_egress));
    let keys = context.keys.keys(client, stores, &agent, &names).await?;
    let client_key = match context.keys.gateway_key(client, stores, &namespace, &owner_name).await {
        Ok(key) => key.map_or(Found::Missing, Found::Here),
        Err(error) => Found::Unreadable(error.to_string()),
    };
    let reads = context.references.read(client, stores, &namespace, sources, &keys.digest_key).await;
    let mounted = match &sandbox {
        Some(sandbox) => mounted::look(client, stores, &namespace, sandbox).await,
        None => Mounted::default(),
    };
    let mut gathered = Gathered {
        agent,
        used,
        sandbox,
        owner,
        owner_unparsable,
        keys,
        client_key,
        access_modes: Found::Missing,
        gateway,
        reads,
        mounted,
        live,
    };
    let mounts = gathered.access() != WorkspaceAccess::None
        || gathered.live.access().is_some_and(|access| access != WorkspaceAccess::None);
    if mounts && let Some(owner) = &gathered.owner {
        gathered.access_modes = access_modes(context, &namespace, owner).await;
    }
    Ok(gathered)
}

/// The Sandbox with as much of its network as the administrator allows.
fn within_limit(mut sandbox: Arc<Sandbox>, most: Egress) -> Arc<Sandbox> {
    let Limited { network, exceeding } = limited(&sandbox.spec.network, most);
    if !exceeding.is_empty() {
        Arc::make_mut(&mut sandbox).spec.network = network;
    }
    sandbox
}

/// What the stores show around a sandbox. Pure.
pub struct Look {
    pub sandbox: Option<Arc<Sandbox>>,
    pub owner: Option<Arc<Agent>>,
    pub owner_unparsable: bool,
    /// The newest Pod of the gateway.
    pub gateway: Option<Arc<Pod>>,
    /// What has to be read.
    pub sources: BTreeSet<SourceName>,
    pub live: Live,
}

/// Looks at everything for the sandbox of `agent`, created from the Sandbox `used`, that the stores hold.
#[must_use]
pub fn look(stores: &Stores, agent: &Agent, used: &str) -> Look {
    let (namespace, name) = key_of(agent);
    let owner_name = gateway_owner(agent);
    let owner = named(&stores.agents, &namespace, &owner_name);
    let sandbox = named(&stores.sandboxes, &namespace, used);
    let sources = sandbox.iter().flat_map(|sandbox| sources::of_sandbox(sandbox));
    let sources = sources.map(|source| (source.kind, source.name)).collect();
    Look {
        gateway: owner.as_ref().and_then(|owner| gateway_pod(stores, &namespace, owner)),
        owner: owner.filter(|owner| owner.metadata.deletion_timestamp.is_none()),
        owner_unparsable: stores.unparsable.contains("Agent", &namespace, &owner_name),
        sources,
        live: live(stores, agent, &namespace, &SandboxNames::of(&name)),
        sandbox,
    }
}

/// Only what belongs to this Agent: one of the same name may have been there before.
fn live(stores: &Stores, agent: &Agent, namespace: &str, names: &SandboxNames) -> Live {
    Live {
        network_policy: named(&stores.network_policies, namespace, &names.sandbox),
        policy_edited: false,
        service: named(&stores.services, namespace, &names.sandbox),
        home: named(&stores.claims, namespace, &names.home),
        pod: named(&stores.pods, namespace, &names.sandbox).filter(|pod| is_child_of(pod.as_ref(), agent)),
    }
}

/// The newest that is not on its way out: the one to follow.
fn gateway_pod(stores: &Stores, namespace: &str, owner: &Agent) -> Option<Arc<Pod>> {
    pods_of_gateway(stores, namespace, owner)
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && !has_ended(pod))
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

async fn access_modes(context: &Context, namespace: &str, owner: &Agent) -> Found<Vec<String>> {
    let name = sources::claim(owner);
    let modes = |claim: &PersistentVolumeClaim| {
        Found::Here(claim.spec.as_ref().and_then(|spec| spec.access_modes.clone()).unwrap_or_default())
    };
    if let Some(claim) = named(&context.stores.claims, namespace, &name) {
        return modes(&claim.object);
    }
    let api: Api<Received<PersistentVolumeClaim>> = Api::namespaced(context.client.clone(), namespace);
    match received::get(&api, &name).await {
        Ok(claim) => claim.as_ref().map_or(Found::Missing, modes),
        Err(error) => Found::Unreadable(brief(&error)),
    }
}
