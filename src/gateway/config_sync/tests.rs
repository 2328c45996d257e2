use std::sync::Arc;

use gateway_stand_in::StandIn;
use serde_json::json;

use super::*;
use crate::fence::fences::Fences;
use crate::gateway::build::config_map;
use crate::gateway::fixtures::{company, edit, keep, plan, settings, settle};
use crate::kubernetes::conditions::reason;
use crate::kubernetes::recording_api::RecordingApi;
use crate::naming::PLAN;
use crate::openclaw::config::document::ConfigDocument;
use crate::tests::small_world::SmallWorld;
use crate::tests::stand_in;

/// A gateway that has accepted one configuration and mounts another.
struct Bench {
    api: RecordingApi,
    context: Context,
    gathered: Gathered,
    _gateway: StandIn,
}

impl Bench {
    /// Requests that begin like this one are refused.
    async fn refusing(refused: &'static str) -> Self {
        let mut gathered = company();
        settle(&mut gathered);
        let accepted = ConfigDocument::new(json!("accepted"));
        keep(&mut gathered.live, config_map::last_good(&gathered.owner, &GatewayNames::of("concierge"), &accepted));
        let gateway = StandIn::start("a-token", "{}").await;
        let api = RecordingApi::default();
        let client = api.client(move |request| request.starts_with(refused).then_some(403));
        let seen = stand_in::seen(&SmallWorld::default(), stand_in::endpoint(&gateway), "concierge", &[]);
        let fences = Arc::new(Fences::new(&client, Arc::clone(&seen.0)));
        let context = Context::new(&client, seen, fences, settings(), stand_in::admin());
        Self { api, context, gathered, _gateway: gateway }
    }

    /// The gateway's Pod as the cache shows it: its container exited with this code, restarted once before.
    fn pod(&mut self, name: &str, code: i32, message: &str) {
        let plan = self.gathered.live.annotation(PLAN).unwrap();
        let ended = json!({"terminated": {"exitCode": code, "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:44Z"}});
        let gateway = json!({"name": "gateway", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended});
        let pod = json!({"metadata": {"name": name, "namespace": "assistants", "uid": name, "annotations": {PLAN: plan}},
            "status": {"containerStatuses": [gateway]}});
        self.gathered.live.pods = vec![Arc::new(serde_json::from_value(pod).unwrap())];
    }

    async fn sync(&self) -> Synced {
        sync(&self.context, &self.gathered, &Applied::unchanged(&self.gathered)).await.unwrap()
    }

    fn map(&self) -> String {
        GatewayNames::of("concierge").config(self.gathered.live.annotation(PLAN).unwrap())
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_start_with_a_new_configuration_goes_back_to_the_accepted_one_and_says_why() {
    let mut bench = Bench::refusing("nothing").await;
    bench.sync().await;
    bench.pod("one", 1, "Gateway failed to start: hooks.allowedSessionKeyPrefixes is required");
    let config = bench.sync().await.config.unwrap();
    assert_eq!(config.current.value(), &json!("accepted"));
    let message = config.rejection().unwrap().message.clone();
    assert!(message.contains("code 1") && message.contains("allowedSessionKeyPrefixes"), "{message}");
    assert_eq!(
        bench.api.take_writes(),
        [&format!("PATCH configmaps/{}", bench.map()), "POST assistants/pods (dry run)", "DELETE pods/one"]
    );
}

#[tokio::test]
async fn a_pod_that_ended_over_an_earlier_configuration_is_replaced_and_the_present_one_is_not_blamed() {
    let mut bench = Bench::refusing("nothing").await;
    bench.pod("one", 78, include_str!("../../openclaw/fixtures/exit_refused_at_start.log"));
    assert!(bench.sync().await.config.unwrap().rejection().is_none());
    assert_eq!(bench.api.take_writes(), ["POST assistants/pods (dry run)", "DELETE pods/one"]);
    bench.pod("two", 78, include_str!("../../openclaw/fixtures/exit_refused_at_start.log"));
    assert!(bench.sync().await.config.unwrap().rejection().is_some());
}

#[tokio::test]
async fn a_pod_stays_while_the_api_server_would_not_take_the_next_one_and_is_not_tried_for_each_reconcile() {
    let mut bench = Bench::refusing("POST assistants/pods (dry run)").await;
    bench.pod("one", 78, include_str!("../../openclaw/fixtures/exit_refused_at_start.log"));
    for writes in [&["POST assistants/pods (dry run)"][..], &[]] {
        let synced = bench.sync().await;
        assert!(synced.refused.unwrap().words.contains("not by this API server"));
        assert_eq!(bench.api.take_writes(), writes);
    }
}

#[tokio::test]
async fn a_configuration_that_the_api_server_does_not_keep_is_a_fault_and_disturbs_nothing() {
    let mut bench = Bench::refusing("PATCH configmaps").await;
    bench.sync().await;
    bench.pod("one", 1, "no");
    let synced = bench.sync().await;
    assert_eq!(synced.fault.unwrap().reason, reason::CHILD_REJECTED);
    assert!(synced.config.unwrap().rejection().is_none());
    assert!(!bench.api.take_writes().iter().any(|write| write.starts_with("DELETE")));
}

#[tokio::test]
async fn a_gateway_that_ends_over_the_keys_of_one_agent_goes_back_and_blames_only_them() {
    let mut bench = Bench::refusing("nothing").await;
    let config = serde_json::from_value(json!({"modle": 1})).unwrap();
    edit(&mut bench.gathered, "writer", |agent| agent.spec.config = config);
    settle(&mut bench.gathered);
    bench.sync().await;
    bench.pod("one", 78, include_str!("../../openclaw/fixtures/exit_refused_at_start.log"));
    let config = bench.sync().await.config.unwrap();
    assert_eq!((config.current.value(), &config.ruling), (&json!("accepted"), &None));
    assert_eq!(
        bench.api.take_writes(),
        [&format!("PATCH configmaps/{}", bench.map()), "POST assistants/pods (dry run)", "DELETE pods/one"]
    );
    bench.gathered.live.rejections = bench.context.configs.rejections("concierge-uid").unwrap();
    assert_eq!(bench.gathered.live.rejections, config.rejections);
    assert_eq!(plan(&bench.gathered).faults["writer"].reason, reason::REJECTED);
}
