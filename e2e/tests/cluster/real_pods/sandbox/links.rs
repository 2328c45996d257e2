//! A command in a sandbox can write to the Agent's workspace, and so leave links there that lead elsewhere in the gateway, which reads
//! some files of a workspace by itself.

use e2e::suite::evidence::secret_values;
use e2e::suite::{Shared, TestNamespace, on_shared, random};
use serde_json::json;

use super::{AGENT, writer_with};

/// What OpenClaw 2026.9.6 tells its model in place of a file that it does not read.
const UNREAD: &str = "[UNREADABLE: symlink path component not allowed]";

const SOUL: &str = "The soul of another.";

#[tokio::test]
async fn a_link_in_a_workspace_leads_the_gateway_neither_to_its_secrets_nor_to_another_agent() {
    on_shared(Shared::Workspace, "links", async |namespace: TestNamespace| {
        let [agent, helper] = [AGENT, "helper"].map(|name| namespace.named(name));
        let [workspace, helpers] = [&agent, &helper].map(|agent| super::workspace(agent));
        let (gateway, _pod) = writer_with(&namespace, "rw").await;
        namespace.join("helper").await;
        let in_gateway = async |script: &str| namespace.in_container(&gateway.name, "gateway", script).await;
        in_gateway(&format!("mkdir -p {helpers} && echo '{SOUL}' > {helpers}/SOUL.md")).await;

        namespace.run_in_sandbox(&agent, "echo A soul of my own. > SOUL.md; echo Agents like me. > AGENTS.md").await;
        let prompt = prompt(&namespace, &agent).await;
        assert!(prompt.contains("A soul of my own.") && prompt.contains("Agents like me."), "{prompt}");

        let links = format!("ln -sf /proc/self/environ SOUL.md; ln -sf ../{helper}/SOUL.md AGENTS.md");
        namespace.run_in_sandbox(&agent, &links).await;
        let through_links = in_gateway(&format!("cd {workspace} && cat SOUL.md AGENTS.md | tr '\\0' '\\n'")).await;
        assert!(
            through_links.contains("OPENCLAW_GATEWAY_TOKEN=") && through_links.contains(SOUL),
            "the links lead nowhere"
        );
        let prompt = self::prompt(&namespace, &agent).await;
        assert_eq!(prompt.matches(UNREAD).count(), 2, "{prompt}");

        let read = async |path: &str| namespace.tool(&agent, "read", json!({"path": path})).await;
        let said = [prompt, read("SOUL.md").await, read("AGENTS.md").await];
        let mut secrets = secret_values(&namespace).await;
        secrets.extend([SOUL.to_owned(), "OPENCLAW_GATEWAY_TOKEN=".to_owned()]);
        assert!(secrets.len() > 10, "too few values to look for");
        let leaks = secrets.iter().any(|secret| said.iter().any(|said| said.contains(secret)));
        assert!(!leaks, "the links were followed: {said:?}");

        namespace.tool(&agent, "write", json!({"path": "AGENTS.md", "content": "overwritten"})).await;
        assert_eq!(in_gateway(&format!("cat {helpers}/SOUL.md")).await.trim(), SOUL);
    })
    .await;
}

/// What the model of the Agent is told at the beginning of a conversation.
async fn prompt(namespace: &TestNamespace, agent: &str) -> String {
    let session = random(8);
    namespace.ask_and_see(agent, &session, &format!("Hello from {session}")).await.prompt.0
}
