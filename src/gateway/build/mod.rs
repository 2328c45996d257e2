//! Plan → every child of a gateway, whole and sorted. Pure and total: one file per child.
//!
//! Fields that security depends on are always written, also when empty or false: applying with force then undoes what
//! others set there.

pub mod affinity;
pub mod claim;
pub mod config_map;
pub mod deployment;
pub mod document;
pub mod files;
pub mod http_route;
pub mod ingress;
pub mod network_policy;
pub mod pod_spec;
pub mod relay;
pub mod service;
pub mod service_account;
pub mod skills;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};

use super::gather::{Gathered, Live};
use super::plan::Plan;
use super::revision::ConfigRevision;
use super::rollout::Decision;
use crate::api::Agent;
use crate::kubernetes::http_route::HttpRoute;
use crate::kubernetes::observed::Observed;
use crate::naming::{self, GatewayNames};
use crate::settings::Settings;

/// As creel-shell calls the variable with the gateway's token: the relay sends it, and who wants the report of files has to.
const SHELL_TOKEN_VARIABLE: &str = "CREEL_GATEWAY_TOKEN";

/// Every child of a gateway, as it is to be. The generated Secret is not among them: it is created once and never applied.
#[derive(Debug)]
pub struct Desired {
    pub service_account: ServiceAccount,
    pub network_policy: NetworkPolicy,
    /// `None`: the user brought a claim.
    pub claim: Option<PersistentVolumeClaim>,
    pub service: Service,
    pub ingress: Optional<Ingress>,
    pub http_route: Optional<HttpRoute>,
    /// `None`: the gateway has no relay.
    pub clients: Option<ConfigMap>,
    /// `None`: no Agent has files.
    pub files: Option<ConfigMap>,
    /// `None`: no Agent of the gateway ever had skills.
    pub skills: Option<ConfigMap>,
    /// `None`: the configuration stays as it is.
    pub config: Option<DesiredConfig>,
    /// `None`: the Deployment stays as it is.
    pub deployment: Option<Deployment>,
    /// ConfigMaps of earlier plans that no Pod mounts any more.
    pub obsolete: Vec<Arc<Observed<ConfigMap>>>,
}

/// A child that is there only while the spec asks for it.
#[derive(Debug)]
pub enum Optional<K> {
    Wanted(K),
    /// The spec asked for it before.
    Obsolete(Arc<Observed<K>>),
    Absent,
}

impl<K: Resource> Optional<K> {
    fn new(wanted: Option<K>, live: Option<&Arc<Observed<K>>>, owner: &Agent) -> Self {
        let ours = live.filter(|live| naming::is_child_of(&live.object, owner));
        match (wanted, ours) {
            (Some(wanted), _) => Self::Wanted(wanted),
            (None, Some(ours)) => Self::Obsolete(Arc::clone(ours)),
            (None, None) => Self::Absent,
        }
    }
}

/// The configuration for the Pods of one plan.
#[derive(Debug)]
pub struct DesiredConfig {
    /// The hash of the plan.
    pub plan: String,
    pub revision: ConfigRevision,
    pub map: ConfigMap,
}

/// Every child of the gateway.
#[must_use]
pub fn build(gathered: &Gathered, plan: &Plan, decision: &Decision, settings: &Settings) -> Desired {
    let owner = &gathered.owner;
    let names = GatewayNames::of(&owner.name_any());
    let config = config(gathered, plan, decision, &names);
    let deployment = match (decision, &plan.pod, &config) {
        (Decision::Apply { rollout, .. }, Ok(pod), Some(_)) => {
            Some(deployment::build(owner, &names, pod, &settings.shell_image, rollout.as_ref()))
        }
        _ => None,
    };
    let exposure = owner.spec.exposure();
    let ingress = exposure.and_then(|exposure| ingress::build(owner, &names, exposure));
    let http_route = exposure.and_then(|exposure| http_route::build(owner, &names, exposure));
    Desired {
        service_account: service_account::build(owner, &names),
        network_policy: network_policy::build(owner, &names, settings),
        claim: claim::build(owner, &names),
        service: service::build(owner, &names),
        ingress: Optional::new(ingress, gathered.live.ingress.as_ref(), owner),
        http_route: Optional::new(http_route, gathered.live.http_route.as_ref(), owner),
        clients: plan.clients.as_ref().map(|clients| relay::config_map(owner, &names, clients)),
        files: plan.files.as_ref().map(|document| files::config_map(owner, &names, document)),
        skills: plan.skills.as_ref().map(|skills| skills::config_map(owner, &names, skills)),
        obsolete: obsolete(gathered, plan, &names, config.as_ref()),
        config,
        deployment,
    }
}

/// The configuration of the planned Pod; while that Pod has to wait, of the live one.
fn config(gathered: &Gathered, plan: &Plan, decision: &Decision, names: &GatewayNames) -> Option<DesiredConfig> {
    let live = &gathered.live;
    let (hash, image) = match (decision, &plan.pod) {
        (Decision::Wait(_), _) => return None,
        (Decision::Apply { .. } | Decision::Outdated, Ok(pod)) => (pod.hash(), pod.image.as_str()),
        _ => (live.annotation(naming::PLAN)?.to_owned(), live.image.as_deref().unwrap_or_default()),
    };
    let document = plan.config.clone().or_else(|| live.config.clone())?;
    let revision = ConfigRevision::select(live, names, &hash, image, document);
    let revision = ConfigRevision { rejections: plan.rejections.clone(), digests: plan.digests.clone(), ..revision };
    let map = config_map::mounted(&gathered.owner, names, &revision);
    Some(DesiredConfig { plan: hash, revision, map })
}

fn obsolete(
    gathered: &Gathered,
    plan: &Plan,
    names: &GatewayNames,
    config: Option<&DesiredConfig>,
) -> Vec<Arc<Observed<ConfigMap>>> {
    let live = &gathered.live;
    let in_use = in_use(live, names, config);
    if in_use.is_empty() {
        return Vec::new();
    }
    let mounted: BTreeSet<String> = live.labelled_pods.iter().filter_map(|pod| mounted_config(pod)).collect();
    let is_of_relay = |name: &String| *name == names.clients && relay::is_wanted(&gathered.owner);
    let has_files = |name: &String| *name == names.files && plan.files.is_some();
    let is_other =
        |name: &String| [&names.accepted, &names.skills].contains(&name) || is_of_relay(name) || has_files(name);
    let keeps = |name: &String| in_use.contains(name) || mounted.contains(name) || is_other(name);
    live.config_maps.iter().filter(|(name, _)| !keeps(name)).map(|(_, map)| map.clone()).collect()
}

/// The ConfigMaps that the Deployment mounts, and mounts next. Empty: that is not known, for want of a Deployment.
fn in_use(live: &Live, names: &GatewayNames, config: Option<&DesiredConfig>) -> BTreeSet<String> {
    let next = config.map(|config| config.revision.name.clone());
    live.annotation(naming::PLAN).map(|plan| names.config(plan)).into_iter().chain(next).collect()
}

fn mounted_config(pod: &Pod) -> Option<String> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    volumes.iter().find_map(|volume| Some(volume.config_map.as_ref()?.name.clone()))
}

/// Metadata of a child of this name that goes when the Agent goes.
#[must_use]
pub fn metadata(owner: &Agent, names: &GatewayNames, name: &str) -> ObjectMeta {
    naming::child_of(owner, name, names.labels())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
