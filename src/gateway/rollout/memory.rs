//! What is remembered of rollouts between reconciles, by the UID of the gateway's owner. Memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::{Decision, Inputs, decide, replaces_pod};
use crate::api::agent::Rollout;
use crate::gateway::build::deployment;
use crate::gateway::gather::{Gathered, Live};
use crate::gateway::plan::Plan;
use crate::kubernetes::debounce::Debounce;
use crate::kubernetes::observed::Observed;

/// The hashes of our own fields of a Deployment, and of what is in them.
type Seen = (Option<u64>, u64);

/// The memory of all gateways.
#[derive(Debug, Default)]
pub struct RolloutMemory {
    debounce: Debounce<String>,
    /// The last rollout of each gateway and the plan that it brings about.
    started: Mutex<HashMap<String, (String, Rollout)>>,
    /// The image that each Deployment was last sent with: the status of its owner may not show it yet.
    images: Mutex<HashMap<String, String>>,
    /// Each outdated Deployment as first seen.
    outdated: Mutex<HashMap<String, Option<Seen>>>,
}

impl RolloutMemory {
    /// What to do with the Deployment, given what is remembered of it. `tried`: the API server was asked about the Pod of this plan before.
    pub fn decide(
        &self,
        gathered: &Gathered,
        plan: &Plan,
        (shell_image, tried): (&str, bool),
        now: Timestamp,
    ) -> Decision {
        let Ok(pod) = &plan.pod else { return Decision::UpdateConfigOnly };
        let (owner, live) = (&gathered.owner, &gathered.live);
        let (uid, wanted) = (owner.uid().unwrap_or_default(), pod.hash());
        let started = self.rollout_started(&uid, &wanted);
        // What was tried before has settled.
        let wait = if replaces_pod(live, pod) && started.is_none() && !tried {
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
            edited: self.is_edited(&uid, live),
            now,
        })
    }

    /// Remembers what the next decision depends on. `sent`: whether the Deployment was sent.
    pub fn record(&self, gathered: &Gathered, plan: &Plan, decision: &Decision, sent: bool) {
        let uid = gathered.owner.uid().unwrap_or_default();
        if let (Decision::Apply { .. }, Ok(pod), true) = (decision, &plan.pod, sent) {
            lock(&self.images).insert(uid.clone(), pod.image.clone());
        }
        match (decision, &plan.pod) {
            (Decision::Apply { replaces_pod: true, rollout: Some(rollout) }, Ok(pod)) if sent => {
                lock(&self.started).insert(uid, (pod.hash(), rollout.clone()));
            }
            (Decision::Outdated, _) => {
                let deployment = gathered.live.deployment.as_ref();
                let seen = deployment.map(|deployment| (deployment.own, deployment.content));
                lock(&self.outdated).entry(uid).or_insert(seen);
            }
            _ => {}
        }
    }

    /// The image that the gateway was last sent with by this process.
    #[must_use]
    pub fn image(&self, owner: &str) -> Option<String> {
        lock(&self.images).get(owner).cloned()
    }

    /// Whether the live Deployment was edited by hand: others added fields, or ours changed since it was first left outdated.
    fn is_edited(&self, owner: &str, live: &Live) -> bool {
        let first = lock(&self.outdated).get(owner).copied();
        let differs = |seen| first.is_some_and(|first| first != Some(seen));
        let seen_now = |deployment: &Observed<Deployment>| (deployment.own, deployment.content);
        live.edited || live.deployment.as_ref().is_some_and(|it| it.intruded || differs(seen_now(it)))
    }

    /// The rollout to this plan, if this process has started it last.
    #[must_use]
    pub fn rollout_started(&self, owner: &str, plan: &str) -> Option<Rollout> {
        lock(&self.started).get(owner).filter(|(of, _)| of == plan).map(|(_, rollout)| rollout.clone())
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, owner: &str) {
        self.debounce.settled(&owner.to_owned());
        lock(&self.started).remove(owner);
        lock(&self.images).remove(owner);
        lock(&self.outdated).remove(owner);
    }
}

fn lock<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::gateway::fixtures::{company, edit, plan, settings, settle};
    use crate::naming;

    /// What is remembered, the gateway, and the decision about it by a version of Creel with this shell image.
    fn decide(memory: &RolloutMemory, gathered: &Gathered, shell_image: &str) -> Decision {
        memory.decide(gathered, &plan(gathered), (shell_image, false), "2026-01-01T00:00:00Z".parse().unwrap())
    }

    fn settled() -> Gathered {
        let mut gathered = company();
        settle(&mut gathered);
        gathered
    }

    /// The live Deployment, changed.
    fn change(gathered: &mut Gathered, change: impl FnOnce(&mut Observed<Deployment>)) {
        let mut deployment = gathered.live.deployment.as_deref().unwrap().clone();
        change(&mut deployment);
        gathered.live.deployment = Some(Arc::new(deployment));
    }

    #[test]
    fn a_deployment_is_left_outdated_until_it_is_edited_by_hand() {
        let (memory, mut gathered) = (RolloutMemory::default(), settled());
        let outdated = decide(&memory, &gathered, "creel:newer");
        assert_eq!(outdated, Decision::Outdated);
        memory.record(&gathered, &plan(&gathered), &outdated, false);
        assert_eq!(decide(&memory, &gathered, "creel:newer"), Decision::Outdated);
        change(&mut gathered, |deployment| deployment.own = Some(7));
        assert_ne!(decide(&memory, &gathered, "creel:newer"), Decision::Outdated);
    }

    #[test]
    fn fields_that_others_added_are_an_edit_from_the_first_look_on() {
        let (memory, mut gathered) = (RolloutMemory::default(), settled());
        change(&mut gathered, |deployment| deployment.intruded = true);
        assert_ne!(decide(&memory, &gathered, "creel:newer"), Decision::Outdated);
    }

    #[test]
    fn an_edit_in_our_name_is_one_too_from_the_first_look_of_a_process_that_applied_it_on() {
        let (memory, mut gathered) = (RolloutMemory::default(), settled());
        gathered.live.edited = true;
        assert_ne!(decide(&memory, &gathered, "creel:newer"), Decision::Outdated);
        gathered.live.edited = false;
        let outdated = decide(&memory, &gathered, "creel:newer");
        memory.record(&gathered, &plan(&gathered), &outdated, false);
        change(&mut gathered, |deployment| deployment.content += 1);
        assert_ne!(decide(&memory, &gathered, "creel:newer"), Decision::Outdated);
    }

    #[test]
    fn the_image_that_was_sent_is_known_before_any_status_shows_it() {
        let (memory, gathered) = (RolloutMemory::default(), settled());
        let apply = Decision::Apply { replaces_pod: false, rollout: None };
        memory.record(&gathered, &plan(&gathered), &apply, false);
        assert_eq!(memory.image("concierge-uid"), None);
        memory.record(&gathered, &plan(&gathered), &apply, true);
        assert_eq!(memory.image("concierge-uid"), Some(settings().gateway_image));
        memory.forget("concierge-uid");
        assert_eq!(memory.image("concierge-uid"), None);
    }

    #[test]
    fn a_rollout_that_was_sent_neither_waits_nor_changes_its_time_while_the_cache_is_late() {
        let (memory, mut gathered) = (RolloutMemory::default(), settled());
        edit(&mut gathered, "concierge", |agent| {
            agent.metadata.annotations = Some([(naming::RESTART.to_owned(), "1".to_owned())].into());
        });
        let shell_image = settings().shell_image;
        assert!(
            matches!(decide(&memory, &gathered, &shell_image), Decision::Wait(wait) if wait <= Duration::from_secs(2))
        );
        let time = Time("2025-01-01T00:00:00Z".parse().unwrap());
        let rollout = Rollout { reason: "a Secret changed".into(), time };
        let sent = Decision::Apply { replaces_pod: true, rollout: Some(rollout) };
        memory.record(&gathered, &plan(&gathered), &sent, true);
        assert_eq!(decide(&memory, &gathered, &shell_image), sent);
        memory.forget("concierge-uid");
        assert!(matches!(decide(&memory, &gathered, &shell_image), Decision::Wait(_)));
    }
}
