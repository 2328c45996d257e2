//! Who may talk to the gateway, and whom it may talk to.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{files, metadata, relay};
use crate::api::Agent;
use crate::api::sandbox::Egress;
use crate::naming::{
    GatewayNames, LABEL_COMPONENT, LABEL_MANAGED_BY, LABEL_SANDBOX_GATEWAY, MANAGED_BY, OPERATOR, SANDBOX,
};
use crate::openclaw::paths;
use crate::pods::containers::some;
use crate::pods::egress::opened;
use crate::pods::network::{labelled, namespace, port};
use crate::settings::Settings;

/// In: the ports of the gateway and its relay, from their own namespace except from sandboxes, from the operator, and from the peers to
/// which the gateway is exposed; and the report about files, from the operator alone. Out: everything but the metadata servers of clouds, or what the administrator leaves of it, and its own sandboxes.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, settings: &Settings) -> NetworkPolicy {
    // A sandbox of ours has both labels; what has one of them is somebody else's.
    let others = [(LABEL_COMPONENT, SANDBOX), (LABEL_MANAGED_BY, MANAGED_BY)].into_iter().flat_map(without);
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(namespace(&settings.namespace)),
        pod_selector: Some(labelled(OPERATOR.map(|(key, value)| (key.to_owned(), value.to_owned())).into())),
        ..NetworkPolicyPeer::default()
    };
    let mut egress = opened(settings.max_egress, &settings.dns_servers);
    // `All` opens them too, and a rule more would be a write to every policy.
    if settings.max_egress < Egress::All {
        egress.push(sandboxes(names.owner()));
    }
    let ports = std::iter::once(paths::PORT).chain(relay::is_wanted(owner).then_some(relay::PORT));
    NetworkPolicy {
        metadata: metadata(owner, names, &names.gateway),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(names.selector()), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    from: Some(others.chain([operator.clone()]).chain(exposed_to(owner)).collect()),
                    ports: Some(ports.map(|number| port("TCP", number)).collect()),
                },
                NetworkPolicyIngressRule { from: Some(vec![operator]), ports: Some(vec![port("TCP", files::PORT)]) },
            ]),
            egress: Some(egress),
        }),
    }
}

/// The peers that the user names.
fn exposed_to(owner: &Agent) -> impl Iterator<Item = NetworkPolicyPeer> {
    owner.spec.exposure().into_iter().flat_map(|exposure| &exposure.from).map(|peer| NetworkPolicyPeer {
        pod_selector: peer.pod_selector.clone(),
        namespace_selector: peer.namespace_selector.clone(),
        ip_block: peer
            .ip_block
            .as_ref()
            .map(|block| IPBlock { cidr: block.cidr.clone(), except: some(block.except.clone()) }),
    })
}

/// The shells of the sandboxes that belong to this gateway.
fn sandboxes(owner: &str) -> NetworkPolicyEgressRule {
    let labels = [(LABEL_COMPONENT, SANDBOX), (LABEL_MANAGED_BY, MANAGED_BY), (LABEL_SANDBOX_GATEWAY, owner)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let pods = NetworkPolicyPeer { pod_selector: Some(labelled(labels.into())), ..NetworkPolicyPeer::default() };
    NetworkPolicyEgressRule { to: Some(vec![pods]), ports: Some(vec![port("TCP", paths::SANDBOX_PORT)]) }
}

/// The Pods of the namespace that do not have this label with this value.
fn without((key, value): (&str, &str)) -> [NetworkPolicyPeer; 2] {
    let peer = |operator: &str, values| {
        let requirement = LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values };
        let selector = LabelSelector { match_expressions: Some(vec![requirement]), ..LabelSelector::default() };
        NetworkPolicyPeer { pod_selector: Some(selector), ..NetworkPolicyPeer::default() }
    };
    // Without the label a Pod is not in the list either, but not everybody who enforces policies reads it so.
    [peer("NotIn", Some(vec![value.to_owned()])), peer("DoesNotExist", None)]
}
