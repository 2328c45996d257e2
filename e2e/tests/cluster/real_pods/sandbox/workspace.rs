//! The Agent's workspace in its sandbox: read and written on both sides, read only, or not there. What is mounted decides, so the
//! kernel keeps it.

use e2e::suite::{RunningPod, SOON, TestNamespace, in_namespace};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{AGENT, WORKSPACE, writer_with};

/// Where OpenClaw's directories are in a sandbox.
const ROOT: &str = "/workspaces/openclaw-ssh-workspace-*";

/// Everything that the other steps have written. OpenClaw has files of its own there, in scratch space.
const NAMED: &str = "for name in notes.txt words.txt plan.txt; do find / -xdev -name $name; find /workspaces -name $name; done 2>/dev/null; echo looked";

#[tokio::test]
async fn a_workspace_is_shared_both_ways_or_read_only_or_not_there() {
    in_namespace("workspace", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "rw").await;
        shell_and_gateway_see_each_others_files(&namespace, &gateway).await;
        tools_see_them_too(&namespace, &gateway).await;

        let pod = switch(&namespace, "ro", &pod).await;
        it_can_be_read_and_not_written(&namespace, &gateway).await;

        let pod = switch(&namespace, "none", &pod).await;
        let said = namespace.run_in_sandbox(AGENT, NAMED).await;
        assert_eq!(said, "looked", "something of the workspace is there");

        switch(&namespace, "rw", &pod).await;
        assert_eq!(namespace.run_in_sandbox(AGENT, "cat notes.txt").await, "from the shell");
        assert_eq!(namespace.running(AGENT).await, [gateway], "switching access is nothing to the gateway");
    })
    .await;
}

/// Overrides the Sandbox's access for this Agent; the Pod that sees it.
async fn switch(namespace: &TestNamespace, access: &str, before: &RunningPod) -> RunningPod {
    namespace.merge("Agent", AGENT, &json!({"spec": {"sandbox": {"workspaceAccess": access}}})).await;
    let pod = namespace.sandbox_replaced(AGENT, before).await;
    // The gateway is told what the Pod that runs sees, so this follows.
    namespace
        .eventually("the configuration says what the sandbox sees", SOON, async || {
            let configured = configured_access(namespace).await;
            if configured == access { Ok(()) } else { Err(configured) }
        })
        .await;
    namespace.applied(AGENT).await;
    namespace
        .sandbox_status("box", AGENT, |status| status["workspaceAccess"] == access && status["ready"] == true)
        .await;
    pod
}

/// What the gateway's configuration says of the workspace in the sandbox.
async fn configured_access(namespace: &TestNamespace) -> String {
    let maps = namespace.api("ConfigMap").list(&ListParams::default()).await.expect("ConfigMaps can be listed");
    let mounted = maps.items.iter().find(|map| map.name_any().starts_with("writer-config-")).expect("a configuration");
    let text = mounted.data["data"]["openclaw.json"].as_str().expect("openclaw.json");
    let configuration: Value = serde_json::from_str(text).expect("JSON");
    let access = &configuration["agents"]["entries"][AGENT]["sandbox"]["workspaceAccess"];
    access.as_str().unwrap_or_default().to_owned()
}

async fn shell_and_gateway_see_each_others_files(namespace: &TestNamespace, gateway: &RunningPod) {
    let said = namespace.run_in_sandbox(AGENT, "pwd; echo from the shell > notes.txt").await;
    assert!(said.starts_with("/workspaces/openclaw-ssh-workspace-") && said.ends_with("/workspace"), "{said}");
    let in_gateway = async |script: &str| namespace.in_container(&gateway.name, "gateway", script).await;
    assert_eq!(in_gateway(&format!("cat {WORKSPACE}/notes.txt")).await, "from the shell\n");
    in_gateway(&format!("mkdir {WORKSPACE}/deep && echo from the gateway > {WORKSPACE}/deep/words.txt")).await;
    assert_eq!(
        namespace.run_in_sandbox(AGENT, "cat deep/words.txt; stat -c %u deep/words.txt").await,
        "from the gateway\n1000"
    );
}

async fn tools_see_them_too(namespace: &TestNamespace, gateway: &RunningPod) {
    let written = namespace.tool(AGENT, "write", json!({"path": "deep/plan.txt", "content": "one two\n"})).await;
    assert!(written.starts_with("Successfully wrote"), "{written}");
    let cat = format!("cat {WORKSPACE}/deep/plan.txt");
    assert_eq!(namespace.in_container(&gateway.name, "gateway", &cat).await, "one two\n");
    assert_eq!(namespace.run_in_sandbox(AGENT, "cat deep/plan.txt").await, "one two");

    let edit = json!({"path": "deep/plan.txt", "edits": [{"oldText": "two", "newText": "three"}]});
    let edited = namespace.tool(AGENT, "edit", edit).await;
    assert!(edited.starts_with("Successfully replaced"), "{edited}");
    assert_eq!(namespace.in_container(&gateway.name, "gateway", &cat).await, "one three\n");
    assert_eq!(namespace.tool(AGENT, "read", json!({"path": "deep/plan.txt"})).await, "one three");
}

async fn it_can_be_read_and_not_written(namespace: &TestNamespace, gateway: &RunningPod) {
    let command =
        format!("cd {ROOT}/agent && cat notes.txt && echo changed >> notes.txt; touch new.txt; rm -f notes.txt; ls");
    let said = namespace.run_in_sandbox(AGENT, &command).await;
    assert!(said.starts_with("from the shell"), "{said}");
    assert_eq!(said.matches("Read-only file system").count(), 3, "{said}");
    let refused = namespace.tool(AGENT, "write", json!({"path": "notes.txt", "content": "changed\n"})).await;
    assert!(!refused.starts_with("Successfully"), "{refused}");
    let seen =
        namespace.in_container(&gateway.name, "gateway", &format!("cat {WORKSPACE}/notes.txt; ls {WORKSPACE}")).await;
    assert!(seen.starts_with("from the shell\n") && !seen.contains("new.txt"), "{seen}");
    let isolation = namespace.get("Agent", AGENT).await;
    let isolation = e2e::suite::condition(&isolation, "IsolationVerified").expect("the condition");
    assert_ne!(isolation.reason, "WorkspaceWritable", "{isolation:?}");
}
