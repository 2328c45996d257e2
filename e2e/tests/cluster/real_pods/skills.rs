//! The skills of an Agent: in its prompt and in no other's, and as their ConfigMap has them.

use std::collections::BTreeSet;

use e2e::suite::{Condition, SOON, Shared, TestNamespace, on_shared};
use serde_json::json;

#[tokio::test]
async fn an_agent_has_the_skills_that_it_lists_as_their_config_maps_are_now() {
    on_shared(Shared::Plain, "skills", async |namespace: TestNamespace| {
        let brewer = namespace.join("brewer").await;
        let other = namespace.join("other").await;
        let host = namespace.host_of(&brewer);
        let pod = namespace.gateway(host).await;
        let (of_others, _) = skills(&namespace, &other).await;

        write(&namespace, &text("The first edition.")).await;
        let list = json!([{"name": "brew-notes", "configMapRef": {"name": namespace.named("brew")}}]);
        namespace.merge("Agent", &brewer, &json!({"spec": {"skills": list}})).await;
        reads(&namespace, &brewer, "The first edition.").await;
        assert_eq!(skills(&namespace, &other).await.0, of_others);

        write(&namespace, &text("The second edition.")).await;
        reads(&namespace, &brewer, "The second edition.").await;

        write(&namespace, "The third edition.").await;
        let invalid = |found: &Condition| found.reason == "SkillInvalid";
        let told = namespace.condition("Agent", &brewer, "ReferencesResolved", SOON, invalid).await;
        for part in ["no front matter in SKILL.md", "spec.skills[brew-notes].configMapRef", &brewer] {
            assert!(told.message.contains(part), "{part:?} is not in {:?}", told.message);
        }
        reads(&namespace, &brewer, "The second edition.").await;
        assert_eq!(skills(&namespace, &other).await.0, of_others);
        assert_eq!(namespace.running(host).await, [pod]);
    })
    .await;
}

fn text(description: &str) -> String {
    format!("---\nname: brew-notes\ndescription: {description}\n---\nBoil the water.\n")
}

async fn write(namespace: &TestNamespace, skill: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": namespace.named("brew")}, "data": {"SKILL.md": skill}});
    namespace.apply(&map.to_string()).await;
}

/// The names of the skills in the Agent's next prompt, and that prompt.
async fn skills(namespace: &TestNamespace, agent: &str) -> (BTreeSet<String>, String) {
    let words = format!("what {agent} can do");
    let prompt = namespace.ask_and_see(agent, "skills", &words).await.prompt.0;
    let names = prompt.split("<name>").skip(1).filter_map(|rest| Some(rest.split_once("</name>")?.0.to_owned()));
    (names.collect(), prompt)
}

/// Waits until this is the Agent's only skill, and says that.
async fn reads(namespace: &TestNamespace, agent: &str, description: &str) {
    namespace
        .eventually(&format!("the prompt of {agent} has {description:?}"), SOON, async || {
            let (names, prompt) = skills(namespace, agent).await;
            let is_only = names == BTreeSet::from(["brew-notes".to_owned()]);
            if is_only && prompt.contains(description) { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
}
