//! CronJobs whose gateway has no Pod: what is at fault is said at once, what is missing is waited for, and nothing hinders a deletion.
//! What their gateways make of them is tested with real Pods.

use std::time::Duration;

use e2e::suite::{Condition, RUN_NOW, SOON, TestNamespace, in_namespace};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::{cron_job, cron_job_with, edit, make, provider, resting};

/// Waits for this reason in a condition of the CronJob's present generation.
async fn reason(namespace: &TestNamespace, name: &str, condition_type: &str, reason: &str) -> Condition {
    namespace.condition("CronJob", name, condition_type, SOON, |condition| condition.reason == reason).await
}

/// A person's fault: it is not ready, and Creel waits for an edit.
async fn is_at_fault(namespace: &TestNamespace, name: &str, why: &str) -> String {
    let ready = reason(namespace, name, "Ready", why).await;
    assert_eq!(ready.status, "False", "{ready:?}");
    let stalled = reason(namespace, name, "Stalled", why).await;
    assert_eq!(stalled.status, "True", "{stalled:?}");
    ready.message
}

/// The CronJob with these fields.
fn with(name: &str, spec: Value) -> Value {
    cron_job_with(name, "a", spec)
}

/// A Provider that the gateway of the Agent `a` uses, one that it does not, and the Agent, which rests.
async fn with_agent(namespace: &TestNamespace) {
    make(namespace, &provider("p")).await;
    make(namespace, &provider("unused")).await;
    make(namespace, &resting("a")).await;
}

#[tokio::test]
async fn a_job_for_an_agent_that_does_not_exist_waits_and_says_so_and_goes_on_by_itself() {
    in_namespace("no-agent", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &cron_job("early", "a")).await;
        let missing = reason(&namespace, "early", "Declared", "AgentNotFound").await;
        assert_eq!(missing.status, "False", "{missing:?}");
        assert!(missing.message.contains("Agent \"a\""), "{}", missing.message);
        assert!(missing.message.contains("spec.agentRef of CronJob \"early\""), "{}", missing.message);
        let ready = reason(&namespace, "early", "Ready", "AgentNotFound").await;
        assert_eq!(ready.status, "Unknown", "{ready:?}");
        let reconciling = reason(&namespace, "early", "Reconciling", "AgentNotFound").await;
        assert_eq!(reconciling.status, "True", "{reconciling:?}");
        let healthy = reason(&namespace, "early", "Healthy", "NotRunYet").await;
        assert_eq!(healthy.status, "Unknown", "{healthy:?}");
        make(&namespace, &resting("a")).await;
        reason(&namespace, "early", "Declared", "Suspended").await;
    })
    .await;
}

#[tokio::test]
async fn a_job_of_an_agent_that_rests_waits_without_a_fault() {
    in_namespace("job-rests", async |namespace| {
        with_agent(&namespace).await;
        make(&namespace, &cron_job("waits", "a")).await;
        let declared = reason(&namespace, "waits", "Declared", "Suspended").await;
        assert_eq!(declared.status, "Unknown", "{declared:?}");
        assert!(declared.message.contains("Agent \"a\""), "{}", declared.message);
        let ready = reason(&namespace, "waits", "Ready", "Suspended").await;
        assert_eq!(ready.status, "True", "{ready:?}");
        let stalled = reason(&namespace, "waits", "Stalled", "AsExpected").await;
        assert_eq!(stalled.status, "False", "{stalled:?}");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_requested_while_the_gateway_rests_waits_in_the_status_and_ends_with_its_annotation() {
    in_namespace("requested", async |namespace| {
        with_agent(&namespace).await;
        make(&namespace, &cron_job("waits", "a")).await;
        reason(&namespace, "waits", "Declared", "Suspended").await;
        let requested = async |finished: bool| {
            namespace
                .eventually(&format!("finished: {finished}"), SOON, async || {
                    let status = namespace.get("CronJob", "waits").await.data["status"].clone();
                    let told = &status["runNow"];
                    let fits = told["request"] == "monday" && told["finished"] == finished;
                    if fits { Ok(status) } else { Err(status.to_string()) }
                })
                .await
        };
        namespace.annotate("CronJob", "waits", RUN_NOW, Some("monday")).await;
        let status = requested(false).await;
        assert!(status["awaitedRunTime"].is_string(), "the run that may be missed: {status}");
        namespace.annotate("CronJob", "waits", RUN_NOW, None).await;
        let status = requested(true).await;
        assert_eq!(status["runNow"]["reason"], "RunWithdrawn", "{status}");
    })
    .await;
}

/// So a replica that lost its Lease without knowing writes nothing.
#[tokio::test]
async fn a_status_that_is_applied_to_an_older_version_is_a_conflict() {
    in_namespace("older", async |namespace| {
        with_agent(&namespace).await;
        let older = make(&namespace, &cron_job("waits", "a")).await.metadata.resource_version;
        reason(&namespace, "waits", "Declared", "Suspended").await;
        let stale = json!({
            "apiVersion": "creel.dev/v1alpha1", "kind": "CronJob",
            "metadata": {"name": "waits", "resourceVersion": older}, "status": {"jobID": "stale"},
        });
        let params = PatchParams::apply("creel/cron-job").force();
        let applied = namespace.api("CronJob").patch_status("waits", &params, &Patch::Apply(&stale)).await;
        let is_conflict = |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 409);
        assert!(applied.as_ref().is_err_and(is_conflict), "{applied:?}");
        assert_eq!(namespace.get("CronJob", "waits").await.data["status"]["jobID"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_can_not_be_or_never_comes_is_a_fault_with_its_remedy() {
    in_namespace("bad-times", async |namespace| {
        with_agent(&namespace).await;
        for (name, schedule) in [("minute", "61 4 * * *"), ("word", "0 4 * * FRY"), ("range", "0 4 * 9-13 *")] {
            make(&namespace, &with(name, json!({"schedule": schedule}))).await;
            let message = is_at_fault(&namespace, name, "InvalidSchedule").await;
            assert!(message.contains(schedule) && message.contains("spec.schedule"), "{message}");
        }
        make(&namespace, &with("never", json!({"schedule": "0 0 31 2 *"}))).await;
        let message = is_at_fault(&namespace, "never", "NeverRuns").await;
        assert!(message.contains("0 0 31 2 *"), "{message}");
        make(&namespace, &with("zone", json!({"timeZone": "Europe/Pariss"}))).await;
        let message = is_at_fault(&namespace, "zone", "TimeZoneNotFound").await;
        assert!(message.contains("did you mean \"Europe/Paris\"?"), "{message}");
        make(&namespace, &with("late", json!({"schedule": null, "at": "2020-02-01T16:00:00+01:00"}))).await;
        let message = is_at_fault(&namespace, "late", "Missed").await;
        assert!(message.contains("2020-02-01"), "{message}");

        edit(&namespace, "CronJob", "never", &json!({"spec": {"schedule": "0 0 29 2 *"}})).await.expect("an edit");
        edit(&namespace, "CronJob", "zone", &json!({"spec": {"timeZone": "Europe/Paris"}})).await.expect("an edit");
        for (name, told) in [("never", "0 0 29 2 *"), ("zone", "0 4 * * * Europe/Paris")] {
            reason(&namespace, name, "Ready", "Suspended").await;
            let status = namespace.get("CronJob", name).await.data["status"].clone();
            assert_eq!(status["schedule"].as_str().map(|line| line.starts_with(told)), Some(true), "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_model_that_the_gateway_has_not_is_named_with_the_remedy() {
    in_namespace("job-model", async |namespace| {
        with_agent(&namespace).await;
        let model = |provider: &str, model: &str| json!({"model": {"primary": {"provider": provider, "model": model}}});
        make(&namespace, &with("absent", model("pp", "small"))).await;
        let message = is_at_fault(&namespace, "absent", "ProviderNotFound").await;
        assert!(
            message.contains("Provider \"pp\" does not exist") && message.contains("did you mean \"p\"?"),
            "{message}"
        );
        make(&namespace, &with("elsewhere", model("unused", "small"))).await;
        let message = is_at_fault(&namespace, "elsewhere", "ProviderNotOnGateway").await;
        assert!(message.contains("Provider \"unused\"") && message.contains("spec.model.primary"), "{message}");
        make(&namespace, &with("slip", model("p", "smal"))).await;
        let message = is_at_fault(&namespace, "slip", "ModelNotFound").await;
        assert!(message.contains("did you mean \"small\"?"), "{message}");

        // The gateway comes to use it, and the slip is mended: neither needs another edit.
        let fallback = json!({"spec": {"model": {"fallbacks": [{"provider": "unused", "model": "small"}]}}});
        edit(&namespace, "Agent", "a", &fallback).await.expect("an edit");
        reason(&namespace, "elsewhere", "Ready", "Suspended").await;
        let models = json!({"spec": {"models": [{"id": "small"}, {"id": "large"}, {"id": "smal"}]}});
        edit(&namespace, "Provider", "p", &models).await.expect("an edit");
        reason(&namespace, "slip", "Ready", "Suspended").await;
    })
    .await;
}

#[tokio::test]
async fn a_cron_job_is_left_alone_when_nothing_changes_and_goes_without_a_finalizer() {
    in_namespace("job-quiet", async |namespace| {
        with_agent(&namespace).await;
        let names = ["waits", "never", "early"];
        make(&namespace, &cron_job("waits", "a")).await;
        make(&namespace, &with("never", json!({"schedule": "0 0 31 2 *"}))).await;
        make(&namespace, &cron_job("early", "nobody")).await;
        for (name, why) in [("waits", "Suspended"), ("never", "NeverRuns"), ("early", "AgentNotFound")] {
            reason(&namespace, name, "Ready", why).await;
        }
        let seen = namespace.stays("what is written of CronJobs", Duration::from_secs(10), async || {
            let mut versions = Vec::new();
            for name in names {
                versions.push(namespace.get("CronJob", name).await.metadata.resource_version);
            }
            versions
        });
        seen.await;
        for name in names {
            let metadata = namespace.get("CronJob", name).await.metadata;
            assert_eq!(metadata.finalizers.unwrap_or_default(), [""; 0], "{name}");
            namespace.delete("CronJob", name).await;
        }
    })
    .await;
}
