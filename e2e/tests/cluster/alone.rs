//! What nothing else may run beside: two quiet minutes, namespaces that go with and without an operator, an operator that restarts or
//! is away.

use std::time::Duration;

use e2e::model_server::Rule;
use e2e::suite::operator::{AuditLog, restart, while_stopped};
use e2e::suite::{SOON, TestNamespace, agent, cron_job, in_namespace, joined_agent, secret_value};
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

/// What follows a start, or an edit, is written within this time after what was written before.
const SETTLED: Duration = Duration::from_secs(5);
/// When nothing may run by itself for the length of a test.
const RARELY: &str = "schedule: '0 4 1 1 *'";
/// A run takes so long that an operator can be ended meanwhile.
const SLOW: Duration = Duration::from_secs(10);

/// Two Providers, a gateway that answers, an Agent that joined it, and a CronJob of each.
async fn settle(namespace: &TestNamespace) {
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

/// Every event of the namespace, and how often it was repeated.
async fn events(namespace: &TestNamespace) -> Vec<(String, Option<String>)> {
    let events: Api<Event> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let listed = events.list(&ListParams::default()).await.expect("events can be listed");
    listed
        .items
        .into_iter()
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
async fn in_two_quiet_minutes_nothing_is_written_and_no_event_is_told() {
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
    })
    .await;
}

/// Deletes the namespace and waits until it is gone with all that is in it.
async fn goes(namespace: &TestNamespace) {
    let all: Api<Namespace> = Api::all(namespace.client.clone());
    all.delete(&namespace.name, &DeleteParams::default()).await.expect("a namespace can be deleted");
    let gone = e2e::suite::eventually(SOON, async || {
        let present = all.get_opt(&namespace.name).await.expect("namespaces can be read");
        present.map_or(Ok(()), |present| Err(json!(present.status).to_string()))
    });
    if let Err(seen) = gone.await {
        panic!("namespace {}: {seen}", namespace.name);
    }
}

#[tokio::test]
async fn a_namespace_can_be_deleted_while_the_operator_runs() {
    in_namespace("gone", async |namespace| {
        settle(&namespace).await;
        goes(&namespace).await;
    })
    .await;
}

#[tokio::test]
async fn a_namespace_can_be_deleted_while_no_operator_runs() {
    in_namespace("orphaned", async |namespace| {
        settle(&namespace).await;
        while_stopped(&namespace.client, async || goes(&namespace).await).await;
    })
    .await;
}

#[tokio::test]
async fn a_restarted_operator_leaves_the_gateway_alone_and_goes_on() {
    in_namespace("restarted", async |namespace| {
        settle(&namespace).await;
        let seen = async || {
            let deployment = namespace.get("Deployment", "a-gateway").await;
            let pods = namespace.pods("a").await;
            let annotations: Vec<_> = pods.iter().map(|pod| pod.annotations().clone()).collect();
            let agent = namespace.get("Agent", "a").await;
            let rollout = agent.data["status"]["gateway"]["lastRollout"].clone();
            (namespace.running("a").await, annotations, deployment.metadata.generation, rollout)
        };
        let before = seen().await;
        restart(&namespace.client).await;
        let after = namespace.stays("the gateway", Duration::from_secs(20), seen).await;
        assert_eq!(after, before);
        assert_eq!(after.3, Value::Null, "a rollout that nobody asked for");
        let change = json!({"spec": {"model": {"primary": {"provider": "q", "model": "large"}}}});
        namespace.merge("Agent", "a", &change).await;
        namespace.applied("a").await;
        assert_eq!(namespace.running("a").await, before.0, "the new operator does its work without a restart");
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_cron_job_was_deleted_while_no_operator_ran_is_gone_when_one_is_back_and_others_are_untouched() {
    in_namespace("swept", async |namespace| {
        settle(&namespace).await;
        let before = namespace.job("a", "of-a").await.expect("a job");
        while_stopped(&namespace.client, async || {
            namespace.delete("CronJob", "of-b").await;
            assert!(namespace.job("a", "of-b").await.is_some(), "nobody is there who could remove it");
        })
        .await;
        namespace
            .eventually("the job of the deleted CronJob is gone", SOON, async || {
                let ids = namespace.declared_jobs("a").await?;
                if ids.keys().eq(["of-a"]) { Ok(()) } else { Err(format!("{ids:?}")) }
            })
            .await;
        namespace.declared("of-a").await;
        assert_eq!(namespace.job("a", "of-a").await, Some(before), "a new operator writes nothing that is there");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_was_asked_for_is_run_once_though_the_operator_is_killed_in_between_or_away() {
    in_namespace("run-now-once", async |namespace| {
        let slow = Rule::text("done").when_text("Compress notes.").delay(SLOW).path_prefix(namespace.prefix("p"));
        namespace.models.script(&namespace.name, &[slow]).await.expect("a script");
        settle(&namespace).await;
        let id = namespace.declared("of-a").await;

        namespace.run_now("of-a", "killed at once").await;
        restart(&namespace.client).await;
        namespace.ran_for("of-a", "killed at once").await;
        namespace.ran_exactly("a", &id, 1).await;

        namespace.run_now("of-a", "killed in the run").await;
        namespace
            .eventually("the intent is in the status", SOON, async || {
                let run_now = namespace.get("CronJob", "of-a").await.data["status"]["runNow"].clone();
                if run_now["request"] == "killed in the run" { Ok(()) } else { Err(run_now.to_string()) }
            })
            .await;
        restart(&namespace.client).await;
        namespace.ran_for("of-a", "killed in the run").await;
        namespace.ran_exactly("a", &id, 2).await;

        while_stopped(&namespace.client, async || namespace.run_now("of-a", "while away").await).await;
        namespace.ran_for("of-a", "while away").await;
        namespace.ran_exactly("a", &id, 3).await;
        let asked = namespace.seen().await.into_iter().filter(|request| request.text == "Compress notes.").count();
        assert_eq!(asked, 3, "so many times the model was told");
    })
    .await;
}
