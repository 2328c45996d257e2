//! What was found → condition `DevicesReady`. Pure: `now` is an argument.

use jiff::{SignedDuration, Timestamp};

use super::changes::Cause;
use super::found::{Look, SHOWN, WORDS, bounded};
use crate::api::devices::DevicesStatus;
use crate::kubernetes::conditions::{DEVICES_READY, Desired, Status, reason};
use crate::naming::{APPROVE_DEVICE, REMOVE_DEVICE};
use crate::openclaw::refusals::{self, Refusal};
use crate::world::devices_found::{asks, remedy};

/// How long a client that was not let in is reported: one that is still there tries again sooner.
const REPORTED: SignedDuration = SignedDuration::from_mins(10);

impl Look<'_> {
    /// Condition `DevicesReady`; `status`: what [`Look::status`] says.
    #[must_use]
    pub fn ready(&self, status: &DevicesStatus) -> Desired {
        let condition = |status, reason, message: &str| Desired::new(DEVICES_READY, status, reason, message);
        let mut of_spec = self.sent.iter().filter(|(cause, _, _)| *cause == Cause::Spec);
        if let Some(words) = of_spec.find_map(|(_, _, sent)| sent.as_ref().err()) {
            let message = format!("The gateway rejected a change of spec.gateway.devices: {words}");
            return condition(Status::False, reason::REJECTED, &message);
        }
        if let Some(exceeds) = status.pending_devices.iter().find_map(|one| Some((one.name.as_ref()?, one))) {
            let (name, one) = exceeds;
            let message = format!(
                "Device \"{name}\" of spec.gateway.devices asks for more than its entry allows ({}): add the scopes to its entry, or have it ask for less after five minutes without an attempt, when this request has expired, or set the annotation {APPROVE_DEVICE}={} on this Agent.",
                asks(one),
                one.request_id,
            );
            return condition(Status::False, reason::SCOPES_EXCEEDED, &message);
        }
        if let Some((name, id)) = self.holds_more() {
            let message = format!(
                "Device \"{name}\" of spec.gateway.devices has more scopes than its entry allows: add them to its entry, or set the annotation {REMOVE_DEVICE}={id} on this Agent, so that the device asks again."
            );
            return condition(Status::False, reason::SCOPES_EXCEEDED, &message);
        }
        if let Some(one) = status.pending_devices.first() {
            let more = match self.listed.pending.len() {
                0 | 1 => String::new(),
                all => format!(" {} more wait; status.gateway.pendingDevices shows the first {SHOWN}.", all - 1),
            };
            let message = format!("{}{more}", remedy(one));
            return condition(Status::False, reason::PAIRING_REQUIRED, &message);
        }
        if let Some(refusal) = self.refusal.filter(|refusal| is_recent(refusal, self.now)) {
            let (reason, message) = refused(refusal);
            return condition(Status::False, reason, &message);
        }
        if let Some(wanted) = self.wishes.wanted.iter().find(|wanted| !self.is_paired(&wanted.id)) {
            let message = format!("Device \"{}\" of spec.gateway.devices has not asked to be paired yet.", wanted.name);
            return condition(Status::Unknown, reason::WAITING_FOR_DEVICE, &message);
        }
        let message = "All devices of spec.gateway.devices are paired, and no other one waits for approval.";
        condition(Status::True, reason::DEVICES_PAIRED, message)
    }

    /// The first device of the list that has more than its entry allows: its name and id.
    fn holds_more(&self) -> Option<(&str, &str)> {
        self.listed.paired.iter().find_map(|paired| {
            let wanted = self.wishes.wanted(&paired.device_id)?;
            (!self.wishes.cover(&paired.device_id, &paired.access))
                .then_some((wanted.name.as_str(), paired.device_id.as_str()))
        })
    }
}

fn is_recent(refusal: &Refusal, now: Timestamp) -> bool {
    now.duration_since(refusal.at).abs() < REPORTED
}

/// Why a client was not let in: the reason, and the message with the remedy.
fn refused(Refusal { cause, origin, client, .. }: &Refusal) -> (&'static str, String) {
    let shown = |text: &Option<String>| text.as_ref().map_or_else(|| "unknown".to_owned(), |text| bounded(text, WORDS));
    let (origin, client) = (shown(origin), shown(client));
    match cause {
        refusals::Cause::Origin => (
            reason::ORIGIN_NOT_ALLOWED,
            format!(
                "The gateway refused a page ({client}) because its origin {origin} is not allowed: if the page is yours, add the origin to spec.gateway.controlUI.allowedOrigins of this Agent."
            ),
        ),
        refusals::Cause::Token => (
            reason::TOKEN_MISMATCH,
            format!(
                "The gateway refused a client ({client}) because its token is missing or wrong: use the token in the Secret that status.gateway.tokenSecret names."
            ),
        ),
        refusals::Cause::DeviceToken => (
            reason::DEVICE_TOKEN_MISMATCH,
            format!(
                "The gateway refused a device ({client}) because its stored device token is no longer valid: delete the stored token, or have the client send the token of the gateway too. If the client cannot be changed, set the annotation {REMOVE_DEVICE} on this Agent to the id of the device, and approve its next request."
            ),
        ),
        refusals::Cause::Proxy => (
            reason::PROXY_UNKNOWN,
            format!(
                "The gateway refused a client ({client}) that came through an unknown proxy: select the proxy in spec.gateway.exposure.from of this Agent, or list its address in spec.gateway.trustedProxies."
            ),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::changes::tests::{listed, wishes};
    use super::super::found::tests::look;
    use super::super::wishes::Wishes;
    use super::*;
    use crate::openclaw::pairing::Devices;

    const READ: &[&str] = &["operator.read"];
    const ADMIN: &[&str] = &["operator.admin"];

    /// The condition's status, reason and message.
    fn ready(wishes: &Wishes, listed: &Devices) -> (Status, &'static str, String) {
        let before = DevicesStatus::default();
        let look = look(wishes, &before, listed, &[]);
        let Desired { status, reason, message, .. } = look.ready(&look.status());
        (status, reason, message)
    }

    #[test]
    fn a_request_is_shown_with_the_annotation_that_approves_it() {
        let (status, reason, message) = ready(&wishes(&[], &[]), &listed(&[("browser", ADMIN)], &[]));
        assert_eq!((status, reason), (Status::False, reason::PAIRING_REQUIRED));
        let expected = "Device browser (cli on linux) asks to be paired with role operator, scopes operator.admin: if you know it, set the annotation creel.dev/approve-device=of-browser on this Agent, or add the device to spec.gateway.devices.";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_listed_device_that_asks_for_more_or_has_more_is_reported_first() {
        let wishes = wishes(&[("board", READ)], &[]);
        let (_, reason, message) = ready(&wishes, &listed(&[("other", READ), ("board", ADMIN)], &[]));
        assert_eq!(reason, reason::SCOPES_EXCEEDED);
        assert!(message.contains("\"board\"") && message.contains("creel.dev/approve-device=of-board"), "{message}");
        let (_, reason, message) = ready(&wishes, &listed(&[("other", READ)], &[("board", ADMIN)]));
        assert_eq!(reason, reason::SCOPES_EXCEEDED);
        assert!(message.contains("creel.dev/remove-device=board"), "{message}");
    }

    #[test]
    fn a_request_that_the_list_allows_is_not_one_that_waits_for_a_person() {
        let (board, asks) = (wishes(&[("board", READ)], &[]), listed(&[("board", READ)], &[]));
        let before = DevicesStatus::default();
        let shown = |wishes: &Wishes| look(wishes, &before, &asks, &[]).status().pending_devices;
        assert!(shown(&board).is_empty());
        assert_eq!(ready(&board, &asks).1, reason::WAITING_FOR_DEVICE);
        let paused = shown(&Wishes { paused: true, ..board });
        assert!(paused.len() == 1 && paused[0].name.is_none());
    }

    #[test]
    fn a_listed_device_is_waited_for_and_then_all_is_well() {
        let wishes = wishes(&[("board", READ)], &[]);
        let (status, reason, _) = ready(&wishes, &listed(&[], &[("browser", ADMIN)]));
        assert_eq!((status, reason), (Status::Unknown, reason::WAITING_FOR_DEVICE));
        let (status, reason, _) = ready(&wishes, &listed(&[], &[("board", READ)]));
        assert_eq!((status, reason), (Status::True, reason::DEVICES_PAIRED));
    }

    #[test]
    fn a_client_that_was_not_let_in_is_reported_with_the_remedy_for_ten_minutes() {
        let (wishes, listed, before) = (wishes(&[], &[]), listed(&[], &[]), DevicesStatus::default());
        let said = |cause, seconds: i64| {
            let client = Some("openclaw-control-ui".to_owned());
            let origin = Some("https://evil.example.com".to_owned());
            let refusal = Refusal { cause, at: Timestamp::UNIX_EPOCH, origin, client };
            let now = Timestamp::from_second(seconds).unwrap();
            let look = Look { refusal: Some(&refusal), now, ..look(&wishes, &before, &listed, &[]) };
            let Desired { status, reason, message, .. } = look.ready(&look.status());
            (status, reason, message)
        };
        let (status, reason, message) = said(refusals::Cause::Origin, 599);
        assert_eq!((status, reason), (Status::False, reason::ORIGIN_NOT_ALLOWED));
        assert_eq!(
            message,
            "The gateway refused a page (openclaw-control-ui) because its origin https://evil.example.com is not allowed: if the page is yours, add the origin to spec.gateway.controlUI.allowedOrigins of this Agent."
        );
        assert!(said(refusals::Cause::DeviceToken, 0).2.contains("creel.dev/remove-device"));
        assert!(said(refusals::Cause::Token, 0).2.contains("status.gateway.tokenSecret"));
        assert_eq!(said(refusals::Cause::Proxy, 0).1, reason::PROXY_UNKNOWN);
        assert_eq!(said(refusals::Cause::Origin, 600).1, reason::DEVICES_PAIRED);
    }
}
