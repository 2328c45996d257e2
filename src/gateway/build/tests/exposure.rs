//! A gateway that is exposed: its routes, its policy, its origins and its condition.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::*;
use crate::gateway::apply::Applied;
use crate::gateway::config_sync::Synced;
use crate::gateway::files::Found;
use crate::gateway::fixtures::{company, edit, plan, settings};
use crate::gateway::state::{Reconciled, observe};
use crate::kubernetes::conditions::{Status, reason};
use crate::openclaw::config::document::ConfigDocument;
use crate::references::digests::Fault;

fn nothing_changes() -> Decision {
    Decision::Apply { replaces_pod: false, rollout: None }
}

/// The gateway of `concierge`, exposed so.
fn exposed(exposure: Value) -> Gathered {
    let mut gathered = company();
    let gateway = Value::from_iter([("exposure", exposure)]);
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
    gathered
}

fn desired(gathered: &Gathered) -> Desired {
    build(gathered, &plan(gathered), &nothing_changes(), &settings())
}

fn by_ingress() -> Gathered {
    exposed(json!({"host": "claw.example.com", "ingress": {}}))
}

fn by_route() -> Gathered {
    exposed(json!({"host": "claw.example.com", "httpRoute": {"parentRefs": [
        {"name": "edge", "namespace": "edge-system", "sectionName": "https"}]}}))
}

#[test]
fn an_ingress_has_one_host_and_one_backend() {
    let annotations = json!({"nginx.ingress.kubernetes.io/proxy-read-timeout": "3600"});
    let ingress = json!({"className": "nginx", "tlsSecretName": "claw-tls", "annotations": annotations});
    let desired = desired(&exposed(json!({"host": "claw.example.com", "ingress": ingress})));
    let Optional::Wanted(ingress) = &desired.ingress else { panic!("{:?}", desired.ingress) };
    assert_eq!(ingress.name_any(), "concierge-gateway");
    assert_eq!(json!(ingress.annotations()), annotations);
    assert_eq!(ingress.owner_references()[0].uid, "concierge-uid");
    let service = json!({"service": {"name": "concierge-gateway", "port": {"name": "gateway"}}});
    let wanted = json!({
        "ingressClassName": "nginx",
        "rules": [{"host": "claw.example.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": service}]}}],
        "tls": [{"hosts": ["claw.example.com"], "secretName": "claw-tls"}],
    });
    assert_eq!(json!(ingress.spec), wanted);
    assert!(matches!(desired.http_route, Optional::Absent));
}

#[test]
fn a_route_has_one_host_and_one_backend() {
    let desired = desired(&by_route());
    let Optional::Wanted(route) = &desired.http_route else { panic!("{:?}", desired.http_route) };
    let wanted = json!({
        "parentRefs": [{"name": "edge", "namespace": "edge-system", "sectionName": "https"}],
        "hostnames": ["claw.example.com"],
        "rules": [{"backendRefs": [{"name": "concierge-gateway", "port": 18789}]}],
    });
    assert_eq!(json!(route.spec), wanted);
    let whole = json!(route);
    assert_eq!((&whole["apiVersion"], &whole["kind"]), (&json!("gateway.networking.k8s.io/v1"), &json!("HTTPRoute")));
    assert!(matches!(desired.ingress, Optional::Absent));
}

#[test]
fn with_clients_their_paths_lead_to_the_relay() {
    let clients = json!([{"name": "home", "secretRef": {"name": "tokens", "key": "home"}}]);
    let with_clients = |mut gathered: Gathered| {
        edit(&mut gathered, "concierge", |agent| {
            let auth = Value::from_iter([("clients", clients.clone())]);
            agent.spec.gateway.as_mut().unwrap().auth = Some(serde_json::from_value(auth).unwrap());
        });
        desired(&gathered)
    };
    let Optional::Wanted(ingress) = with_clients(by_ingress()).ingress else { panic!("no Ingress") };
    let path = |path: &str, port: &str| {
        let service = json!({"service": {"name": "concierge-gateway", "port": {"name": port}}});
        json!({"path": path, "pathType": "Prefix", "backend": service})
    };
    let paths = json!(ingress.spec)["rules"][0]["http"]["paths"].clone();
    assert_eq!(paths, json!([path("/v1", "clients"), path("/", "gateway")]));
    let Optional::Wanted(route) = with_clients(by_route()).http_route else { panic!("no HTTPRoute") };
    let backend = |port: u16| json!([{"name": "concierge-gateway", "port": port}]);
    let prefix = json!({"path": {"type": "PathPrefix", "value": "/v1"}});
    let rules = json!([{"matches": [prefix], "backendRefs": backend(18790)}, {"backendRefs": backend(18789)}]);
    assert_eq!(json!(route.spec)["rules"], rules);
}

#[test]
fn what_the_spec_no_longer_asks_for_goes_if_it_is_ours() {
    let Optional::Wanted(ours) = desired(&by_ingress()).ingress else { panic!("no Ingress") };
    let mut foreign = ours.clone();
    foreign.metadata.owner_references = None;
    for mut gathered in [company(), by_route()] {
        gathered.live.ingress = Some(Arc::new(Observed::new(ours.clone(), "")));
        assert!(matches!(desired(&gathered).ingress, Optional::Obsolete(_)));
        gathered.live.ingress = Some(Arc::new(Observed::new(foreign.clone(), "")));
        assert!(matches!(desired(&gathered).ingress, Optional::Absent));
    }
}

#[test]
fn the_policy_opens_the_port_for_exactly_those_peers() {
    let peers = json!([
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}},
         "podSelector": {"matchLabels": {"app": "ingress"}}},
        {"ipBlock": {"cidr": "192.0.2.0/28", "except": ["192.0.2.1/32"]}},
    ]);
    let policy = |gathered: &Gathered| json!(desired(gathered).network_policy.spec);
    let (closed, open) =
        (policy(&company()), policy(&exposed(json!({"host": "claw.example.com", "ingress": {}, "from": peers}))));
    let mut wanted = closed.clone();
    wanted["ingress"][0]["from"].as_array_mut().unwrap().extend(peers.as_array().unwrap().clone());
    assert_eq!(open, wanted);
    assert_eq!(policy(&by_ingress()), closed);
}

#[test]
fn pages_of_the_host_may_connect_and_the_pod_stays() {
    let gathered = exposed(json!({"host": "claw.example.com", "ingress": {}}));
    let planned = plan(&gathered);
    let origins = |config: &ConfigDocument| config.value()["gateway"]["controlUi"]["allowedOrigins"].clone();
    assert_eq!(origins(&planned.config.unwrap()), json!(["https://claw.example.com"]));
    let mut bare = company();
    edit(&mut bare, "concierge", |agent| agent.spec.gateway = None);
    assert_eq!(planned.pod.unwrap().hash(), plan(&bare).pod.unwrap().hash());
    let mut listed = gathered;
    edit(&mut listed, "concierge", |agent| {
        let control_ui = json!({"allowedOrigins": ["https://other.example.com", "https://claw.example.com"]});
        agent.spec.gateway.as_mut().unwrap().control_ui = Some(serde_json::from_value(control_ui).unwrap());
    });
    let wanted = json!(["https://other.example.com", "https://claw.example.com"]);
    assert_eq!(origins(&plan(&listed).config.unwrap()), wanted);
}

#[test]
fn the_condition_says_what_stands_in_the_way_and_nothing_else_fails() {
    let said = |gathered: &Gathered, exposed: Option<Result<(), Fault>>| {
        let applied = Applied { exposed, ..Applied::unchanged(gathered) };
        let (plan, decision) = (plan(gathered), Some(nothing_changes()));
        let (synced, files) = (Synced::default(), Found::default());
        observe(&Reconciled { gathered, plan: &plan, decision, applied, synced, files })
    };
    assert_eq!(said(&company(), None).exposed, None);
    let condition = said(&by_ingress(), Some(Ok(()))).exposed.unwrap();
    assert_eq!((condition.status, condition.reason), (Status::False, reason::PROXY_UNKNOWN));
    assert!(condition.message.contains("spec.gateway.trustedProxies is empty"), "{}", condition.message);
    let found = Gathered { proxies: ["10.0.0.7".parse().unwrap()].into(), ..by_ingress() };
    let well = said(&found, Some(Ok(())));
    let condition = well.exposed.unwrap();
    assert_eq!((condition.status, condition.reason), (Status::True, reason::EXPOSED));
    assert_eq!(well.status.url.as_deref(), Some("https://claw.example.com"));
    let many = Gathered {
        proxies: (0..300).map(|number| Ipv4Addr::from(0x0a00_0000 + number).into()).collect(),
        ..by_ingress()
    };
    let condition = said(&many, Some(Ok(()))).exposed.unwrap();
    assert_eq!((condition.status, condition.reason), (Status::False, reason::TOO_MANY_PROXIES));
    assert!(
        condition.message.contains(
            "300 addresses that spec.gateway.trustedProxies does not contain, and the gateway trusts the first 256"
        ),
        "{}",
        condition.message
    );
    let trusted = plan(&many).config.unwrap().value()["gateway"]["trustedProxies"].clone();
    assert_eq!(trusted.as_array().unwrap().len(), 256);
    let mut listed = many;
    edit(&mut listed, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().trusted_proxies = vec!["10.0.0.0/23".to_owned()];
    });
    assert_eq!(said(&listed, Some(Ok(()))).exposed.unwrap().status, Status::True, "the remedy");
    assert_eq!(plan(&listed).config.unwrap().value()["gateway"]["trustedProxies"], json!(["10.0.0.0/23"]));
    let fault = Fault { reason: reason::ROUTE_KIND_NOT_SERVED, message: "no such kind".into(), carried: false };
    let without = said(&by_route(), Some(Err(fault)));
    let condition = without.exposed.unwrap();
    assert_eq!((condition.status, condition.reason), (Status::False, reason::ROUTE_KIND_NOT_SERVED));
    assert_eq!((without.fault, without.status.url), (None, None));
    assert_eq!(said(&by_route(), None).exposed.unwrap().status, Status::Unknown);
}
