//! The gateway's devices: who asks to be let in over its WebSocket, who is let in, and the calls that decide it. Touches the network.
//!
//! What OpenClaw 2026.9.6 does: a request keeps its id as long as the device asks for no more than before, so to approve one that was read
//! never grants more than what was read. It expires five minutes after the device's last attempt. To approve adds what is asked for to what
//! the device has already.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, List};
use super::rpc::{AdminClient, Endpoint, Method, RpcError};

const LIST: Method = Method::page("device.pair.list");
pub(super) const APPROVE: Method = Method::short("device.pair.approve");
const REJECT: Method = Method::short("device.pair.reject");
const REMOVE: Method = Method::short("device.pair.remove");

/// The scope that includes all others.
const ADMIN: &str = "operator.admin";

/// The devices of a gateway, the first 200 of each list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    pub pending: Vec<Pending>,
    pub paired: Vec<Paired>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    #[serde(deserialize_with = "answer::list")]
    pending: Option<List<Pending>>,
    #[serde(deserialize_with = "answer::list")]
    paired: Option<List<Paired>>,
}

/// A request of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pending {
    #[serde(deserialize_with = "answer::id")]
    pub request_id: String,
    #[serde(deserialize_with = "answer::id")]
    pub device_id: String,
    #[serde(rename = "clientId", deserialize_with = "answer::text")]
    pub client: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    pub platform: Option<String>,
    #[serde(flatten)]
    pub access: Access,
    #[serde(deserialize_with = "answer::integer")]
    ts: Option<i64>,
}

impl Pending {
    /// When the device asked first.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        answer::time(self.ts)
    }
}

/// A device that is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Paired {
    #[serde(deserialize_with = "answer::id")]
    pub device_id: String,
    #[serde(flatten)]
    pub access: Access,
}

/// What a device asks for, or has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    #[serde(deserialize_with = "answer::text")]
    role: Option<String>,
    /// `None`: not understood.
    #[serde(deserialize_with = "answer::names")]
    roles: Option<Vec<String>>,
    #[serde(deserialize_with = "answer::names")]
    scopes: Option<Vec<String>>,
    #[serde(deserialize_with = "answer::names")]
    approved_scopes: Option<Vec<String>>,
}

impl Default for Access {
    fn default() -> Self {
        let none = || Some(Vec::new());
        Self { role: None, roles: none(), scopes: none(), approved_scopes: none() }
    }
}

impl Access {
    /// Each role once; `None`: not all of them were understood.
    #[must_use]
    pub fn roles(&self) -> Option<Vec<&str>> {
        Some(once(self.role.iter().chain(self.roles.as_ref()?)))
    }

    /// The same of the scopes.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<&str>> {
        Some(once(self.scopes.as_ref()?.iter().chain(self.approved_scopes.as_ref()?)))
    }

    /// Whether this is no more than these roles with these scopes. What was not understood may be more.
    #[must_use]
    pub fn is_within(&self, roles: &[&str], scopes: &[&str]) -> bool {
        let allows = |asked: &str| {
            let has = |scope: &str| scopes.contains(&scope);
            has(asked)
                || asked.starts_with("operator.") && has(ADMIN)
                || asked == "operator.read" && has("operator.write")
        };
        self.roles().is_some_and(|asked| asked.iter().all(|role| roles.contains(role)))
            && self.scopes().is_some_and(|asked| asked.into_iter().all(allows))
    }
}

/// Each name once, in its order.
fn once<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}

impl AdminClient {
    /// The devices that ask to be let in, and those that are.
    pub async fn devices(&self, gateway: &Endpoint) -> Result<Devices, RpcError> {
        let listed: Listed = self.call(gateway, LIST, &json!({})).await?;
        let none = || RpcError::Malformed("it lists no devices");
        let (pending, paired) = (listed.pending.ok_or_else(none)?, listed.paired.ok_or_else(none)?);
        // What is not understood can be neither approved nor removed.
        let pending = pending.entries.into_iter();
        let paired = paired.entries.into_iter();
        Ok(Devices {
            pending: pending.filter(|one| !one.request_id.is_empty() && !one.device_id.is_empty()).collect(),
            paired: paired.filter(|one| !one.device_id.is_empty()).collect(),
        })
    }

    /// Approves one request.
    pub async fn approve_device(&self, gateway: &Endpoint, request_id: &str) -> Result<(), RpcError> {
        self.send(gateway, APPROVE, &json!({"requestId": request_id})).await
    }

    /// Rejects one request. The device may ask again.
    pub async fn reject_device(&self, gateway: &Endpoint, request_id: &str) -> Result<(), RpcError> {
        self.send(gateway, REJECT, &json!({"requestId": request_id})).await
    }

    /// Removes a device, and closes its connections. It may ask again.
    pub async fn remove_device(&self, gateway: &Endpoint, device_id: &str) -> Result<(), RpcError> {
        self.send(gateway, REMOVE, &json!({"deviceId": device_id})).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn access(told: &Value) -> Access {
        serde_json::from_value::<Paired>(told.clone()).unwrap().access
    }

    fn is_within(told: &Value, scopes: &[&str]) -> bool {
        access(told).is_within(&["operator"], scopes)
    }

    #[test]
    fn who_may_administer_may_do_everything_and_who_may_write_may_read() {
        let asks = json!({"role": "operator", "scopes": ["operator.read", "operator.approvals"]});
        assert!(is_within(&asks, &["operator.admin"]));
        assert!(is_within(&asks, &["operator.write", "operator.approvals"]));
        assert!(!is_within(&asks, &["operator.write"]) && !is_within(&asks, &["operator.read"]));
        assert!(!is_within(&json!({"role": "operator", "scopes": ["node.exec"]}), &["operator.admin"]));
    }

    #[test]
    fn each_role_that_is_asked_for_counts() {
        assert!(is_within(&json!({"role": "operator", "roles": ["operator"]}), &[]));
        assert!(!is_within(&json!({"role": "operator", "roles": ["operator", "node"]}), &["operator.admin"]));
        assert!(!is_within(&json!({"role": "node"}), &["operator.admin"]));
    }

    #[test]
    fn what_is_not_understood_is_more_than_anything() {
        for told in [json!({"scopes": [7]}), json!({"scopes": {}}), json!({"roles": ["operator", null]})] {
            assert!(!is_within(&told, &["operator.admin"]), "{told}");
        }
        let more = json!({"scopes": ["operator.read"], "approvedScopes": ["operator.read", "operator.write"]});
        assert!(!is_within(&more, &["operator.read"]) && is_within(&more, &["operator.write"]));
    }
}
