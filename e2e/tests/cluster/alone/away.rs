//! An operator that is ended, or away for a while: nothing is lost, nothing is done twice, and a new one does what is left to do. One
//! gateway for all of it, because each start takes half a minute of a core.

use std::time::Duration;

use e2e::model_server::{MAX_DELAY, Rule};
use e2e::suite::operator::{restart, while_stopped};
use e2e::suite::{Departure, FENCE, OURS, SOON, TestNamespace, beside, cron_job, in_namespace, with_fake_nodes};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::api_server::nodes::{on_fake_nodes, together};
use crate::real_pods::cron::RARELY;
use crate::real_pods::sandbox::fence::no_sandbox_outlives_its_policies;
use crate::real_pods::settled::{delete, give_a_shell, is_gone, settle};

/// A run takes so long that an operator can be ended meanwhile.
const SLOW: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_operator_that_is_killed_or_away_runs_nothing_twice_forgets_nothing_and_leaves_no_pod_without_a_policy() {
    in_namespace("away", async |namespace: TestNamespace| {
        let slow = Rule::text("done").when_text("Compress notes.").delay(SLOW).path_prefix(namespace.prefix("p"));
        namespace.script(&[slow]).await;
        settle(&namespace).await;
        let id = namespace.declared("of-a").await;

        a_new_one_leaves_the_gateway_alone_and_runs_what_was_asked_for(&namespace, &id).await;
        one_that_is_killed_in_a_run_does_not_run_it_again(&namespace, &id).await;
        namespace.apply(&cron_job("kept", "a", RARELY, "Not now.")).await;
        namespace.declared("kept").await;
        with_fake_nodes(1, async |nodes| {
            in_namespace("fence-away", async |fenced: TestNamespace| {
                on_fake_nodes(&fenced, nodes).await;
                together(&fenced, 2, None).await;
                what_is_asked_meanwhile(&namespace, &fenced, &id).await;
            })
            .await;
        })
        .await;
        let asked = namespace.seen().await.into_iter().filter(|request| request.text == "Compress notes.").count();
        assert_eq!(asked, 3, "so many times the model was told");

        give_a_shell(&namespace).await;
        while_stopped(&namespace.client, async || no_pod_that_is_left_is_without_a_policy(&namespace).await).await;
    })
    .await;
}

async fn a_new_one_leaves_the_gateway_alone_and_runs_what_was_asked_for(namespace: &TestNamespace, id: &str) {
    let seen = async || {
        let deployment = namespace.get("Deployment", "a-gateway").await;
        let pods = namespace.pods("a").await;
        let annotations: Vec<_> = pods.iter().map(|pod| pod.annotations().clone()).collect();
        let agent = namespace.get("Agent", "a").await;
        let rollout = agent.data["status"]["gateway"]["lastRollout"].clone();
        (namespace.running("a").await, annotations, deployment.metadata.generation, rollout)
    };
    let before = seen().await;
    namespace.run_now("of-a", "killed at once").await;
    restart(&namespace.client).await;
    let after = namespace.stays("the gateway", Duration::from_secs(20), seen).await;
    assert_eq!(after, before);
    assert_eq!(after.3, Value::Null, "a rollout that nobody asked for");
    namespace.ran_for("of-a", "killed at once").await;
    namespace.ran_exactly("a", id, 1).await;

    let change = json!({"spec": {"model": {"primary": {"provider": "q", "model": "large"}}}});
    namespace.merge("Agent", "a", &change).await;
    namespace.applied("a").await;
    assert_eq!(namespace.running("a").await, before.0, "the new operator does its work without a restart");
    let back = json!({"spec": {"model": {"primary": {"provider": "p", "model": "small"}}}});
    namespace.merge("Agent", "a", &back).await;
    namespace.applied("a").await;
}

async fn one_that_is_killed_in_a_run_does_not_run_it_again(namespace: &TestNamespace, id: &str) {
    namespace.run_now("of-a", "killed in the run").await;
    namespace
        .eventually("the intent is in the status", SOON, async || {
            let run_now = namespace.get("CronJob", "of-a").await.data["status"]["runNow"].clone();
            if run_now["request"] == "killed in the run" { Ok(()) } else { Err(run_now.to_string()) }
        })
        .await;
    restart(&namespace.client).await;
    namespace.ran_for("of-a", "killed in the run").await;
    namespace.ran_exactly("a", id, 2).await;
}

/// A run is asked for, a CronJob is deleted, and all Agents of another namespace are, while no operator runs. That one's fence outlives
/// their Pods.
async fn what_is_asked_meanwhile(namespace: &TestNamespace, fenced: &TestNamespace, id: &str) {
    let fence = async || fenced.find("NetworkPolicy", FENCE).await.and_then(|fence| fence.metadata.uid);
    let kept = namespace.job("a", "kept").await.expect("a job");
    while_stopped(&namespace.client, async || {
        namespace.run_now("of-a", "while away").await;
        namespace.delete("CronJob", "of-b").await;
        let (agents, all) = (fenced.api("Agent"), ListParams::default());
        agents.delete_collection(&DeleteParams::default(), &all).await.expect("they can be deleted");
        fenced.fenced_until(OURS, Departure::Over).await;
        let uid = fenced.stays("the fence without an operator", Duration::from_secs(5), fence).await;
        assert!(uid.is_some());
        assert!(namespace.job("a", "of-b").await.is_some(), "nobody is there who could remove it");
    })
    .await;

    namespace.ran_for("of-a", "while away").await;
    namespace.ran_exactly("a", id, 3).await;
    namespace
        .eventually("the job of the deleted CronJob is gone", SOON, async || {
            let ids = namespace.declared_jobs("a").await?;
            if ids.keys().eq(["kept", "of-a"]) { Ok(()) } else { Err(format!("{ids:?}")) }
        })
        .await;
    namespace.declared("kept").await;
    assert_eq!(namespace.job("a", "kept").await, Some(kept), "a new operator writes nothing that is there");
    let gone = async || fence().await.map_or(Ok(()), Err);
    fenced.eventually("the fence goes", SOON, gone).await;
}

/// An Agent is deleted while its command runs, then the whole namespace while a turn runs.
async fn no_pod_that_is_left_is_without_a_policy(namespace: &TestNamespace) {
    no_sandbox_outlives_its_policies(namespace, ("a", "b")).await;
    while_a_turn_runs(namespace, "a", "p", async || {
        delete(namespace).await;
        namespace.fenced_until(OURS, Departure::Begun).await;
        namespace.end_script().await;
        namespace.fenced_until(OURS, Departure::Over).await;
        is_gone(namespace).await;
    })
    .await;
}

/// Does this while a turn of the Agent waits for its Provider, until the script ends.
async fn while_a_turn_runs(namespace: &TestNamespace, agent: &str, provider: &str, meanwhile: impl AsyncFnOnce()) {
    const WORDS: &str = "Take your time.";
    let prefix = namespace.prefix(provider);
    namespace.script(&[Rule::text("done").when_text(WORDS).delay(MAX_DELAY).path_prefix(prefix)]).await;
    let meanwhile = async {
        let asked = async || {
            let asked = namespace.seen().await.iter().any(|request| request.text.contains(WORDS));
            if asked { Ok(()) } else { Err("it is not asked".to_owned()) }
        };
        namespace.eventually("the model is asked", SOON, asked).await;
        Box::pin(meanwhile()).await;
    };
    beside(Box::pin(namespace.try_ask(agent, agent, "last", WORDS)), Box::pin(meanwhile)).await;
}
