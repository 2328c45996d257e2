//! What becomes of the gateway's Pod: replaced now, later, or not at all. Pure, but for `memory`.

pub mod memory;
pub mod trial;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::gather::Live;
use super::plan::{PodPlan, changed_parts};
use crate::api::agent::Rollout;
use crate::kubernetes::conditions::whole_seconds;
use crate::naming;
use crate::references::digests::{Fault, changes};

/// Reasons that a rollout names.
const REASONS_LIMIT: usize = 4;

/// What a reconcile does with the gateway's Deployment.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The Pod can't be planned now: it stays as it is, and only its configuration is updated.
    UpdateConfigOnly,
    /// The Pod changes, and more changes may follow: nothing of it is sent for this long.
    Wait(Duration),
    /// The API server would not take the Pod, which is tried again after this time: the one that runs stays, and only its configuration is
    /// updated.
    Rejected { fault: Fault, again_in: Duration },
    /// The Deployment is applied.
    Apply {
        /// Whether that replaces the Pod.
        replaces_pod: bool,
        /// The last rollout, which is this one if it replaces the Pod.
        rollout: Option<Rollout>,
    },
    /// Only this version of Creel renders the Pod differently: the Deployment stays as it is, and only its configuration is updated.
    Outdated,
}

/// What the decision depends on.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    pub live: &'a Live,
    pub pod: &'a PodPlan,
    /// The hash of the Pod template as this version of Creel renders it.
    pub rendering: &'a str,
    pub suspended: bool,
    /// The rollout to this plan, if this process has started it: the cache may still show the Deployment from before.
    pub started: Option<Rollout>,
    /// How long the change has to wait for others.
    pub wait: Option<Duration>,
    /// Whether the live Deployment was edited by hand, as far as that can be told.
    pub edited: bool,
    pub now: Timestamp,
}

/// Whether the live Pod is of another plan.
#[must_use]
pub fn replaces_pod(live: &Live, pod: &PodPlan) -> bool {
    live.deployment.is_some() && live.annotation(naming::PLAN) != Some(pod.hash().as_str())
}

/// What to do with a Deployment whose Pod is planned.
#[must_use]
pub fn decide(inputs: Inputs<'_>) -> Decision {
    let (live, pod) = (inputs.live, inputs.pod);
    if let Some(wait) = inputs.wait {
        return Decision::Wait(wait);
    }
    if replaces_pod(live, pod) {
        let rollout = inputs
            .started
            .unwrap_or_else(|| Rollout { reason: reason(live, pod), time: Time(whole_seconds(inputs.now)) });
        return Decision::Apply { replaces_pod: true, rollout: Some(rollout) };
    }
    let runs = live.replicas() == Some(1) && !inputs.suspended;
    let newer = live.annotation(naming::RENDERING).is_some_and(|present| present != inputs.rendering);
    // An edit by hand has to be undone, which replaces the Pod anyway.
    if runs && newer && !inputs.edited {
        return Decision::Outdated;
    }
    Decision::Apply { replaces_pod: false, rollout: last(live) }
}

/// The last rollout of the live Deployment.
fn last(live: &Live) -> Option<Rollout> {
    serde_json::from_str(live.annotation(naming::ROLLOUT)?).ok()
}

/// Why the Pod is replaced: the values that changed, and the parts of the spec.
fn reason(live: &Live, pod: &PodPlan) -> String {
    let mut reasons = changes(&live.digests, &pod.digests);
    reasons.extend(changed_parts(&live.parts, &pod.parts));
    if reasons.is_empty() {
        reasons.push("the gateway's Pod template changed".to_owned());
    }
    reasons.into_iter().take(REASONS_LIMIT).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
