//! Which Providers the running gateway has no credentials for. Touches the network.
//!
//! A gateway whose environment lacks a variable that a Provider's SecretRef reads starts all the same, is ready, and fails each turn with
//! that Provider. It says so in one place: `degradedSecretOwners` in the answer to `status`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use super::answer::{self, List};
use super::names::provider_of;
use super::rpc::{AdminClient, Endpoint, Method, RpcError};

/// Much of what it says is about sessions.
const STATUS: Method = Method::page("status");

/// As far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    #[serde(deserialize_with = "answer::list")]
    degraded_secret_owners: Option<List<SecretOwner>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretOwner {
    #[serde(deserialize_with = "answer::name")]
    owner_kind: Option<String>,
    #[serde(deserialize_with = "answer::name")]
    owner_id: Option<String>,
}

impl AdminClient {
    /// The names of the Providers in the configuration whose key, or a header of which, the gateway's process has not. A gateway of a
    /// version that does not know the list has all of them.
    pub async fn unavailable_providers(&self, gateway: &Endpoint) -> Result<BTreeSet<String>, RpcError> {
        Ok(unavailable(self.call(gateway, STATUS, &json!({})).await?))
    }
}

fn unavailable(status: Status) -> BTreeSet<String> {
    let owners = status.degraded_secret_owners.map(|owners| owners.entries).unwrap_or_default();
    let providers = owners.iter().filter(|owner| owner.owner_kind.as_deref() == Some("provider"));
    providers.filter_map(|owner| provider_of(owner.owner_id.as_deref()?)).map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gateway_stand_in::StandIn;

    use super::*;

    fn read(status: serde_json::Value) -> BTreeSet<String> {
        unavailable(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn only_our_providers_count_among_what_lacks_a_secret() {
        let owner = |kind: &str, id: &str| {
            json!({"ownerKind": kind, "ownerId": id, "state": "unavailable", "degradationState": "cold",
                   "paths": ["models.providers.p-openai.apiKey"], "reason": "secret reference was not found"})
        };
        let owners = [owner("provider", "p-openai"), owner("provider", "openai"), owner("capability", "p-other")];
        assert_eq!(read(json!({"degradedSecretOwners": owners})), ["openai".to_owned()].into());
        assert_eq!(read(json!({"ok": true})), BTreeSet::new());
        assert_eq!(read(json!({"degradedSecretOwners": "none"})), BTreeSet::new());
    }

    #[tokio::test]
    async fn a_gateway_that_was_started_without_a_key_says_so() {
        let gateway = StandIn::start("token", r#"{"gateway": {"mode": "local"}}"#).await;
        let (address, token) = (gateway.address(), "token".into());
        let endpoint = Endpoint { address, token, namespace: "assistants".into(), run: "pod/0".into() };
        let admin = AdminClient::on_loopback();
        assert_eq!(admin.unavailable_providers(&endpoint).await.unwrap(), BTreeSet::new());
        gateway.set_unavailable(&["p-openai"]);
        assert_eq!(admin.unavailable_providers(&endpoint).await.unwrap(), ["openai".to_owned()].into());
    }
}
