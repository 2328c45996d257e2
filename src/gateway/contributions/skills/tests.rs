use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::gateway::fixtures::{company, config_map, edit, plan, secret, settle};
use crate::gateway::plan::{Plan, SKILLS_PART};
use crate::references::digests::SourceKind;

const BREW: &str = "---\nname: brew-notes\ndescription: About brewing.\n---\nBoil.\n";

/// `writer` has the skill `brew-notes`, and all of it is live.
fn settled() -> Gathered {
    let mut gathered = company();
    config_map(&mut gathered, "brew", &[("SKILL.md", BREW), ("helper.md", "help")]);
    have(&mut gathered, "writer", &json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}}]));
    settle(&mut gathered);
    gathered
}

fn have(gathered: &mut Gathered, agent: &str, skills: &Value) {
    edit(gathered, agent, |agent| agent.spec.skills = serde_json::from_value(skills.clone()).unwrap());
}

fn listed(plan: &Plan, agent: &str) -> Value {
    plan.config.as_ref().unwrap().value()["agents"]["entries"][agent]["skills"].clone()
}

fn files(plan: &Plan, agent: &str) -> Value {
    json!(plan.skills.as_ref().unwrap()[&format!("workspaces/{agent}")])
}

fn warning(plan: &Plan, agent: &str) -> (&'static str, String) {
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    let fault = plan.agent_warnings[agent][0].clone();
    assert!(fault.carried);
    (fault.reason, fault.message)
}

fn hash(plan: &Plan) -> String {
    plan.pod.as_ref().unwrap().hash()
}

#[test]
fn an_agent_has_the_skills_that_it_lists_and_no_other_agent_has_their_files() {
    let mut gathered = settled();
    let before = hash(&plan(&gathered));
    let skills = json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}}, {"name": "weather"}]);
    have(&mut gathered, "writer", &skills);
    let after = plan(&gathered);
    assert_eq!(listed(&after, "writer"), json!(["brew-notes", "weather"]));
    assert_eq!(listed(&after, "concierge"), Value::Null);
    assert_eq!(files(&after, "writer"), json!({"brew-notes": {"SKILL.md": BREW, "helper.md": "help"}}));
    assert_eq!(files(&after, "concierge"), json!({}));
    assert_eq!(hash(&after), before);
}

#[test]
fn the_first_skill_needs_no_other_pod_and_without_any_there_is_no_config_map() {
    let mut gathered = company();
    settle(&mut gathered);
    let before = plan(&gathered);
    assert_eq!(before.skills, None);
    config_map(&mut gathered, "brew", &[("SKILL.md", BREW)]);
    have(&mut gathered, "writer", &json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}}]));
    assert_eq!(hash(&plan(&gathered)), hash(&before));
}

#[test]
fn a_pod_of_an_earlier_version_is_recreated_once_for_the_first_skill() {
    let mut gathered = company();
    settle(&mut gathered);
    let mut deployment = (**gathered.live.deployment.as_ref().unwrap()).clone();
    let volumes = deployment.object.spec.as_mut().unwrap().template.spec.as_mut().unwrap().volumes.as_mut().unwrap();
    volumes.retain(|volume| volume.name != "skills");
    gathered.live.deployment = Some(Arc::new(deployment));
    let before = hash(&plan(&gathered));
    have(&mut gathered, "writer", &json!([{"name": "weather"}]));
    assert_eq!(hash(&plan(&gathered)), before);
    config_map(&mut gathered, "brew", &[("SKILL.md", BREW)]);
    have(&mut gathered, "writer", &json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}}]));
    let after = plan(&gathered);
    assert!(hash(&after) != before && after.pod.as_ref().unwrap().parts.contains_key(SKILLS_PART));
    settle(&mut gathered);
    have(&mut gathered, "writer", &Value::Null);
    assert_eq!(hash(&plan(&gathered)), hash(&after));
}

#[test]
fn an_empty_list_is_no_skill_and_no_list_leaves_it_to_openclaw() {
    let mut gathered = settled();
    have(&mut gathered, "writer", &json!([]));
    let none = plan(&gathered);
    assert_eq!((listed(&none, "writer"), files(&none, "writer")), (json!([]), json!({})));
    have(&mut gathered, "writer", &Value::Null);
    let any = plan(&gathered);
    assert_eq!((listed(&any, "writer"), files(&any, "writer")), (Value::Null, json!({})));
}

#[test]
fn a_skill_at_fault_stays_as_it_was_while_another_one_is_taken_up() {
    let at = "(spec.skills[brew-notes].configMapRef of Agent \"writer\")";
    for (data, reason, message) in [
        (None, reason::CONFIG_MAP_NOT_FOUND, format!("ConfigMap \"brew\" does not exist {at}: create it")),
        (
            Some([("README.md", "x")]),
            reason::SKILL_INVALID,
            format!("ConfigMap \"brew\" has no key \"SKILL.md\" {at}: correct it"),
        ),
        (
            Some([("SKILL.md", "---\nname: tea\ndescription: x\n---\n")]),
            reason::SKILL_INVALID,
            format!(
                "ConfigMap \"brew\" has the name \"tea\" in the front matter of SKILL.md, and not \"brew-notes\" {at}: correct it"
            ),
        ),
    ] {
        let mut gathered = settled();
        gathered.reads.retain(|(kind, _), _| *kind != SourceKind::ConfigMap);
        if let Some(data) = data {
            config_map(&mut gathered, "brew", &data);
        }
        config_map(&mut gathered, "beans", &[("SKILL.md", "---\ndescription: x\n---\n")]);
        let skills = json!([
            {"name": "brew-notes", "configMapRef": {"name": "brew"}}, {"name": "beans", "configMapRef": {"name": "beans"}},
        ]);
        have(&mut gathered, "writer", &skills);
        let after = plan(&gathered);
        assert_eq!(warning(&after, "writer"), (reason, message));
        assert_eq!(listed(&after, "writer"), json!(["brew-notes", "beans"]));
        assert_eq!(files(&after, "writer")["brew-notes"]["SKILL.md"], BREW);
        assert_eq!(files(&after, "writer")["beans"]["SKILL.md"], "---\ndescription: x\n---\n");
    }
}

#[test]
fn a_skill_that_never_was_valid_is_left_out() {
    let mut gathered = company();
    have(
        &mut gathered,
        "writer",
        &json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}}, {"name": "weather"}]),
    );
    let plan = plan(&gathered);
    assert_eq!(warning(&plan, "writer").0, reason::CONFIG_MAP_NOT_FOUND);
    assert_eq!(listed(&plan, "writer"), json!(["weather"]));
}

fn with_key(secret: &str) -> Value {
    let from = json!({"secretKeyRef": {"name": secret, "key": "key"}});
    json!([{"name": "brew-notes", "configMapRef": {"name": "brew"}, "env": [{"name": "BREW_KEY", "valueFrom": from}]}])
}

#[test]
fn a_variable_of_a_skill_is_a_key_of_a_secret_in_the_environment_of_the_pod() {
    let mut gathered = settled();
    secret(&mut gathered, "brewery", &[("key", "sesame")]);
    have(&mut gathered, "writer", &with_key("brewery"));
    let pod = plan(&gathered).pod.unwrap();
    let [variable] = pod.config_env.as_slice() else { panic!("{:?}", pod.config_env) };
    assert_eq!((variable.secret.as_str(), variable.key.as_str()), ("brewery", "key"));
    settle(&mut gathered);
    let after = plan(&gathered);
    let env = after.config.as_ref().unwrap().value()["skills"]["entries"]["brew-notes"]["env"].clone();
    assert_eq!(env, json!({"BREW_KEY": format!("${{{}}}", variable.variable)}));
    assert!(!json!(after.skills).to_string().contains("sesame"));
    have(&mut gathered, "writer", &with_key("nowhere"));
    let after = plan(&gathered);
    let expected = "Secret \"nowhere\" does not exist (spec.skills[brew-notes].env[BREW_KEY].valueFrom.secretKeyRef of Agent \"writer\"): create it";
    assert_eq!(warning(&after, "writer"), (reason::SECRET_NOT_FOUND, expected.to_owned()));
    assert_eq!(after.config.unwrap().value()["skills"]["entries"]["brew-notes"]["env"], env);
    assert_eq!(after.pod.unwrap().hash(), gathered.live.annotation(crate::naming::PLAN).unwrap());
}

#[test]
fn an_agent_never_gets_the_variables_of_anothers_skill_with_the_same_name() {
    let mut gathered = settled();
    secret(&mut gathered, "brewery", &[("key", "sesame")]);
    have(&mut gathered, "concierge", &with_key("brewery"));
    let after = plan(&gathered);
    let (reason, message) = warning(&after, "writer");
    assert_eq!(reason, reason::SKILL_VARIABLES_DIFFER);
    assert!(message.contains("in spec.skills of Agent \"concierge\""), "{message}");
    assert!(after.config.is_none() || listed(&after, "writer") == json!([]));
    have(&mut gathered, "writer", &with_key("brewery"));
    assert!(plan(&gathered).agent_warnings["writer"].is_empty());
}

#[test]
fn skills_moved_from_the_keys_without_a_field_stay_until_they_are_moved() {
    let mut gathered = settled();
    edit(&mut gathered, "writer", |agent| {
        agent.spec.config.0.insert("skills".to_owned(), json!(["weather"]));
    });
    let after = plan(&gathered);
    assert_eq!(after.faults["writer"].reason, reason::CONFIG_KEY_OWNED);
    assert_eq!(listed(&after, "writer"), json!(["brew-notes"]));
    assert_eq!(files(&after, "writer")["brew-notes"]["helper.md"], "help");
}

#[test]
fn the_skills_of_a_gateway_have_a_limit_and_what_fits_is_taken_up() {
    let mut gathered = company();
    let large = format!("---\ndescription: x\n---\n{}", "x".repeat(127 << 10));
    let skills: Vec<Value> =
        (0..7).map(|at| json!({"name": format!("s{at}"), "configMapRef": {"name": "large"}})).collect();
    config_map(&mut gathered, "large", &[("SKILL.md", &large)]);
    have(&mut gathered, "writer", &json!(skills));
    let plan = plan(&gathered);
    let (reason, message) = warning(&plan, "writer");
    assert_eq!(reason, reason::SKILL_INVALID);
    assert!(message.starts_with("Skill \"s6\" does not fit (spec.skills[s6] of Agent \"writer\")"), "{message}");
    assert_eq!(files(&plan, "writer").as_object().unwrap().len(), 6);
}
