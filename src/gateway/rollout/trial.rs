//! The Pod of a changed plan, before the one that runs gives way to it. Pure.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;

use super::replaces_pod;
use crate::api::Agent;
use crate::api::agent::Rollout;
use crate::gateway::build::pod_spec;
use crate::gateway::gather::Gathered;
use crate::gateway::plan::{Plan, PodPlan};
use crate::gateway::pod;
use crate::kubernetes::conditions::reason;
use crate::naming::GatewayNames;
use crate::references::digests::Fault;

/// By which a `ReplicaSet` knows its Pods.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The Pod that runs, and the one that is to take its place.
#[derive(Debug)]
pub struct Replacement<'a> {
    pub running: &'a Pod,
    pub wanted: Pod,
}

impl<'a> Replacement<'a> {
    /// `None`: no Pod that runs would give way.
    #[must_use]
    pub fn new(gathered: &'a Gathered, plan: &Plan, shell_image: &str) -> Option<Self> {
        let (owner, planned) = (&gathered.owner, plan.pod.as_ref().ok()?);
        if owner.spec.suspend || !replaces_pod(&gathered.live, planned) {
            return None;
        }
        let running = pod::newest(gathered.live.pods.iter())?;
        Some(Self { running, wanted: wanted(owner, planned, running, shell_image) })
    }
}

/// The Pod of a plan.
fn wanted(owner: &Agent, planned: &PodPlan, running: &Pod, shell_image: &str) -> Pod {
    in_place_of(running, owner, pod_spec::build(&GatewayNames::of(&owner.name_any()), planned, shell_image))
}

/// The Pod that the live Deployment creates when the one that runs is deleted; `None`: there is no Deployment.
#[must_use]
pub fn next(gathered: &Gathered, running: &Pod) -> Option<Pod> {
    let template = gathered.live.deployment.as_ref()?.object.spec.as_ref()?.template.clone();
    Some(in_place_of(running, &gathered.owner, template))
}

/// As the Deployment's `ReplicaSet` would create it, in place of this Pod.
fn in_place_of(running: &Pod, owner: &Agent, template: PodTemplateSpec) -> Pod {
    let PodTemplateSpec { metadata, spec } = template;
    let mut metadata = metadata.unwrap_or_default();
    let hash = running.labels().get_key_value(TEMPLATE_HASH).map(|(label, value)| (label.clone(), value.clone()));
    metadata.labels.get_or_insert_default().extend(hash);
    // To block the deletion of a ReplicaSet takes the right to set its finalizers.
    let unblocked = |owner: &OwnerReference| OwnerReference { block_owner_deletion: None, ..owner.clone() };
    metadata.owner_references = Some(running.owner_references().iter().map(unblocked).collect());
    metadata.namespace = owner.namespace();
    metadata.name = Some(GatewayNames::of(&owner.name_any()).gateway);
    Pod { metadata, spec, status: None }
}

/// Why the Pod is not replaced. `rollout`: what for; `words`: the API server's own.
#[must_use]
pub fn rejected(owner: &Agent, rollout: Option<&Rollout>, words: &str) -> Fault {
    let why = rollout.map(|rollout| format!(" ({})", rollout.reason)).unwrap_or_default();
    let message = format!(
        "The gateway's Pod is not replaced{why}, because the API server rejects the new one: {words}. Correct spec.gateway of Agent \"{}\", or the policy or quota that rejects the Pod; Creel tries again.",
        owner.name_any()
    );
    Fault { reason: reason::REPLACEMENT_REJECTED, message, carried: true }
}
