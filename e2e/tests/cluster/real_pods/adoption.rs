//! A claim that another installation of OpenClaw filled: refused while the agent is not on it, then taken over in place.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use e2e::suite::{SOON, START, TestNamespace, agent};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Api;

/// What OpenClaw would not start with.
const THEIR_CONFIG: &str = r#"{"gateway": {"mode": "remote"}, "noSuchKey": 1}"#;
const SOUL: &str = "You answer in the voice of a lighthouse keeper.";

/// Lays out the claim of the Agent `support` as docker compose does, and has a new Agent of this name adopt it. The new one knows of the
/// conversation `s`, which had this many `messages`.
pub async fn the_next_agent_adopts_what_docker_left(namespace: &TestNamespace, messages: usize) {
    let claim = directory(namespace, "support-claim").await;
    namespace.delete("Agent", "support").await;
    let gone = async || match namespace.pods("support").await.len() {
        0 => Ok(()),
        left => Err(format!("{left} Pods")),
    };
    namespace.eventually("the gateway has ended", START, gone).await;

    let adopting = agent("support", "main/small").replace("size: 1Gi", "existingClaim: support-claim\n      adopt: {}");
    namespace.apply(&adopting).await;
    let missed = |found: &e2e::suite::Condition| found.reason == "AdoptedDataNotFound";
    let found = namespace.condition("Agent", "support", "GatewayReady", SOON, missed).await;
    assert!(found.message.contains("no directory `agents/support`"), "{found:?}");

    lay_out_as_docker_does(&claim);
    namespace.ready("support").await;
    let seen = namespace.ask_and_see("support", "s", "words after the move").await;
    assert!(seen.messages > messages, "{} messages, {messages} before", seen.messages);
    assert!(seen.prompt.0.contains(SOUL), "the workspace is another one");
    assert_eq!(fs::read_to_string(claim.join("openclaw.json")).unwrap(), THEIR_CONFIG);
}

/// The directory of this machine that is the volume of the claim.
async fn directory(namespace: &TestNamespace, claim: &str) -> PathBuf {
    let claim = namespace.get("PersistentVolumeClaim", claim).await;
    let volumes = Api::<PersistentVolume>::all(namespace.client.clone());
    let volume = volumes.get(claim.data["spec"]["volumeName"].as_str().unwrap()).await.unwrap();
    volume.spec.and_then(|spec| spec.host_path).expect("a directory of this machine").path.into()
}

/// The state becomes the root of the claim, with the workspace and a configuration in it. `agents` comes last: the gateway waits for it.
fn lay_out_as_docker_does(claim: &Path) {
    let [state, workspace, config] = ["creel-state", "workspace", "openclaw.json"].map(|name| claim.join(name));
    // OpenClaw has a directory `state` in its state.
    fs::rename(claim.join("state"), &state).unwrap();
    fs::rename(claim.join("workspaces/support"), &workspace).unwrap();
    fs::remove_dir_all(claim.join("workspaces")).unwrap();
    for (file, text) in [(&config, THEIR_CONFIG), (&workspace.join("SOUL.md"), SOUL)] {
        fs::write(file, text).unwrap();
        chown(file, Some(1000), Some(1000)).unwrap();
    }
    let mut entries: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    entries.sort_by_key(|name| name == OsStr::new("agents"));
    for name in entries {
        fs::rename(state.join(&name), claim.join(&name)).unwrap();
    }
    fs::remove_dir(state).unwrap();
}
