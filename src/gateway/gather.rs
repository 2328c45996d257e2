//! Reads what a gateway's spec refers to: stores first, the API server for what no store holds. Touches the network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};

use super::build::document::Mounted;
use super::build::pod_spec::GATEWAY_CONTAINER;
use super::context::Context;
use super::plan::SecretVariable;
use super::rejections::Rejections;
use super::revision::Ruling;
use super::secret::SecretError;
use super::{credentials, pod};
use crate::api::sandbox::WorkspaceAccess;
use crate::api::{Agent, Provider, Sandbox};
use crate::kubernetes::http_route::HttpRoute;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::received::Received;
use crate::naming::{self, GatewayNames, LABEL_GATEWAY, SandboxNames, controller_of, is_child_of};
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::paths;
use crate::pods::workspace;
use crate::references;
use crate::references::digests::{Digests, Fault, KeyDigest, Read, Source, SourceName, resolve};
use crate::references::read::Versions;
use crate::world::proxies;
use crate::world::stores::{Stores, key_of, named, within};
use crate::world::triggers::{gateway_owner, pods_of_gateway};

/// Everything that the reconcile of one gateway depends on.
#[derive(Debug)]
pub struct Gathered {
    pub owner: Arc<Agent>,
    /// The Agents that joined, sorted by name.
    pub joined: Vec<Arc<Agent>>,
    /// The Agents in the live configuration that do not parse, so that what they want is not known.
    pub unparsable: BTreeSet<String>,
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// The Sandboxes of the namespace by name.
    pub sandboxes: BTreeMap<String, Arc<Sandbox>>,
    /// The Agents' own sandboxes, by Agent.
    pub own_sandboxes: BTreeMap<String, OwnSandbox>,
    pub reads: BTreeMap<SourceName, Read>,
    /// The addresses of the proxies that the gateway is exposed to.
    pub proxies: BTreeSet<IpAddr>,
    /// Whether the claim that the user names exists; `None`: names none.
    pub existing_claim: Option<bool>,
    pub live: Live,
}

/// What there is of an Agent's own sandbox. Whoever may edit Services or annotations must not say where commands go and who may answer
/// there: only what the Agent owns counts, and of that only what can't be edited.
#[derive(Clone, Debug, Default)]
pub struct OwnSandbox {
    pub service: Option<Arc<Observed<Service>>>,
    /// What its Pod sees of the workspace, while it runs or is about to.
    pub access: Option<WorkspaceAccess>,
    /// The public half of the host key in its Secret.
    pub host_key: Option<String>,
}

/// The gateway's children as the stores show them.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub service_account: Option<Arc<Observed<ServiceAccount>>>,
    pub network_policy: Option<Arc<Observed<NetworkPolicy>>>,
    pub ingress: Option<Arc<Observed<Ingress>>>,
    pub http_route: Option<Arc<Observed<HttpRoute>>>,
    pub claim: Option<Arc<Observed<PersistentVolumeClaim>>>,
    pub service: Option<Arc<Observed<Service>>>,
    pub deployment: Option<Arc<Observed<Deployment>>>,
    /// Whether somebody edited the Deployment since this process applied it.
    pub edited: bool,
    /// All ConfigMaps of the gateway by name.
    pub config_maps: BTreeMap<String, Arc<Observed<ConfigMap>>>,
    /// The Pods of the Deployment.
    pub pods: Vec<Arc<Pod>>,
    /// All Pods with the label of the gateway, whoever made them.
    pub labelled_pods: Vec<Arc<Pod>>,
    /// The image that the gateway was last made with, as this process remembers it or else the status of its owner says: whoever may edit
    /// the Deployment must not choose it.
    pub image: Option<String>,
    /// The environment of the gateway container in the live Deployment.
    pub environment: Vec<EnvVar>,
    /// The digests on the live Deployment.
    pub digests: Digests,
    /// The parts of the plan on the live Deployment.
    pub parts: BTreeMap<String, String>,
    /// The configuration that the live Deployment's Pod mounts.
    pub config: Option<Arc<ConfigDocument>>,
    /// The ruling on a configuration that was written last, as this process remembers it.
    pub ruling: Option<Ruling>,
    /// The keys of users that the gateway rejected: as this process remembers them, or else as the mounted ConfigMap keeps them.
    pub rejections: Rejections,
    /// The Providers whose credentials the running gateway lacks, as it said itself.
    pub unavailable: BTreeSet<String>,
    /// UID and resourceVersion of the Secrets that these name.
    pub secret_versions: BTreeMap<String, String>,
}

impl Live {
    /// An annotation of the live Deployment.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.deployment.as_ref()?.object.annotations().get(key).map(String::as_str)
    }

    /// The configuration that the gateway accepted last.
    #[must_use]
    pub fn last_good(&self, names: &GatewayNames) -> Option<Arc<ConfigDocument>> {
        self.read_back(&names.accepted)
    }

    /// One of the gateway's ConfigMaps, unless somebody edited it.
    #[must_use]
    pub fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(name).filter(|map| !map.intruded).map(|map| &map.object)
    }

    fn read_back(&self, name: &str) -> Option<Arc<ConfigDocument>> {
        let text = self.config_map(name)?.data.as_ref()?.get(paths::CONFIG_FILE)?;
        Some(Arc::new(ConfigDocument::read_back(text)))
    }

    /// The variables of the live gateway whose values are in Secrets.
    pub fn secret_variables(&self) -> impl Iterator<Item = SecretVariable> {
        self.environment.iter().filter_map(SecretVariable::read_back)
    }

    /// Whether there is a Deployment whose Pod cannot read this document: an earlier version of Creel made it.
    #[must_use]
    pub fn lacks(&self, document: Mounted) -> bool {
        let spec = self.deployment.as_ref().and_then(|deployment| deployment.object.spec.as_ref());
        spec.and_then(|spec| spec.template.spec.as_ref()).is_some_and(|pod| !document.is_in(pod))
    }

    /// How many Pods the live Deployment wants.
    #[must_use]
    pub fn replicas(&self) -> Option<i32> {
        self.deployment.as_ref()?.object.spec.as_ref()?.replicas
    }
}

impl Gathered {
    /// The Agents that the configuration should hold: neither suspended nor on their way out. The owner is one of them even
    /// while it is suspended, because its gateway is then suspended as a whole.
    pub fn active_agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        std::iter::once(&self.owner).chain(self.joined.iter().filter(|agent| !agent.spec.suspend))
    }

    /// Those of them that are older than this one: what only one Agent can have is the oldest one's.
    pub fn older_agents(&self, than: &Agent) -> impl Iterator<Item = &Arc<Agent>> {
        let age = |agent: &Agent| (agent.metadata.creation_timestamp.as_ref().map(|time| time.0), agent.name_any());
        let younger = age(than);
        self.active_agents().filter(move |agent| age(agent) < younger)
    }
}

impl Gathered {
    /// The keys of what this names, with their texts, or why there are none. What is read of it stays in use, so that nothing is disturbed.
    pub fn keys_of(&self, source: &Source) -> Result<&BTreeMap<String, KeyDigest>, Fault> {
        let resolved = resolve(std::slice::from_ref(source), &self.reads, &Digests::default());
        match (resolved.faults.into_iter().next(), self.reads.get(&(source.kind, source.name.clone()))) {
            (Some(fault), _) => Err(Fault { carried: true, ..fault }),
            (None, Some(Read::Keys(keys))) => Ok(keys),
            (None, _) => Err(source.missing()),
        }
    }
}

/// Reads everything for the gateway of `owner`.
pub async fn gather(context: &Context, owner: Arc<Agent>) -> Result<Gathered, SecretError> {
    let namespace = owner.namespace().unwrap_or_default();
    let names = GatewayNames::of(&owner.name_any());
    let stores = &context.stores;
    let Look { joined, unparsable, providers, sandboxes, mut own_sandboxes, sources, proxies, mut live } =
        look(stores, &owner);
    for agent in std::iter::once(&owner).chain(&joined) {
        if let Some(own) = own_sandboxes.get_mut(&agent.name_any()) {
            own.host_key = context.host_keys.of(&context.client, stores, agent).await?;
        }
    }
    live.image = context.rollouts.image(&owner.uid().unwrap_or_default()).or_else(|| image_in_status(&owner));
    live.edited = live.deployment.as_ref().is_some_and(|deployment| context.applier.was_edited(deployment));
    live.ruling = context.configs.ruling(&owner.uid().unwrap_or_default());
    if let Some(rejections) = context.configs.rejections(&owner.uid().unwrap_or_default()) {
        live.rejections = rejections;
    }
    live.unavailable = unavailable(context, &owner, &live);
    live.secret_versions = credentials::secrets(&live.unavailable, &providers)
        .filter_map(|source| Some((source.1.clone(), stores.of(&namespace, &source)?)))
        .collect();
    let digest_key = context.secrets.digest_key(&context.client, stores, &owner, &names).await?;
    let texts = references::agents::texts(std::iter::once(&*owner).chain(joined.iter().map(AsRef::as_ref)));
    let reads =
        context.references.read_texts(&context.client, stores, &namespace, (sources, &texts), &digest_key).await;
    let existing_claim = existing_claim(context, &owner, &namespace).await;
    Ok(Gathered {
        owner,
        joined,
        unparsable,
        providers,
        sandboxes,
        own_sandboxes,
        reads,
        proxies,
        existing_claim,
        live,
    })
}

/// The image in the status of an Agent that owns its gateway.
fn image_in_status(owner: &Agent) -> Option<String> {
    let gateway = owner.status.as_ref()?.gateway.as_ref().filter(|gateway| gateway.agent == owner.name_any())?;
    gateway.image.clone()
}

/// What the stores show around a gateway. Pure.
pub struct Look {
    pub joined: Vec<Arc<Agent>>,
    pub unparsable: BTreeSet<String>,
    pub providers: BTreeMap<String, Arc<Provider>>,
    pub sandboxes: BTreeMap<String, Arc<Sandbox>>,
    /// Without their host keys.
    pub own_sandboxes: BTreeMap<String, OwnSandbox>,
    /// What has to be read.
    pub sources: BTreeSet<SourceName>,
    pub proxies: BTreeSet<IpAddr>,
    pub live: Live,
}

/// Looks at everything for the gateway of `owner` that the stores hold.
#[must_use]
pub fn look(stores: &Stores, owner: &Agent) -> Look {
    let (namespace, name) = key_of(owner);
    let mut joined = within(&stores.agents, &namespace, |agent| {
        agent.metadata.deletion_timestamp.is_none() && agent.name_any() != name && gateway_owner(agent) == name
    });
    joined.sort_by_key(|agent| agent.name_any());
    let providers = within(&stores.providers, &namespace, |_| true);
    let providers = providers.into_iter().map(|provider| (provider.name_any(), provider)).collect();
    let sandboxes = within(&stores.sandboxes, &namespace, |_| true);
    let sandboxes = sandboxes.into_iter().map(|sandbox| (sandbox.name_any(), sandbox)).collect();
    let live = live(stores, &namespace, &GatewayNames::of(&name), owner);
    let unparsable = unparsable(stores, &namespace, &live);
    let agents = std::iter::once(owner).chain(joined.iter().map(AsRef::as_ref));
    let mut own_sandboxes = own_sandboxes(stores, &namespace, agents);
    own_sandboxes.extend(unparsable.iter().filter_map(|agent| {
        let service = named(&stores.services, &namespace, &SandboxNames::of(agent).sandbox)?;
        let is_own = controller_of(&service.object).is_some_and(|owner| owner.name == *agent);
        is_own.then(|| (agent.clone(), OwnSandbox { service: Some(service), ..OwnSandbox::default() }))
    }));
    let sources = wanted(owner, &joined, &providers, &live);
    let proxies = proxies::addresses(&stores.proxies, owner);
    Look { joined, unparsable, providers, sandboxes, own_sandboxes, sources, proxies, live }
}

/// The Agents in the live configuration that do not parse and that no store has kept from before.
fn unparsable(stores: &Stores, namespace: &str, live: &Live) -> BTreeSet<String> {
    let agents = live.config.as_ref().map(|config| config.agents()).unwrap_or_default();
    let is_known = |agent: &str| named(&stores.agents, namespace, agent).is_some();
    let unparsable = |agent: &String| stores.unparsable.contains("Agent", namespace, agent) && !is_known(agent);
    agents.into_iter().filter(unparsable).collect()
}

/// Only what the Agents own: a foreign Service of that name must not receive their commands.
fn own_sandboxes<'a>(
    stores: &Stores,
    namespace: &str,
    agents: impl Iterator<Item = &'a Agent>,
) -> BTreeMap<String, OwnSandbox> {
    agents
        .filter(|agent| agent.spec.sandbox.is_some())
        .map(|agent| {
            let name = SandboxNames::of(&agent.name_any()).sandbox;
            let service = named(&stores.services, namespace, &name).filter(|of| is_child_of(&of.object, agent));
            let pod = named(&stores.pods, namespace, &name).filter(|pod| is_child_of(pod.as_ref(), agent));
            let access = pod.and_then(|pod| workspace::access_now(&pod));
            (agent.name_any(), OwnSandbox { service, access, host_key: None })
        })
        .collect()
}

/// What has to be read: all that the specs name, and what the live Deployment reads now (its last good state).
fn wanted(
    owner: &Agent,
    joined: &[Arc<Agent>],
    providers: &BTreeMap<String, Arc<Provider>>,
    live: &Live,
) -> BTreeSet<SourceName> {
    let provider = |name: &str| providers.get(name).cloned();
    std::iter::once(owner)
        .chain(joined.iter().map(AsRef::as_ref))
        .flat_map(|agent| references::agents::of_agent(agent, provider))
        .map(|source| (source.kind, source.name))
        .chain(references::agents::of_live_gateway(&live.environment))
        .collect()
}

/// What the configuration and the Pod are made of is read only from what the Agent owns: a label and a name are quickly copied.
fn live(stores: &Stores, namespace: &str, names: &GatewayNames, owner: &Agent) -> Live {
    let labelled = |labels: Option<&BTreeMap<String, String>>| {
        labels.and_then(|labels| labels.get(LABEL_GATEWAY)).is_some_and(|label| label == names.owner())
    };
    let deployment = named(&stores.deployments, namespace, &names.gateway).filter(|of| is_child_of(&of.object, owner));
    // By name: a foreign one may come first.
    let container = deployment.as_ref().and_then(|deployment| {
        let containers = &deployment.object.spec.as_ref()?.template.spec.as_ref()?.containers;
        containers.iter().find(|container| container.name == GATEWAY_CONTAINER).cloned()
    });
    let config_maps: BTreeMap<_, _> = within(&stores.config_maps, namespace, |map| is_child_of(&map.object, owner))
        .into_iter()
        .map(|map| (map.object.name_any(), map))
        .collect();
    let mut live = Live {
        service_account: named(&stores.service_accounts, namespace, &names.gateway),
        network_policy: named(&stores.network_policies, namespace, &names.gateway),
        ingress: named(&stores.ingresses, namespace, &names.gateway),
        http_route: named(&stores.http_routes, namespace, &names.gateway),
        claim: named(&stores.claims, namespace, &names.claim),
        service: named(&stores.services, namespace, &names.gateway),
        pods: pods_of_gateway(stores, namespace, owner),
        labelled_pods: within(&stores.pods, namespace, |pod| labelled(pod.metadata.labels.as_ref())),
        environment: container.and_then(|container| container.env).unwrap_or_default(),
        deployment,
        config_maps,
        ..Live::default()
    };
    live.digests =
        live.annotation(naming::ENVIRONMENT).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    live.parts = live.annotation(naming::PARTS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mounted = live.annotation(naming::PLAN).map(|plan| names.config(plan));
    live.rejections = rejections(&live, mounted.as_ref());
    let mounted = mounted.and_then(|name| live.read_back(&name));
    // One that was deleted by hand, or that the cache does not show yet, must not cost an Agent its last good state.
    live.config = mounted.or_else(|| live.deployment.as_ref().and_then(|_| live.last_good(names)));
    live
}

/// The keys that the gateway rejected, as the ConfigMap keeps them that is mounted; without a Deployment it is not known which one that is.
fn rejections(live: &Live, mounted: Option<&String>) -> Rejections {
    let annotated = live.config_maps.iter().filter(|(name, _)| mounted.is_none_or(|mounted| mounted == *name));
    annotated.map(|(_, map)| Rejections::read_back(map.object.annotations())).collect()
}

/// What the process that runs now said of the Providers' credentials.
fn unavailable(context: &Context, owner: &Agent, live: &Live) -> BTreeSet<String> {
    let current = live.annotation(naming::PLAN).and_then(|plan| pod::current(&live.pods, plan));
    let said = current.and_then(|pod| context.configs.unavailable(&owner.uid().unwrap_or_default(), &pod::run(pod)));
    said.unwrap_or_default()
}

async fn existing_claim(context: &Context, owner: &Agent, namespace: &str) -> Option<bool> {
    let name = owner.spec.gateway.as_ref()?.storage.existing_claim.as_ref()?;
    let api: Api<Received<PartialObjectMeta<PersistentVolumeClaim>>> =
        Api::namespaced(context.client.clone(), namespace);
    // One that cannot be read now counts as existing: the Pod then waits for it, and what runs is not disturbed.
    Some(!matches!(api.get_opt(name).await, Ok(None)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
