//! What is remembered of rollouts between reconciles, by the UID of the gateway's owner. Memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Decision, Inputs, decide, replaces_pod};
use crate::api::agent::Rollout;
use crate::gateway::build::deployment;
use crate::gateway::gather::Gathered;
use crate::gateway::plan::Plan;
use crate::kubernetes::debounce::Debounce;

/// The memory of all gateways.
#[derive(Debug, Default)]
pub struct RolloutMemory {
    debounce: Debounce<String>,
    /// The last rollout of each gateway and the plan that it brings about.
    started: Mutex<HashMap<String, (String, Rollout)>>,
    /// The hash of our own fields of each outdated Deployment, as first seen.
    outdated: Mutex<HashMap<String, Option<u64>>>,
}

impl RolloutMemory {
    /// What to do with the Deployment, given what is remembered of it.
    pub fn decide(&self, gathered: &Gathered, plan: &Plan, shell_image: &str, now: Timestamp) -> Decision {
        let Ok(pod) = &plan.pod else { return Decision::UpdateConfigOnly };
        let (owner, live) = (&gathered.owner, &gathered.live);
        let (uid, wanted) = (owner.uid().unwrap_or_default(), pod.hash());
        let started = self.rollout_started(&uid, &wanted);
        let wait = if replaces_pod(live, pod) && started.is_none() {
            self.debounce.wait(&uid, &wanted, Instant::now())
        } else {
            self.debounce.settled(&uid);
            None
        };
        decide(Inputs {
            live,
            pod,
            rendering: &deployment::rendering(owner, pod, shell_image),
            suspended: owner.spec.suspend,
            started,
            wait,
            first_outdated: lock(&self.outdated).get(&uid).copied(),
            now,
        })
    }

    /// Remembers what the next decision depends on. `sent`: whether the Deployment was sent.
    pub fn record(&self, gathered: &Gathered, plan: &Plan, decision: &Decision, sent: bool) {
        let uid = gathered.owner.uid().unwrap_or_default();
        match (decision, &plan.pod) {
            (Decision::Apply { replaces_pod: true, rollout: Some(rollout) }, Ok(pod)) if sent => {
                lock(&self.started).insert(uid, (pod.hash(), rollout.clone()));
            }
            (Decision::Outdated, _) => {
                let own = gathered.live.deployment.as_ref().and_then(|deployment| deployment.own);
                lock(&self.outdated).entry(uid).or_insert(own);
            }
            _ => {}
        }
    }

    fn rollout_started(&self, owner: &str, plan: &str) -> Option<Rollout> {
        lock(&self.started).get(owner).filter(|(of, _)| of == plan).map(|(_, rollout)| rollout.clone())
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        self.debounce.settled(&owner.to_owned());
        lock(&self.started).remove(owner);
        lock(&self.outdated).remove(owner);
    }
}

fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
