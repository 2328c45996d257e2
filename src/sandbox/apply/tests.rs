use std::sync::Arc;

use super::*;
use crate::fence::fences::Fences;
use crate::gateway::fixtures::settings;
use crate::kubernetes::recording_api::RecordingApi;
use crate::sandbox::fixtures::{office, plan, pod};
use crate::sandbox::step::decide;
use crate::tests::small_world::SmallWorld;
use crate::world::facts::Facts;
use crate::world::queues::queues;

/// One reconcile of a sandbox of which nothing is there. Requests that write a thing of this name are refused.
async fn first_pass(api: &RecordingApi, refused: &'static str) -> Applied {
    let client = api.client(move |request| (!request.starts_with("GET") && request.ends_with(refused)).then_some(403));
    let stores = Arc::new(SmallWorld::default().stores());
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues().0));
    let fences = Arc::new(Fences::new(&client, Arc::clone(&stores)));
    let context = Context::new(&client, (stores, facts), fences, &settings());
    let gathered = office();
    let wanted = pod(&gathered, &plan(&gathered));
    let decision = decide(&gathered, Ok(&wanted));
    let pass = Pass { gathered: &gathered, decision: &decision, wanted: Some(&wanted), now: Timestamp::now() };
    apply(&context, &pass).await.unwrap()
}

#[tokio::test]
async fn the_fence_and_the_policy_are_there_before_the_pod() {
    let api = RecordingApi::default();
    let applied = first_pass(&api, "nothing").await;
    assert!(applied.sent && applied.fault.is_none(), "{applied:?}");
    let order = [
        "PATCH networkpolicies/creel-fence",
        "PATCH networkpolicies/writer-sandbox",
        "PATCH services/writer-sandbox",
        "POST assistants/pods",
    ];
    assert_eq!(api.take_writes(), order);
}

#[tokio::test]
async fn without_the_fence_or_the_policy_there_is_no_pod() {
    for refused in ["networkpolicies/creel-fence", "networkpolicies/writer-sandbox"] {
        let api = RecordingApi::default();
        let applied = first_pass(&api, refused).await;
        assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
        assert!(!api.take().iter().any(|request| request.contains("pods")), "{refused}");
    }
}
