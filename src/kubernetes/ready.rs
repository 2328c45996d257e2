//! `Ready`, `Reconciling` and `Stalled` from one summary of an object. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{Desired, READY, RECONCILING, STALLED, Status, grace_period, reason};

/// How an object is as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// It does its work, or has done it.
    Ready { reason: &'static str, message: String },
    /// On its way.
    Reconciling { reason: &'static str, message: String },
    /// Only a person can repair it.
    Stalled { reason: &'static str, message: String },
    /// Its spec wants it to do nothing, and it is as its spec says.
    Suspended { reason: &'static str, message: String },
    /// An annotation keeps Creel from looking after it: how it is, is not known.
    Paused { reason: &'static str, message: String },
}

impl Summary {
    /// It does its work.
    #[must_use]
    pub fn ready(message: &str) -> Self {
        Self::Ready { reason: reason::READY, message: message.to_owned() }
    }

    /// `Ready`, `Reconciling` and `Stalled`.
    #[must_use]
    pub fn conditions(&self) -> [Desired; 3] {
        let (ready, working, stalled) = match self {
            Self::Ready { .. } | Self::Suspended { .. } => (Status::True, Status::False, Status::False),
            Self::Reconciling { .. } => (Status::Unknown, Status::True, Status::False),
            Self::Stalled { .. } => (Status::False, Status::False, Status::True),
            Self::Paused { .. } => (Status::Unknown, Status::False, Status::False),
        };
        let (Self::Ready { reason, message }
        | Self::Reconciling { reason, message }
        | Self::Stalled { reason, message }
        | Self::Suspended { reason, message }
        | Self::Paused { reason, message }) = self;
        let condition = |kind, status| match status {
            Status::True => Desired::new(kind, status, reason, message),
            Status::False | Status::Unknown => Desired::new(kind, status, reason::AS_EXPECTED, ""),
        };
        [Desired::new(READY, ready, reason, message), condition(RECONCILING, working), condition(STALLED, stalled)]
    }
}

/// What a condition makes of the whole, unless it is true.
#[must_use]
pub fn from_condition(condition: &Desired) -> Option<Summary> {
    let (reason, message) = (condition.reason, condition.message.clone());
    match condition.status {
        Status::True => None,
        Status::Unknown if reason == reason::SUSPENDED => Some(Summary::Suspended { reason, message }),
        Status::Unknown if reason == reason::PAUSED => Some(Summary::Paused { reason, message }),
        Status::Unknown => Some(Summary::Reconciling { reason, message }),
        Status::False => Some(Summary::Stalled { reason, message }),
    }
}

/// Something is missing, since the condition of this kind turned false: for two minutes that is work in progress, then it needs a person.
/// With it, when time alone will change it.
#[must_use]
pub fn missing_reference(
    before: &[Condition],
    kind: &str,
    reason: &'static str,
    message: &str,
    now: Timestamp,
) -> (Summary, Option<Duration>) {
    let message = message.to_owned();
    match grace_period(before, kind, now) {
        Some(left) => (Summary::Reconciling { reason, message }, Some(left + Duration::from_secs(1))),
        None => (Summary::Stalled { reason, message }, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(summary: &Summary) -> [&'static str; 3] {
        summary.conditions().map(|condition| condition.status.as_str())
    }

    #[test]
    fn whoever_waits_for_a_suspended_object_to_be_ready_waits_no_longer_and_a_paused_one_claims_nothing() {
        let of = |reason| {
            from_condition(&Desired::new("GatewayReady", Status::Unknown, reason, "")).map(|found| statuses(&found))
        };
        assert_eq!(of(reason::SUSPENDED), Some(["True", "False", "False"]));
        assert_eq!(of(reason::PAUSED), Some(["Unknown", "False", "False"]));
        assert_eq!(of(reason::STARTING), Some(["Unknown", "True", "False"]));
    }
}
