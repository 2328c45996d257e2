//! What the status of an Agent says of its channels, and Events about them. Pure: `now` is an argument.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::api::Agent;
use crate::api::agent::AgentStatus;
use crate::api::channels::{Channel, ChannelState, ChannelStatus};
use crate::kubernetes::conditions::{CHANNELS_READY, Desired, Status, find, merge, reason, whole_seconds};
use crate::kubernetes::events::event;
use crate::kubernetes::printable::printable;
use crate::openclaw::channels::{Account, State};
use crate::openclaw::config::channels::account_id;
use crate::references::digests::Fault;
use crate::world::channels_found::ChannelsFound;
use crate::world::facts::Fact;

/// Characters of a message.
const MESSAGE: usize = 400;

/// What is known of the channels of an Agent.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the gateway says; `None`: it has no channels.
    pub gateway: Fact<Option<Arc<ChannelsFound>>>,
    /// What keeps channels off the gateway, by name; `None`: the gateway was not looked at with the present spec of the Agent.
    pub faults: Option<BTreeMap<String, Fault>>,
}

/// Puts what is known of the channels into the next status. What is not known yet stays as the present status has it.
pub fn put(next: &mut AgentStatus, agent: &Agent, found: &Found, now: Timestamp) {
    next.conditions.retain(|condition| condition.type_ != CHANNELS_READY);
    next.channels = Vec::new();
    if agent.spec.channels.is_empty() {
        return;
    }
    let before = agent.status.clone().unwrap_or_default();
    let (gateway, faults) = match (&found.gateway, &found.faults) {
        (Fact::Known(gateway), Some(faults)) => (gateway.as_deref(), faults),
        _ if find(&before.conditions, CHANNELS_READY).is_some() => {
            next.conditions.extend(find(&before.conditions, CHANNELS_READY).cloned());
            next.channels = before.channels;
            return;
        }
        _ => (None, &BTreeMap::new()),
    };
    let seen: Vec<Seen<'_>> =
        agent.spec.channels.iter().map(|one| Seen::of(agent, one, gateway, faults.get(&one.name))).collect();
    let ready = ready(agent, gateway, &seen);
    next.conditions.extend(merge(&before.conditions, &[ready], agent.metadata.generation, now).pop());
    next.channels = seen.into_iter().map(|one| one.status(&before.channels, now)).collect();
}

/// How one channel fares.
struct Seen<'a> {
    name: &'a str,
    state: ChannelState,
    reason: &'static str,
    message: Option<String>,
}

impl<'a> Seen<'a> {
    fn of(agent: &Agent, channel: &'a Channel, gateway: Option<&ChannelsFound>, fault: Option<&Fault>) -> Self {
        let name = &channel.name;
        if let Some(fault) = fault {
            let message = Some(fault.message.clone());
            return Self { name, state: ChannelState::Blocked, reason: fault.reason, message };
        }
        if agent.spec.suspend {
            return Self { name, state: ChannelState::Disabled, reason: reason::SUSPENDED, message: None };
        }
        let account = gateway.and_then(|found| found.accounts.get(&account_id(&agent.name_any(), &channel.name)));
        account.map_or(
            Self { name, state: ChannelState::Connecting, reason: reason::CHANNEL_CONNECTING, message: None },
            |account| Self::told(name, account),
        )
    }

    /// By the gateway's own word.
    fn told(name: &'a str, account: &Account) -> Self {
        let words = account.error.clone();
        let says = |part: &str| words.as_ref().is_some_and(|words| words.to_lowercase().contains(part));
        let (state, reason) = match account.state {
            State::Connected => (ChannelState::Connected, reason::CHANNEL_CONNECTED),
            State::Disabled => (ChannelState::Disabled, reason::CHANNEL_DISABLED),
            State::WithoutToken => (ChannelState::Blocked, reason::CREDENTIALS_UNAVAILABLE),
            State::Blocked if says("unauthorized") => (ChannelState::Blocked, reason::CHANNEL_UNAUTHORIZED),
            State::Blocked => (ChannelState::Blocked, reason::CHANNEL_FAILED),
            State::Recovering if says("conflict") => (ChannelState::Recovering, reason::CHANNEL_CONFLICT),
            State::Recovering => (ChannelState::Recovering, reason::CHANNEL_UNREACHABLE),
            State::Connecting if words.is_some() => (ChannelState::Recovering, reason::CHANNEL_UNREACHABLE),
            State::Connecting => (ChannelState::Connecting, reason::CHANNEL_CONNECTING),
        };
        Self { name, state, reason, message: words }
    }

    /// In the status, where the time counts from the last change of state or reason.
    fn status(self, before: &[ChannelStatus], now: Timestamp) -> ChannelStatus {
        let before = before.iter().find(|before| before.name == self.name);
        let before = before.filter(|before| before.state == self.state && before.reason == self.reason);
        ChannelStatus {
            name: self.name.to_owned(),
            kind: "telegram".to_owned(),
            state: self.state,
            reason: self.reason.to_owned(),
            message: self.message.map(|words| printable(&words).chars().take(MESSAGE).collect()),
            since: before.map_or_else(|| Time(whole_seconds(now)), |before| before.since.clone()),
        }
    }
}

/// Condition `ChannelsReady`: the first channel that is not as it should be counts.
fn ready(agent: &Agent, gateway: Option<&ChannelsFound>, channels: &[Seen<'_>]) -> Desired {
    let desired = |status, reason, message: &str| Desired::new(CHANNELS_READY, status, reason, message);
    if agent.spec.suspend {
        return desired(Status::Unknown, reason::SUSPENDED, "spec.suspend is true: no channel is connected.");
    }
    let is = |states: &'static [ChannelState]| channels.iter().find(|channel| states.contains(&channel.state));
    if let Some(broken) = is(&[ChannelState::Blocked, ChannelState::Recovering]) {
        let words = broken.message.as_deref().unwrap_or("the gateway gives no reason");
        return desired(Status::False, broken.reason, &format!("Channel \"{}\": {words}", broken.name));
    }
    if let Some(why) = gateway.and_then(|found| found.unknown.as_deref()) {
        return desired(Status::Unknown, reason::PENDING, why);
    }
    if let Some(connecting) = is(&[ChannelState::Connecting]) {
        let message = format!("Channel \"{}\" is about to connect.", connecting.name);
        return desired(Status::Unknown, reason::CHANNEL_CONNECTING, &message);
    }
    desired(Status::True, reason::CHANNELS_CONNECTED, "All channels are connected, but those that are disabled.")
}

/// An Event when the channels are no longer connected, and when they are again.
#[must_use]
pub fn event_of(before: Option<&AgentStatus>, after: &AgentStatus) -> Option<Event> {
    let (was, is) =
        (before.and_then(|before| find(&before.conditions, CHANNELS_READY)), find(&after.conditions, CHANNELS_READY)?);
    let was_broken = was.is_some_and(|was| was.status == Status::False.as_str());
    match is.status.as_str() {
        "False" if was.is_none_or(|was| (&was.reason, &was.message) != (&is.reason, &is.message)) => {
            Some(event(EventType::Warning, &is.reason, &is.message))
        }
        "True" if was_broken => Some(event(EventType::Normal, &is.reason, &is.message)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::declarations::fixtures;

    const BOT: &str =
        "{channels: [{name: main, telegram: {botToken: {secretKeyRef: {name: tg, key: token}}, allowFrom: ['1']}}]}";

    fn account(state: State, error: Option<&str>) -> Found {
        let id = account_id("a", "main");
        let account = Account { id: id.clone(), state, error: error.map(str::to_owned) };
        let found = ChannelsFound { accounts: [(id, account)].into(), unknown: None };
        Found { gateway: Fact::Known(Some(Arc::new(found))), faults: Some(BTreeMap::new()) }
    }

    /// The next status of an Agent.
    fn next(agent: &Agent, found: &Found, second: i64) -> AgentStatus {
        let mut next = AgentStatus::default();
        put(&mut next, agent, found, Timestamp::from_second(second).unwrap());
        next
    }

    fn said(status: &AgentStatus) -> (String, String, String) {
        let ready = find(&status.conditions, CHANNELS_READY).unwrap();
        (ready.status.clone(), ready.reason.clone(), ready.message.clone())
    }

    #[test]
    fn what_the_vendor_says_is_the_reason_and_the_message() {
        let agent = fixtures::agent("a", BOT);
        for (state, words, status, reason) in [
            (State::Connected, None, "True", "ChannelsConnected"),
            (State::Disabled, None, "True", "ChannelsConnected"),
            (State::Blocked, Some("getMe returned 401 Unauthorized"), "False", "ChannelUnauthorized"),
            (State::Recovering, Some("Conflict: terminated by other getUpdates request"), "False", "ChannelConflict"),
            (State::Connecting, Some("fetch failed | connect ECONNREFUSED"), "False", "ChannelUnreachable"),
            (State::Connecting, None, "Unknown", "ChannelConnecting"),
            (State::WithoutToken, None, "False", "CredentialsUnavailable"),
        ] {
            let next = next(&agent, &account(state, words), 1);
            let (is, why, message) = said(&next);
            assert_eq!((is.as_str(), why.as_str()), (status, reason), "{state:?}");
            assert!(words.is_none_or(|words| message == format!("Channel \"main\": {words}")), "{message}");
            assert_eq!(next.channels[0].message.as_deref(), words);
        }
    }

    #[test]
    fn a_channel_that_is_left_out_says_why_whatever_the_gateway_says() {
        let agent = fixtures::agent("a", BOT);
        let fault = Fault { reason: reason::SECRET_NOT_FOUND, message: "no Secret".to_owned(), carried: false };
        let found = Found { faults: Some([("main".to_owned(), fault)].into()), ..account(State::Connected, None) };
        let next = next(&agent, &found, 1);
        let expected = ("False", "SecretNotFound", "Channel \"main\": no Secret");
        let (is, why, message) = said(&next);
        assert_eq!((is.as_str(), why.as_str(), message.as_str()), expected);
    }

    #[test]
    fn the_time_counts_from_the_last_change_and_what_is_not_known_stays() {
        let mut agent = fixtures::agent("a", BOT);
        agent.status = Some(next(&agent, &account(State::Connected, None), 1));
        let before = agent.status.clone().unwrap();
        assert_eq!(next(&agent, &account(State::Connected, None), 9), before);
        let nothing = Found { gateway: Fact::Unknown, faults: None };
        assert_eq!(next(&agent, &nothing, 9), before);
        let broken = next(&agent, &account(State::Recovering, Some("fetch failed")), 9);
        assert_eq!(broken.channels[0].since, Time(Timestamp::from_second(9).unwrap()));
        assert_eq!(event_of(Some(&before), &broken).unwrap().reason, "ChannelUnreachable");
        assert_eq!(event_of(Some(&broken), &before).unwrap().reason, "ChannelsConnected");
        assert!(event_of(Some(&before), &before).is_none());
    }

    #[test]
    fn an_agent_without_channels_has_neither_condition_nor_status() {
        let mut agent = fixtures::agent("a", BOT);
        agent.status = Some(next(&agent, &account(State::Connected, None), 1));
        agent.spec.channels.clear();
        assert_eq!(next(&agent, &account(State::Connected, None), 2), AgentStatus::default());
    }
}
