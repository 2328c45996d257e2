use serde_json::{Value, json};

use super::*;
use crate::gateway::fixtures::{company, edit, plan, secret, settings, settle};
use crate::gateway::plan::{Plan, changed_parts};
use crate::references::digests::token_digest;

/// A gateway with these clients, and the Secret `tokens`.
fn with(clients: &Value) -> Gathered {
    let mut gathered = company();
    secret(
        &mut gathered,
        "tokens",
        &[("home", "one\n"), ("web", "two"), ("same", "one"), ("gateways", "t"), ("none", "\n")],
    );
    set(&mut gathered, clients);
    gathered
}

fn set(gathered: &mut Gathered, clients: &Value) {
    let auth = json!({"clients": clients});
    edit(gathered, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().auth = Some(serde_json::from_value(auth).unwrap());
    });
}

fn client(name: &str, key: &str) -> Value {
    json!({"name": name, "secretRef": {"name": "tokens", "key": key}})
}

fn names(gathered: &Gathered) -> Vec<String> {
    resolve(gathered).list.unwrap().into_iter().map(|client| client.name).collect()
}

fn reasons(gathered: &Gathered) -> Vec<&'static str> {
    resolve(gathered).warnings.iter().map(|fault| fault.reason).collect()
}

#[test]
fn a_client_has_the_owner_or_the_agents_that_it_lists_and_the_digest_of_its_token() {
    let web = json!({"name": "web", "agents": ["writer", "concierge"], "secretRef": {"name": "tokens", "key": "web"}});
    let resolved = resolve(&with(&json!([client("home", "home"), web])));
    assert!(resolved.warnings.is_empty(), "{:?}", resolved.warnings);
    let wanted = |name: &str, agents: &[&str], token: &[u8]| RelayClient {
        name: name.to_owned(),
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        digest: hex::encode(token_digest(b"key", token)),
    };
    let wanted = [wanted("home", &["concierge"], b"one"), wanted("web", &["writer", "concierge"], b"two")];
    assert_eq!(resolved.list.unwrap(), wanted);
    assert_eq!(resolve(&company()).list, None);
}

#[test]
fn a_client_without_a_token_is_left_out_and_told_and_the_others_stay() {
    let mut gathered = with(&json!([client("gone", "gone"), client("empty", "none"), client("home", "home")]));
    assert_eq!(names(&gathered), ["home"]);
    assert_eq!(reasons(&gathered), [reason::SECRET_KEY_NOT_FOUND, reason::SECRET_KEY_EMPTY]);
    let field = "(spec.gateway.auth.clients[gone].secretRef of Agent \"concierge\")";
    let planned = plan(&gathered);
    assert!(planned.warnings[0].message.contains(field), "{}", planned.warnings[0].message);
    assert!(planned.pod.is_ok() && planned.faults.is_empty());
    gathered.reads.insert((SourceKind::Secret, "tokens".into()), Read::Missing);
    assert!(names(&gathered).is_empty());
    assert_eq!(reasons(&gathered), [reason::SECRET_NOT_FOUND; 3]);
}

#[test]
fn a_secret_that_cannot_be_read_now_refuses_nobody_who_was_let_in() {
    let mut gathered = with(&json!([client("home", "home")]));
    settle(&mut gathered);
    let list = resolve(&gathered).list;
    let map = relay::config_map(&gathered.owner, &GatewayNames::of("concierge"), list.as_deref().unwrap());
    crate::gateway::fixtures::keep(&mut gathered.live, map);
    gathered.reads.insert((SourceKind::Secret, "tokens".into()), Read::Unreadable("a time-out".into()));
    set(&mut gathered, &json!([client("home", "home"), client("web", "web")]));
    assert_eq!(resolve(&gathered).list, list);
    assert_eq!(reasons(&gathered), [reason::REFERENCE_UNREADABLE; 2]);
}

#[test]
fn an_agent_that_is_not_on_the_gateway_is_told_and_the_client_keeps_the_others() {
    let web = json!({"name": "web", "agents": ["writr", "writer"], "secretRef": {"name": "tokens", "key": "web"}});
    let resolved = resolve(&with(&json!([web])));
    assert_eq!(resolved.list.unwrap()[0].agents, ["writer"]);
    assert_eq!(
        resolved.warnings[0].message,
        "Agent \"writr\" is not on this gateway (spec.gateway.auth.clients[web].agents of Agent \"concierge\") (did you mean \"writer\"?)"
    );
    assert_eq!(resolved.warnings[0].reason, reason::AGENT_NOT_FOUND);
}

#[test]
fn a_token_of_somebody_else_lets_nobody_in() {
    let gathered = with(&json!([client("home", "home"), client("twin", "same"), client("master", "gateways")]));
    assert_eq!(names(&gathered), ["home"]);
    assert_eq!(reasons(&gathered), [reason::CLIENT_TOKEN_SHARED; 2]);
    let messages: Vec<_> = resolve(&gathered).warnings.into_iter().map(|fault| fault.message).collect();
    assert!(messages[0].contains("is also the token of client \"home\""), "{}", messages[0]);
    assert!(messages[1].contains("is also the token of the gateway"), "{}", messages[1]);
}

#[test]
fn the_first_client_and_the_last_one_change_the_pod_and_nothing_between_does() {
    let parts = |gathered: &Gathered| plan(gathered).pod.unwrap().parts;
    let (none, one) = (company(), with(&json!([client("home", "home")])));
    let changed = changed_parts(&parts(&none), &parts(&one));
    assert_eq!(changed, ["the relay for spec.gateway.auth.clients changed"]);
    let hash = |gathered: &Gathered| plan(gathered).pod.unwrap().hash();
    let mut other = with(&json!([client("web", "web"), client("more", "home")]));
    assert_eq!(hash(&one), hash(&other));
    secret(&mut other, "tokens", &[("home", "rotated")]);
    assert_eq!(hash(&one), hash(&other));
    let empty = with(&json!([]));
    assert_eq!(hash(&none), hash(&empty));
}

#[test]
fn the_relay_is_no_proxy_that_the_gateway_trusts() {
    let mut gathered = with(&json!([client("home", "home")]));
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().trusted_proxies = vec!["127.0.0.0/8".into(), "192.0.2.7".into()];
    });
    let Plan { config, warnings, .. } = crate::gateway::validate::validate(&gathered, &settings());
    assert_eq!(config.unwrap().value()["gateway"]["trustedProxies"], json!(["192.0.2.7"]));
    assert!(warnings[0].message.contains("127.0.0.1, the address of the relay"), "{}", warnings[0].message);
}
