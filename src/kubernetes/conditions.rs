//! Condition types, reasons, and how a list of conditions changes. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The object can do its work.
pub const READY: &str = "Ready";
/// Creel is working towards the spec.
pub const RECONCILING: &str = "Reconciling";
/// Only a person can mend it.
pub const STALLED: &str = "Stalled";
/// Everything that the spec names exists.
pub const REFERENCES_RESOLVED: &str = "ReferencesResolved";
/// The gateway's Pod answers.
pub const GATEWAY_READY: &str = "GatewayReady";
/// The gateway itself confirmed the configuration.
pub const CONFIG_APPLIED: &str = "ConfigApplied";
/// Commands of the Agent can run in its sandbox.
pub const SANDBOX_READY: &str = "SandboxReady";
/// The sandbox proved from within what it can't reach.
pub const ISOLATION_VERIFIED: &str = "IsolationVerified";
/// The gateway holds exactly the job that a CronJob says.
pub const DECLARED: &str = "Declared";
/// The last run of a CronJob succeeded, and what it said was delivered.
pub const HEALTHY: &str = "Healthy";
/// Every Secret and key that a Provider names exists.
pub const CREDENTIALS_RESOLVED: &str = "CredentialsResolved";

/// Why a condition has its status. One word each, stable: alerts and dashboards rest on them.
pub mod reason {
    /// All is well.
    pub const READY: &str = "Ready";
    /// Everything that the spec names exists.
    pub const RESOLVED: &str = "Resolved";
    /// A Provider needs no credentials.
    pub const NOT_REQUIRED: &str = "NotRequired";
    /// A named Secret does not exist.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// A named Secret lacks the key.
    pub const SECRET_KEY_NOT_FOUND: &str = "SecretKeyNotFound";
    /// A named ConfigMap does not exist.
    pub const CONFIG_MAP_NOT_FOUND: &str = "ConfigMapNotFound";
    /// A named ConfigMap lacks the key.
    pub const CONFIG_MAP_KEY_NOT_FOUND: &str = "ConfigMapKeyNotFound";
    /// A Secret or ConfigMap cannot be read now; what was known of it stays in force.
    pub const REFERENCE_UNREADABLE: &str = "ReferenceUnreadable";
    /// A named Provider does not exist.
    pub const PROVIDER_NOT_FOUND: &str = "ProviderNotFound";
    /// A Provider does not offer the model.
    pub const MODEL_NOT_FOUND: &str = "ModelNotFound";
    /// The Agent whose gateway to join does not exist.
    pub const GATEWAY_NOT_FOUND: &str = "GatewayNotFound";
    /// The Agent whose gateway to join has none of its own.
    pub const GATEWAY_NOT_OWNED: &str = "GatewayNotOwned";
    /// An object of the name that Creel needs belongs to somebody else.
    pub const NAME_CONFLICT: &str = "NameConflict";
    /// The named claim does not exist.
    pub const CLAIM_NOT_FOUND: &str = "ClaimNotFound";
    /// The API server refused a child that the spec asks for.
    pub const CHILD_REJECTED: &str = "ChildRejected";
    /// A change of the claim that Kubernetes does not allow.
    pub const CLAIM_CHANGE_REJECTED: &str = "ClaimChangeRejected";
    /// `spec.suspend` is true.
    pub const SUSPENDED: &str = "Suspended";
    /// The annotation `creel.dev/paused` is set.
    pub const PAUSED: &str = "Paused";
    /// The gateway's Pod does not exist yet.
    pub const POD_PENDING: &str = "PodPending";
    /// No node can take the Pod.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// An image cannot be pulled.
    pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
    /// The Pod cannot be started as it is.
    pub const POD_FAILED: &str = "PodFailed";
    /// The next gateway waits for the one before it to end.
    pub const WAITING_FOR_PREVIOUS_POD: &str = "WaitingForPreviousPod";
    /// The gateway starts.
    pub const STARTING: &str = "Starting";
    /// A changed environment recreates the gateway's Pod.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// The gateway ended with an error.
    pub const GATEWAY_CRASHED: &str = "GatewayCrashed";
    /// Another gateway holds the state on the claim.
    pub const STATE_IN_USE: &str = "StateInUse";
    /// The gateway cannot write to its claim.
    pub const STATE_NOT_WRITABLE: &str = "StateNotWritable";
    /// The gateway lacks a secret that it needs to start.
    pub const SECRETS_UNAVAILABLE: &str = "SecretsUnavailable";
    /// The gateway confirmed the configuration.
    pub const APPLIED: &str = "Applied";
    /// The gateway has not confirmed the configuration yet.
    pub const PENDING: &str = "Pending";
    /// The gateway refused the configuration; the last accepted one stays in force.
    pub const REJECTED: &str = "Rejected";
    /// The gateway does not take up a configuration, though it answers.
    pub const RELOAD_STALLED: &str = "ReloadStalled";
    /// The gateway's admin route cannot be asked.
    pub const ADMIN_UNREACHABLE: &str = "AdminUnreachable";
    /// The Agent's last good entry stays in force, because its present spec is at fault.
    pub const LAST_GOOD_KEPT: &str = "LastGoodKept";
    /// A named Sandbox does not exist.
    pub const SANDBOX_NOT_FOUND: &str = "SandboxNotFound";
    /// Commands can run.
    pub const RUNNING: &str = "Running";
    /// The sandbox's Pod is replaced.
    pub const RECREATING: &str = "Recreating";
    /// The sandbox waits until its gateway has a node, because they share a claim.
    pub const WAITING_FOR_GATEWAY: &str = "WaitingForGateway";
    /// The node of the Pod no longer answers; nothing is deleted by force.
    pub const NODE_LOST: &str = "NodeLost";
    /// The access mode of the claim allows one Pod only.
    pub const CLAIM_NOT_SHAREABLE: &str = "ClaimNotShareable";
    /// The sandbox reaches nothing that it must not reach.
    pub const ISOLATED: &str = "Isolated";
    /// The sandbox reached what its policy forbids: the cluster does not enforce `NetworkPolicy`.
    pub const NETWORK_POLICY_NOT_ENFORCED: &str = "NetworkPolicyNotEnforced";
    /// The sandbox could write where it must only read.
    pub const WORKSPACE_WRITABLE: &str = "WorkspaceWritable";
    /// The sandbox has not reported yet.
    pub const NOT_VERIFIED: &str = "NotVerified";
    /// The gateway holds the job.
    pub const DECLARED: &str = "Declared";
    /// The Agent that a CronJob names does not exist.
    pub const AGENT_NOT_FOUND: &str = "AgentNotFound";
    /// A schedule can't be read.
    pub const INVALID_SCHEDULE: &str = "InvalidSchedule";
    /// A schedule names a time that never comes.
    pub const NEVER_RUNS: &str = "NeverRuns";
    /// A named time zone does not exist.
    pub const TIME_ZONE_NOT_FOUND: &str = "TimeZoneNotFound";
    /// No Agent of the gateway uses the Provider, so its configuration does not hold it.
    pub const PROVIDER_NOT_ON_GATEWAY: &str = "ProviderNotOnGateway";
    /// The one time of a job passed before the gateway knew the job.
    pub const MISSED: &str = "Missed";
    /// The one time of a job has passed, and it was run.
    pub const COMPLETED: &str = "Completed";
    /// The gateway stopped running a job by itself.
    pub const DISABLED_BY_GATEWAY: &str = "DisabledByGateway";
    /// No run has ended yet.
    pub const NOT_RUN_YET: &str = "NotRunYet";
    /// The last run succeeded.
    pub const SUCCEEDED: &str = "Succeeded";
    /// The last run failed.
    pub const RUN_FAILED: &str = "RunFailed";
    /// The last run succeeded, and its answer was not delivered.
    pub const NOT_DELIVERED: &str = "NotDelivered";
    /// The gateway did not begin a run.
    pub const SKIPPED: &str = "Skipped";
    /// The last run took longer than it may, or the model did.
    pub const TIMED_OUT: &str = "TimedOut";
    /// The model's Provider has no credit left.
    pub const CREDIT_EXHAUSTED: &str = "CreditExhausted";
    /// The model's Provider does not accept the key.
    pub const UNAUTHORIZED: &str = "Unauthorized";
    /// The model's Provider takes no more requests for now.
    pub const RATE_LIMITED: &str = "RateLimited";
    /// The model's Provider is overloaded or in error.
    pub const SERVER_ERROR: &str = "ServerError";
    /// An event: a job begins to fail.
    pub const RUN_FAILING: &str = "RunFailing";
    /// An event: a job that failed is well again.
    pub const RUN_RECOVERED: &str = "RunRecovered";
    /// An event: the gateway did not accept a run that was asked for.
    pub const RUN_REJECTED: &str = "RunRejected";
    /// No Agent uses the object.
    pub const UNUSED: &str = "Unused";
    /// Nothing stands in the way.
    pub const AS_EXPECTED: &str = "AsExpected";
}

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    True,
    False,
    Unknown,
}

impl Status {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition as a controller wants it; the transition time is kept by [`merge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub kind: &'static str,
    pub status: Status,
    pub reason: &'static str,
    pub message: String,
}

impl Desired {
    /// A condition with a message (at most 1,000 characters are kept).
    #[must_use]
    pub fn new(kind: &'static str, status: Status, reason: &'static str, message: impl AsRef<str>) -> Self {
        Self { kind, status, reason, message: message.as_ref().chars().take(1000).collect() }
    }
}

/// Kubernetes keeps whole seconds; a finer time would differ from what is read back, and be written for ever.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The list with exactly the desired conditions, in their order. A transition time moves only when the status does.
#[must_use]
pub fn merge(present: &[Condition], desired: &[Desired], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let now = Time(whole_seconds(now));
    desired
        .iter()
        .map(|want| {
            let same = find(present, want.kind).filter(|have| have.status == want.status.as_str());
            Condition {
                type_: want.kind.to_owned(),
                status: want.status.as_str().to_owned(),
                reason: want.reason.to_owned(),
                message: want.message.clone(),
                observed_generation: generation,
                last_transition_time: same.map_or_else(|| now.clone(), |have| have.last_transition_time.clone()),
            }
        })
        .collect()
}

/// What is missing may be on its way (`kubectl apply` of a folder, GitOps): so long that is no fault yet.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// How long what this condition misses may still be on its way; `None`: it needs a person now.
#[must_use]
pub fn patience(present: &[Condition], kind: &str, now: Timestamp) -> Option<Duration> {
    let since = find(present, kind).filter(|condition| condition.status == "False");
    let since = since.map_or(now, |condition| condition.last_transition_time.0);
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    PATIENCE.checked_sub(waited).filter(|left| !left.is_zero())
}

/// The condition of this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn a_transition_time_moves_only_when_the_status_does() {
        let starting = Desired::new(READY, Status::Unknown, reason::STARTING, "starts");
        let first = merge(&[], std::slice::from_ref(&starting), Some(1), at(100));
        let pending = Desired::new(READY, Status::Unknown, reason::PENDING, "other words");
        let second = merge(&first, &[pending], Some(2), at(200));
        assert_eq!(second[0].last_transition_time, Time(at(100)));
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("Pending", Some(2)));
        let ready = Desired::new(READY, Status::True, reason::READY, "");
        assert_eq!(merge(&second, &[ready], Some(2), at(300))[0].last_transition_time, Time(at(300)));
    }

    #[test]
    fn the_same_conditions_again_are_equal_to_what_is_there() {
        let ready = [Desired::new(READY, Status::True, reason::READY, "all is well")];
        let first = merge(&[], &ready, Some(1), at(100));
        assert_eq!(merge(&first, &ready, Some(1), at(999)), first);
    }
}
