//! Where the proxies are that expose gateways: Pods in the namespaces that the administrator names. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use kube::runtime::reflector::{Lookup, Store};
use kube::{Resource, ResourceExt};

use crate::api::Agent;
use crate::api::exposure::Peer;

/// The label that Kubernetes gives each namespace. Of the labels of namespaces it is the only one that Creel looks at.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Addresses of proxies that a gateway trusts at most, so that its configuration stays small. A proxy has a few Pods, or one on each node.
pub const MOST_TRUSTED: usize = 256;

/// A Pod in a namespace of proxies, pruned to what is read of it.
#[derive(Clone, Debug)]
pub struct ProxyPod(pub Pod);

impl ProxyPod {
    /// The addresses that its connections come from. None for one that shares those of its node (policies do not select it), and for one
    /// that has ended: another Pod may have them by now.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let shares = self.0.spec.as_ref().is_some_and(|spec| spec.host_network == Some(true));
        let status = self.0.status.as_ref().filter(|_| !shares);
        let status = status.filter(|status| !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")));
        let all = status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten();
        all.filter_map(|address| address.ip.parse().ok())
    }

    /// Whether these peers of an Agent in `namespace` select it.
    fn is_among(&self, peers: &[Peer], namespace: &str) -> bool {
        let place = ResourceExt::namespace(&self.0).unwrap_or_default();
        let place = BTreeMap::from([(NAMESPACE_NAME.to_owned(), place)]);
        let selects = |selector: &LabelSelector, labels: &BTreeMap<String, String>| {
            Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
        };
        peers.iter().any(|peer| {
            let in_place = match (&peer.namespace_selector, &peer.pod_selector) {
                (Some(selector), _) => selects(selector, &place),
                (None, Some(_)) => place[NAMESPACE_NAME] == namespace,
                (None, None) => false,
            };
            in_place && peer.pod_selector.as_ref().is_none_or(|selector| selects(selector, self.0.labels()))
        })
    }

    /// Whether the gateway of this Agent is exposed to it.
    #[must_use]
    pub fn serves(&self, agent: &Agent) -> bool {
        let namespace = || ResourceExt::namespace(agent).unwrap_or_default();
        agent.spec.exposure().is_some_and(|exposure| self.is_among(&exposure.from, &namespace()))
    }
}

/// The addresses of the proxies that the gateway of this Agent is exposed to, from one store for each namespace of proxies.
#[must_use]
pub fn addresses(stores: &[Store<ProxyPod>], owner: &Agent) -> BTreeSet<IpAddr> {
    // Few gateways are exposed, and all of them are looked at.
    if owner.spec.exposure().is_none() {
        return BTreeSet::new();
    }
    let pods = stores.iter().flat_map(|store| store.state_filter(|pod| pod.serves(owner)));
    pods.flat_map(|pod: Arc<ProxyPod>| pod.addresses().collect::<Vec<_>>()).collect()
}

impl Lookup for ProxyPod {
    type DynamicType = ();

    /// Not that of Pods: which of those do not parse is known by kind, and begins anew with each list of it.
    fn kind((): &()) -> Cow<'_, str> {
        Cow::Borrowed("Proxy")
    }

    fn group(dyntype: &()) -> Cow<'_, str> {
        <Pod as Resource>::group(dyntype)
    }

    fn version(dyntype: &()) -> Cow<'_, str> {
        <Pod as Resource>::version(dyntype)
    }

    fn plural(dyntype: &()) -> Cow<'_, str> {
        <Pod as Resource>::plural(dyntype)
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        self.0.metadata.name.as_deref().map(Cow::Borrowed)
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.0.metadata.namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        self.0.metadata.resource_version.as_deref().map(Cow::Borrowed)
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        self.0.metadata.uid.as_deref().map(Cow::Borrowed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tests::small_world::{SmallWorld, filled};

    fn pod(name: &str, namespace: &str, rest: &Value) -> ProxyPod {
        let mut pod = rest.clone();
        pod["metadata"] = json!({"name": name, "namespace": namespace, "labels": {"app": "proxy"}});
        ProxyPod(serde_json::from_value(pod).unwrap())
    }

    fn running(name: &str, namespace: &str, address: &str) -> ProxyPod {
        pod(name, namespace, &json!({"status": {"phase": "Running", "podIPs": [{"ip": address}, {"ip": "fd00::1"}]}}))
    }

    fn exposed(from: &Value) -> Agent {
        let mut agent = SmallWorld::agent("support");
        let gateway = json!({"exposure": {"host": "claw.example.com", "ingress": {}, "from": from}});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
        agent
    }

    fn edge() -> Value {
        json!({"matchLabels": {"kubernetes.io/metadata.name": "edge"}})
    }

    #[test]
    fn both_selectors_of_a_peer_have_to_select_the_pod() {
        let proxy = running("a", "edge", "10.0.0.7");
        let serves = |peer: Value| proxy.serves(&exposed(&json!([peer])));
        let of = |app: &str| json!({"matchLabels": {"app": app}});
        assert!(serves(json!({"namespaceSelector": edge()})));
        assert!(serves(json!({"namespaceSelector": edge(), "podSelector": of("proxy")})));
        assert!(serves(json!({"namespaceSelector": {}})));
        assert!(!serves(json!({"namespaceSelector": edge(), "podSelector": of("other")})));
        assert!(!serves(json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}})));
        // Without a namespaceSelector: Pods beside the Agent.
        assert!(!serves(json!({"podSelector": of("proxy")})));
        assert!(running("a", "assistants", "10.0.0.7").serves(&exposed(&json!([{"podSelector": of("proxy")}]))));
        assert!(!serves(json!({"ipBlock": {"cidr": "10.0.0.0/8"}})));
        assert!(!serves(
            json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Unknown"}]}, "namespaceSelector": edge()})
        ));
        assert!(!proxy.serves(&SmallWorld::agent("unexposed")));
    }

    #[test]
    fn addresses_are_those_of_running_pods_of_the_network_of_pods() {
        let with = |phase: &str, spec: Value| json!({"spec": spec, "status": {"phase": phase, "podIPs": [{"ip": "10.0.0.9"}]}});
        let on_node = json!({"hostNetwork": true, "containers": []});
        let edge_pods = vec![
            running("a", "edge", "10.0.0.7"),
            pod("ended", "edge", &with("Failed", json!({"containers": []}))),
            pod("on-node", "edge", &with("Running", on_node)),
            pod("new", "edge", &json!({"status": {"phase": "Pending"}})),
        ];
        let stores = [filled(edge_pods), filled(vec![running("b", "other", "10.0.0.8")])];
        let agent = exposed(&json!([{"namespaceSelector": edge()}]));
        let wanted: BTreeSet<IpAddr> = ["10.0.0.7", "fd00::1"].map(|address| address.parse().unwrap()).into();
        assert_eq!(addresses(&stores, &agent), wanted);
    }
}
