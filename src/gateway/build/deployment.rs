//! The gateway's Deployment: one Pod, recreated and never rolled side by side, because the claim bears one gateway.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use serde::Serialize;

use super::metadata;
use super::pod_spec::{self, GATEWAY_CONTAINER};
use crate::api::Agent;
use crate::api::agent::Rollout;
use crate::gateway::plan::{PodPlan, hash};
use crate::naming::{self, GatewayNames};

/// The Deployment for this plan. `rollout`: why and when the Pod was last recreated.
#[must_use]
pub fn build(
    owner: &Agent,
    names: &GatewayNames,
    plan: &PodPlan,
    shell_image: &str,
    rollout: Option<&Rollout>,
) -> Deployment {
    let template = pod_spec::build(names, plan, shell_image);
    let mut metadata = metadata(owner, names, &names.gateway);
    let mut annotations = BTreeMap::from([
        (naming::PLAN.to_owned(), plan.hash()),
        (naming::RENDERING.to_owned(), hash(&template)),
        (naming::PARTS.to_owned(), json(&plan.parts)),
        (naming::ENVIRONMENT.to_owned(), json(&plan.digests)),
    ]);
    if let Some(rollout) = rollout {
        annotations.insert(naming::ROLLOUT.to_owned(), json(rollout));
    }
    metadata.annotations = Some(annotations);
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(i32::from(!owner.spec.suspend)),
            revision_history_limit: Some(2),
            selector: LabelSelector { match_labels: Some(names.selector()), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), ..DeploymentStrategy::default() }),
            template,
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// The hash of the Pod template as this version of Creel renders it.
#[must_use]
pub fn rendering(owner: &Agent, plan: &PodPlan, shell_image: &str) -> String {
    hash(&pod_spec::build(&GatewayNames::of(&owner.name_any()), plan, shell_image))
}

/// The image of the gateway in its Deployment.
#[must_use]
pub fn image(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.iter().find(|container| container.name == GATEWAY_CONTAINER)?.image.clone()
}

/// Maps of strings always serialise.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
