//! A command in a sandbox can write to the Agent's workspace, and so leave links there that lead elsewhere in the gateway, which reads
//! some files of a workspace by itself.

use e2e::suite::evidence::secret_values;
use e2e::suite::{TestNamespace, in_namespace, joined_agent, random};
use serde_json::json;

use super::{AGENT, WORKSPACE, writer_with};

/// What OpenClaw 2026.9.6 tells its model in place of a file that it does not read.
const UNREAD: &str = "[UNREADABLE: symlink path component not allowed]";

const SOUL: &str = "The soul of another.";

#[tokio::test]
async fn a_link_in_a_workspace_leads_the_gateway_neither_to_its_secrets_nor_to_another_agent() {
    in_namespace("links", async |namespace: TestNamespace| {
        namespace.apply(&joined_agent("helper", AGENT, "main/small")).await;
        let (gateway, _pod) = writer_with(&namespace, "rw").await;
        namespace.ready("helper").await;
        let in_gateway = async |script: &str| namespace.in_container(&gateway.name, "gateway", script).await;
        in_gateway(&format!("mkdir -p {WORKSPACE}/../helper && echo '{SOUL}' > {WORKSPACE}/../helper/SOUL.md")).await;

        namespace.run_in_sandbox(AGENT, "echo A soul of my own. > SOUL.md; echo Agents like me. > AGENTS.md").await;
        let prompt = prompt(&namespace).await;
        assert!(prompt.contains("A soul of my own.") && prompt.contains("Agents like me."), "{prompt}");

        namespace.run_in_sandbox(AGENT, "ln -sf /proc/self/environ SOUL.md; ln -sf ../helper/SOUL.md AGENTS.md").await;
        let through_links = in_gateway(&format!("cd {WORKSPACE} && cat SOUL.md AGENTS.md | tr '\\0' '\\n'")).await;
        assert!(
            through_links.contains("OPENCLAW_GATEWAY_TOKEN=") && through_links.contains(SOUL),
            "the links lead nowhere"
        );
        let prompt = self::prompt(&namespace).await;
        assert_eq!(prompt.matches(UNREAD).count(), 2, "{prompt}");

        let read = async |path: &str| namespace.tool(AGENT, "read", json!({"path": path})).await;
        let said = [prompt, read("SOUL.md").await, read("AGENTS.md").await];
        let mut secrets = secret_values(&namespace).await;
        secrets.extend([SOUL.to_owned(), "OPENCLAW_GATEWAY_TOKEN=".to_owned()]);
        assert!(secrets.len() > 10, "too few values to look for");
        let leaks = secrets.iter().any(|secret| said.iter().any(|said| said.contains(secret)));
        assert!(!leaks, "the links were followed: {said:?}");

        namespace.tool(AGENT, "write", json!({"path": "AGENTS.md", "content": "overwritten"})).await;
        assert_eq!(in_gateway(&format!("cat {WORKSPACE}/../helper/SOUL.md")).await.trim(), SOUL);
    })
    .await;
}

/// What the model of the Agent is told at the beginning of a conversation.
async fn prompt(namespace: &TestNamespace) -> String {
    let session = random(8);
    namespace.ask_and_see(AGENT, &session, &format!("Hello from {session}")).await.prompt.0
}
