mod changed_secrets;
mod rejected;

use serde_json::{Value, json};

use super::*;
use crate::gateway::fixtures::{company, edit, plan, secret, settle};
use crate::gateway::plan::{Plan, changed_parts};
use crate::references::digests::{Read, SourceKind, changes};

/// Sets `spec.config` of `writer`.
fn of_agent(gathered: &mut Gathered, config: &Value) {
    let config = serde_json::from_value(config.clone()).unwrap();
    edit(gathered, "writer", |agent| agent.spec.config = config);
}

/// Sets `spec.gateway.config` of `concierge`.
fn of_gateway(gathered: &mut Gathered, config: &Value) {
    let config = serde_json::from_value(config.clone()).unwrap();
    edit(gathered, "concierge", |agent| agent.spec.gateway.get_or_insert_default().config = config);
}

fn document(plan: &Plan) -> Value {
    plan.config.as_ref().unwrap().value().clone()
}

fn writer(plan: &Plan) -> Value {
    document(plan)["agents"]["entries"]["writer"].clone()
}

fn hash(plan: &Plan) -> String {
    plan.pod.as_ref().unwrap().hash()
}

fn reference(secret: &str, key: &str) -> Value {
    json!({"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

/// A key of a search service in the Secret `search`, for the gateway.
fn search() -> Value {
    json!({"plugins": {"entries": {"brave": {"config": {"webSearch": {"apiKey": reference("search", "brave")}}}}}})
}

fn settled() -> Gathered {
    let mut gathered = company();
    settle(&mut gathered);
    gathered
}

#[test]
fn hot_keys_go_into_the_configuration_and_not_into_the_pod() {
    let mut gathered = settled();
    let before = hash(&plan(&gathered));
    of_agent(&mut gathered, &json!({"thinkingDefault": "high"}));
    of_gateway(&mut gathered, &json!({"agents": {"defaults": {"maxConcurrent": 2}}}));
    let after = plan(&gathered);
    assert!(after.faults.is_empty(), "{:?}", after.faults);
    assert_eq!(writer(&after)["thinkingDefault"], "high");
    assert_eq!(document(&after)["agents"]["defaults"]["maxConcurrent"], 2);
    assert_eq!(hash(&after), before);
}

#[test]
fn a_key_that_is_not_hot_recreates_the_pod_and_is_named() {
    let mut gathered = settled();
    of_gateway(
        &mut gathered,
        &json!({"browser": {"cdpUrl": "http://chrome:9222"}, "messages": {"responsePrefix": "auto"}}),
    );
    let after = plan(&gathered);
    let pod = after.pod.unwrap();
    assert_eq!(changed_parts(&gathered.live.parts, &pod.parts), ["spec.gateway.config.browser changed"]);
    settle(&mut gathered);
    of_gateway(&mut gathered, &json!({"browser": {"cdpUrl": "http://chrome:9222"}}));
    assert_eq!(hash(&plan(&gathered)), pod.hash());
}

#[test]
fn an_owned_key_is_refused_by_name_and_concerns_nobody_else() {
    let mut gathered = settled();
    of_agent(&mut gathered, &json!({"thinkingDefault": "high"}));
    settle(&mut gathered);
    let before = plan(&gathered);
    of_agent(&mut gathered, &json!({"thinkingDefault": "low", "tools": {"exec": {"mode": "full"}}, "compaction": {}}));
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    let after = plan(&gathered);
    assert_eq!((writer(&after), hash(&after)), (writer(&before), hash(&before)));
    assert_eq!(document(&after)["agents"]["entries"]["concierge"]["model"]["primary"], "p-openai/gpt-4o");
    assert_eq!(after.faults.keys().collect::<Vec<_>>(), ["writer"]);
    let fault = &after.faults["writer"];
    assert_eq!((fault.reason, fault.kept.as_slice()), (reason::CONFIG_KEY_OWNED, ["config"].as_slice()));
    let start = "spec.config of Agent \"writer\" has keys that only Creel sets: compaction (";
    assert!(fault.message.starts_with(start), "{}", fault.message);
    assert!(fault.message.ends_with("; tools.exec (use spec.sandbox)"), "{}", fault.message);
}

#[test]
fn the_last_good_keys_of_a_gateway_stay_while_its_owner_is_at_fault() {
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "k")]);
    of_gateway(&mut gathered, &search());
    settle(&mut gathered);
    let before = plan(&gathered);
    of_gateway(&mut gathered, &json!({"gateway": {"port": 1}}));
    let after = plan(&gathered);
    assert_eq!((document(&after), hash(&after)), (document(&before), hash(&before)));
    let fault = &after.faults["concierge"];
    assert_eq!((fault.reason, fault.kept.as_slice()), (reason::CONFIG_KEY_OWNED, ["gateway.config"].as_slice()));
    assert!(!after.faults.contains_key("writer"));
}

#[test]
fn a_secret_becomes_a_variable_and_its_value_counts() {
    let mut gathered = settled();
    secret(&mut gathered, "search", &[("brave", "k")]);
    of_gateway(&mut gathered, &search());
    let with = plan(&gathered);
    let pod = with.pod.as_ref().unwrap();
    let api_key = &document(&with)["plugins"]["entries"]["brave"]["config"]["webSearch"]["apiKey"];
    assert_eq!((pod.config_env.len(), &json!(pod.config_env[0].variable)), (1, &api_key["id"]));
    let expected = "the set of Secrets in spec.gateway.config and spec.config changed";
    assert_eq!(changed_parts(&gathered.live.parts, &pod.parts), [expected]);
    settle(&mut gathered);
    assert_eq!(hash(&plan(&gathered)), pod.hash());
    secret(&mut gathered, "search", &[("brave", "rotated")]);
    let rotated = plan(&gathered).pod.unwrap();
    assert_eq!(changes(&gathered.live.digests, &rotated.digests), ["Secret \"search\" key \"brave\" changed"]);
}

#[test]
fn keys_whose_secret_is_missing_are_not_rendered() {
    let mut gathered = settled();
    let before = plan(&gathered);
    let skills = json!({"memory": {"search": {"remote": {"apiKey": reference("embeddings", "key")}}}});
    of_agent(&mut gathered, &skills);
    let after = plan(&gathered);
    assert_eq!((document(&after), hash(&after)), (document(&before), hash(&before)));
    let fault = &after.faults["writer"];
    assert_eq!(fault.reason, reason::SECRET_NOT_FOUND);
    let expected =
        "Secret \"embeddings\" does not exist (spec.config.memory.search.remote.apiKey of Agent \"writer\"): create it";
    assert_eq!(fault.message, expected);
}

#[test]
fn a_secret_that_goes_away_is_told_and_restarts_nothing() {
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "k")]);
    of_gateway(&mut gathered, &search());
    settle(&mut gathered);
    let before = plan(&gathered);
    gathered.reads.insert((SourceKind::Secret, "search".into()), Read::Missing);
    let after = plan(&gathered);
    assert_eq!((document(&after), hash(&after)), (document(&before), hash(&before)));
    assert!(after.faults.is_empty());
    assert_eq!(after.agent_warnings["concierge"][0].reason, reason::SECRET_NOT_FOUND);
}

#[test]
fn keys_that_go_restart_nothing_and_their_variable_goes_with_the_next_rollout() {
    let mut gathered = company();
    secret(&mut gathered, "search", &[("brave", "k")]);
    of_gateway(&mut gathered, &search());
    settle(&mut gathered);
    let before = hash(&plan(&gathered));
    of_gateway(&mut gathered, &json!({}));
    let after = plan(&gathered);
    assert_eq!(hash(&after), before);
    assert_eq!(document(&after)["plugins"]["entries"].get("brave"), None);
}

#[test]
fn a_secret_in_plain_text_is_a_warning() {
    let mut gathered = settled();
    of_gateway(&mut gathered, &json!({"skills": {"entries": {"notes": {"apiKey": "abc"}}}}));
    let plan = plan(&gathered);
    assert!(plan.faults.is_empty());
    let warning = &plan.agent_warnings["concierge"][0];
    assert_eq!(warning.reason, reason::SECRET_IN_PLAIN_TEXT);
    assert!(warning.message.contains("skills.entries.notes.apiKey") && !warning.message.contains("abc"));
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_what_to_write_instead() {
    let mut gathered = settled();
    of_agent(&mut gathered, &json!({"params": {"key": "${OPENCLAW_GATEWAY_TOKEN}"}}));
    let fault = plan(&gathered).faults.remove("writer").unwrap();
    assert_eq!(fault.reason, reason::CONFIG_UNSUPPORTED);
    let start = "spec.config of Agent \"writer\" has values that cannot be used: params.key names the variable ${OPENCLAW_GATEWAY_TOKEN}: use {valueFrom";
    assert!(fault.message.starts_with(start), "{}", fault.message);
}

#[test]
fn what_is_too_large_in_openclaw_json_is_refused_also_if_the_spec_is_short() {
    let mut deep = json!(vec![1; 1000]);
    for _ in 0..60 {
        deep = json!([deep]);
    }
    for large in [json!({"params": {"text": "x".repeat(65 << 10)}}), json!({"params": deep})] {
        let mut gathered = settled();
        of_agent(&mut gathered, &large);
        let fault = plan(&gathered).faults.remove("writer").unwrap();
        assert_eq!(fault.reason, reason::CONFIG_TOO_LARGE);
        assert_eq!(fault.message, "spec.config of Agent \"writer\" has more than 64 KiB in openclaw.json: shorten it");
    }
    let mut gathered = settled();
    of_gateway(&mut gathered, &json!({"messages": {"responsePrefix": "x".repeat(200 << 10)}}));
    assert!(plan(&gathered).faults.is_empty());
}

#[test]
fn a_message_names_only_some_of_many_keys() {
    let all: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    assert_eq!(list(&all), "0; 1; 2; 3; 4; and 3 more");
}
