//! How the accounts of a gateway's channels fare, by its own word. Touches the network.
//!
//! What OpenClaw 2026.9.6 does: an account is well if it is `ready` and connected. A token that the vendor does not know makes it `blocked`,
//! and it is not tried again before its configuration changes. One that another program uses makes it `recovering`. While the vendor cannot be
//! reached it is `starting`, without an error until the gateway was asked to probe it.

use serde::Deserialize;
use serde_json::json;

use super::answer::{self, List};
use super::redact::{redact, without_bot_tokens};
use super::rpc::{AdminClient, Endpoint, Method, RpcError};

const STATUS: Method = Method::page("channels.status");
/// Milliseconds for a probe: less than for the call.
const PROBE_TIMEOUT: u64 = 5000;

/// An account of a channel, as the gateway tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub state: State,
    /// The words of the gateway, and those of the vendor in them, without tokens.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It receives messages.
    Connected,
    /// It was told not to connect.
    Disabled,
    /// The gateway has no token for it.
    WithoutToken,
    /// The vendor refuses it, and the gateway does not try again.
    Blocked,
    /// It was connected, or the vendor refuses it for now; the gateway tries again.
    Recovering,
    /// It is about to connect.
    #[default]
    Connecting,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Told {
    #[serde(deserialize_with = "answer::object")]
    channel_accounts: Option<Kinds>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kinds {
    #[serde(deserialize_with = "answer::list")]
    telegram: Option<List<ToldAccount>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ToldAccount {
    #[serde(deserialize_with = "answer::id")]
    account_id: String,
    #[serde(deserialize_with = "answer::flag")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "answer::flag")]
    configured: Option<bool>,
    #[serde(deserialize_with = "answer::flag")]
    connected: Option<bool>,
    #[serde(deserialize_with = "answer::text")]
    lifecycle: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    last_error: Option<String>,
}

impl From<ToldAccount> for Account {
    fn from(told: ToldAccount) -> Self {
        let state = match told.lifecycle.as_deref() {
            _ if told.enabled == Some(false) => State::Disabled,
            Some("ready") if told.connected == Some(true) => State::Connected,
            Some("blocked") => State::Blocked,
            Some("recovering") => State::Recovering,
            _ if told.configured == Some(false) => State::WithoutToken,
            _ => State::Connecting,
        };
        let error = told.last_error.filter(|_| state != State::Connected && state != State::Disabled);
        Self { id: told.account_id, state, error: error.map(|words| without_bot_tokens(&redact(&words))) }
    }
}

impl AdminClient {
    /// The accounts of the gateway's channels, the first 200. `probe`: the gateway asks the vendors about each before it answers.
    pub async fn channels(&self, gateway: &Endpoint, probe: bool) -> Result<Vec<Account>, RpcError> {
        let params = if probe { json!({"probe": true, "timeoutMs": PROBE_TIMEOUT}) } else { json!({}) };
        let told: Told = self.call(gateway, STATUS, &params).await?;
        let kinds = told.channel_accounts.ok_or(RpcError::Malformed("it lists no channels"))?;
        let accounts = kinds.telegram.map(|list| list.entries).unwrap_or_default();
        Ok(accounts.into_iter().map(Account::from).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(told: Value) -> Account {
        serde_json::from_value::<ToldAccount>(told).unwrap().into()
    }

    /// As the real gateway told it.
    #[test]
    fn an_account_is_connected_only_if_it_is_ready_and_connected() {
        for (told, state) in [
            (json!({"lifecycle": "ready", "running": true, "connected": true, "lastError": null}), State::Connected),
            (json!({"lifecycle": "ready", "running": true, "connected": false}), State::Connecting),
            (json!({"lifecycle": "blocked", "running": false, "lastError": "401"}), State::Blocked),
            (json!({"lifecycle": "recovering", "running": true, "connected": false}), State::Recovering),
            (json!({"lifecycle": "starting", "running": true, "connected": false}), State::Connecting),
            (json!({"enabled": false, "lifecycle": "blocked"}), State::Disabled),
            (json!({"configured": false}), State::WithoutToken),
            (json!({}), State::Connecting),
        ] {
            assert_eq!(read(told.clone()).state, state, "{told}");
        }
    }

    #[test]
    fn the_words_of_the_vendor_are_told_without_the_token() {
        let words = "call to https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe failed (401: Unauthorized)";
        let told = read(json!({"lifecycle": "blocked", "lastError": words}));
        assert_eq!(
            told.error.unwrap(),
            "call to https://api.telegram.org/bot[redacted]/getMe failed (401: Unauthorized)"
        );
        assert_eq!(read(json!({"lifecycle": "ready", "connected": true, "lastError": "old"})).error, None);
    }
}
