//! Creel is replaced by another release while Agents of all sorts run, and put back: no Pod changes that nobody asked for.

use std::time::Duration;

use e2e::cluster::Cluster;
use e2e::images::{CREEL_IMAGE, GATEWAY_IMAGE};
use e2e::suite::operator::while_replaced;
use e2e::suite::{
    RunningPod, SOON, TestNamespace, agent, in_namespace, in_sandbox, joined_agent, sandbox, secret_value,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

/// The default image of gateways in the other release.
const OTHER_GATEWAY: &str = "ghcr.io/openclaw/openclaw:other";
/// The tag of the other release: of its operator, and of what its Pods copy creel-shell from.
const OTHER_TAG: &str = "other";
/// What a new operator does to the Agents that it finds shows well within this.
const WATCHED: Duration = Duration::from_secs(15);

/// Each Agent with a sandbox, whose gateway it is on, and how its sandbox takes changes up.
const WITH_SANDBOX: [(&str, &str, &str); 3] =
    [("host", "host", "Recreate"), ("idle", "host", "WhenIdle"), ("manual", "host", "OnDelete")];

#[tokio::test]
async fn another_release_changes_no_pod_and_says_what_is_outdated_and_a_restart_brings_one_up_to_date() {
    in_namespace("upgraded", async |namespace| {
        let other_creel = other_images().await;
        everybody_settles(&namespace).await;
        let before = every_pod(&namespace).await;
        assert_eq!(before.len(), 5, "two gateways and three sandboxes: {before:?}");
        let values = [("operator.image.tag", OTHER_TAG), ("gateway.image", OTHER_GATEWAY)];
        let upgraded = async || {
            nothing_changes(&namespace, &before, ["host", "plain"]).await;
            one_is_restarted(&namespace, &before, &other_creel).await;
        };
        let restarted = async || {
            let before = every_pod(&namespace).await;
            // What the other release started is outdated now, and nothing else.
            nothing_changes(&namespace, &before, ["plain"]).await;
        };
        while_replaced(&namespace.client, &values, upgraded, restarted).await;
    })
    .await;
}

/// Second names of the images that are there; that of Creel.
async fn other_images() -> String {
    let cluster = Cluster::open().await.expect("a cluster");
    let (repository, _tag) = CREEL_IMAGE.rsplit_once(':').expect("a tag");
    let other_creel = format!("{repository}:{OTHER_TAG}");
    cluster.name_image(CREEL_IMAGE, &other_creel).await.expect("Creel's image can have a second name");
    cluster.name_image(GATEWAY_IMAGE, OTHER_GATEWAY).await.expect("the gateway's image can have a second name");
    other_creel
}

/// A gateway with an Agent and two more that joined it, each with a sandbox of its own kind, and a gateway without one.
async fn everybody_settles(namespace: &TestNamespace) {
    namespace.serve("main", &secret_value("key")).await;
    for (name, host, rotation) in WITH_SANDBOX {
        let model = "main/small";
        let yaml = if name == host { agent(name, model) } else { joined_agent(name, host, model) };
        namespace.apply(&format!("{}  rotation: {rotation}\n", sandbox(name, "rw"))).await;
        namespace.apply(&in_sandbox(name, &yaml)).await;
    }
    namespace.apply(&agent("plain", "main/small")).await;
    namespace.ready("plain").await;
    for (name, _, _) in WITH_SANDBOX {
        namespace.ready(name).await;
        namespace.sandbox_ready(name).await;
    }
}

/// All Pods of the namespace by name, those that end among them.
async fn every_pod(namespace: &TestNamespace) -> Vec<RunningPod> {
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let mut pods: Vec<_> = pods.list(&ListParams::default()).await.expect("Pods").iter().map(RunningPod::of).collect();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    pods
}

/// The operator that has just come says of these owners that their gateways are outdated, of no other, and leaves every Pod alone.
async fn nothing_changes<const N: usize>(namespace: &TestNamespace, before: &[RunningPod], outdated: [&str; N]) {
    let told = async || {
        let mut told = Vec::new();
        for owner in ["host", "plain"] {
            if namespace.get("Agent", owner).await.data["status"]["gateway"]["outdated"] == true {
                told.push(owner);
            }
        }
        if told == outdated { Ok(()) } else { Err(format!("{told:?}")) }
    };
    namespace.eventually(&format!("the gateways of {outdated:?} are outdated"), SOON, told).await;
    let seen = namespace.stays("the Pods", WATCHED, async || every_pod(namespace).await).await;
    assert_eq!(seen, before, "Pods changed when Creel did");
    assert_eq!(namespace.ask("plain", "s", "still there?").await, "You said: still there?");
    for (name, host, _) in WITH_SANDBOX {
        namespace.ready(name).await;
        assert_eq!(namespace.run_on(host, name, "hostname").await, format!("{name}-sandbox"));
        namespace.sandbox_status(name, name, |status| status["pending"].as_str().is_none_or(str::is_empty)).await;
    }
}

/// The gateway `plain` and the sandbox `manual` are started again, and are then of the other release; all others stay.
async fn one_is_restarted(namespace: &TestNamespace, before: &[RunningPod], other_creel: &str) {
    let gateway = namespace.gateway("plain").await;
    namespace.annotate("Agent", "plain", "creel.dev/restart", Some("1")).await;
    let gateway = namespace.replaced("plain", &gateway).await;
    namespace.ready("plain").await;
    let status = namespace.get("Agent", "plain").await.data["status"]["gateway"].clone();
    assert_eq!((&status["outdated"], &status["image"]), (&json!(false), &json!(OTHER_GATEWAY)), "{status}");
    let images = images(namespace, &gateway.name).await;
    assert!(
        images.iter().any(|image| image == OTHER_GATEWAY) && images.iter().any(|image| image == other_creel),
        "{images:?}"
    );

    let manual = before.iter().find(|pod| pod.name == "manual-sandbox").expect("the sandbox of manual");
    namespace.delete_pod(manual).await;
    let sandbox = namespace.sandbox_replaced("manual", manual).await;
    let images = self::images(namespace, &sandbox.name).await;
    assert!(images.iter().any(|image| image == other_creel), "{images:?}");

    let others = |pod: &&RunningPod| pod.name != "manual-sandbox" && !pod.name.starts_with("plain-");
    let after = every_pod(namespace).await;
    let (after, before): (Vec<_>, Vec<_>) =
        (after.iter().filter(others).collect(), before.iter().filter(others).collect());
    assert_eq!(after, before, "Pods that nobody restarted");
}

/// The images of all containers of a Pod.
async fn images(namespace: &TestNamespace, pod: &str) -> Vec<String> {
    let spec = namespace.get("Pod", pod).await.data["spec"].clone();
    let containers =
        ["initContainers", "containers"].iter().flat_map(|list| spec[*list].as_array().cloned().unwrap_or_default());
    containers.filter_map(|container: Value| container["image"].as_str().map(str::to_owned)).collect()
}
