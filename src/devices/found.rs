//! What the gateway lists, and what came of the calls → the status of the devices. Pure: `now` is an argument.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::changes::{ALL, Cause, Change, is_wanted, new_value, removes};
use super::wishes::{Wanted, Wishes};
use crate::api::devices::{DeviceRequest, DevicesStatus, PairedDevice, PendingDevice};
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::kubernetes::printable::printable;
use crate::openclaw::pairing::{Devices, Pending};
use crate::openclaw::refusals::Refusal;

/// Requests that the status shows.
pub(super) const SHOWN: usize = 20;
/// Scopes of a request that it shows.
const SCOPES: usize = 16;
/// Characters of what a device says of itself, of an id, and of the gateway's own words.
pub(super) const WORDS: usize = 64;
const ID: usize = 128;
const MESSAGE: usize = 400;

/// The reason and the message where there was nothing to send.
type Missing = (&'static str, &'static str);

const REQUEST_NOT_FOUND: Missing = (
    reason::DEVICE_REQUEST_NOT_FOUND,
    "The gateway has no request of this id: connect the device again and use the id in status.gateway.pendingDevices.",
);
const DEVICE_NOT_FOUND: Missing =
    (reason::DEVICE_NOT_FOUND, "No device of this id is paired: use the id of a paired device, or all.");
const UNANSWERED: Missing = (
    reason::DEVICE_REQUEST_UNANSWERED,
    "The gateway did not answer in time, and what the annotation names is gone since: it has probably done it. If it does not let in a \
     device that you approved, use the new id in status.gateway.pendingDevices.",
);

/// A call that was made, and the gateway's words if it refused.
pub type Sent = (Cause, Change, Result<(), String>);

/// What a look at a gateway found.
pub struct Look<'a> {
    pub wishes: &'a Wishes,
    /// What the look before it found, or the status of the Agent.
    pub before: &'a DevicesStatus,
    pub sent: &'a [Sent],
    /// Changes of the look before that the gateway may have made without an answer.
    pub unanswered: &'a [Change],
    /// Whether some of what there is to send waits for the next look.
    pub unfinished: bool,
    /// What the gateway lists afterwards, without the operator's own device.
    pub listed: &'a Devices,
    /// The last client that the gateway did not let in.
    pub refusal: Option<&'a Refusal>,
    pub now: Timestamp,
}

impl Look<'_> {
    #[must_use]
    pub fn status(&self) -> DevicesStatus {
        DevicesStatus {
            pending_devices: self.listed.pending.iter().filter_map(|one| self.pending(one)).take(SHOWN).collect(),
            paired_devices: self.paired(),
            device_approval: self.request(
                self.wishes.approve.as_ref(),
                self.before.device_approval.as_ref(),
                |request_id| Change::Approve { request_id },
            ),
            device_rejection: self.request(
                self.wishes.reject.as_ref(),
                self.before.device_rejection.as_ref(),
                |request_id| Change::Reject { request_id },
            ),
            device_removal: self.removal(),
        }
    }

    /// Whether something is about to change, so that the gateway is looked at again soon.
    #[must_use]
    pub fn is_in_motion(&self) -> bool {
        self.unfinished
            || !self.listed.pending.is_empty()
            || self.wishes.wanted.iter().any(|wanted| !self.is_paired(&wanted.id))
    }

    pub(super) fn is_paired(&self, id: &str) -> bool {
        self.listed.paired.iter().any(|paired| paired.device_id == id)
    }

    fn pending(&self, one: &Pending) -> Option<PendingDevice> {
        // What the list allows is approved at the next look.
        if !self.wishes.paused && is_wanted(self.wishes, self.listed, one) {
            return None;
        }
        // A part of an id is no id.
        let is_shown = |id: &str| id.chars().count() <= ID;
        if !is_shown(&one.request_id) || !is_shown(&one.device_id) {
            return None;
        }
        let words = |text: &String| Some(bounded(text, WORDS)).filter(|text| !text.trim().is_empty());
        let scopes = one.access.scopes().unwrap_or_default().into_iter();
        Some(PendingDevice {
            request_id: bounded(&one.request_id, ID),
            device_id: bounded(&one.device_id, ID),
            name: self.exceeded(one).map(|wanted| wanted.name.clone()),
            client: one.client.as_ref().and_then(words),
            platform: one.platform.as_ref().and_then(words),
            role: one.access.roles().map(|roles| roles.join(",")).as_ref().and_then(words),
            scopes: scopes.map(|scope| bounded(scope, WORDS)).take(SCOPES).collect(),
            since: one.since().map(|since| Time(whole_seconds(since))),
        })
    }

    /// The entry of the list that the request goes beyond.
    fn exceeded(&self, one: &Pending) -> Option<&Wanted> {
        self.wishes.wanted(&one.device_id).filter(|_| !is_wanted(self.wishes, self.listed, one))
    }

    /// The devices of the list that are paired, and those that left the list and are still there.
    fn paired(&self) -> Vec<PairedDevice> {
        let wanted = self.wishes.wanted.iter().map(|one| PairedDevice { name: one.name.clone(), id: one.id.clone() });
        let left = self.before.paired_devices.iter().filter(|ours| self.wishes.wanted(&ours.id).is_none());
        let mut paired: Vec<PairedDevice> = Vec::new();
        for one in wanted.chain(left.cloned()).filter(|one| self.is_paired(&one.id)) {
            // Two entries may be about one device.
            if !paired.iter().any(|other| other.id == one.id) {
                paired.push(one);
            }
        }
        paired
    }

    /// What came of an annotation about a request, by this change.
    fn request(
        &self,
        value: Option<&String>,
        before: Option<&DeviceRequest>,
        change: impl FnOnce(String) -> Change,
    ) -> Option<DeviceRequest> {
        let change = change(value?.clone());
        let answers = self.answers(|sent| *sent == change);
        // One that still waits is asked for again.
        let waits = self.listed.pending.iter().any(|one| Some(&one.request_id) == value);
        let is_unanswered = self.unanswered.contains(&change) && !waits;
        let is_put_off = answers.is_empty() && !is_unanswered && self.is_put_off();
        let Some(value) = new_value(value, before).filter(|_| !is_put_off) else { return before.cloned() };
        let missing = if is_unanswered { UNANSWERED } else { REQUEST_NOT_FOUND };
        Some(self.settled(value, &answers, missing))
    }

    fn removal(&self) -> Option<DeviceRequest> {
        let (value, before) = (self.wishes.remove.as_ref()?, self.before.device_removal.as_ref());
        let Some(value) = new_value(Some(value), before).filter(|_| !self.is_put_off()) else { return before.cloned() };
        let is_it = |change: &Change| matches!(change, Change::Remove { device_id } if removes(value, device_id));
        let answers = self.answers(is_it);
        if value == ALL && answers.is_empty() {
            return Some(self.settled(value, &[&Ok(())], DEVICE_NOT_FOUND));
        }
        let missing = if self.unanswered.iter().any(is_it) { UNANSWERED } else { DEVICE_NOT_FOUND };
        Some(self.settled(value, &answers, missing))
    }

    /// Whether what an annotation asks for comes later.
    fn is_put_off(&self) -> bool {
        self.wishes.paused || self.unfinished
    }

    /// What the gateway answered to what an annotation asked for.
    fn answers(&self, is_it: impl Fn(&Change) -> bool) -> Vec<&Result<(), String>> {
        let of_annotation = self.sent.iter().filter(|(cause, change, _)| *cause == Cause::Annotation && is_it(change));
        of_annotation.map(|(_, _, sent)| sent).collect()
    }

    /// What came of an annotation. `missing`: the reason if there was nothing to send.
    fn settled(&self, value: &str, answers: &[&Result<(), String>], missing: Missing) -> DeviceRequest {
        let refused = answers.iter().find_map(|answer| answer.as_ref().err());
        let why = match refused {
            Some(words) => Some((reason::DEVICE_REQUEST_REJECTED, words.as_str())),
            None if answers.is_empty() => Some(missing),
            None => None,
        };
        DeviceRequest {
            request: value.to_owned(),
            time: Time(whole_seconds(self.now)),
            reason: why.map(|(reason, _)| reason.to_owned()),
            message: why.map(|(_, message)| bounded(message, MESSAGE)),
        }
    }
}

/// So much of a text that others write.
pub(super) fn bounded(text: &str, most: usize) -> String {
    printable(text).chars().take(most).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    use super::*;
    use crate::devices::changes::tests::{let_in, listed, settled, wishes};
    use crate::naming::{APPROVE_DEVICE, REJECT_DEVICE, REMOVE_DEVICE};

    const READ: &[&str] = &["operator.read"];
    const ADMIN: &[&str] = &["operator.admin"];

    pub(in crate::devices) fn look<'a>(
        wishes: &'a Wishes,
        before: &'a DevicesStatus,
        listed: &'a Devices,
        sent: &'a [Sent],
    ) -> Look<'a> {
        Look {
            wishes,
            before,
            sent,
            unanswered: &[],
            unfinished: false,
            listed,
            refusal: None,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn devices_of_the_list_are_remembered_until_they_are_gone() {
        let (before, paired) = (let_in(&["board", "gone"]), listed(&[], &[("board", READ), ("browser", ADMIN)]));
        let none = wishes(&[], &[]);
        assert_eq!(look(&none, &before, &paired, &[]).status().paired_devices, let_in(&["board"]).paired_devices);
        assert_eq!(look(&none, &before, &listed(&[], &[]), &[]).status(), DevicesStatus::default());
    }

    #[test]
    fn what_came_of_an_annotation_stays_as_long_as_the_annotation() {
        let (nothing, nobody) = (DevicesStatus::default(), listed(&[], &[]));
        let asked = wishes(&[], &[(APPROVE_DEVICE, "of-browser"), (REMOVE_DEVICE, "board")]);
        let missing = look(&asked, &nothing, &nobody, &[]).status();
        let reasons = [&missing.device_approval, &missing.device_removal]
            .map(|told| told.as_ref().unwrap().reason.as_deref().unwrap());
        assert_eq!(reasons, [reason::DEVICE_REQUEST_NOT_FOUND, reason::DEVICE_NOT_FOUND]);
        assert_eq!(look(&asked, &missing, &nobody, &[]).status(), missing);
        assert_eq!(look(&wishes(&[], &[]), &missing, &nobody, &[]).status(), nothing);

        let change = Change::Approve { request_id: "of-browser".to_owned() };
        let sent = [(Cause::Annotation, change.clone(), Ok(()))];
        assert_eq!(look(&asked, &nothing, &nobody, &sent).status().device_approval, Some(settled("of-browser")));
        let sent = [(Cause::Annotation, change, Err("missing scope".to_owned()))];
        let refused = look(&asked, &nothing, &nobody, &sent).status().device_approval.unwrap();
        assert_eq!(refused.reason.as_deref(), Some(reason::DEVICE_REQUEST_REJECTED));
        assert_eq!(refused.message.as_deref(), Some("missing scope"));
    }

    #[test]
    fn a_call_that_was_not_answered_is_told_as_what_it_is_once_nothing_is_left_to_do() {
        let (nothing, nobody) = (DevicesStatus::default(), listed(&[], &[]));
        let asked = wishes(&[], &[(APPROVE_DEVICE, "r1"), (REJECT_DEVICE, "r2"), (REMOVE_DEVICE, "board")]);
        let request = |id: &str| id.to_owned();
        let unanswered = [
            Change::Approve { request_id: request("r1") },
            Change::Reject { request_id: request("r2") },
            Change::Remove { device_id: request("board") },
        ];
        let status = Look { unanswered: &unanswered, ..look(&asked, &nothing, &nobody, &[]) }.status();
        for told in [&status.device_approval, &status.device_rejection, &status.device_removal] {
            assert_eq!(told.as_ref().unwrap().reason.as_deref(), Some(reason::DEVICE_REQUEST_UNANSWERED));
        }
        let of_others = Look { unanswered: &unanswered[1..], ..look(&asked, &nothing, &nobody, &[]) }.status();
        assert_eq!(of_others.device_approval.unwrap().reason.as_deref(), Some(reason::DEVICE_REQUEST_NOT_FOUND));
        let sent = [(Cause::Annotation, unanswered[0].clone(), Ok(()))];
        let again = Look { unanswered: &unanswered, ..look(&asked, &nothing, &nobody, &sent) }.status();
        assert_eq!(again.device_approval, Some(settled("r1")));
    }

    #[test]
    fn to_remove_all_of_none_is_done_and_of_too_many_is_put_off() {
        let (nothing, asked) = (DevicesStatus::default(), wishes(&[], &[(REMOVE_DEVICE, ALL)]));
        let nobody = listed(&[], &[]);
        assert_eq!(look(&asked, &nothing, &nobody, &[]).status().device_removal, Some(settled(ALL)));
        let unfinished = Look { unfinished: true, ..look(&asked, &nothing, &nobody, &[]) };
        assert_eq!(unfinished.status().device_removal, None);
    }

    #[test]
    fn twenty_requests_are_shown() {
        let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let pending: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), READ)).collect();
        let (nothing, none, many) = (DevicesStatus::default(), wishes(&[], &[]), listed(&pending, &[]));
        let look = look(&none, &nothing, &many, &[]);
        assert_eq!(look.status().pending_devices.len(), 20);
        assert!(
            look.ready(&look.status())
                .message
                .ends_with("29 more wait; status.gateway.pendingDevices shows the first 20.")
        );
    }
}
