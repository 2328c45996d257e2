//! Channels of an Agent: where people talk to it. A union with one member per kind.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::passthrough::Passthrough;
use super::references::SecretSource;

/// A channel on which people talk to the Agent. Exactly one kind is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.telegram)].filter(kind, kind).size() == 1").message("set the kind of the channel: telegram"))]
pub struct Channel {
    /// The name of the channel in this list. Example: `main`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// A Telegram bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telegram: Option<Telegram>,
}

/// A Telegram bot. The gateway fetches its messages, so nothing has to reach the gateway from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.dmPolicy) && self.dmPolicy != 'allowlist') || (has(self.allowFrom) && self.allowFrom.size() > 0)").message("dmPolicy allowlist needs at least one user in allowFrom"))]
#[x_kube(validation = Rule::new("!has(self.dmPolicy) || self.dmPolicy != 'open' || (has(self.allowFrom) && '*' in self.allowFrom)").message("dmPolicy open needs \"*\" in allowFrom: anyone on Telegram can then use the Agent"))]
pub struct Telegram {
    /// The token of the bot, as `@BotFather` gives it. A bot belongs to one Agent: of several Agents with one token, the oldest one has it. A
    /// changed token recreates the Pod of the gateway, and so does a Secret key that is new to the gateway.
    pub bot_token: SecretSource,
    /// The users who can write to the bot, by the number that Telegram has for each, at most 256. `"*"` stands for everyone. A change is
    /// applied without a restart. Default: none. Example: `["123456789"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 20), regex(pattern = r"^(\*|[1-9][0-9]{0,18})$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allow_from: Vec<String>,
    /// Who can write to the bot directly: `allowlist`, the users of `allowFrom`; `pairing`, others too once their pairing code is approved;
    /// `open`, everyone; `disabled`, no one. A change is applied without a restart. Default: `allowlist`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dm_policy: Option<DmPolicy>,
    /// In which groups the bot answers: `disabled`, in none; `allowlist`, the users of `groupAllowFrom` in the groups of `groups`; `open`,
    /// everyone in the groups of `groups`, or in every group if that is empty. A change is applied without a restart. Default: `disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_policy: Option<GroupPolicy>,
    /// The users whom the bot answers in groups, as in `allowFrom`, at most 256. Default: those of `allowFrom`. Example: `["123456789"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 20), regex(pattern = r"^(\*|[1-9][0-9]{0,18})$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub group_allow_from: Vec<String>,
    /// The groups in which the bot answers, at most 64. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub groups: Vec<TelegramGroup>,
    /// The root of a Bot API server of your own, which may have a private address. Default: `https://api.telegram.org`.
    /// Example: `http://telegram-bot-api.tools.svc:8081`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')").message("apiRoot must be an http or https URL with a host, without credentials, query or fragment"))]
    pub api_root: Option<String>,
    /// Keys of this account in openclaw.json (`channels.telegram.accounts.<account>`) that have no field here, at most 16 KiB. In place of a
    /// text, `{valueFrom: {secretKeyRef: {name, key}}}` takes it from a Secret. Keys that Creel sets are rejected; the condition names the
    /// field to use instead. With `enabled: false` the bot is not connected. A change is applied without a restart; the bot reconnects.
    /// Default: none. Example: `{linkPreview: false, replyToMode: first}`.
    #[serde(default, skip_serializing_if = "Passthrough::is_empty")]
    pub config: Passthrough,
}

/// A group in which a bot answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TelegramGroup {
    /// The number that Telegram has for the group, which is negative, or `"*"` for all groups without an entry. Example: `"-1001234567890"`.
    #[schemars(length(max = 20), regex(pattern = r"^(\*|-[1-9][0-9]{0,18})$"))]
    pub id: String,
    /// Whether the bot answers only when it is mentioned. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_mention: Option<bool>,
    /// The users whom the bot answers in this group, at most 256. Default: those of `groupAllowFrom`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 20), regex(pattern = r"^(\*|[1-9][0-9]{0,18})$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allow_from: Vec<String>,
}

/// Who can write to a bot directly, in OpenClaw's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DmPolicy {
    #[default]
    Allowlist,
    Pairing,
    Open,
    Disabled,
}

/// In which groups a bot answers, in OpenClaw's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupPolicy {
    #[default]
    Disabled,
    Allowlist,
    Open,
}

impl Telegram {
    /// Whether the bot is to be connected.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.config.0.get("enabled").is_none_or(|enabled| *enabled != serde_json::Value::Bool(false))
    }
}

/// How a channel of the Agent fares, by the word of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ChannelStatus {
    /// The name of the channel in `spec.channels`.
    #[schemars(length(max = 16))]
    pub name: String,
    /// The kind of the channel. Example: `telegram`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// `Connected`: it receives messages; `Connecting`: it is about to; `Recovering`: it can't be reached, and the gateway tries again;
    /// `Blocked`: it does not work until someone acts; `Disabled`: it is switched off, or the Agent is suspended.
    pub state: ChannelState,
    /// Why, as a reason. Example: `ChannelUnauthorized`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The words of the vendor or the gateway, at most 400 characters, without tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 400))]
    pub message: Option<String>,
    /// Since when it is in this state for this reason.
    pub since: Time,
}

/// How a channel fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChannelState {
    Connected,
    Connecting,
    Recovering,
    Blocked,
    Disabled,
}
