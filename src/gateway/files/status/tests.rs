use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::api::workspace::WorkspaceStatus;
use crate::gateway::files::report::Report;

fn agent(files: &Value) -> Agent {
    let spec = json!({"model": {"primary": {"provider": "a", "model": "b"}}, "workspace": {"files": files}});
    Agent::new("writer", serde_json::from_value(spec).unwrap())
}

fn soul() -> Agent {
    agent(&json!([{"path": "SOUL.md", "content": "calm", "policy": "Managed"}]))
}

fn document(content: &str) -> Document {
    let file = |path: &str, content: &str| File {
        path: path.into(),
        policy: FilePolicy::Managed,
        content: content.into(),
        section: None,
    };
    let files = vec![file("SOUL.md", content), file("AGENTS.md", "# Instructions\n")];
    Document::new(vec![AgentFiles { name: "writer".into(), directory: "workspaces/writer".into(), files }])
}

fn found(files: &Value) -> Found {
    let files: Vec<FileReport> = serde_json::from_value(files.clone()).unwrap();
    let agents = BTreeMap::from([("writer".to_owned(), files)]);
    Found { report: Some(Arc::new(Report { revision: String::new(), agents })), ..Found::default() }
}

#[test]
fn each_file_of_the_spec_is_told_as_the_sidecar_says() {
    let conflict = json!({"path": "SOUL.md", "state": "Conflict", "hash": "abc", "since": 1, "kept": "SOUL.md.kept"});
    let told = of(&soul(), Some(&document("calm")), &found(&json!([conflict])));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].state, told[0].hash.as_deref()), (FileState::Conflict, Some("abc")));
    assert_eq!(told[0].since.as_ref().unwrap().0, Timestamp::from_second(1).unwrap());
    assert!(told[0].message.as_ref().unwrap().contains("SOUL.md.kept"));
}

#[test]
fn files_that_creel_adds_are_told_only_if_something_is_wrong_with_them() {
    let ours = json!({"path": "SOUL.md", "state": "InStep", "hash": "abc"});
    let other = |state: Value| json!([ours, state]);
    let well = other(json!({"path": "AGENTS.md", "state": "Evolved", "hash": "abc", "since": 1}));
    assert_eq!(of(&soul(), Some(&document("calm")), &found(&well)).len(), 1);
    let broken = other(json!({"path": "AGENTS.md", "state": "Fault", "message": "a\nFIFO"}));
    let told = of(&soul(), Some(&document("calm")), &found(&broken));
    assert_eq!((told[1].path.as_str(), told[1].message.as_deref()), ("AGENTS.md", Some("a FIFO")));
}

#[test]
fn until_the_sidecar_speaks_a_file_is_as_it_was_unless_it_has_to_change() {
    let mut agent = soul();
    let none = Found::default();
    assert_eq!(of(&agent, Some(&document("calm")), &none)[0].state, FileState::Pending);
    let before =
        FileStatus { hash: Some(hash(&document("calm").agents[0].files[0])), ..bare("SOUL.md", FileState::InStep) };
    agent.status.get_or_insert_default().workspace = Some(WorkspaceStatus { files: vec![before.clone()] });
    assert_eq!(of(&agent, Some(&document("calm")), &none), [before]);
    assert_eq!(of(&agent, Some(&document("wild")), &none)[0].state, FileState::Pending);
}

#[test]
fn a_file_without_a_text_is_a_fault() {
    let told = of(&soul(), None, &Found::default());
    assert_eq!(told[0].state, FileState::Fault);
    assert!(told[0].message.as_ref().unwrap().contains("ReferencesResolved"));
}
