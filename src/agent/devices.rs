//! What the status of an Agent that owns a gateway says of its devices, and Events about them. Pure: `now` is an argument.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};

use crate::api::Agent;
use crate::api::agent::AgentStatus;
use crate::api::devices::{DeviceRequest, DevicesStatus, PendingDevice};
use crate::kubernetes::conditions::{DEVICES_READY, find, merge, reason};
use crate::kubernetes::events::event;
use crate::world::devices_found::{DevicesFound, remedy};
use crate::world::facts::Fact;

/// New requests of one look that are told by an Event each.
const TOLD: usize = 5;
/// Why a gateway does not let a client in.
const REFUSALS: [&str; 4] =
    [reason::ORIGIN_NOT_ALLOWED, reason::TOKEN_MISMATCH, reason::DEVICE_TOKEN_MISMATCH, reason::PROXY_UNKNOWN];

/// Puts what is known of the devices into the next status. What is not known yet stays as the present status has it.
pub fn put(next: &mut AgentStatus, agent: &Agent, found: &Fact<Option<Arc<DevicesFound>>>, now: Timestamp) {
    let before = agent.status.as_ref();
    let conditions = before.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let present = || find(conditions, DEVICES_READY).cloned();
    let (devices, condition) = match found {
        Fact::Unknown => (devices_of(before), present()),
        Fact::Known(None) => (DevicesStatus::default(), None),
        Fact::Known(Some(found)) if found.agent.is_of(agent) => {
            let ready = std::slice::from_ref(&found.ready);
            (found.status.clone(), merge(conditions, ready, agent.metadata.generation, now).pop())
        }
        Fact::Known(Some(found)) => (found.status.clone(), present()),
    };
    if let Some(gateway) = &mut next.gateway {
        gateway.devices = devices;
    }
    next.conditions.retain(|condition| condition.type_ != DEVICES_READY);
    next.conditions.extend(condition);
}

fn devices_of(status: Option<&AgentStatus>) -> DevicesStatus {
    status.and_then(|status| status.gateway.as_ref()).map(|gateway| gateway.devices.clone()).unwrap_or_default()
}

/// Events about requests that are new, about clients that are refused, and about what came of annotations.
#[must_use]
pub fn events(before: Option<&AgentStatus>, after: &AgentStatus) -> Vec<Event> {
    let refused = new_refusal(before, after);
    let (before, after) = (devices_of(before), devices_of(Some(after)));
    let is_new = |one: &&PendingDevice| before.pending_devices.iter().all(|other| other.request_id != one.request_id);
    let pending = after.pending_devices.iter().filter(is_new).take(TOLD).map(|one| {
        let reason = if one.name.is_some() { reason::SCOPES_EXCEEDED } else { reason::PAIRING_REQUIRED };
        event(EventType::Warning, reason, &remedy(one))
    });
    let approval = new_request(before.device_approval.as_ref(), after.device_approval.as_ref())
        .map(|told| of_annotation(told, reason::DEVICE_APPROVED, "Approved request"));
    let rejection = new_request(before.device_rejection.as_ref(), after.device_rejection.as_ref())
        .map(|told| of_annotation(told, reason::DEVICE_REJECTED, "Rejected request"));
    let removal = new_request(before.device_removal.as_ref(), after.device_removal.as_ref())
        .map(|told| of_annotation(told, reason::DEVICE_REMOVED, "Removed device"));
    pending.chain(approval).chain(rejection).chain(removal).chain(refused).collect()
}

/// A client that the gateway did not let in, if the condition did not say so before.
fn new_refusal(before: Option<&AgentStatus>, after: &AgentStatus) -> Option<Event> {
    let ready = find(&after.conditions, DEVICES_READY)?;
    let reason = REFUSALS.into_iter().find(|reason| *reason == ready.reason)?;
    let told = before.and_then(|before| find(&before.conditions, DEVICES_READY));
    let is_new = told.is_none_or(|told| (&told.reason, &told.message) != (&ready.reason, &ready.message));
    is_new.then(|| event(EventType::Warning, reason, &ready.message))
}

fn new_request<'a>(before: Option<&DeviceRequest>, after: Option<&'a DeviceRequest>) -> Option<&'a DeviceRequest> {
    after.filter(|_| before != after)
}

fn of_annotation(told: &DeviceRequest, done: &str, what: &str) -> Event {
    match &told.reason {
        None => event(EventType::Normal, done, &format!("{what} {}", told.request)),
        Some(reason) => {
            let message = told.message.as_deref().unwrap_or_default();
            event(EventType::Warning, reason, &format!("{}: {message}", told.request))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::agent::GatewayStatus;
    use crate::declarations::fixtures;
    use crate::kubernetes::conditions::{Desired, Status};
    use crate::kubernetes::spec_version::SpecVersion;

    fn pending(request: &str, name: Option<&str>) -> PendingDevice {
        PendingDevice {
            request_id: request.to_owned(),
            device_id: "d".to_owned(),
            name: name.map(str::to_owned),
            client: None,
            platform: None,
            role: Some("operator".to_owned()),
            scopes: Vec::new(),
            since: None,
        }
    }

    fn found(agent: &Agent) -> Fact<Option<Arc<DevicesFound>>> {
        let status = DevicesStatus { pending_devices: vec![pending("r1", None)], ..DevicesStatus::default() };
        let ready = Desired::new(DEVICES_READY, Status::False, reason::PAIRING_REQUIRED, "");
        Fact::Known(Some(Arc::new(DevicesFound { agent: SpecVersion::of(agent), status, ready })))
    }

    fn with(devices: DevicesStatus) -> AgentStatus {
        AgentStatus { gateway: Some(GatewayStatus { devices, ..GatewayStatus::default() }), ..AgentStatus::default() }
    }

    /// What the next status says, by condition and requests.
    fn next(agent: &Agent, found: &Fact<Option<Arc<DevicesFound>>>) -> (Option<String>, usize) {
        let mut next = with(DevicesStatus::default());
        put(&mut next, agent, found, Timestamp::UNIX_EPOCH);
        let ready = find(&next.conditions, DEVICES_READY).map(|ready| ready.reason.clone());
        (ready, next.gateway.unwrap().devices.pending_devices.len())
    }

    #[test]
    fn what_is_not_known_stays_and_what_is_no_longer_looked_after_goes() {
        let mut agent = fixtures::agent("a", "{}");
        let mut status = with(DevicesStatus::default());
        put(&mut status, &agent, &found(&agent), Timestamp::UNIX_EPOCH);
        agent.status = Some(status);
        let required = Some("PairingRequired".to_owned());
        assert_eq!(next(&agent, &Fact::Unknown), (required.clone(), 1));
        assert_eq!(next(&agent, &found(&agent)), (required, 1));
        assert_eq!(next(&agent, &Fact::Known(None)), (None, 0));
    }

    #[test]
    fn a_look_at_an_earlier_spec_is_no_condition_of_this_one() {
        let mut agent = fixtures::agent("a", "{}");
        let found = found(&agent);
        agent.metadata.generation = Some(7);
        assert_eq!(next(&agent, &found), (None, 1));
    }

    #[test]
    fn a_new_request_is_told_once() {
        let status = |requests: &[&str]| {
            let pending_devices = requests.iter().map(|request| pending(request, None)).collect();
            with(DevicesStatus { pending_devices, ..DevicesStatus::default() })
        };
        let told = |before, after: &AgentStatus| -> Vec<String> {
            events(before, after).into_iter().map(|event| format!("{} {}", event.reason, event.note.unwrap())).collect()
        };
        let (one, two) = (status(&["r1"]), status(&["r1", "r2"]));
        assert_eq!((told(None, &one).len(), told(Some(&two), &two).len()), (1, 0));
        let new = told(Some(&one), &two);
        assert!(new.len() == 1 && new[0].contains("creel.dev/approve-device=r2"), "{new:?}");
    }

    #[test]
    fn a_client_that_is_refused_is_told_once() {
        let status = |reason: &'static str| {
            let ready = Desired::new(DEVICES_READY, Status::False, reason, "Why, and what to do.");
            AgentStatus { conditions: merge(&[], &[ready], Some(1), Timestamp::UNIX_EPOCH), ..AgentStatus::default() }
        };
        let told = |before, after: &AgentStatus| events(before, after).pop().map(|event| event.reason);
        let (well, refused) = (status(reason::DEVICES_PAIRED), status(reason::ORIGIN_NOT_ALLOWED));
        assert_eq!(told(Some(&well), &refused).as_deref(), Some("OriginNotAllowed"));
        assert_eq!(told(None, &refused).as_deref(), Some("OriginNotAllowed"));
        assert_eq!((told(Some(&refused), &refused), told(Some(&refused), &well)), (None, None));
    }

    #[test]
    fn what_came_of_an_annotation_is_told() {
        let status = |reason: Option<&str>| {
            let message = reason.map(|_| "why".to_owned());
            let time = Time(Timestamp::UNIX_EPOCH);
            let told = DeviceRequest { request: "r1".into(), time, reason: reason.map(str::to_owned), message };
            with(DevicesStatus { device_approval: Some(told), ..DevicesStatus::default() })
        };
        let told = |after: &AgentStatus| events(None, after).pop().map(|event| (event.reason, event.note.unwrap()));
        assert_eq!(told(&status(None)).unwrap(), ("DeviceApproved".to_owned(), "Approved request r1".to_owned()));
        assert_eq!(told(&status(Some("DeviceRequestNotFound"))).unwrap().1, "r1: why");
    }
}
