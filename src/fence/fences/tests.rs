use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::*;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::recording_api::RecordingApi;
use crate::tests::small_world::{NAMESPACE, SmallWorld};

const MADE: [&str; 1] = ["PATCH networkpolicies/creel-fence"];
const REMOVED: [&str; 1] = ["DELETE networkpolicies/creel-fence"];

fn fences(api: &RecordingApi, stores: Stores) -> Fences {
    Fences::new(&api.client(|_| None), Arc::new(stores))
}

/// The fence with this metadata beside its name.
fn fence(metadata: &Value) -> NetworkPolicy {
    let mut policy = serde_json::to_value(build(NAMESPACE)).unwrap();
    policy["metadata"]["labels"] = json!(null);
    policy["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    serde_json::from_value(policy).unwrap()
}

fn labelled() -> Value {
    json!({"labels": build(NAMESPACE).metadata.labels})
}

fn fenced() -> SmallWorld {
    SmallWorld { network_policies: vec![fence(&labelled())], ..SmallWorld::default() }
}

#[tokio::test]
async fn a_fence_is_made_once() {
    let api = RecordingApi::default();
    let fences = fences(&api, SmallWorld::default().stores());
    assert!(fences.ensure(NAMESPACE).await.unwrap());
    assert_eq!(api.take_writes(), MADE);
    assert!(!fences.ensure(NAMESPACE).await.unwrap());
    assert!(fences.ensure("other").await.unwrap());
    assert_eq!(api.take_writes(), MADE);
}

#[tokio::test]
async fn a_fence_stays_while_an_agent_a_pod_or_a_deployment_is_left() {
    let child = json!({"metadata": {"name": "left", "namespace": NAMESPACE, "uid": "u"}});
    let left = [
        SmallWorld { agents: vec![SmallWorld::agent("left")], ..fenced() },
        SmallWorld { pods: vec![serde_json::from_value(child.clone()).unwrap()], ..fenced() },
        SmallWorld { deployments: vec![serde_json::from_value(child).unwrap()], ..fenced() },
    ];
    for world in left {
        let (api, now) = (RecordingApi::default(), Instant::now());
        let fences = fences(&api, world.stores());
        fences.settle(NAMESPACE, now).await.unwrap();
        fences.settle(NAMESPACE, now + GRACE).await.unwrap();
        assert_eq!(api.take_writes(), MADE, "{world:?}");
    }
}

#[tokio::test]
async fn what_does_not_parse_keeps_the_fence_too() {
    for kind in ["Agent", "Deployment", "Pod"] {
        let (api, now, stores) = (RecordingApi::default(), Instant::now(), fenced().stores());
        stores.unparsable.remember(kind, NAMESPACE, "left", false);
        let fences = fences(&api, stores);
        fences.settle(NAMESPACE, now).await.unwrap();
        fences.settle(NAMESPACE, now + GRACE).await.unwrap();
        assert_eq!(api.take_writes(), MADE, "{kind}");
    }
}

#[tokio::test]
async fn what_is_left_elsewhere_keeps_no_fence_and_the_last_one_goes_after_a_while() {
    let elsewhere = json!({"metadata": {"name": "pod", "namespace": "other", "uid": "u"}});
    let world = SmallWorld { pods: vec![serde_json::from_value(elsewhere).unwrap()], ..fenced() };
    let (api, now) = (RecordingApi::default(), Instant::now());
    let fences = fences(&api, world.stores());
    assert_eq!(fences.settle(NAMESPACE, now).await.unwrap(), Some(GRACE));
    let (second, almost) = (Duration::from_secs(1), GRACE.saturating_sub(Duration::from_secs(1)));
    assert_eq!(fences.settle(NAMESPACE, now + almost).await.unwrap(), Some(second));
    assert_eq!(api.take_writes(), [""; 0]);
    assert_eq!(fences.settle(NAMESPACE, now + GRACE).await.unwrap(), None);
    assert_eq!(api.take_writes(), REMOVED);
    // The cache still shows the one that went.
    assert!(fences.ensure(NAMESPACE).await.unwrap());
    assert_eq!(api.take_writes(), MADE);
}

#[tokio::test]
async fn an_agent_that_comes_meanwhile_starts_the_wait_anew() {
    let (api, now, mut agents) = (RecordingApi::default(), Instant::now(), Writer::<Agent>::default());
    agents.apply_watcher_event(&Event::Init);
    agents.apply_watcher_event(&Event::InitDone);
    let fences = fences(&api, Stores { agents: agents.as_reader(), ..fenced().stores() });
    assert_eq!(fences.settle(NAMESPACE, now).await.unwrap(), Some(GRACE));
    agents.apply_watcher_event(&Event::Apply(SmallWorld::agent("new")));
    fences.settle(NAMESPACE, now + GRACE).await.unwrap();
    agents.apply_watcher_event(&Event::Delete(SmallWorld::agent("new")));
    assert_eq!(fences.settle(NAMESPACE, now + GRACE).await.unwrap(), Some(GRACE));
    assert_eq!(api.take_writes(), MADE);
}

#[tokio::test]
async fn a_policy_of_somebody_else_is_neither_taken_over_nor_removed() {
    let controller = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c", "controller": true}]);
    let owned = json!({"labels": build(NAMESPACE).metadata.labels, "ownerReferences": controller});
    for (foreign, cached) in [(json!({}), false), (json!({"labels": {"team": "blue"}}), false), (owned, true)] {
        let (api, now) = (RecordingApi::default(), Instant::now());
        let policies = if cached { vec![fence(&foreign)] } else { Vec::new() };
        api.holds(&fence(&foreign));
        let fences = fences(&api, SmallWorld { network_policies: policies, ..SmallWorld::default() }.stores());
        let refused = fences.ensure(NAMESPACE).await.unwrap_err();
        assert!(refused.reason() == Some(reason::NAME_CONFLICT), "{refused}");
        assert_eq!(fences.settle(NAMESPACE, now).await.unwrap(), None);
        assert_eq!(fences.settle(NAMESPACE, now + GRACE).await.unwrap(), None);
        assert_eq!(api.take_writes(), [""; 0], "{foreign}");
    }
}

#[tokio::test]
async fn a_fence_that_lost_its_labels_or_came_back_from_a_backup_is_still_ours() {
    let entry = json!([{"manager": AGENT_MANAGER, "operation": "Apply", "apiVersion": "networking.k8s.io/v1",
                        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:podSelector": {}}}}]);
    for ours in [json!({"managedFields": entry}), labelled()] {
        let api = RecordingApi::default();
        api.holds(&fence(&ours));
        let fences = fences(&api, SmallWorld::default().stores());
        assert!(fences.ensure(NAMESPACE).await.unwrap());
        assert_eq!(api.take_writes(), MADE, "{ours}");
    }
}

#[tokio::test]
async fn no_namespace_waits_for_the_lock_of_another_one() {
    let fences = fences(&RecordingApi::default(), SmallWorld::default().stores());
    let lock = fences.lock("hangs");
    let _held = lock.lock().await;
    assert!(fences.lock("hangs").try_lock().is_err());
    assert!((0..100).all(|number: u8| fences.lock(&number.to_string()).try_lock().is_ok()));
    assert!(fences.locks.lock().unwrap().len() <= 2, "locks that nobody holds are kept");
}
