//! Events on transitions of a condition. Pure.

use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{READY, find};
use super::printable::printable;

/// An event when `Ready` turns true, or false, or false for another reason.
#[must_use]
pub fn of_ready(before: &[Condition], after: &[Condition]) -> Option<Event> {
    let (now, before) = (find(after, READY)?, find(before, READY));
    if before.is_some_and(|before| before.status == now.status && before.reason == now.reason)
        || now.status == "Unknown"
    {
        return None;
    }
    let type_ = if now.status == "True" { EventType::Normal } else { EventType::Warning };
    Some(event(type_, &now.reason, &now.message))
}

/// An event about an object of ours.
#[must_use]
pub fn event(type_: EventType, reason: &str, note: &str) -> Event {
    Event {
        type_,
        reason: reason.to_owned(),
        action: "Reconcile".to_owned(),
        note: Some(printable(note)),
        related: None,
    }
}
