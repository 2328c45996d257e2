//! Which Providers the running gateway has no credentials for. Touches the network.
//!
//! A gateway whose environment lacks a variable that a Provider's SecretRef reads starts all the same, is ready, and fails each turn with
//! that Provider. It says so in one place: `degradedSecretOwners` in the answer to `status`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names::provider_of;
use super::rpc::{AdminClient, Endpoint, RpcError};

impl AdminClient {
    /// The names of the Providers in the configuration whose key, or a header of which, the gateway's process has not. A gateway of a
    /// version that does not know the list has all of them.
    pub async fn unavailable_providers(&self, gateway: &Endpoint) -> Result<BTreeSet<String>, RpcError> {
        Ok(unavailable(&self.call(gateway, "status", json!({})).await?))
    }
}

fn unavailable(status: &Value) -> BTreeSet<String> {
    let owners = status.get("degradedSecretOwners").and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .filter(|owner| owner.get("ownerKind").and_then(Value::as_str) == Some("provider"))
        .filter_map(|owner| provider_of(owner.get("ownerId")?.as_str()?))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gateway_stand_in::StandIn;

    use super::*;
    use crate::telemetry::metrics::GatewayCalls;

    #[test]
    fn only_our_providers_count_among_what_lacks_a_secret() {
        let owner = |kind: &str, id: &str| {
            json!({"ownerKind": kind, "ownerId": id, "state": "unavailable", "degradationState": "cold",
                   "paths": ["models.providers.p-openai.apiKey"], "reason": "secret reference was not found"})
        };
        let owners = [owner("provider", "p-openai"), owner("provider", "openai"), owner("capability", "p-other")];
        assert_eq!(unavailable(&json!({"degradedSecretOwners": owners})), ["openai".to_owned()].into());
        assert_eq!(unavailable(&json!({"ok": true})), BTreeSet::new());
        assert_eq!(unavailable(&json!({"degradedSecretOwners": "none"})), BTreeSet::new());
    }

    #[tokio::test]
    async fn a_gateway_that_was_started_without_a_key_says_so() {
        let gateway = StandIn::start("token", r#"{"gateway": {"mode": "local"}}"#).await;
        let endpoint = Endpoint { address: gateway.address(), token: "token".into() };
        let admin = AdminClient::new(GatewayCalls::default()).unwrap();
        assert_eq!(admin.unavailable_providers(&endpoint).await.unwrap(), BTreeSet::new());
        gateway.set_unavailable(&["p-openai"]);
        assert_eq!(admin.unavailable_providers(&endpoint).await.unwrap(), ["openai".to_owned()].into());
    }
}
