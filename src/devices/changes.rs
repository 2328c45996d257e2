//! What is wished for and what the gateway lists → what to send. Pure.

use super::wishes::Wishes;
use crate::api::devices::{DeviceRequest, DevicesStatus};
use crate::openclaw::pairing::{Devices, Pending};

/// The value of the annotation that removes every device.
pub const ALL: &str = "all";

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Approve { request_id: String },
    Reject { request_id: String },
    Remove { device_id: String },
}

/// Who wants a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `spec.gateway.devices`.
    Spec,
    Annotation,
}

/// What to send, first what goes. `before`: what the last look found, or the status of the Agent. The operator's own device is not among
/// the listed ones.
#[must_use]
pub fn changes(wishes: &Wishes, before: &DevicesStatus, listed: &Devices) -> Vec<(Cause, Change)> {
    if wishes.paused {
        return Vec::new();
    }
    let is_paired = |id: &str| listed.paired.iter().any(|paired| paired.device_id == id);
    let remove = |device_id: &str| Change::Remove { device_id: device_id.to_owned() };
    let approve = |request_id: &str| Change::Approve { request_id: request_id.to_owned() };
    let reject = |request_id: &str| Change::Reject { request_id: request_id.to_owned() };

    let removal = new_value(wishes.remove.as_ref(), before.device_removal.as_ref());
    let approval = new_value(wishes.approve.as_ref(), before.device_approval.as_ref());
    let rejection = new_value(wishes.reject.as_ref(), before.device_rejection.as_ref());
    let named = listed.paired.iter().filter(|paired| removal.is_some_and(|value| removes(value, &paired.device_id)));
    let mut changes: Vec<_> = named.map(|paired| (Cause::Annotation, remove(&paired.device_id))).collect();
    // Only those that are in the status were let in by the spec.
    let left = before.paired_devices.iter().filter(|ours| wishes.wanted(&ours.id).is_none() && is_paired(&ours.id));
    for ours in left {
        let change = remove(&ours.id);
        if !changes.iter().any(|(_, other)| *other == change) {
            changes.push((Cause::Spec, change));
        }
    }
    // With a device go its requests.
    let goes = |pending: &&Pending| changes.iter().any(|(_, change)| *change == remove(&pending.device_id));
    let pending: Vec<_> = listed.pending.iter().filter(|pending| !goes(pending)).collect();
    for pending in pending {
        // Whoever says both is careful.
        if rejection == Some(pending.request_id.as_str()) {
            changes.push((Cause::Annotation, reject(&pending.request_id)));
        } else if approval == Some(pending.request_id.as_str()) {
            changes.push((Cause::Annotation, approve(&pending.request_id)));
        } else if is_wanted(wishes, listed, pending) {
            changes.push((Cause::Spec, approve(&pending.request_id)));
        }
    }
    changes
}

/// Whether the list approves the request. To approve it also gives back what the device has already, even if somebody has revoked that.
#[must_use]
pub fn is_wanted(wishes: &Wishes, listed: &Devices, pending: &Pending) -> bool {
    let id = &pending.device_id;
    let mut has = listed.paired.iter().filter(|paired| paired.device_id == *id);
    wishes.cover(id, &pending.access) && has.all(|paired| wishes.cover(id, &paired.access))
}

/// Whether this value of the annotation names the device.
#[must_use]
pub fn removes(value: &str, device_id: &str) -> bool {
    value == ALL || value == device_id
}

/// The value of an annotation, if nothing came of it yet.
#[must_use]
pub fn new_value<'a>(value: Option<&'a String>, settled: Option<&DeviceRequest>) -> Option<&'a str> {
    value.filter(|value| settled.is_none_or(|settled| settled.request != **value)).map(String::as_str)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::devices) mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kube::ResourceExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::devices::PairedDevice;
    use crate::declarations::fixtures::agent;
    use crate::naming::{APPROVE_DEVICE, REJECT_DEVICE, REMOVE_DEVICE};

    /// What an Agent says with these devices `(name, scopes)`, whose id is their name, and these annotations.
    pub(in crate::devices) fn wishes(devices: &[(&str, &[&str])], annotations: &[(&str, &str)]) -> Wishes {
        let entry = |(name, scopes): &(&str, &[&str])| json!({"name": name, "id": name, "scopes": scopes});
        let devices: Vec<Value> = devices.iter().map(entry).collect();
        let mut agent = agent("a", &json!({"gateway": {"devices": devices}}).to_string());
        for (name, value) in annotations {
            agent.annotations_mut().insert((*name).to_owned(), (*value).to_owned());
        }
        Wishes::of(&agent)
    }

    fn one(device: &str, scopes: &[&str]) -> Value {
        json!({"deviceId": device, "role": "operator", "scopes": scopes, "requestId": format!("of-{device}"),
               "clientId": "cli", "platform": "linux", "ts": 1_795_275_645_863_i64})
    }

    /// What a gateway lists, each with its scopes. The id of a request is `of-` and the device's.
    pub(in crate::devices) fn listed(pending: &[(&str, &[&str])], paired: &[(&str, &[&str])]) -> Devices {
        Devices {
            pending: pending.iter().map(|(id, scopes)| serde_json::from_value(one(id, scopes)).unwrap()).collect(),
            paired: paired.iter().map(|(id, scopes)| serde_json::from_value(one(id, scopes)).unwrap()).collect(),
        }
    }

    /// A status with these devices let in by the spec.
    pub(in crate::devices) fn let_in(ids: &[&str]) -> DevicesStatus {
        let paired = |id: &&str| PairedDevice { name: (*id).to_owned(), id: (*id).to_owned() };
        DevicesStatus { paired_devices: ids.iter().map(paired).collect(), ..DevicesStatus::default() }
    }

    pub(in crate::devices) fn settled(request: &str) -> DeviceRequest {
        let (request, time) = (request.to_owned(), Time(Timestamp::UNIX_EPOCH));
        DeviceRequest { request, time, reason: None, message: None }
    }

    const READ: &[&str] = &["operator.read"];
    const ADMIN: &[&str] = &["operator.admin"];

    fn nothing() -> Vec<(Cause, Change)> {
        Vec::new()
    }

    fn approve(device: &str) -> Change {
        Change::Approve { request_id: format!("of-{device}") }
    }

    fn remove(device: &str) -> Change {
        Change::Remove { device_id: device.to_owned() }
    }

    #[test]
    fn a_request_is_approved_if_the_list_covers_it() {
        let wishes = wishes(&[("board", READ)], &[]);
        let sent = |asks: &[&str]| changes(&wishes, &DevicesStatus::default(), &listed(&[("board", asks)], &[]));
        assert_eq!(sent(READ), [(Cause::Spec, approve("board"))]);
        assert_eq!(sent(ADMIN), nothing());
        assert_eq!(changes(&wishes, &DevicesStatus::default(), &listed(&[("other", READ)], &[])), nothing());
    }

    #[test]
    fn a_device_that_leaves_the_list_is_removed_and_those_that_people_approved_stay() {
        let both = listed(&[], &[("board", READ), ("browser", ADMIN)]);
        let before = let_in(&["board"]);
        assert_eq!(changes(&wishes(&[], &[]), &before, &both), [(Cause::Spec, remove("board"))]);
        assert_eq!(changes(&wishes(&[("board", READ)], &[]), &before, &both), nothing());
        assert_eq!(changes(&wishes(&[], &[]), &before, &listed(&[], &[])), nothing(), "it is gone already");
    }

    #[test]
    fn the_annotation_approves_one_request_whatever_it_asks_for_and_only_once() {
        let wishes = wishes(&[], &[(APPROVE_DEVICE, "of-browser")]);
        let asks = listed(&[("browser", ADMIN), ("other", READ)], &[]);
        assert_eq!(changes(&wishes, &DevicesStatus::default(), &asks), [(Cause::Annotation, approve("browser"))]);
        let before = DevicesStatus { device_approval: Some(settled("of-browser")), ..DevicesStatus::default() };
        assert_eq!(changes(&wishes, &before, &asks), nothing());
    }

    #[test]
    fn the_annotation_rejects_one_request_also_one_that_is_approved_elsewhere_and_only_once() {
        let both = [(APPROVE_DEVICE, "of-board"), (REJECT_DEVICE, "of-board")];
        let wishes = wishes(&[("board", READ)], &both);
        let asks = listed(&[("board", READ), ("other", READ)], &[]);
        let reject = Change::Reject { request_id: "of-board".to_owned() };
        assert_eq!(changes(&wishes, &DevicesStatus::default(), &asks), [(Cause::Annotation, reject)]);
        let before = DevicesStatus { device_rejection: Some(settled("of-board")), ..DevicesStatus::default() };
        assert_eq!(changes(&wishes, &before, &asks), [(Cause::Annotation, approve("board"))]);
    }

    #[test]
    fn the_annotation_removes_one_device_or_all_and_only_once() {
        let both = listed(&[], &[("board", READ), ("browser", ADMIN)]);
        let sent = |value: &str, before: &DevicesStatus| {
            changes(&wishes(&[("board", READ)], &[(REMOVE_DEVICE, value)]), before, &both)
        };
        let before = let_in(&["board"]);
        assert_eq!(sent("browser", &before), [(Cause::Annotation, remove("browser"))]);
        assert_eq!(sent(ALL, &before), [(Cause::Annotation, remove("board")), (Cause::Annotation, remove("browser"))]);
        assert_eq!(sent("stranger", &before), nothing());
        assert_eq!(sent(ALL, &DevicesStatus { device_removal: Some(settled(ALL)), ..before }), nothing());
    }

    #[test]
    fn while_the_agent_is_paused_nothing_is_sent() {
        let annotations = [("creel.dev/paused", "true"), (REMOVE_DEVICE, ALL)];
        let wishes = wishes(&[("board", READ)], &annotations);
        assert_eq!(changes(&wishes, &let_in(&["gone"]), &listed(&[("board", READ)], &[("gone", READ)])), nothing());
    }
}
