//! The states of the Pods made from a Sandbox → its status. Pure: `now` is an argument.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::sandbox::{Egress, SandboxPod, WorkspaceAccess};
use crate::api::{Sandbox, SandboxStatus};
use crate::kubernetes::conditions::{Desired, GRACE_PERIOD, READY, Status, find, merge, reason};
use crate::naming::SandboxNames;
use crate::pods::egress::limited;
use crate::references::digests::Fault;
use crate::world::facts::Fact;
use crate::world::sandbox_states::SandboxState;

/// So many Pods are listed.
const MOST_PODS: usize = 100;

/// One Agent that names the Sandbox.
#[derive(Clone, Debug)]
pub struct User {
    pub agent: String,
    /// What the last reconcile of its sandbox found; `None`: none was created from this Sandbox yet.
    pub state: Fact<Option<Arc<SandboxState>>>,
}

impl User {
    fn state(&self) -> Option<&SandboxState> {
        self.state.as_ref().known()?.as_deref()
    }
}

/// The status, and when to look again because time alone changes it. `users`: sorted by name. `most`: the widest network that the
/// administrator allows.
#[must_use]
pub fn status(
    sandbox: &Sandbox,
    users: &[User],
    fault: Option<&Fault>,
    most: Egress,
    now: Timestamp,
) -> (SandboxStatus, Option<Duration>) {
    let before = sandbox.status.clone().unwrap_or_default();
    let wanted: Vec<&User> = users.iter().filter(|user| reason_of(user) != reason::SUSPENDED).collect();
    let ready = wanted.iter().filter(|user| status_of(user) == Status::True).count();
    let (desired, again) = match fault {
        Some(fault) => missing(&before, fault, now),
        None => (within_limit(summary(users, &wanted), sandbox, most), None),
    };
    let generation = sandbox.metadata.generation;
    let status = SandboxStatus {
        observed_generation: generation,
        conditions: merge(&before.conditions, &[desired], generation, now),
        ready_pods: Some(format!("{ready}/{}", wanted.len())),
        pods: users.iter().take(MOST_PODS).map(|user| pod(sandbox, user)).collect(),
    };
    (status, again)
}

/// What is missing may be on its way.
fn missing(before: &SandboxStatus, fault: &Fault, now: Timestamp) -> (Desired, Option<Duration>) {
    let left = match find(&before.conditions, READY) {
        Some(condition) if condition.status == "False" => None,
        Some(condition) if condition.reason == fault.reason => {
            let waited = Duration::try_from(now.duration_since(condition.last_transition_time.0)).unwrap_or_default();
            GRACE_PERIOD.checked_sub(waited).filter(|left| !left.is_zero())
        }
        _ => Some(GRACE_PERIOD),
    };
    let status = if left.is_some() { Status::Unknown } else { Status::False };
    (Desired::new(READY, status, fault.reason, &fault.message), left.map(|left| left + Duration::from_secs(1)))
}

fn summary(users: &[User], wanted: &[&User]) -> Desired {
    let of = |status, reason, message: &str| Desired::new(READY, status, reason, message);
    let first = |status| wanted.iter().find(|user| status_of(user) == status);
    let told = |user: &User| {
        let message = user.state().map_or("its Pod has not been checked yet", |state| &state.ready.message);
        format!("Agent \"{}\": {message}", user.agent)
    };
    if users.is_empty() {
        of(Status::True, reason::UNUSED, "No Agent uses this Sandbox.")
    } else if let Some(user) = first(Status::False) {
        of(Status::False, reason_of(user), &told(user))
    } else if let Some(user) = first(Status::Unknown) {
        of(Status::Unknown, reason_of(user), &told(user))
    } else if let Some(user) = wanted
        .iter()
        .find(|user| [reason::REPLACEMENT_REJECTED, reason::CLAIM_CHANGE_REJECTED].contains(&reason_of(user)))
    {
        of(Status::True, reason_of(user), &told(user))
    } else if wanted.is_empty() {
        of(Status::True, reason::SUSPENDED, "All Agents that use this Sandbox are suspended.")
    } else {
        of(Status::True, reason::READY, "Commands can run for every Agent that uses this Sandbox.")
    }
}

/// The same, with what the Sandbox asks for and does not get.
fn within_limit(ready: Desired, sandbox: &Sandbox, most: Egress) -> Desired {
    let exceeding = limited(&sandbox.spec.network, most).exceeding;
    if exceeding.is_empty() || ready.status != Status::True {
        return ready;
    }
    let message = format!(
        "{} The operator limits their network to {most:?} (network.maxEgress in its chart), and these fields ask for more: {}.",
        ready.message,
        exceeding.join(", ")
    );
    Desired::new(READY, Status::True, reason::EGRESS_LIMITED, message)
}

fn status_of(user: &User) -> Status {
    user.state().map_or(Status::Unknown, |state| state.ready.status)
}

fn reason_of(user: &User) -> &'static str {
    user.state().map_or(reason::PENDING, |state| state.ready.reason)
}

fn pod(sandbox: &Sandbox, user: &User) -> SandboxPod {
    let state = user.state();
    let access =
        state.map_or(sandbox.spec.workspace_access, |state: &SandboxState| -> WorkspaceAccess { state.access });
    let ready = status_of(user) == Status::True;
    SandboxPod {
        agent: user.agent.clone(),
        name: SandboxNames::of(&user.agent).sandbox,
        ready,
        workspace_access: access,
        reason: reason_of(user).to_owned(),
        // The usual needs no words.
        message: state
            .filter(|state| state.ready.reason != reason::RUNNING)
            .map(|state| state.ready.message.clone())
            .unwrap_or_default(),
        pending: state.map(|state| state.pending.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kubernetes::conditions::{ISOLATION_VERIFIED, SANDBOX_READY};
    use crate::kubernetes::spec_version::SpecVersion;

    fn user(agent: &str, status: Status, reason: &'static str) -> User {
        let state = SandboxState {
            sandbox: "default".into(),
            access: WorkspaceAccess::Ro,
            ready: Desired::new(SANDBOX_READY, status, reason, "words"),
            isolation: Desired::new(ISOLATION_VERIFIED, Status::Unknown, reason::NOT_VERIFIED, ""),
            pending: "spec.image changed".into(),
            agent: SpecVersion::default(),
        };
        User { agent: agent.into(), state: Fact::Known(Some(Arc::new(state))) }
    }

    fn sandbox() -> Sandbox {
        serde_yaml::from_str(
            "{apiVersion: creel.dev/v1alpha1, kind: Sandbox, metadata: {name: default, generation: 2}, spec: {image: 'debian:12'}}",
        )
        .unwrap()
    }

    fn told(users: &[User]) -> (String, String, String) {
        let status = status(&sandbox(), users, None, Egress::All, Timestamp::UNIX_EPOCH).0;
        let ready = find(&status.conditions, READY).unwrap();
        (status.ready_pods.clone().unwrap(), ready.status.clone(), ready.reason.clone())
    }

    fn expected(pods: &str, status: &str, reason: &str) -> (String, String, String) {
        (pods.to_owned(), status.to_owned(), reason.to_owned())
    }

    #[test]
    fn pods_are_counted_and_the_first_fault_is_told() {
        let (ready, starts) = (user("a", Status::True, reason::RUNNING), user("b", Status::Unknown, reason::STARTING));
        let broken = user("c", Status::False, reason::IMAGE_PULL_FAILED);
        assert_eq!(told(std::slice::from_ref(&ready)), expected("1/1", "True", "Ready"));
        assert_eq!(told(&[ready.clone(), starts.clone()]), expected("1/2", "Unknown", "Starting"));
        assert_eq!(told(&[ready, starts, broken]), expected("1/3", "False", "ImagePullFailed"));
    }

    #[test]
    fn a_sandbox_that_no_agent_names_is_ready_and_unused() {
        assert_eq!(told(&[]), expected("0/0", "True", "Unused"));
    }

    #[test]
    fn an_agent_that_rests_is_not_waited_for() {
        let (ready, rests) = (user("a", Status::True, reason::RUNNING), user("b", Status::Unknown, reason::SUSPENDED));
        assert_eq!(told(&[ready, rests.clone()]), expected("1/1", "True", "Ready"));
        assert_eq!(told(&[rests]), expected("0/0", "True", "Suspended"));
    }

    #[test]
    fn what_the_sandbox_asks_for_beyond_the_administrators_limit_is_told_beside_that_it_is_ready() {
        let mut sandbox = sandbox();
        sandbox.spec.network = serde_json::from_str(r#"{"egress": "All", "allow": [{"podSelector": {}}]}"#).unwrap();
        let told = |users: &[User], most| {
            let status = status(&sandbox, users, None, most, Timestamp::UNIX_EPOCH).0;
            let ready = find(&status.conditions, READY).unwrap();
            (ready.status.clone(), ready.reason.clone(), ready.message.clone())
        };
        let (ready, broken) =
            (user("a", Status::True, reason::RUNNING), user("b", Status::False, reason::IMAGE_PULL_FAILED));
        assert_eq!(told(std::slice::from_ref(&ready), Egress::All).1, "Ready");
        let (status, reason, message) = told(std::slice::from_ref(&ready), Egress::Internet);
        assert_eq!((status.as_str(), reason.as_str()), ("True", "EgressLimited"));
        assert!(
            message.contains("Internet") && message.contains("spec.network.egress, spec.network.allow[0]"),
            "{message}"
        );
        assert_eq!(told(&[ready, broken], Egress::Internet).1, "ImagePullFailed", "a fault comes first");
    }

    #[test]
    fn each_pod_is_listed_with_what_is_pending() {
        let status =
            status(&sandbox(), &[user("a", Status::True, reason::RUNNING)], None, Egress::All, Timestamp::UNIX_EPOCH).0;
        let pod = &status.pods[0];
        assert_eq!((pod.name.as_str(), pod.ready, pod.workspace_access), ("a-sandbox", true, WorkspaceAccess::Ro));
        assert_eq!((pod.message.as_str(), pod.pending.as_str()), ("", "spec.image changed"));
        assert_eq!(status.observed_generation, Some(2));
    }

    #[test]
    fn an_edit_that_cannot_be_taken_up_is_told_though_all_pods_run() {
        let (a, b) = (user("a", Status::True, reason::RUNNING), user("b", Status::True, reason::REPLACEMENT_REJECTED));
        assert_eq!(told(&[a.clone(), b.clone()]), expected("2/2", "True", "ReplacementRejected"));
        let status = status(&sandbox(), &[a, b], None, Egress::All, Timestamp::UNIX_EPOCH).0;
        assert_eq!(find(&status.conditions, READY).unwrap().message, "Agent \"b\": words");
        assert_eq!([&status.pods[0].message, &status.pods[1].message], ["", "words"]);
    }

    #[test]
    fn a_hundred_pods_are_listed_and_all_are_counted() {
        let users: Vec<_> = (0..150).map(|n| user(&format!("a{n}"), Status::True, reason::RUNNING)).collect();
        let status = status(&sandbox(), &users, None, Egress::All, Timestamp::UNIX_EPOCH).0;
        assert_eq!((status.pods.len(), status.ready_pods.as_deref()), (100, Some("150/150")));
    }

    #[test]
    fn a_missing_secret_is_waited_for_two_minutes_and_then_a_fault() {
        let fault = Fault { reason: reason::SECRET_NOT_FOUND, message: "create it".into(), carried: false };
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut sandbox = sandbox();
        let (first, again) = status(&sandbox, &[], Some(&fault), Egress::All, start);
        assert_eq!(find(&first.conditions, READY).unwrap().status, "Unknown");
        assert!(again.is_some());
        sandbox.status = Some(first);
        let (second, again) = status(&sandbox, &[], Some(&fault), Egress::All, start + Duration::from_secs(121));
        assert_eq!(find(&second.conditions, READY).unwrap().status, "False");
        assert_eq!(again, None);
    }
}
