//! The files of an Agent's workspace: from the spec and ConfigMaps into the next turn's prompt, and what the agent may make of them.

use e2e::suite::{SOON, Shared, TestNamespace, on_shared};
use serde_json::{Value, json};

use super::live::shows;

#[tokio::test]
async fn files_reach_the_next_turn_and_the_agent_owns_what_it_was_seeded_with() {
    on_shared(Shared::Plain, "files", async |namespace: TestNamespace| {
        let (agent, persona) = (namespace.named("ada"), namespace.named("persona"));
        soul(&namespace, &persona, "I am the first soul.").await;
        let files = json!({"files": [
            {"path": "SOUL.md", "configMapKeyRef": {"name": persona, "key": "soul"}, "policy": "Managed"},
            {"path": "USER.md", "content": "They like tea."},
            {"path": "notes/house.md", "content": "The house is red.", "policy": "Managed"},
        ]});
        let yaml = namespace.joining("ada").await;
        namespace.apply(&format!("{yaml}  workspace: {files}\n")).await;
        namespace.ready(&agent).await;
        let host = namespace.host_of(&agent).to_owned();
        let pod = namespace.gateway(&host).await;
        states(&namespace, &agent, &[("SOUL.md", "InStep"), ("USER.md", "InStep"), ("notes/house.md", "InStep")]).await;
        shows(&namespace, &agent, "who are you at first", |seen| {
            let has = |text: &str| seen.prompt.0.contains(text);
            has("I am the first soul.") && has("They like tea.") && !has("[MISSING]")
        })
        .await;

        soul(&namespace, &persona, "I am the second soul.").await;
        shows(&namespace, &agent, "who are you now", |seen| {
            seen.prompt.0.contains("I am the second soul.") && !seen.prompt.0.contains("I am the first soul.")
        })
        .await;

        // As the agent's own tools would do it, and as they should not.
        let change = "printf 'I am free.' > SOUL.md && printf 'They like coffee.' > USER.md && rm notes/house.md && mkfifo notes/house.md";
        let workspace = format!("/home/node/.openclaw/workspaces/{agent}");
        let in_workspace = async |script: &str| {
            namespace.in_container(&pod.name, "gateway", &format!("cd {workspace} && {script}")).await
        };
        in_workspace(change).await;
        let changed = [("SOUL.md", "Conflict"), ("USER.md", "Evolved"), ("notes/house.md", "Fault")];
        states(&namespace, &agent, &changed).await;
        assert_eq!(in_workspace("cat SOUL.md SOUL.md.kept").await, "I am the second soul.I am free.");

        let host_as_delegate = json!([{"agent": host, "when": "lamps, candles and other lights"}]);
        let seed = json!({"path": "USER.md", "content": "They like water."});
        namespace.merge("Agent", &agent, &json!({"spec": {"delegates": host_as_delegate}})).await;
        let mut files = files["files"].clone();
        files[1] = seed;
        namespace.merge("Agent", &agent, &json!({"spec": {"workspace": {"files": files}}})).await;
        let row = format!("- `{host}`: lamps, candles and other lights");
        shows(&namespace, &agent, "whom do you ask for light", |seen| {
            seen.prompt.0.contains(&row) && seen.prompt.0.contains("They like coffee.")
        })
        .await;
        assert_eq!(namespace.running(&host).await, [pod]);
    })
    .await;
}

async fn soul(namespace: &TestNamespace, name: &str, text: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"soul": text}});
    namespace.apply(&map.to_string()).await;
}

/// The status tells these files, in these states.
async fn states(namespace: &TestNamespace, agent: &str, expected: &[(&str, &str)]) {
    let expected: Value = expected.iter().map(|(path, state)| json!([path, state])).collect();
    namespace
        .eventually("the states of the files", SOON, async || {
            let told = namespace.get("Agent", agent).await.data["status"]["workspace"]["files"].clone();
            let files = told.as_array().into_iter().flatten();
            let found: Value = files.map(|file| json!([file["path"], file["state"]])).collect();
            if found == expected { Ok(()) } else { Err(told.to_string()) }
        })
        .await;
}
