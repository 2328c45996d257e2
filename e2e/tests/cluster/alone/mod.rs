//! What nothing else may run beside: an operator that restarts, is away, or is replaced; a browser, which takes all of the machine.

mod bad_neighbour;
mod browser;
mod enforced;
mod let_in;
mod max_egress;
mod poisoned;
mod upgrade;

use std::time::Duration;

use e2e::model_server::Rule;
use e2e::suite::operator::{restart, while_stopped};
use e2e::suite::{SOON, agent, in_namespace, keyless_provider};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::real_pods::settled::{goes, settle};

/// A run takes so long that an operator can be ended meanwhile.
const SLOW: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_namespace_can_be_deleted_while_no_operator_runs() {
    in_namespace("orphaned", async |namespace| {
        settle(&namespace).await;
        while_stopped(&namespace.client, async || goes(&namespace).await).await;
    })
    .await;
}

#[tokio::test]
async fn a_fence_whose_last_agent_went_while_no_operator_ran_stays_until_one_is_back() {
    in_namespace("fence-away", async |namespace| {
        namespace.apply(&keyless_provider("p", &namespace.base_url("p"))).await;
        namespace.apply(&format!("{}  suspend: true\n", agent("a", "p/small"))).await;
        let fence = async || namespace.find("NetworkPolicy", "creel-fence").await.and_then(|fence| fence.metadata.uid);
        let there = async || fence().await.map(drop).ok_or("no fence".to_owned());
        namespace.eventually("the fence is there", SOON, there).await;
        while_stopped(&namespace.client, async || {
            namespace.delete("Agent", "a").await;
            let uid = namespace.stays("the fence without an operator", Duration::from_secs(5), fence).await;
            assert!(uid.is_some());
        })
        .await;
        let gone = async || fence().await.map_or(Ok(()), Err);
        namespace.eventually("the fence goes", SOON, gone).await;
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
        namespace.script(&[slow]).await;
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
