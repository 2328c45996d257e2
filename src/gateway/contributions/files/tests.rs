use serde_json::{Value, json};

use super::*;
use crate::gateway::build::files::{MOUNTED, config_map as built};
use crate::gateway::fixtures::{company, config_map, edit, keep, plan, settle};
use crate::references::digests::{Read, SourceKind};

fn files_of(gathered: &mut Gathered, agent: &str, files: &Value) {
    let workspace = json!({ "files": files });
    edit(gathered, agent, |agent| agent.spec.workspace = Some(serde_json::from_value(workspace).unwrap()));
}

/// A reconcile that wrote the files.
fn written(gathered: &mut Gathered) -> Document {
    let document = plan(gathered).files.unwrap();
    let names = GatewayNames::of(&gathered.owner.name_any());
    let map = built(&gathered.owner, &names, &document);
    keep(&mut gathered.live, map);
    document
}

fn file(gathered: &Gathered, agent: &str, path: &str) -> Option<File> {
    plan(gathered).files?.of(agent)?.at(path).cloned()
}

fn reason_of(gathered: &Gathered, agent: &str) -> (&'static str, String) {
    let warning = plan(gathered).agent_warnings[agent][0].clone();
    (warning.reason, warning.message)
}

#[test]
fn without_a_workspace_in_any_spec_there_are_no_files() {
    assert_eq!(plan(&company()).files, None);
}

#[test]
fn an_agent_with_a_workspace_always_has_the_files_that_openclaw_wants() {
    let mut gathered = company();
    files_of(&mut gathered, "writer", &json!([{"path": "SOUL.md", "content": "calm", "policy": "Managed"}]));
    let document = plan(&gathered).files.unwrap();
    let files = document.of("writer").unwrap();
    assert_eq!(files.directory, "workspaces/writer");
    let paths: Vec<&str> = files.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["SOUL.md", "AGENTS.md", "IDENTITY.md"]);
    let soul = files.at("SOUL.md").unwrap();
    assert_eq!((soul.content.as_str(), soul.policy), ("calm", FilePolicy::Managed));
    assert_eq!(files.at("AGENTS.md").unwrap().policy, FilePolicy::SeedOnce);
    assert_eq!(document.of("concierge"), None);
}

#[test]
fn files_are_no_part_of_the_plan_of_the_pod_nor_of_the_configuration() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    files_of(&mut gathered, "writer", &json!([{"path": "SOUL.md", "content": "calm"}]));
    let after = plan(&gathered);
    assert_eq!(after.pod.unwrap().hash(), before.pod.unwrap().hash());
    assert_eq!(after.config.unwrap().value(), before.config.unwrap().value());
}

#[test]
fn a_pod_of_an_earlier_version_is_replaced_once_for_the_first_files_and_for_nothing_else() {
    let mut gathered = company();
    settle(&mut gathered);
    let mut deployment = gathered.live.deployment.clone().unwrap().object.clone();
    let pod = deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.volumes.as_mut().unwrap().retain(|volume| volume.name != MOUNTED.volume);
    let observed = crate::kubernetes::observed::Observed::new(deployment, crate::naming::AGENT_MANAGER);
    gathered.live.deployment = Some(std::sync::Arc::new(observed));
    let before = plan(&gathered).pod.unwrap();
    files_of(&mut gathered, "writer", &json!([{"path": "SOUL.md", "content": "calm"}]));
    let after = plan(&gathered).pod.unwrap();
    let changed = crate::gateway::plan::changed_parts(&before.parts, &after.parts);
    assert_eq!(changed, ["spec.workspace of an Agent changed"]);
    settle(&mut gathered);
    edit(&mut gathered, "writer", |agent| agent.spec.workspace = None);
    assert_eq!(plan(&gathered).pod.unwrap().hash(), after.hash(), "nothing is replaced when the files go");
}

#[test]
fn the_text_of_a_config_map_is_taken_over_and_followed() {
    let mut gathered = company();
    let soul = json!({"path": "SOUL.md", "configMapKeyRef": {"name": "persona", "key": "soul"}});
    files_of(&mut gathered, "writer", &json!([soul]));
    config_map(&mut gathered, "persona", &[("soul", "calm")]);
    let before = plan(&gathered).files.unwrap();
    assert_eq!(before.of("writer").unwrap().at("SOUL.md").unwrap().content, "calm");
    config_map(&mut gathered, "persona", &[("soul", "wild")]);
    let after = plan(&gathered).files.unwrap();
    assert_eq!(after.of("writer").unwrap().at("SOUL.md").unwrap().content, "wild");
    assert_ne!(before.revision, after.revision);
}

#[test]
fn a_file_whose_text_is_missing_stays_as_it_was_and_the_others_follow() {
    let mut gathered = company();
    let soul = json!({"path": "SOUL.md", "configMapKeyRef": {"name": "persona", "key": "soul"}});
    files_of(&mut gathered, "writer", &json!([soul, {"path": "notes.md", "content": "one"}]));
    let (reason, message) = reason_of(&gathered, "writer");
    assert_eq!(reason, reason::CONFIG_MAP_NOT_FOUND);
    let expected = "ConfigMap \"persona\" does not exist (spec.workspace.files[SOUL.md].configMapKeyRef of Agent \"writer\"): create it";
    assert_eq!(message, expected);
    assert_eq!(file(&gathered, "writer", "SOUL.md"), None, "nothing is known of its text, so nothing is written");
    assert!(plan(&gathered).faults.is_empty(), "the Agent works all the same");

    config_map(&mut gathered, "persona", &[("soul", "calm")]);
    written(&mut gathered);
    gathered.reads.insert((SourceKind::ConfigMap, "persona".into()), Read::Missing);
    files_of(&mut gathered, "writer", &json!([soul, {"path": "notes.md", "content": "two"}]));
    assert_eq!(file(&gathered, "writer", "SOUL.md").unwrap().content, "calm");
    assert_eq!(file(&gathered, "writer", "notes.md").unwrap().content, "two");

    config_map(&mut gathered, "persona", &[("soul", &"a".repeat(MOST_OF_FILE + 1))]);
    assert_eq!(reason_of(&gathered, "writer").0, reason::WORKSPACE_FILE_INVALID);
    assert_eq!(file(&gathered, "writer", "SOUL.md").unwrap().content, "calm");
}

#[test]
fn files_that_are_too_large_together_stay_as_they_were_and_disturb_no_other_agent() {
    let mut gathered = company();
    files_of(&mut gathered, "writer", &json!([{"path": "a.md", "content": "one"}]));
    files_of(&mut gathered, "concierge", &json!([{"path": "SOUL.md", "content": "calm"}]));
    written(&mut gathered);
    let text = "a".repeat(60_000);
    let many: Vec<Value> = (0..20).map(|number| json!({"path": format!("{number}.md"), "content": text})).collect();
    files_of(&mut gathered, "writer", &json!(many));
    assert_eq!(reason_of(&gathered, "writer").0, reason::WORKSPACE_FILES_TOO_LARGE);
    assert_eq!(file(&gathered, "writer", "a.md").unwrap().content, "one");
    assert_eq!(file(&gathered, "concierge", "SOUL.md").unwrap().content, "calm");
}

#[test]
fn what_openclaw_does_not_use_or_cuts_is_told_with_the_remedy_and_written_all_the_same() {
    let mut gathered = company();
    files_of(&mut gathered, "writer", &json!([{"path": "HEARTBEAT.md", "content": "look around"}]));
    let (reason, message) = reason_of(&gathered, "writer");
    assert_eq!(reason, reason::WORKSPACE_FILE_NOT_USED);
    assert!(message.ends_with("put its text into spec.heartbeat.prompt"), "{message}");
    assert!(file(&gathered, "writer", "HEARTBEAT.md").is_some());
    files_of(&mut gathered, "writer", &json!([{"path": "SOUL.md", "content": "a".repeat(20_001)}]));
    let (reason, message) = reason_of(&gathered, "writer");
    assert_eq!(reason, reason::WORKSPACE_FILE_TRUNCATED);
    assert!(message.contains("SOUL.md has 20001 characters"), "{message}");
    assert!(plan(&gathered).faults.is_empty());
}

#[test]
fn an_agent_that_does_not_parse_keeps_its_files() {
    let mut gathered = company();
    files_of(&mut gathered, "writer", &json!([{"path": "SOUL.md", "content": "calm"}]));
    settle(&mut gathered);
    let before = written(&mut gathered);
    gathered.joined.clear();
    gathered.unparsable = ["writer".to_owned()].into();
    assert_eq!(plan(&gathered).files, Some(before));
}

#[test]
fn the_routing_table_names_the_delegates_that_can_be_started_and_when() {
    let mut gathered = company();
    let delegates = json!([{"agent": "writer", "when": "texts, letters"}, {"agent": "nobody", "when": "anything"}]);
    edit(&mut gathered, "concierge", |agent| agent.spec.delegates = serde_json::from_value(delegates).unwrap());
    let section = |gathered: &Gathered| file(gathered, "concierge", "AGENTS.md").unwrap().section.unwrap();
    let table = section(&gathered);
    assert!(table.starts_with("## Delegates\n") && table.contains("sessions_spawn"), "{table}");
    assert!(table.ends_with("\n\n- `writer`: texts, letters\n"), "{table}");
    written(&mut gathered);

    edit(&mut gathered, "writer", |agent| agent.spec.suspend = true);
    assert_eq!(section(&gathered), "", "the section goes, although nothing else wants files");
}
