//! A gateway with clients: what it has besides, and that the others have nothing of it.

use serde_json::{Value, json};

use super::*;
use crate::gateway::fixtures::{company, edit, keep, plan, secret, settings, settle};

/// The gateway of `concierge` with one client.
fn with_a_client() -> Gathered {
    let mut gathered = company();
    secret(&mut gathered, "tokens", &[("home", "one")]);
    let auth = json!({"clients": [{"name": "home", "secretRef": {"name": "tokens", "key": "home"}}]});
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().auth = Some(serde_json::from_value(auth).unwrap());
    });
    gathered
}

fn desired(gathered: &Gathered) -> Desired {
    let decision = Decision::Apply { replaces_pod: false, rollout: None };
    build(gathered, &plan(gathered), &decision, &settings())
}

fn pod_of(desired: &Desired) -> PodSpec {
    desired.deployment.clone().unwrap().spec.unwrap().template.spec.unwrap()
}

#[test]
fn the_relay_of_a_gateway_looks_like_this() {
    let desired = desired(&with_a_client());
    let pod = pod_of(&desired);
    insta::assert_yaml_snapshot!("relay", pod.init_containers.unwrap().pop());
    insta::assert_yaml_snapshot!("relay_volume", pod.volumes.unwrap().pop());
    insta::assert_yaml_snapshot!("relay_clients", desired.clients);
}

#[test]
fn its_port_is_on_the_service_and_open_to_the_same_peers() {
    let (with, without) = (desired(&with_a_client()), desired(&company()));
    let ports = |service: &Service| {
        let ports = service.spec.clone().unwrap().ports.unwrap();
        ports.into_iter().map(|port| (port.name.unwrap(), port.port)).collect::<Vec<_>>()
    };
    let gateway = ("gateway".to_owned(), 18789);
    assert_eq!(ports(&without.service), std::slice::from_ref(&gateway));
    assert_eq!(ports(&with.service), [gateway, ("clients".to_owned(), 18790)]);
    let (mut before, after) = (json!(without.network_policy.spec), json!(with.network_policy.spec));
    let port = json!({"port": 18790, "protocol": "TCP"});
    before["ingress"][0]["ports"].as_array_mut().unwrap().push(port);
    assert_eq!(before, after);
}

#[test]
fn a_token_is_in_nothing_that_is_applied() {
    let mut gathered = with_a_client();
    secret(&mut gathered, "tokens", &[("home", "a-token-to-be-found")]);
    let desired = format!("{:?}", desired(&gathered));
    assert!(desired.contains("clients.json") && !desired.contains("a-token-to-be-found"));
}

#[test]
fn the_clients_go_with_the_last_one() {
    let mut gathered = with_a_client();
    settle(&mut gathered);
    let clients = desired(&gathered).clients.unwrap();
    keep(&mut gathered.live, clients);
    let obsolete = |gathered: &Gathered| -> Vec<String> {
        desired(gathered).obsolete.iter().map(|map| map.object.name_any()).collect()
    };
    assert!(obsolete(&gathered).is_empty());
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway.as_mut().unwrap().auth = None);
    assert_eq!(obsolete(&gathered), ["concierge-clients"]);
    assert!(desired(&gathered).clients.is_none());
}

#[test]
fn a_gateway_without_clients_has_none_of_it() {
    let desired = desired(&company());
    assert!(desired.clients.is_none());
    let pod: Value = json!(pod_of(&desired));
    assert!(!pod.to_string().contains("relay"), "{pod}");
}
