//! OpenClaw clears sandboxes away that it thinks idle or stale, by `rm -rf` of the directory in which the workspace is mounted.

use e2e::suite::{SOON, TestNamespace, in_namespace};
use serde_json::json;

use super::calls::Calls;
use super::fence::no_pod_outlives_its_policies;
use super::{AGENT, workspace, writer_with};

/// Tells OpenClaw that its sandboxes were last used long ago, and how many there are.
const AGE: &str = r#"node -e '
const { DatabaseSync } = require("node:sqlite");
const database = new DatabaseSync("/home/node/.openclaw/state/state/openclaw.sqlite", { timeout: 5000 });
database.exec("UPDATE sandbox_registry_entries SET last_used_at_ms = 1000, created_at_ms = 1000, entry_json = json_set(entry_json, \"$.lastUsedAtMs\", 1000, \"$.createdAtMs\", 1000)".replaceAll("\"", "\x27"));
console.log(database.prepare("SELECT count(*) AS entries FROM sandbox_registry_entries WHERE last_used_at_ms = 1000").get().entries);
'"#;

/// How many sandboxes OpenClaw still has on its register from before.
const LEFT: &str = r#"node -e '
const { DatabaseSync } = require("node:sqlite");
const database = new DatabaseSync("/home/node/.openclaw/state/state/openclaw.sqlite", { timeout: 5000 });
console.log(database.prepare("SELECT count(*) AS entries FROM sandbox_registry_entries WHERE created_at_ms = 1000").get().entries);
'"#;

/// What both run on the target (OpenClaw 2026.9.6, `removeRuntime` of its ssh backend), given to the client as OpenClaw gives it.
const REMOVE: &str = r#"call "'/bin/sh' '-c' 'rm -rf -- \"\$1\"' 'openclaw-sandbox-remove' '<root>'""#;

#[tokio::test]
async fn what_openclaw_clears_away_leaves_a_read_write_workspace_whole_and_deleted_agents_no_pod_without_a_policy() {
    in_namespace("removal", async |namespace: TestNamespace| {
        let (gateway, pod) = writer_with(&namespace, "rw").await;
        let root = namespace.run_in_sandbox(AGENT, "mkdir -p deep; echo kept > deep/kept.txt; dirname $(pwd)").await;
        assert!(root.starts_with("/workspaces/openclaw-ssh-workspace-"), "{root}");

        // Its command line may refuse, because it has no keys of its own; what must not be is that files go.
        let recreate = "node openclaw.mjs sandbox recreate --all --force 2>&1; echo ended with $?";
        let said = namespace.in_container(&gateway.name, "gateway", recreate).await;
        assert!(said.contains("ended with"), "{said}");
        is_whole(&namespace, &gateway.name).await;

        // A refusal that fails would be tried again every five minutes.
        let calls = Calls { namespace: &namespace, gateway: &gateway, pod: &pod, name: "removal" };
        calls.run(&REMOVE.replace("<root>", &root)).await;
        is_whole(&namespace, &gateway.name).await;

        // Prune looks once after a start of the gateway, so it is told of the age before.
        let configuration =
            json!({"agents": {"entries": {AGENT: {"sandbox": {"prune": {"idleHours": 1, "maxAgeDays": 1}}}}}});
        namespace.annotate("Agent", AGENT, "creel.dev/test-config", Some(&configuration.to_string())).await;
        assert_eq!(namespace.run_in_sandbox(AGENT, "cat deep/kept.txt").await, "kept");
        let aged = namespace.in_container(&gateway.name, "gateway", AGE).await;
        assert_eq!(aged.trim(), "1", "OpenClaw's register of sandboxes");
        namespace.delete_pod(&gateway).await;
        let gateway = namespace.replaced(AGENT, &gateway).await;
        namespace.ready(AGENT).await;
        let still = async || match namespace.run_in_sandbox(AGENT, "cat deep/kept.txt").await {
            said if said == "kept" => Ok(()),
            said => Err(said),
        };
        namespace.eventually("commands run after OpenClaw has pruned", SOON, still).await;
        let left = namespace.in_container(&gateway.name, "gateway", LEFT).await;
        assert_eq!(left.trim(), "0", "OpenClaw did not prune, so nothing was shown");
        is_whole(&namespace, &gateway.name).await;

        // Here, because its gateway may go: one that others share may not.
        no_pod_outlives_its_policies(&namespace, AGENT).await;
    })
    .await;
}

/// The file is where it was, seen from the gateway.
async fn is_whole(namespace: &TestNamespace, gateway: &str) {
    let seen = namespace.in_container(gateway, "gateway", &format!("cat {}/deep/kept.txt", workspace(AGENT))).await;
    assert_eq!(seen, "kept\n");
}
