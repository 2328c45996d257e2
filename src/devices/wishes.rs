//! What an Agent that owns a gateway says of devices. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::Agent;
use crate::api::devices::{Device, DeviceRole};
use crate::naming::{APPROVE_DEVICE, REJECT_DEVICE, REMOVE_DEVICE, is_paused};
use crate::openclaw::pairing::Access;

/// Characters of an annotation that count.
const REQUEST: usize = 256;
/// What a device of the list may ask for where its entry does not say it.
const DEFAULT_SCOPE: &str = "operator.read";

/// What an Agent says of the devices of its gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Whether it says anything of them.
    pub any: bool,
    pub wanted: Vec<Wanted>,
    /// The value of the annotation that approves a request.
    pub approve: Option<String>,
    /// The value of the annotation that rejects a request.
    pub reject: Option<String>,
    /// The value of the annotation that removes devices.
    pub remove: Option<String>,
    /// Nothing is to be changed.
    pub paused: bool,
}

/// A device of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub id: String,
    role: DeviceRole,
    scopes: Vec<String>,
}

impl Wishes {
    #[must_use]
    pub fn of(agent: &Agent) -> Self {
        let gateway = agent.spec.gateway.as_ref();
        let devices = gateway.and_then(|gateway| gateway.devices.as_ref());
        // Whoever opens a page for browsers wants to see those that ask.
        let is_page = gateway.and_then(|gateway| gateway.control_ui.as_ref()).is_some_and(|page| page.enabled);
        let [approve, reject, remove] =
            [APPROVE_DEVICE, REJECT_DEVICE, REMOVE_DEVICE].map(|name| annotation(agent, name));
        let is_annotated = approve.is_some() || reject.is_some() || remove.is_some();
        Self {
            any: devices.is_some() || is_page || is_annotated,
            wanted: devices.into_iter().flatten().filter_map(Wanted::of).collect(),
            approve,
            reject,
            remove,
            paused: is_paused(agent.annotations()),
        }
    }

    /// The first entry of the list about this device.
    #[must_use]
    pub fn wanted(&self, id: &str) -> Option<&Wanted> {
        self.about(id).next()
    }

    /// Whether the entries about this device, one for each role, together allow all of this.
    #[must_use]
    pub fn cover(&self, id: &str, access: &Access) -> bool {
        let roles: Vec<&str> = self.about(id).map(|wanted| wanted.role.as_str()).collect();
        let scopes: Vec<&str> = self.about(id).flat_map(|wanted| &wanted.scopes).map(String::as_str).collect();
        access.is_within(&roles, &scopes)
    }

    fn about(&self, id: &str) -> impl Iterator<Item = &Wanted> {
        self.wanted.iter().filter(move |wanted| wanted.id == id)
    }
}

fn annotation(agent: &Agent, name: &str) -> Option<String> {
    let value: String = agent.annotations().get(name)?.trim().chars().take(REQUEST).collect();
    Some(value).filter(|value| !value.is_empty())
}

impl Wanted {
    /// `None`: the schema does not allow such an entry.
    fn of(device: &Device) -> Option<Self> {
        let of_key = |key: &String| Some(hex::encode(Sha256::digest(URL_SAFE_NO_PAD.decode(key).ok()?)));
        let id = device.id.clone().or_else(|| device.public_key.as_ref().and_then(of_key))?;
        let role = device.role.unwrap_or_default();
        let default = match role {
            DeviceRole::Operator => vec![DEFAULT_SCOPE.to_owned()],
            DeviceRole::Node => Vec::new(),
        };
        Some(Self { name: device.name.clone(), id, role, scopes: device.scopes.clone().unwrap_or(default) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::declarations::fixtures::agent;
    use crate::openclaw::device::Device as Key;

    fn wishes(devices: &Value) -> Wishes {
        Wishes::of(&agent("a", &json!({"gateway": {"devices": devices}}).to_string()))
    }

    fn access(role: &str, scopes: &[&str]) -> Access {
        serde_json::from_value(json!({"role": role, "scopes": scopes})).unwrap()
    }

    #[test]
    fn a_public_key_stands_for_the_id_of_its_device() {
        let key = Key::new(&[7; 32]);
        let wishes = wishes(&json!([{"name": "board", "publicKey": key.public_key()}]));
        assert_eq!(wishes.wanted(&key.id()).unwrap().name, "board");
    }

    #[test]
    fn an_entry_that_does_not_say_it_allows_an_operator_to_read() {
        let wishes =
            wishes(&json!([{"name": "board", "id": "0".repeat(64)}, {"name": "mac", "id": "1", "role": "node"}]));
        let board = |asked: &Access| wishes.cover(&"0".repeat(64), asked);
        assert!(board(&access("operator", &["operator.read"])));
        assert!(!board(&access("operator", &["operator.write"])) && !board(&access("node", &[])));
        assert!(wishes.cover("1", &access("node", &[])) && !wishes.cover("1", &access("operator", &[])));
        assert!(!wishes.cover("2", &access("operator", &[])));
    }

    #[test]
    fn a_device_with_two_roles_has_an_entry_for_each() {
        let both = wishes(&json!([{"name": "a", "id": "1", "role": "node"}, {"name": "b", "id": "1"}]));
        assert!(both.cover("1", &access("node", &[])) && both.cover("1", &access("operator", &["operator.read"])));
        assert!(!both.cover("1", &access("operator", &["operator.write"])));
    }

    #[test]
    fn an_empty_list_and_a_page_are_wishes_and_nothing_is_not() {
        assert!(wishes(&json!([])).any);
        let page =
            |enabled| Wishes::of(&agent("a", &json!({"gateway": {"controlUI": {"enabled": enabled}}}).to_string()));
        assert!(page(true).any && !page(false).any);
        let mut agent = agent("a", "{}");
        assert_eq!(Wishes::of(&agent), Wishes::default());
        agent.annotations_mut().insert(APPROVE_DEVICE.to_owned(), " r1 ".to_owned());
        assert_eq!(Wishes::of(&agent).approve.as_deref(), Some("r1"));
        agent.annotations_mut().insert(APPROVE_DEVICE.to_owned(), " ".to_owned());
        assert!(!Wishes::of(&agent).any);
    }
}
