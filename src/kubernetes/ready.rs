//! `Ready`, `Reconciling` and `Stalled` from one summary of an object. Pure: `now` is an argument.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{Desired, READY, RECONCILING, STALLED, Status, patience, reason};

/// How an object is as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// It does its work, or has done it.
    Well { reason: &'static str, message: String },
    /// On its way, without anybody's help.
    Working { reason: &'static str, message: String },
    /// Only a person can mend it.
    Broken { reason: &'static str, message: String },
    /// Somebody wants it to do nothing.
    Resting { reason: &'static str, message: String },
}

impl Summary {
    /// It does its work.
    #[must_use]
    pub fn ready(message: &str) -> Self {
        Self::Well { reason: reason::READY, message: message.to_owned() }
    }

    /// `Ready`, `Reconciling` and `Stalled`.
    #[must_use]
    pub fn conditions(&self) -> [Desired; 3] {
        let (ready, working, stalled) = match self {
            Self::Well { .. } => (Status::True, Status::False, Status::False),
            Self::Working { .. } => (Status::Unknown, Status::True, Status::False),
            Self::Broken { .. } => (Status::False, Status::False, Status::True),
            Self::Resting { .. } => (Status::Unknown, Status::False, Status::False),
        };
        let (Self::Well { reason, message }
        | Self::Working { reason, message }
        | Self::Broken { reason, message }
        | Self::Resting { reason, message }) = self;
        let condition = |kind, status| match status {
            Status::True => Desired::new(kind, status, reason, message),
            Status::False | Status::Unknown => Desired::new(kind, status, reason::AS_EXPECTED, ""),
        };
        [Desired::new(READY, ready, reason, message), condition(RECONCILING, working), condition(STALLED, stalled)]
    }
}

/// What a condition makes of the whole, unless it is true.
#[must_use]
pub fn obstacle(condition: &Desired) -> Option<Summary> {
    let (reason, message) = (condition.reason, condition.message.clone());
    match condition.status {
        Status::True => None,
        Status::Unknown if reason == reason::SUSPENDED || reason == reason::PAUSED => {
            Some(Summary::Resting { reason, message })
        }
        Status::Unknown => Some(Summary::Working { reason, message }),
        Status::False => Some(Summary::Broken { reason, message }),
    }
}

/// Something is missing, since the condition of this kind turned false: for two minutes that is work in progress, then it needs a person.
/// With it, when time alone will change it.
#[must_use]
pub fn patient(
    before: &[Condition],
    kind: &str,
    reason: &'static str,
    message: &str,
    now: Timestamp,
) -> (Summary, Option<Duration>) {
    let message = message.to_owned();
    match patience(before, kind, now) {
        Some(left) => (Summary::Working { reason, message }, Some(left + Duration::from_secs(1))),
        None => (Summary::Broken { reason, message }, None),
    }
}
