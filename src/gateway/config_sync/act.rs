//! Takes the step that was decided: saves a configuration as the last good one, writes another one in its place, replaces the Pod.
//! Touches the network.

use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;

use super::decide::Step;
use super::pods;
use crate::gateway::apply;
use crate::gateway::build::config_map;
use crate::gateway::context::Context;
use crate::gateway::gather::Gathered;
use crate::gateway::revision::ConfigRevision;
use crate::gateway::rollout::trial;
use crate::kubernetes::apply::ApplyError;
use crate::kubernetes::reconciler::ReconcileError;
use crate::naming::GatewayNames;
use crate::pods::trial::Refusal;
use crate::references::digests::Fault;

/// What is mounted after the step.
pub struct Outcome {
    pub config: ConfigRevision,
    /// The API server refuses what was to be written: everything is as it was.
    pub fault: Option<Fault>,
    /// The API server would not take the Pod that is to stand in for the present one, which therefore stays.
    pub refused: Option<Refusal>,
}

/// Takes the step. The Pod is replaced only once the configuration is written with which the next one starts, and only if there can be one.
pub async fn take(
    context: &Context,
    gathered: &Gathered,
    pod: &Pod,
    config: ConfigRevision,
    step: Step<'_>,
) -> Result<Outcome, ReconcileError> {
    let names = GatewayNames::of(&gathered.owner.name_any());
    let next = step.revision(&config, &gathered.live, &names);
    let map = match step {
        Step::SaveLastGood => Some(config_map::last_good(&gathered.owner, &names, &next.current)),
        Step::RollBack { .. } | Step::Acquit { .. } | Step::Convict => {
            Some(config_map::mounted(&gathered.owner, &names, &next))
        }
        Step::Wait | Step::ReplacePod => None,
    };
    if let Some(map) = map
        && let Err(error) = write(context, gathered, &map).await
    {
        return match apply::fault(&error) {
            Some(fault) => Ok(Outcome { config, fault: Some(fault), refused: None }),
            None => Err(error.into()),
        };
    }
    let refused = if step.replaces_pod(&next) { replace(context, gathered, pod).await? } else { None };
    Ok(Outcome { config: next, fault: None, refused })
}

/// Deletes the Pod, unless the API server would not take the next one, which the Deployment creates.
async fn replace(context: &Context, gathered: &Gathered, pod: &Pod) -> Result<Option<Refusal>, ReconcileError> {
    let owner = gathered.owner.uid().unwrap_or_default();
    if let Some(next) = trial::next(gathered, pod)
        && let Some(refusal) = context.restarts.refusal(&context.client, &owner, pod, &next, Instant::now()).await
    {
        return Ok(Some(refusal));
    }
    tracing::warn!(pod = pod.name_any(), "replacing the Pod");
    pods::delete(&context.client, pod).await?;
    context.configs.mark_deleted(&owner, pod);
    Ok(None)
}

async fn write(context: &Context, gathered: &Gathered, map: &ConfigMap) -> Result<(), ApplyError> {
    let cached = gathered.live.config_maps.get(&map.name_any()).map(AsRef::as_ref);
    context.applier.apply(map, cached, &gathered.owner.uid().unwrap_or_default()).await?;
    Ok(())
}
