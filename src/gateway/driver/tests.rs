use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::*;
use crate::fence::fences::Fences;
use crate::gateway::fixtures::{company, edit, edit_provider, secret, settings, settle};
use crate::kubernetes::recording_api::RecordingApi;
use crate::openclaw::rpc::AdminClient;
use crate::tests::small_world::SmallWorld;
use crate::world::facts::Facts;
use crate::world::queues::queues;

const TRIAL: &str = "POST assistants/pods (dry run)";

/// What all reconciles of a test share. A dry run gets this code.
fn context(api: &RecordingApi, code: Option<u16>) -> Context {
    let client = api.client(move |request| code.filter(|_| request.ends_with("(dry run)")));
    let stores = Arc::new(SmallWorld::default().stores());
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues().0));
    let fences = Arc::new(Fences::new(&client, Arc::clone(&stores)));
    let admin = AdminClient::on_loopback();
    Context::new(&client, (stores, facts), fences, settings(), admin)
}

/// A gateway whose Pod runs, and whose owner then wants another one.
fn edited() -> Gathered {
    let mut gathered = company();
    settle(&mut gathered);
    let labels = serde_json::json!({"pod-template-hash": "abc"});
    let owners = serde_json::json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "concierge-gateway-abc", "uid": "set",
        "controller": true, "blockOwnerDeletion": true}]);
    let metadata = serde_json::json!({"name": "concierge-gateway-abc-1", "labels": labels, "ownerReferences": owners});
    let pod: Pod = serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap();
    gathered.live.pods = vec![Arc::new(pod)];
    edit(&mut gathered, "concierge", |agent| {
        let template = serde_json::json!({"priorityClassName": "hgih"});
        agent.spec.gateway.as_mut().unwrap().pod_template = serde_json::from_value(template).unwrap();
    });
    gathered
}

/// The decision, once the change has settled, and the plan by which the gateway goes on.
async fn decided(context: &Context, gathered: &Gathered) -> (Plan, Decision) {
    loop {
        let mut plan = validate::validate(gathered, &context.settings);
        match decide(context, gathered, &mut plan).await {
            Decision::Wait(wait) => tokio::time::sleep(wait).await,
            decision => return (plan, decision),
        }
    }
}

#[tokio::test]
async fn a_pod_stays_while_its_replacement_is_rejected_and_is_not_tried_for_each_reconcile() {
    let (api, mut gathered) = (RecordingApi::default(), edited());
    let context = context(&api, Some(403));
    let (plan, decision) = decided(&context, &gathered).await;
    let Decision::Rejected { fault, again_in } = &decision else { panic!("{decision:?}") };
    assert!(*again_in > Duration::ZERO && fault.reason == reason::REPLACEMENT_REJECTED);
    let words =
        ["spec.gateway.podTemplate changed", "Pod \"concierge-gateway\": not by this API server", "\"concierge\""];
    assert!(words.iter().all(|words| fault.message.contains(words)), "{}", fault.message);
    assert_eq!(api.take_writes(), [TRIAL]);

    let desired = build::build(&gathered, &plan, &decision, &context.settings);
    assert!(desired.deployment.is_none());
    let mounted = desired.config.unwrap().revision.name;
    assert!(gathered.live.config_maps.contains_key(&mounted), "the configuration of the Pod that runs: {mounted}");

    edit(&mut gathered, "writer", |agent| agent.spec.model.primary.provider = "litellm".into());
    assert!(matches!(decided(&context, &gathered).await.1, Decision::Rejected { .. }));
    assert_eq!(api.take_writes(), [""; 0], "the same Pod");
    edit(&mut gathered, "concierge", |agent| agent.spec.gateway.as_mut().unwrap().pod_template = None);
    let back = decided(&context, &gathered).await.1;
    assert_eq!((back, api.take_writes().len()), (Decision::Apply { replaces_pod: false, rollout: None }, 0));
}

#[tokio::test]
async fn a_pod_whose_replacement_is_accepted_gives_way() {
    let (api, gathered) = (RecordingApi::default(), edited());
    let decision = decided(&context(&api, None), &gathered).await.1;
    assert!(matches!(decision, Decision::Apply { replaces_pod: true, .. }), "{decision:?}");
    assert_eq!(api.take_writes(), [TRIAL]);
}

#[tokio::test]
async fn without_a_pod_that_runs_nothing_is_tried() {
    let nobody = |gathered: &mut Gathered| gathered.live.pods.clear();
    let suspended = |gathered: &mut Gathered| edit(gathered, "concierge", |agent| agent.spec.suspend = true);
    for change in [nobody as fn(&mut Gathered), suspended] {
        let (api, mut gathered) = (RecordingApi::default(), edited());
        change(&mut gathered);
        let decision = decided(&context(&api, Some(403)), &gathered).await.1;
        assert!(matches!(decision, Decision::Apply { replaces_pod: true, .. }), "{decision:?}");
        assert_eq!(api.take_writes(), [""; 0]);
    }
}

#[tokio::test]
async fn an_api_server_that_cannot_answer_takes_no_pod_away_and_is_asked_ever_more_slowly() {
    let (api, gathered) = (RecordingApi::default(), edited());
    let context = context(&api, Some(500));
    let (plan, decision) = decided(&context, &gathered).await;
    assert!(matches!(decision, Decision::Rejected { .. }) && plan.config.is_some(), "{decision:?}");
    assert_eq!(api.take_writes(), [TRIAL]);
    assert!(matches!(decided(&context, &gathered).await.1, Decision::Rejected { .. }));
    assert_eq!(api.take_writes(), [""; 0]);
}

#[tokio::test]
async fn a_configuration_that_needs_the_rejected_pod_waits_for_it() {
    let (api, mut gathered) = (RecordingApi::default(), edited());
    secret(&mut gathered, "keys", &[("openai", "one"), ("litellm", "two"), ("other", "three")]);
    edit_provider(&mut gathered, "openai", |provider| {
        provider.spec.credentials.as_mut().unwrap().secret_key_ref.key = "other".into();
    });
    let (plan, decision) = decided(&context(&api, Some(422)), &gathered).await;
    assert!(plan.config.is_none() && matches!(decision, Decision::Rejected { .. }));
}

#[test]
fn the_pod_that_is_tried_is_the_one_that_the_replica_set_would_create() {
    let gathered = edited();
    let plan = validate::validate(&gathered, &settings());
    let wanted = Replacement::new(&gathered, &plan, "creel:test").unwrap().wanted;
    assert_eq!(wanted.name_any(), "concierge-gateway");
    assert_eq!(wanted.labels()["pod-template-hash"], "abc");
    assert_eq!(wanted.labels()[crate::naming::LABEL_GATEWAY], "concierge");
    let owner = &wanted.owner_references()[0];
    assert_eq!((owner.uid.as_str(), owner.controller, owner.block_owner_deletion), ("set", Some(true), None));
    let spec = wanted.spec.unwrap();
    let read = (spec.priority_class_name.as_deref(), spec.service_account_name.as_deref());
    assert_eq!(read, (Some("hgih"), Some("concierge-gateway")));
}
