//! Accounts of channels, each bound to the agent that people talk to through it. Pure.
//!
//! An account of Creel's has an id with the [prefix](PREFIX), so that it never meets one that a user wrote. Policies and lists are always
//! written: OpenClaw takes those of the whole channel for one that is left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::passthrough::add_under;
use super::sections::Fields;
use crate::api::channels::{Telegram, TelegramGroup};
use crate::openclaw::names::{EnvName, escape, secret_ref};

/// With what the ids of accounts begin that are Creel's.
const PREFIX: &str = "creel_";

/// Where the accounts of Telegram are in openclaw.json.
const TELEGRAM: &str = "channels.telegram.accounts.";

/// Where it is said which agent an account is bound to.
pub const BINDINGS: &str = "bindings";

/// The accounts of each agent by id.
pub type Accounts = BTreeMap<String, Fields>;

/// The id of the account for this channel of an agent: at most 63 characters, of the 64 that OpenClaw takes.
#[must_use]
pub fn account_id(agent: &str, channel: &str) -> String {
    format!("{PREFIX}{agent}_{channel}")
}

/// The agent whose account has this id; `None`: it is none of Creel's. No name of an agent has an underscore.
#[must_use]
pub fn agent_of(id: &str) -> Option<&str> {
    id.strip_prefix(PREFIX)?.split_once('_').map(|(agent, _)| agent)
}

/// Whether OpenClaw, which takes an id in any case and without what may not be in one, may read this as the id of one of Creel's.
#[must_use]
pub fn is_reserved(id: &str) -> bool {
    id.to_ascii_lowercase().contains(PREFIX)
}

/// The id of an account at this path of openclaw.json, or above it, and the path below it.
#[must_use]
pub fn account_at(path: &str) -> Option<(&str, &str)> {
    let account = path.strip_prefix(TELEGRAM)?;
    Some(account.split_once('.').unwrap_or((account, "")))
}

/// Whether this path leads to the accounts.
#[must_use]
pub fn is_above_accounts(path: &str) -> bool {
    TELEGRAM.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// The account of a Telegram bot, whose token is in this variable.
#[must_use]
pub fn telegram(telegram: &Telegram, token: &EnvName) -> Fields {
    let Telegram { allow_from, dm_policy, group_policy, group_allow_from, groups, api_root, .. } = telegram;
    let of_groups = if group_allow_from.is_empty() { allow_from } else { group_allow_from };
    let groups: Fields = groups.iter().map(|entry| (entry.id.clone(), group(entry))).collect();
    let mut account = Fields::from_iter([
        ("botToken".to_owned(), secret_ref(token.as_str())),
        ("dmPolicy".to_owned(), json!(dm_policy.unwrap_or_default())),
        ("allowFrom".to_owned(), json!(allow_from)),
        ("groupPolicy".to_owned(), json!(group_policy.unwrap_or_default())),
        ("groupAllowFrom".to_owned(), json!(of_groups)),
        ("groups".to_owned(), Value::Object(groups)),
    ]);
    account.extend(api_root.as_ref().map(|root| ("apiRoot".to_owned(), json!(escape(root)))));
    account
}

fn group(group: &TelegramGroup) -> Value {
    let mut rendered = json!({"requireMention": group.require_mention.unwrap_or(true)});
    if !group.allow_from.is_empty() {
        rendered["allowFrom"] = json!(group.allow_from);
    }
    rendered
}

/// Adds the accounts to a document that has none, each bound to its agent.
pub(super) fn write(document: &mut Value, accounts: &Accounts) {
    if accounts.is_empty() {
        return;
    }
    add_under(document, below_channels(&json!(accounts)));
    let binding =
        |id: &String| Some(json!({"agentId": agent_of(id)?, "match": {"channel": "telegram", "accountId": id}}));
    document[BINDINGS] = accounts.keys().filter_map(binding).collect();
}

/// Puts the bindings that users wrote behind Creel's.
pub(super) fn add_bindings(document: &mut Value, of_users: &Value) {
    let of_users = of_users.get(BINDINGS).and_then(Value::as_array);
    let bindings = document.get_mut(BINDINGS).and_then(Value::as_array_mut);
    if let Some((bindings, of_users)) = bindings.zip(of_users) {
        bindings.extend_from_slice(of_users);
    }
}

/// The accounts as a document.
pub(super) fn below_channels(accounts: &Value) -> Value {
    json!({"channels": {"telegram": {"accounts": accounts}}})
}

/// Whether a binding is one of Creel's.
#[must_use]
pub fn is_binding(binding: &Value) -> bool {
    binding.pointer("/match/accountId").and_then(Value::as_str).is_some_and(|id| agent_of(id).is_some())
}

/// The accounts of a rendered document that are Creel's, by id.
pub fn read_back(document: &Value) -> impl Iterator<Item = (&String, &Fields)> {
    let accounts = document.pointer("/channels/telegram/accounts").and_then(Value::as_object);
    let accounts = accounts.into_iter().flatten().filter(|(id, _)| agent_of(id).is_some());
    accounts.filter_map(|(id, account)| Some((id, account.as_object()?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_an_agents_channel_has_an_id_of_its_own_that_openclaw_takes() {
        let (longest_agent, longest_channel) = ("a".repeat(40), "b".repeat(16));
        let longest = account_id(&longest_agent, &longest_channel);
        assert!(longest.len() <= 64);
        assert_eq!(agent_of(&longest), Some(longest_agent.as_str()));
        assert_ne!(account_id("a-b", "c"), account_id("a", "b-c"));
        assert_eq!(agent_of("my_bot"), None);
        assert!(is_reserved("-Creel_a_main") && !is_reserved("creel"));
    }

    #[test]
    fn a_bot_is_closed_to_all_but_those_who_are_listed_and_says_so_itself() {
        let bot: Telegram = serde_yaml::from_str(
            "{botToken: {secretKeyRef: {name: tg, key: token}}, allowFrom: ['12345'], groups: [{id: '-100', allowFrom: ['7']}]}",
        )
        .unwrap();
        let wanted = json!({
            "botToken": {"source": "env", "provider": "default", "id": "TOKEN"},
            "dmPolicy": "allowlist",
            "allowFrom": ["12345"],
            "groupPolicy": "disabled",
            "groupAllowFrom": ["12345"],
            "groups": {"-100": {"requireMention": true, "allowFrom": ["7"]}},
        });
        assert_eq!(json!(telegram(&bot, &EnvName::from("TOKEN"))), wanted);
    }

    #[test]
    fn each_account_is_bound_to_its_agent_and_to_no_other() {
        let mut document = json!({"channels": {"discord": {}}});
        let accounts =
            [("a", "main"), ("b", "main")].map(|(agent, channel)| (account_id(agent, channel), Fields::new()));
        write(&mut document, &accounts.into());
        assert_eq!(document["channels"]["telegram"]["accounts"], json!({"creel_a_main": {}, "creel_b_main": {}}));
        let bindings: Vec<_> = document["bindings"].as_array().unwrap().iter().collect();
        assert_eq!(
            bindings[1],
            &json!({"agentId": "b", "match": {"channel": "telegram", "accountId": "creel_b_main"}})
        );
        assert!(bindings.iter().all(|binding| is_binding(binding)));
    }
}
