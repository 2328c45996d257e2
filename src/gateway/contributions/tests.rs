use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::sandbox::WorkspaceAccess;
use crate::gateway::fixtures::{company, edit, edit_provider, own_sandbox, plan, sandbox, settle};
use crate::gateway::plan::Plan;
use crate::kubernetes::conditions::reason;
use crate::references::agents::of_agent;
use crate::references::ssh_keys;

const ADDRESS: &str = "10.96.1.2";

/// `writer` has a sandbox and a heartbeat, and all of it is live.
fn settled() -> Gathered {
    let mut gathered = company();
    gathered.sandboxes.insert("default".into(), sandbox("default", WorkspaceAccess::Ro));
    use_sandbox(&mut gathered, "default");
    own_sandbox(&mut gathered, "writer", ADDRESS, None, None);
    beat(&mut gathered, &json!({"every": "30m"}));
    settle(&mut gathered);
    gathered
}

fn use_sandbox(gathered: &mut Gathered, name: &str) {
    let uses = serde_json::from_value(json!({"ref": {"name": name}})).unwrap();
    edit(gathered, "writer", |agent| agent.spec.sandbox = Some(uses));
}

fn use_model(gathered: &mut Gathered, provider: &str, model: &str) {
    edit(gathered, "writer", |agent| {
        agent.spec.model.primary.provider = provider.into();
        agent.spec.model.primary.model = model.into();
    });
}

fn beat(gathered: &mut Gathered, heartbeat: &Value) {
    let heartbeat = serde_json::from_value(heartbeat.clone()).unwrap();
    edit(gathered, "writer", |agent| agent.spec.heartbeat = Some(heartbeat));
}

/// A heartbeat in a time zone that does not exist.
fn nowhere() -> Value {
    json!({"every": "10m", "activeHours": {"start": "08:00", "end": "22:00", "timeZone": "Europe/Pari"}})
}

fn document(plan: &Plan) -> Value {
    plan.config.as_ref().unwrap().value().clone()
}

fn writer(plan: &Plan) -> Value {
    document(plan)["agents"]["entries"]["writer"].clone()
}

#[test]
fn a_fault_in_the_heartbeat_keeps_the_old_heartbeat_while_a_new_model_is_taken_up() {
    let mut gathered = settled();
    beat(&mut gathered, &nowhere());
    use_model(&mut gathered, "openai", "gpt-4o");
    let after = plan(&gathered);
    assert_eq!(writer(&after)["model"]["primary"], "p-openai/gpt-4o");
    assert_eq!(writer(&after)["heartbeat"]["every"], "1800000ms");
    assert_eq!(after.faults["writer"].kept, ["heartbeat"]);
    assert_eq!(after.faults["writer"].reason, reason::TIME_ZONE_NOT_FOUND);
}

#[test]
fn a_fault_in_the_model_keeps_the_old_model_while_the_heartbeat_is_taken_away() {
    let mut gathered = settled();
    use_model(&mut gathered, "litellm", "unknown");
    edit(&mut gathered, "writer", |agent| agent.spec.heartbeat = None);
    let after = plan(&gathered);
    assert_eq!(writer(&after)["model"]["primary"], "p-litellm/deepseek-v3");
    assert_eq!(writer(&after).get("heartbeat"), None);
    assert_eq!(after.faults["writer"].kept, ["model"]);
}

#[test]
fn an_agent_that_had_no_heartbeat_has_none_while_its_first_is_at_fault() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    beat(&mut gathered, &nowhere());
    let after = plan(&gathered);
    assert_eq!(document(&before), document(&after));
    assert!(after.faults["writer"].last_good_kept());
}

#[test]
fn a_heartbeat_whose_units_are_out_of_order_is_reported_and_not_dropped() {
    let mut gathered = settled();
    beat(&mut gathered, &json!({"every": "30m1h"}));
    let after = plan(&gathered);
    assert_eq!(writer(&after)["heartbeat"]["every"], "1800000ms");
    let fault = &after.faults["writer"];
    assert_eq!(fault.reason, reason::INVALID_SCHEDULE);
    assert!(fault.message.contains("spec.heartbeat.every of Agent \"writer\""), "{}", fault.message);
}

#[test]
fn a_deleted_sandbox_does_not_hold_up_a_new_model() {
    let mut gathered = settled();
    gathered.sandboxes.clear();
    let key = ssh_keys::generate().unwrap().public;
    own_sandbox(&mut gathered, "writer", ADDRESS, Some(&key), Some(WorkspaceAccess::Ro));
    use_model(&mut gathered, "openai", "gpt-4o");
    let after = plan(&gathered);
    assert_eq!(writer(&after)["model"]["primary"], "p-openai/gpt-4o");
    assert_eq!(writer(&after)["sandbox"]["ssh"]["target"], format!("sandbox@{ADDRESS}:2222"));
    assert_eq!(after.faults["writer"].kept, ["sandbox"]);
}

#[test]
fn an_agent_that_is_left_out_brings_nothing_onto_the_gateway() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
    beat(&mut gathered, &nowhere());
    let plan = plan(&gathered);
    assert_eq!(plan.faults["writer"].kept, Vec::<&str>::new());
    let providers: Vec<String> = document(&plan)["models"]["providers"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(providers, ["p-openai"]);
    assert_eq!(plan.pod.unwrap().provider_env.len(), 1);
}

#[test]
fn a_provider_that_the_present_model_of_an_agent_at_fault_needs_is_as_it_is_now() {
    let mut gathered = settled();
    beat(&mut gathered, &nowhere());
    edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks[0].model = "unknown".into());
    edit_provider(&mut gathered, "litellm", |provider| provider.spec.base_url = "http://other:4000/v1".into());
    let after = plan(&gathered);
    assert_eq!(document(&after)["models"]["providers"]["p-litellm"]["baseUrl"], "http://other:4000/v1");
    assert_eq!(after.faults["concierge"].kept, ["model"]);
    assert_eq!(after.faults["writer"].kept, ["heartbeat"]);
}

#[test]
fn an_agent_whose_last_good_model_no_provider_has_any_more_is_left_out() {
    let mut gathered = settled();
    edit(&mut gathered, "concierge", |agent| {
        agent.spec.model.fallbacks[0].model = "other".into();
    });
    edit_provider(&mut gathered, "litellm", |provider| provider.spec.models[0].id = "other".into());
    let after = plan(&gathered);
    assert!(!after.faults.contains_key("concierge"));
    assert_eq!(writer(&after), Value::Null);
    assert!(!after.faults["writer"].last_good_kept());
}

/// One that was stored before the schema refused it.
#[test]
fn a_model_whose_id_openclaw_would_cut_is_refused_by_name_and_what_runs_goes_on() {
    let mut gathered = settled();
    edit_provider(&mut gathered, "litellm", |provider| {
        let latest = serde_json::from_value(json!({"id": "deepseek-v3@latest"})).unwrap();
        provider.spec.models.push(latest);
    });
    use_model(&mut gathered, "litellm", "deepseek-v3@latest");
    let after = plan(&gathered);
    let fault = &after.faults["writer"];
    assert_eq!((fault.reason, fault.last_good_kept()), (reason::MODEL_ID_UNSUPPORTED, true));
    let named = "Model \"deepseek-v3@latest\" cannot be used (spec.model.primary of Agent \"writer\")";
    assert!(fault.message.contains(named), "{}", fault.message);
    assert_eq!(writer(&after)["model"]["primary"], "p-litellm/deepseek-v3");
}

#[test]
fn every_feature_reads_only_what_is_watched_on_its_behalf() {
    let gathered = settled();
    for agent in gathered.active_agents() {
        let watched = of_agent(agent, |name| gathered.providers.get(name).map(Arc::clone));
        for feature in &FEATURES {
            let sources = (feature.contribute)(&gathered, agent).unwrap().sources;
            assert!(sources.iter().all(|source| watched.contains(source)), "{}: {sources:?}", feature.name);
        }
    }
}

/// Every value in it with its path, without the list of tools that several features may deny.
fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(&format!("{path}.{name}"), value, found));
        }
        _ if path == ".tools.deny" => {}
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn no_two_features_write_the_same_value_but_for_the_denied_tools() {
    let mut gathered = settled();
    edit(&mut gathered, "writer", |agent| {
        agent.spec.tools = Some(serde_json::from_value(json!({"profile": "coding", "deny": ["browser"]})).unwrap());
        agent.spec.description = Some("Writes.".into());
        agent.spec.identity = Some(serde_json::from_value(json!({"name": "Ada"})).unwrap());
        agent.spec.delegates = serde_json::from_value(json!([{"agent": "concierge"}])).unwrap();
    });
    let writer = gathered.active_agents().last().unwrap();
    let mut found = Vec::new();
    for feature in &FEATURES {
        let entry = (feature.contribute)(&gathered, writer).unwrap().entry;
        leaves("", &Value::Object(entry), &mut found);
    }
    let written: std::collections::BTreeSet<&String> = found.iter().collect();
    assert_eq!(written.len(), found.len(), "{found:?}");
    for path in [".model.primary", ".sandbox.mode", ".tools.exec.host", ".tools.profile", ".subagents.allowAgents"] {
        assert!(written.contains(&path.to_owned()), "{path} is not in {found:?}");
    }
}

proptest! {
    /// Whatever else is wrong: a shell only together with the sandbox that it runs in, and a sandbox wherever the spec has one that exists.
    #[test]
    fn an_agent_with_a_sandbox_is_never_on_its_gateway_without_its_sandbox_block(
        was_live: bool,
        model_at_fault: bool,
        heartbeat_at_fault: bool,
        sandbox_named: bool,
        sandbox_exists: bool,
    ) {
        let mut gathered = if was_live { settled() } else { company() };
        if model_at_fault {
            use_model(&mut gathered, "litellm", "unknown");
        }
        if heartbeat_at_fault {
            beat(&mut gathered, &nowhere());
        }
        edit(&mut gathered, "writer", |agent| agent.spec.sandbox = None);
        if sandbox_named {
            use_sandbox(&mut gathered, "default");
        }
        gathered.sandboxes.clear();
        if sandbox_exists {
            gathered.sandboxes.insert("default".into(), sandbox("default", WorkspaceAccess::Ro));
        }
        let entry = writer(&plan(&gathered));
        if !entry.is_null() {
            let shell = &entry["tools"]["exec"];
            let in_sandbox = entry.get("sandbox").is_some();
            prop_assert_eq!(shell, &if in_sandbox { json!({"host": "sandbox", "mode": "full"}) } else { json!({"mode": "deny"}) });
            prop_assert_eq!(in_sandbox, sandbox_named && sandbox_exists);
        }
    }
}
