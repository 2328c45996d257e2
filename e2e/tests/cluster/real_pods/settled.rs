//! A gateway that has come to rest: nothing is written of it any more, and it goes with its namespace.

use std::time::Duration;

use e2e::suite::operator::AuditLog;
use e2e::suite::{OURS, SOON, TestNamespace, agent, cron_job, in_namespace, joined_agent, sandbox, secret_value};
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use super::cron::RARELY;
use super::sandbox::fence::{end_under_a_policy, while_a_command_runs};

/// What follows a start, or an edit, is written within this time after what was written before.
const SETTLED: Duration = Duration::from_secs(5);

/// Two Providers, a gateway that answers, an Agent that joined it, and a CronJob of each.
pub async fn settle(namespace: &TestNamespace) {
    namespace.serve("p", &secret_value("key")).await;
    namespace.serve("q", &secret_value("key")).await;
    // In this order: the key of its Provider would otherwise recreate the Pod that just starts.
    namespace.apply(&joined_agent("b", "a", "q/large")).await;
    namespace.apply(&agent("a", "p/small")).await;
    namespace.ready("a").await;
    namespace.ready("b").await;
    for (name, agent) in [("of-a", "a"), ("of-b", "b")] {
        namespace.apply(&cron_job(name, agent, RARELY, "Compress notes.")).await;
        namespace.declared(name).await;
    }
}

/// Commands of the Agent that joined run in a sandbox from now on.
pub async fn give_a_shell(namespace: &TestNamespace) {
    namespace.apply(&sandbox("box", "none")).await;
    namespace.merge("Agent", "b", &json!({"spec": {"sandbox": {"ref": {"name": "box"}}}})).await;
    namespace.sandbox_ready("b").await;
    namespace.ready("b").await;
}

/// Every event of the namespace, and how often it was repeated.
async fn events(namespace: &TestNamespace) -> Vec<(String, Option<String>)> {
    let events: Api<Event> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let listed = events.list(&ListParams::default()).await.expect("events can be listed");
    listed
        .items
        .into_iter()
        // Those of the kubelet, of a probe that took long, are of no account.
        .filter(|event| event.reporting_component.as_deref().is_some_and(|by| by.starts_with("creel.dev/")))
        .map(|event| (event.message.clone().unwrap_or_default(), event.resource_version()))
        .collect()
}

/// What the operator wrote in the namespace: `patch agents/a`.
fn writes(audit: &AuditLog, namespace: &TestNamespace) -> Vec<String> {
    let of_namespace = |event: &&Value| event["objectRef"]["namespace"] == namespace.name.as_str();
    let told = |event: &Value| {
        let part = |name: &str| event["objectRef"][name].as_str().unwrap_or_default().to_owned();
        let (verb, resource) = (event["verb"].as_str().unwrap_or_default(), part("resource"));
        format!("{} {verb} {resource} {} {}", event["requestReceivedTimestamp"], part("name"), part("subresource"))
    };
    audit.of_operator().iter().filter(of_namespace).map(told).collect()
}

#[tokio::test]
async fn in_two_quiet_minutes_nothing_is_written_and_told_and_a_deleted_namespace_leaves_no_pod_without_a_policy() {
    in_namespace("quiet", async |namespace| {
        let audit = AuditLog::from_now().await.expect("an audit log: these tests run on the cluster of this machine");
        settle(&namespace).await;
        assert!(!writes(&audit, &namespace).is_empty(), "the audit log does not show what the operator writes");
        // The last passes of the start: the joined Agent's status, the configuration that was accepted, the jobs.
        let started = async || {
            let quiet = AuditLog::from_now().await.expect("an audit log");
            let written = e2e::suite::stays(SETTLED, async || writes(&quiet, &namespace)).await?;
            if written.is_empty() { Ok(()) } else { Err(format!("{written:?}")) }
        };
        namespace.eventually("the start is over", SOON, started).await;
        let quiet = AuditLog::from_now().await.expect("an audit log");
        let seen = async || (writes(&quiet, &namespace), events(&namespace).await);
        let (written, _) = namespace.stays("what is written and told", Duration::from_mins(2), seen).await;
        assert_eq!(written, Vec::<String>::new());

        give_a_shell(&namespace).await;
        while_a_command_runs(&namespace, ("a", "b"), async || {
            delete(&namespace).await;
            end_under_a_policy(&namespace, OURS, "b").await;
            is_gone(&namespace).await;
        })
        .await;
    })
    .await;
}

/// Deletes the namespace.
pub async fn delete(namespace: &TestNamespace) {
    let all: Api<Namespace> = Api::all(namespace.client.clone());
    all.delete(&namespace.name, &DeleteParams::default()).await.expect("a namespace can be deleted");
}

/// Waits until the namespace is gone with all that was in it.
pub async fn is_gone(namespace: &TestNamespace) {
    let all: Api<Namespace> = Api::all(namespace.client.clone());
    let gone = e2e::suite::eventually(SOON, async || {
        let present = all.get_opt(&namespace.name).await.expect("namespaces can be read");
        present.map_or(Ok(()), |present| Err(json!(present.status).to_string()))
    });
    if let Err(seen) = gone.await {
        panic!("namespace {}: {seen}", namespace.name);
    }
}
