//! Condition types, reasons, and how a list of conditions changes. Pure: `now` is an argument.
//!
//! | room | does |
//! |---|---|
//! | `reason` | each reason, with its meaning and remedy |
//! | `reference` | all of them as the page `docs/reference/reasons.md` |

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::printable::printable;

pub mod reason;
mod reference;

pub use reference::reference;

/// A condition type, as the reference documents it.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    pub name: &'static str,
    /// The kinds that have it.
    pub kinds: &'static str,
    /// What `True` means.
    pub meaning: &'static str,
}

/// Defines each condition type as a constant whose documentation is its meaning, and all of them as [`TYPES`].
macro_rules! types {
    ($(#[doc = $meaning:literal] $name:ident = $value:literal, $kinds:literal;)+) => {
        $(#[doc = $meaning] pub const $name: &str = $value;)+
        /// All condition types, in the order of the reference.
        pub const TYPES: &[Type] = &[$(Type { name: $value, kinds: $kinds, meaning: $meaning }),+];
    };
}

types! {
    /// The object works: an Agent can answer, a Provider can be used, every Agent of a Sandbox can run commands, a gateway runs the job.
    READY = "Ready", "all";
    /// Creel is still working towards the spec.
    RECONCILING = "Reconciling", "Agent, CronJob";
    /// A person must act; the message names the object, the field and the remedy.
    STALLED = "Stalled", "Agent, CronJob";
    /// Everything that the spec names exists.
    REFERENCES_RESOLVED = "ReferencesResolved", "Agent";
    /// The gateway's Pod answers.
    GATEWAY_READY = "GatewayReady", "Agent";
    /// The gateway itself confirmed that it runs this configuration.
    CONFIG_APPLIED = "ConfigApplied", "Agent";
    /// The Ingress or HTTPRoute that leads to the gateway is as specified, and the gateway knows the proxy.
    EXPOSED = "Exposed", "Agent with `spec.gateway.exposure`";
    /// Commands of the Agent can run in its sandbox.
    SANDBOX_READY = "SandboxReady", "Agent with a sandbox";
    /// The checks from inside the sandbox found it isolated.
    ISOLATION_VERIFIED = "IsolationVerified", "Agent with a sandbox";
    /// The devices of `spec.gateway.devices` are paired, and no other device waits for approval.
    DEVICES_READY = "DevicesReady", "Agent with `spec.gateway.devices`, the Control UI or an annotation about a device";
    /// Every channel of `spec.channels` is connected, or switched off.
    CHANNELS_READY = "ChannelsReady", "Agent with `spec.channels`";
    /// Every Secret and key that the Provider names exists.
    CREDENTIALS_RESOLVED = "CredentialsResolved", "Provider";
    /// The gateway has exactly the job that the CronJob describes.
    DECLARED = "Declared", "CronJob";
    /// The last run succeeded and its answer was delivered.
    HEALTHY = "Healthy", "CronJob";
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
    /// A condition with a message (at most 1,000 characters are kept, none of them hidden).
    #[must_use]
    pub fn new(kind: &'static str, status: Status, reason: &'static str, message: impl AsRef<str>) -> Self {
        Self { kind, status, reason, message: printable(message.as_ref()).chars().take(1000).collect() }
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
pub const GRACE_PERIOD: Duration = Duration::from_mins(2);

/// How long what this condition misses may still be on its way; `None`: it needs a person now.
#[must_use]
pub fn grace_period(present: &[Condition], kind: &str, now: Timestamp) -> Option<Duration> {
    let since = find(present, kind).filter(|condition| condition.status == "False");
    let since = since.map_or(now, |condition| condition.last_transition_time.0);
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    GRACE_PERIOD.checked_sub(waited).filter(|left| !left.is_zero())
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
    fn a_message_shows_what_users_wrote_as_it_is() {
        let hidden = Desired::new(READY, Status::False, reason::MODEL_NOT_FOUND, "no model \"a\u{202e}b\u{7}\"");
        assert_eq!(hidden.message, "no model \"a b \"");
    }

    #[test]
    fn the_same_conditions_again_are_equal_to_what_is_there() {
        let ready = [Desired::new(READY, Status::True, reason::READY, "all is well")];
        let first = merge(&[], &ready, Some(1), at(100));
        assert_eq!(merge(&first, &ready, Some(1), at(999)), first);
    }
}
