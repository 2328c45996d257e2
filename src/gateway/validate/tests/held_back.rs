//! What a gateway keeps while its Pod cannot be recreated, or an Agent of it does not parse.

use super::*;
use crate::api::Provider;

/// A gateway whose Pod cannot be recreated now, because a Secret of its environment does not exist.
fn frozen() -> Gathered {
    let mut gathered = company();
    settle(&mut gathered);
    edit(&mut gathered, "concierge", |agent| {
        let missing = serde_json::json!([{"secretRef": {"name": "gone"}}]);
        agent.spec.gateway.as_mut().unwrap().env_from = serde_json::from_value(missing).unwrap();
    });
    gathered.reads.insert((SourceKind::Secret, "gone".into()), Read::Missing);
    gathered
}

fn other_endpoint(provider: &mut Provider) {
    provider.spec.base_url = "https://models.example/v1".into();
}

#[test]
fn a_pod_that_cannot_be_recreated_gets_no_other_endpoint_for_a_key_that_it_does_not_have() {
    let mut gathered = frozen();
    secret(&mut gathered, "keys", &[("openai", "one"), ("litellm", "two"), ("other", "three")]);
    edit_provider(&mut gathered, "openai", |provider| {
        other_endpoint(provider);
        provider.spec.credentials.as_mut().unwrap().secret_key_ref.key = "other".into();
    });
    assert!(plan(&gathered).config.is_none(), "another key of the Secret");

    let mut gathered = frozen();
    secret(&mut gathered, "keys", &[("openai", "rotated"), ("litellm", "two")]);
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    assert!(plan(&gathered).config.is_some(), "the key that the endpoint had until now");
    edit_provider(&mut gathered, "openai", other_endpoint);
    assert!(plan(&gathered).config.is_none(), "another value of the key");
}

#[test]
fn a_pod_that_cannot_be_recreated_follows_a_provider_that_moves_with_its_key() {
    let mut gathered = frozen();
    edit_provider(&mut gathered, "openai", other_endpoint);
    let config = config(&plan(&gathered));
    assert_eq!(config["models"]["providers"]["p-openai"]["baseUrl"], "https://models.example/v1");
}

#[test]
fn a_pod_that_cannot_be_recreated_gets_no_key_that_it_reads_only_at_its_start() {
    let with = |config: serde_json::Value| {
        let mut gathered = frozen();
        let config = serde_json::from_value(config).unwrap();
        edit(&mut gathered, "concierge", |agent| agent.spec.gateway.as_mut().unwrap().config = config);
        plan(&gathered).config
    };
    assert!(with(serde_json::json!({"messages": {"responsePrefix": "auto"}})).is_some());
    assert!(with(serde_json::json!({"browser": {"cdpUrl": "http://chrome:9222"}})).is_none());
}

#[test]
fn headers_that_change_places_wait_for_the_pod_that_has_their_values() {
    let mut gathered = company();
    let header = |name: &str, key: &str| {
        let source = serde_json::json!({"secretKeyRef": {"name": "keys", "key": key}});
        serde_json::from_value(serde_json::json!({"name": name, "valueFrom": source})).unwrap()
    };
    edit_provider(&mut gathered, "openai", |provider| {
        provider.spec.headers = vec![header("X-Org", "openai"), header("X-Team", "litellm")];
    });
    settle(&mut gathered);
    let missing = serde_json::json!([{"secretRef": {"name": "gone"}}]);
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.gateway.as_mut().unwrap().env_from = serde_json::from_value(missing).unwrap();
    });
    gathered.reads.insert((SourceKind::Secret, "gone".into()), Read::Missing);
    assert!(plan(&gathered).config.is_some());
    edit_provider(&mut gathered, "openai", |provider| provider.spec.headers.reverse());
    assert!(plan(&gathered).config.is_none());
}

/// A gateway whose Agent `writer` joined and does not parse any more.
fn with_unparsable_writer() -> Gathered {
    let mut gathered = with_sandbox();
    own_sandbox(&mut gathered, "writer", "10.96.1.2", None, None);
    settle(&mut gathered);
    gathered.joined.clear();
    gathered.unparsable.insert("writer".into());
    gathered
}

#[test]
fn an_agent_that_does_not_parse_stays_as_it_was() {
    let gathered = with_unparsable_writer();
    let before = gathered.live.config.clone();
    let after = plan(&gathered);
    assert_eq!(after.config, before);
    assert_eq!(Some(hash(&after).as_str()), gathered.live.annotation(naming::PLAN));
}

#[test]
fn an_agent_that_does_not_parse_has_no_shell_once_its_sandbox_is_elsewhere() {
    let mut gathered = with_unparsable_writer();
    gathered.own_sandboxes.clear();
    let writer = writer(&plan(&gathered));
    assert!(writer.get("sandbox").is_none() && writer.get("model").is_some());
}
