//! The Agent's workspace in its sandbox: read and written on both sides, read only, or not there. What is mounted decides, so the
//! kernel keeps it.

use e2e::suite::{RunningPod, Shared, TestNamespace, on_shared};
use serde_json::json;

use super::{AGENT, workspace, writer_with};

/// Where OpenClaw's directories are in a sandbox.
const ROOT: &str = "/workspaces/openclaw-ssh-workspace-*";

/// Everything that the other steps have written. OpenClaw has files of its own there, in scratch space.
const NAMED: &str = "for name in notes.txt words.txt plan.txt; do find / -xdev -name $name; find /workspaces -name $name; done 2>/dev/null; echo looked";

#[tokio::test]
async fn a_workspace_is_shared_both_ways_or_read_only_or_not_there() {
    on_shared(Shared::Workspace, "workspace", async |namespace: TestNamespace| {
        let agent = namespace.named(AGENT);
        let (gateway, pod) = writer_with(&namespace, "rw").await;
        shell_and_gateway_see_each_others_files(&namespace, &gateway).await;
        tools_see_them_too(&namespace, &gateway).await;

        let pod = switch(&namespace, "ro", &pod).await;
        it_can_be_read_and_not_written(&namespace, &gateway).await;

        let pod = switch(&namespace, "none", &pod).await;
        let said = namespace.run_in_sandbox(&agent, NAMED).await;
        assert_eq!(said, "looked", "something of the workspace is there");

        switch(&namespace, "rw", &pod).await;
        assert_eq!(namespace.run_in_sandbox(&agent, "cat notes.txt").await, "from the shell");
        assert_eq!(
            namespace.running(namespace.host_of(&agent)).await,
            [gateway],
            "switching access is nothing to the gateway"
        );
    })
    .await;
}

/// Overrides the Sandbox's access for this Agent; the Pod that sees it.
async fn switch(namespace: &TestNamespace, access: &str, before: &RunningPod) -> RunningPod {
    let agent = namespace.named(AGENT);
    namespace.merge("Agent", &agent, &json!({"spec": {"sandbox": {"workspaceAccess": access}}})).await;
    let pod = namespace.sandbox_replaced(&agent, before).await;
    // The gateway is told what the Pod that runs sees, so this follows.
    namespace.access_in_force(namespace.host_of(&agent), &agent, access).await;
    namespace
        .sandbox_status(&namespace.named("box"), &agent, |status| {
            status["workspaceAccess"] == access && status["ready"] == true
        })
        .await;
    pod
}

async fn shell_and_gateway_see_each_others_files(namespace: &TestNamespace, gateway: &RunningPod) {
    let agent = namespace.named(AGENT);
    let workspace = workspace(&agent);
    let said = namespace.run_in_sandbox(&agent, "pwd; echo from the shell > notes.txt").await;
    assert!(said.starts_with("/workspaces/openclaw-ssh-workspace-") && said.ends_with("/workspace"), "{said}");
    let in_gateway = async |script: &str| namespace.in_container(&gateway.name, "gateway", script).await;
    assert_eq!(in_gateway(&format!("cat {workspace}/notes.txt")).await, "from the shell\n");
    in_gateway(&format!("mkdir {workspace}/deep && echo from the gateway > {workspace}/deep/words.txt")).await;
    assert_eq!(
        namespace.run_in_sandbox(&agent, "cat deep/words.txt; stat -c %u deep/words.txt").await,
        "from the gateway\n1000"
    );
}

async fn tools_see_them_too(namespace: &TestNamespace, gateway: &RunningPod) {
    let agent = namespace.named(AGENT);
    let workspace = workspace(&agent);
    let written = namespace.tool(&agent, "write", json!({"path": "deep/plan.txt", "content": "one two\n"})).await;
    assert!(written.starts_with("Successfully wrote"), "{written}");
    let cat = format!("cat {workspace}/deep/plan.txt");
    assert_eq!(namespace.in_container(&gateway.name, "gateway", &cat).await, "one two\n");
    assert_eq!(namespace.run_in_sandbox(&agent, "cat deep/plan.txt").await, "one two");

    let edit = json!({"path": "deep/plan.txt", "edits": [{"oldText": "two", "newText": "three"}]});
    let edited = namespace.tool(&agent, "edit", edit).await;
    assert!(edited.starts_with("Successfully replaced"), "{edited}");
    assert_eq!(namespace.in_container(&gateway.name, "gateway", &cat).await, "one three\n");
    assert_eq!(namespace.tool(&agent, "read", json!({"path": "deep/plan.txt"})).await, "one three");
}

async fn it_can_be_read_and_not_written(namespace: &TestNamespace, gateway: &RunningPod) {
    let agent = namespace.named(AGENT);
    let workspace = workspace(&agent);
    let command =
        format!("cd {ROOT}/agent && cat notes.txt && echo changed >> notes.txt; touch new.txt; rm -f notes.txt; ls");
    let said = namespace.run_in_sandbox(&agent, &command).await;
    assert!(said.starts_with("from the shell"), "{said}");
    assert_eq!(said.matches("Read-only file system").count(), 3, "{said}");
    let refused = namespace.tool(&agent, "write", json!({"path": "notes.txt", "content": "changed\n"})).await;
    assert!(!refused.starts_with("Successfully"), "{refused}");
    let seen =
        namespace.in_container(&gateway.name, "gateway", &format!("cat {workspace}/notes.txt; ls {workspace}")).await;
    assert!(seen.starts_with("from the shell\n") && !seen.contains("new.txt"), "{seen}");
    let isolation = namespace.get("Agent", &agent).await;
    let isolation = e2e::suite::condition(&isolation, "IsolationVerified").expect("the condition");
    assert_ne!(isolation.reason, "WorkspaceWritable", "{isolation:?}");
}
