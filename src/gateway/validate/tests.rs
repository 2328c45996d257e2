mod held_back;

use serde_json::Value;

use super::*;
use crate::api::sandbox::WorkspaceAccess;
use crate::gateway::build::deployment;
use crate::gateway::fixtures::{company, edit, edit_provider, own_sandbox, plan, sandbox, secret, settings, settle};
use crate::gateway::plan::Plan;
use crate::naming::GatewayNames;
use crate::references::digests::{Read, SourceKind, changes};
use crate::references::ssh_keys;

fn hash(plan: &Plan) -> String {
    plan.pod.as_ref().unwrap().hash()
}

fn config(plan: &Plan) -> Value {
    plan.config.as_ref().unwrap().value().clone()
}

fn entries(plan: &Plan) -> Vec<String> {
    config(plan)["agents"]["entries"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_company_is_planned_whole() {
    let plan = plan(&company());
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    assert_eq!(entries(&plan), ["concierge", "writer"]);
    let variables: Vec<_> = plan.pod.unwrap().provider_env.into_iter().map(|variable| variable.variable).collect();
    assert_eq!(variables, ["CREEL_PROVIDER_LITELLM__KEY", "CREEL_PROVIDER_OPENAI__KEY"]);
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let mut gathered = company();
    let first = plan(&gathered);
    settle(&mut gathered);
    let second = plan(&gathered);
    assert_eq!((hash(&first), first.config), (hash(&second), second.config));
}

#[test]
fn a_changed_model_changes_the_configuration_and_not_the_pod() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    let after = plan(&gathered);
    assert_eq!(hash(&before), hash(&after));
    assert_eq!(config(&after)["agents"]["entries"]["concierge"]["model"]["primary"], "p-openai/gpt-4o");
}

#[test]
fn a_rotated_key_changes_the_pod_and_names_itself() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    secret(&mut gathered, "keys", &[("openai", "rotated"), ("litellm", "two"), ("unused", "x")]);
    let after = plan(&gathered);
    assert_ne!(hash(&before), hash(&after));
    let digests = &after.pod.as_ref().unwrap().digests;
    assert_eq!(changes(&gathered.live.digests, digests), ["Secret \"keys\" key \"openai\" changed"]);
}

#[test]
fn an_agent_that_leaves_restarts_nothing_and_what_it_needed_goes_with_the_next_rollout() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.fallbacks.clear());
    settle(&mut gathered);
    let before = plan(&gathered);
    gathered.joined.clear();
    let after = plan(&gathered);
    assert_eq!(hash(&before), hash(&after));
    assert_eq!(entries(&after), ["concierge"]);
    edit(&mut gathered, "concierge", |agent| {
        agent.metadata.annotations = Some([(naming::RESTART.to_owned(), "1".to_owned())].into());
    });
    let variables = plan(&gathered).pod.unwrap().provider_env;
    assert_eq!(variables.len(), 1, "{variables:?}");
}

#[test]
fn an_agent_at_fault_keeps_its_last_good_entry_and_the_others_go_on() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "deepseek-v4".into());
    let after = plan(&gathered);
    assert_eq!((hash(&before), config(&before)), (hash(&after), config(&after)));
    let fault = &after.faults["writer"];
    assert!(fault.last_good_kept());
    assert_eq!(fault.reason, reason::MODEL_NOT_FOUND);
    assert!(
        fault
            .message
            .contains("Provider \"litellm\" has no model \"deepseek-v4\" (spec.model.primary of Agent \"writer\")")
    );
    assert!(fault.message.contains("did you mean \"deepseek-v3\"?"), "{}", fault.message);
}

#[test]
fn an_agent_at_fault_that_never_was_on_the_gateway_is_left_out() {
    let mut gathered = company();
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.provider = "litelm".into());
    let plan = plan(&gathered);
    assert_eq!(entries(&plan), ["concierge"]);
    assert_eq!(plan.faults["writer"].reason, reason::PROVIDER_NOT_FOUND);
}

#[test]
fn a_provider_that_drops_a_model_in_use_stays_as_it_was() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    edit_provider(&mut gathered, "litellm", |provider| provider.spec.models[0].id = "other".into());
    let after = plan(&gathered);
    assert_eq!((hash(&before), config(&before)), (hash(&after), config(&after)));
    assert!(after.faults["writer"].last_good_kept() && after.faults["concierge"].last_good_kept());
}

#[test]
fn two_agents_at_fault_for_different_reasons_both_keep_what_they_had() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    edit_provider(&mut gathered, "openai", |provider| {
        provider.spec.models.remove(0);
    });
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "unknown".into());
    let after = plan(&gathered);
    assert_eq!(config(&before), config(&after));
}

#[test]
fn a_required_secret_that_goes_away_disturbs_nothing_and_is_reported() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    gathered.reads.insert((SourceKind::Secret, "keys".into()), Read::Missing);
    let after = plan(&gathered);
    assert_eq!((hash(&before), config(&before)), (hash(&after), config(&after)));
    assert!(after.warnings.is_empty());
    for agent in ["concierge", "writer"] {
        assert_eq!(after.agent_warnings[agent][0].reason, reason::SECRET_NOT_FOUND);
    }
}

#[test]
fn a_provider_moved_to_a_secret_that_does_not_exist_stays_as_it_was() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    edit_provider(&mut gathered, "openai", |provider| {
        provider.spec.credentials.as_mut().unwrap().secret_key_ref.name = "elsewhere".into();
    });
    let after = plan(&gathered);
    assert_eq!((hash(&before), config(&before)), (hash(&after), config(&after)));
    assert_eq!(after.faults["concierge"].reason, reason::SECRET_NOT_FOUND);
}

#[test]
fn a_missing_secret_keeps_an_agent_off_a_gateway_that_does_not_exist_yet() {
    let mut gathered = company();
    gathered.reads.insert((SourceKind::Secret, "keys".into()), Read::Missing);
    let plan = plan(&gathered);
    assert_eq!(plan.config, None);
    assert_eq!(plan.faults.len(), 2);
}

#[test]
fn a_variable_of_the_users_that_cannot_be_resolved_prevents_the_pod() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| {
        let gateway =
            serde_json::json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
    });
    let fault = plan(&gathered).pod.unwrap_err();
    assert_eq!(
        fault.message,
        "Secret \"gone\" does not exist (spec.gateway.env[A].valueFrom.secretKeyRef of Agent \"concierge\"): create it"
    );
}

#[test]
fn a_suspended_agent_leaves_the_configuration() {
    let mut gathered = company();
    edit(&mut gathered, "writer", |agent| agent.spec.suspend = true);
    assert_eq!(entries(&plan(&gathered)), ["concierge"]);
}

#[test]
fn a_new_default_image_waits_for_a_restart_by_annotation() {
    let mut gathered = company();
    settle(&mut gathered);
    let newer = Settings { gateway_image: "ghcr.io/openclaw/openclaw:2027.1.1-slim".into(), ..settings() };
    let before = plan(&gathered).pod.unwrap();
    let after = validate(&gathered, &newer).pod.unwrap();
    assert_eq!((&before.image, before.hash()), (&after.image, after.hash()));
    edit(&mut gathered, "concierge", |agent| {
        agent.metadata.annotations = Some([(naming::RESTART.to_owned(), "1".to_owned())].into());
    });
    assert_eq!(validate(&gathered, &newer).pod.unwrap().image, newer.gateway_image);
}

#[test]
fn a_claim_that_does_not_exist_is_named() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| {
        let gateway = serde_json::json!({"storage": {"existingClaim": "old"}});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
    });
    gathered.existing_claim = Some(false);
    assert_eq!(plan(&gathered).pod.unwrap_err().reason, reason::CLAIM_NOT_FOUND);
}

#[test]
fn taking_the_restart_annotation_away_restarts_nothing() {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| {
        agent.metadata.annotations = Some([(naming::RESTART.to_owned(), "1".to_owned())].into());
    });
    settle(&mut gathered);
    let before = plan(&gathered);
    edit(&mut gathered, "concierge", |agent| agent.metadata.annotations = None);
    assert_eq!(hash(&before), hash(&plan(&gathered)));
}

#[test]
fn a_gateway_that_lacks_a_secret_can_be_suspended() {
    let mut gathered = company();
    settle(&mut gathered);
    edit(&mut gathered, "concierge", |agent| {
        let gateway = serde_json::json!({"envFrom": [{"secretRef": {"name": "gone"}}]});
        agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap());
    });
    assert!(plan(&gathered).pod.is_err());
    edit(&mut gathered, "concierge", |agent| agent.spec.suspend = true);
    let plan = plan(&gathered);
    let deployment =
        deployment::build(&gathered.owner, &GatewayNames::of("concierge"), &plan.pod.unwrap(), "creel:test", None);
    assert_eq!(deployment.spec.unwrap().replicas, Some(0));
    assert_eq!(plan.warnings[0].reason, reason::SECRET_NOT_FOUND);
}

#[test]
fn a_new_key_to_the_sandboxes_changes_the_pod_and_names_itself() {
    let mut gathered = company();
    settle(&mut gathered);
    secret(&mut gathered, "concierge-secret", &[("token", "t"), ("ssh-key", "another")]);
    let after = plan(&gathered);
    let digests = &after.pod.as_ref().unwrap().digests;
    assert_eq!(changes(&gathered.live.digests, digests), ["Secret \"concierge-secret\" key \"ssh-key\" changed"]);
}

/// `writer` uses the Sandbox `default`, which says `ro`.
fn with_sandbox() -> Gathered {
    let mut gathered = company();
    gathered.sandboxes.insert("default".into(), sandbox("default", WorkspaceAccess::Ro));
    use_sandbox(&mut gathered, "default", None);
    gathered
}

fn use_sandbox(gathered: &mut Gathered, name: &str, access: Option<WorkspaceAccess>) {
    let uses = serde_json::json!({"ref": {"name": name}, "workspaceAccess": access});
    edit(gathered, "writer", |agent| agent.spec.sandbox = Some(serde_json::from_value(uses).unwrap()));
}

fn writer(plan: &Plan) -> Value {
    config(plan)["agents"]["entries"]["writer"].clone()
}

#[test]
fn a_sandbox_is_where_its_service_says_and_sees_what_its_pod_sees() {
    let key = ssh_keys::generate().unwrap().public;
    let mut gathered = with_sandbox();
    let before = plan(&gathered);
    assert_eq!(writer(&before)["sandbox"]["workspaceAccess"], "ro");
    use_sandbox(&mut gathered, "default", Some(WorkspaceAccess::None));
    assert_eq!(writer(&plan(&gathered))["sandbox"]["workspaceAccess"], "none");
    own_sandbox(&mut gathered, "writer", "10.96.1.2", Some(&key), Some(WorkspaceAccess::Rw));
    let after = plan(&gathered);
    assert_eq!(hash(&before), hash(&after));
    assert_eq!(writer(&after)["sandbox"]["workspaceAccess"], "rw");
    assert_eq!(writer(&after)["sandbox"]["ssh"]["target"], "sandbox@10.96.1.2:2222");
    assert_eq!(writer(&after)["sandbox"]["ssh"]["knownHostsData"], format!("[10.96.1.2]:2222 {key}"));
}

#[test]
fn a_service_without_an_address_and_a_key_that_is_not_known_lead_nowhere() {
    let mut gathered = with_sandbox();
    own_sandbox(&mut gathered, "writer", "None", None, None);
    let ssh = writer(&plan(&gathered))["sandbox"]["ssh"].clone();
    assert!(ssh["target"].as_str().unwrap().ends_with(".invalid:2222"), "{ssh}");
    assert!(ssh["knownHostsData"].as_str().unwrap().starts_with('#'), "{ssh}");
}

#[test]
fn a_sandbox_that_does_not_exist_gives_no_shell() {
    let mut gathered = with_sandbox();
    use_sandbox(&mut gathered, "defualt", None);
    let first = plan(&gathered);
    assert_eq!(entries(&first), ["concierge"]);
    let fault = &first.faults["writer"];
    assert_eq!(fault.reason, reason::SANDBOX_NOT_FOUND);
    assert_eq!(
        fault.message,
        "Sandbox \"defualt\" does not exist (spec.sandbox.ref of Agent \"writer\") (did you mean \"default\"?): create it, or use another name"
    );
    // One that had no sandbox before goes on without a shell.
    edit(&mut gathered, "writer", |agent| agent.spec.sandbox = None);
    settle(&mut gathered);
    use_sandbox(&mut gathered, "defualt", None);
    let kept = plan(&gathered);
    assert!(kept.faults["writer"].last_good_kept());
    assert_eq!(writer(&kept)["tools"]["exec"]["mode"], "deny");
}

#[test]
fn a_sandbox_that_is_deleted_while_in_use_goes_on() {
    let key = ssh_keys::generate().unwrap().public;
    let mut gathered = with_sandbox();
    own_sandbox(&mut gathered, "writer", "10.96.1.2", Some(&key), Some(WorkspaceAccess::Ro));
    settle(&mut gathered);
    let before = plan(&gathered);
    gathered.sandboxes.clear();
    let after = plan(&gathered);
    assert_eq!(config(&before), config(&after));
    assert!(after.faults["writer"].last_good_kept());
}

#[test]
fn an_agent_whose_sandbox_is_taken_away_has_no_shell_whatever_else_is_wrong() {
    let mut gathered = with_sandbox();
    settle(&mut gathered);
    edit(&mut gathered, "writer", |agent| agent.spec.sandbox = None);
    assert!(writer(&plan(&gathered)).get("sandbox").is_none());
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "unknown".into());
    let kept = plan(&gathered);
    assert!(kept.faults["writer"].last_good_kept());
    assert!(writer(&kept).get("sandbox").is_none());
    assert_eq!(writer(&kept)["tools"]["exec"]["mode"], "deny");
}

#[test]
fn an_agent_at_fault_for_its_model_keeps_its_shell_where_its_sandbox_is_now() {
    let mut gathered = with_sandbox();
    settle(&mut gathered);
    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.model = "unknown".into());
    own_sandbox(&mut gathered, "writer", "10.96.1.3", None, None);
    assert_eq!(writer(&plan(&gathered))["sandbox"]["ssh"]["target"], "sandbox@10.96.1.3:2222");
}

#[test]
fn a_memory_limit_with_which_no_gateway_starts_is_told_before_it_runs_out() {
    for (limits, is_low) in [
        (serde_json::json!({"memory": "400Mi"}), true),
        (serde_json::json!({"memory": "1Gi"}), false),
        (serde_json::json!({"cpu": "1"}), false),
    ] {
        let mut gathered = company();
        let gateway = serde_json::json!({"resources": {"limits": limits}});
        edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(gateway).unwrap()));
        let warnings = plan(&gathered).warnings;
        let told = warnings.iter().find(|warning| warning.reason == reason::MEMORY_LIMIT_LOW);
        assert_eq!(told.is_some(), is_low, "{warnings:?}");
        assert!(told.is_none_or(|told| told.message.contains("Agent \"concierge\" is 400 MiB")), "{told:?}");
    }
}
