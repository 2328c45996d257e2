//! An object that the API server accepts, whatever is in it, hinders no other one, and no byte of a Secret reaches the log.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use kube::runtime::reflector::{Lookup, Store};
use serde_json::{Value, json};

use super::small_world::{NAMESPACE, SmallWorld};
use crate::kubernetes::apply::Applier;
use crate::kubernetes::recording_api::RecordingApi;
use crate::kubernetes::status::write_status;
use crate::naming::AGENT_MANAGER;
use crate::references::digests::{Read, SourceKind, SourceName};
use crate::references::read::{DigestKey, References, Versions};
use crate::settings::LogFormat;
use crate::telemetry::logs::tests::logged;
use crate::world::queues::{Controller, queues};
use crate::world::registry::{Filling, Watching, watch};
use crate::world::stores::named;

/// Longer than any of this takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(30);
/// A value of a Secret as people know it, and as the API server writes it.
const VALUE: [&str; 2] = ["sk-never-printed", "c2stbmV2ZXItcHJpbnRlZA=="];
/// The last time that Kubernetes writes with four digits of a year; the types for Rust end a day earlier.
const LATE: &str = "9999-12-31T23:59:59Z";

/// An entry of managedFields, which a client may write and the API server keeps.
fn managed(time: &str, fields: &Value) -> Value {
    json!({"manager": "x", "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
}

/// Metadata that the API server stores and the types for Rust cannot hold, or not without care, each with a name.
fn poisons() -> [(&'static str, Value); 4] {
    let fields = json!({"f:data": {"f:a": {}}});
    let deep = (0..500).fold(json!({}), |below, _| json!({"f:a": below}));
    [
        ("late-fields", json!({"managedFields": [managed(LATE, &fields)]})),
        ("deep-fields", json!({"managedFields": [managed("2026-01-01T00:00:00Z", &deep)]})),
        ("late-creation", json!({"creationTimestamp": LATE})),
        // What a grace period of many years gives.
        (
            "late-end",
            json!({"deletionTimestamp": "33658-09-27T01:46:40Z", "deletionGracePeriodSeconds": 999_999_999_999_u64}),
        ),
    ]
}

/// An object of this resource.
fn object(resource: &str, name: &str, version: u32, poison: &Value) -> Value {
    let mut metadata = json!({"name": name, "namespace": NAMESPACE, "uid": format!("uid-of-{name}"),
        "resourceVersion": version.to_string(), "labels": {"app.kubernetes.io/managed-by": "creel", "creel.dev/gateway": "a"}});
    metadata.as_object_mut().unwrap().extend(poison.as_object().unwrap().clone());
    let spec = match resource {
        "agents" => json!({"model": {"primary": {"provider": "p", "model": "m"}}}),
        "providers" => json!({"api": "ollama", "baseURL": "http://models.example", "models": [{"id": "m"}]}),
        "sandboxes" => json!({"image": "debian:12"}),
        "cronjobs" => json!({"agentRef": {"name": "a"}, "message": "m", "every": "10m"}),
        "deployments" => json!({"selector": {}, "template": {}}),
        "pods" => json!({"containers": []}),
        "secrets" => return json!({"metadata": metadata, "data": {"a": VALUE[1]}}),
        "configmaps" => return json!({"metadata": metadata, "data": {"a": "text"}}),
        _ => json!({}),
    };
    json!({"metadata": metadata, "spec": spec})
}

/// The poisoned objects of this resource, one that does not parse as its kind, and after them a healthy one.
fn listed(resource: &str) -> Vec<Value> {
    let poisoned = poisons().into_iter().map(|(name, poison)| object(resource, name, 1, &poison));
    let mut mistyped = object(resource, "mistyped", 1, &json!({}));
    mistyped["spec"] = json!(7);
    mistyped["data"] = json!(7);
    poisoned.chain([mistyped, object(resource, "healthy", 1, &json!({}))]).collect()
}

/// What a watch sees after that list: a poisoned object changes, then a healthy one comes.
fn watched(resource: &str) -> String {
    let (name, poison) = &poisons()[0];
    let changed = json!({"type": "MODIFIED", "object": object(resource, name, 2, poison)});
    let added = json!({"type": "ADDED", "object": object(resource, "after", 3, &json!({}))});
    format!("{changed}\n{added}\n")
}

/// An API server with these objects, whatever they are asked for.
fn api_server() -> Client {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let answer = move |request: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let segments: Vec<_> = request.uri().path().split('/').map(str::to_owned).collect();
            let watches = request.uri().query().unwrap_or_default().contains("watch=");
            let body = match segments.iter().rev().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["broken", ..] => format!(r#"{{"data": {{"a": "{}""#, VALUE[1]),
                ["mistyped", ..] => json!({"metadata": {"name": "mistyped"}, "data": {"a": [VALUE[1]]}}).to_string(),
                [name, resource, _, "namespaces", ..] => listed(resource)
                    .into_iter()
                    .find(|object| object["metadata"]["name"] == **name)
                    .unwrap()
                    .to_string(),
                [resource, ..] if watches => {
                    if !seen.lock().unwrap().insert((*resource).to_owned()) {
                        std::future::pending::<()>().await;
                    }
                    watched(resource)
                }
                [resource, ..] => json!({"metadata": {"resourceVersion": "1"}, "items": listed(resource)}).to_string(),
                [] => String::new(),
            };
            Ok::<_, kube::Error>(Response::new(Body::from(body.into_bytes())))
        }
    };
    Client::new(tower::service_fn(answer), "default")
}

fn names<K>(store: &Store<K>) -> BTreeSet<String>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    store.state().iter().map(|object| object.name().unwrap_or_default().into_owned()).collect()
}

/// Runs the watches until this is done.
async fn while_watching(watches: impl Future<Output = ()>, test: impl Future<Output = ()>) {
    let run = async {
        tokio::select! {
            () = watches => panic!("the watches ended"),
            () = test => {}
        }
    };
    tokio::time::timeout(LIMIT, run).await.unwrap();
}

async fn fill(stores: Vec<Filling>) {
    for store in stores {
        store.filled.await.unwrap();
    }
}

#[tokio::test]
async fn the_stores_fill_whatever_is_in_an_object_and_hold_it_too() {
    let Watching { stores, filling, watches } = watch(&api_server(), &queues().0, &[]);
    while_watching(watches, fill(filling)).await;
    let all: BTreeSet<_> = poisons().iter().map(|(name, _)| (*name).to_owned()).chain(["healthy".to_owned()]).collect();
    let held = [
        names(&stores.agents),
        names(&stores.providers),
        names(&stores.sandboxes),
        names(&stores.cron_jobs),
        names(&stores.secrets),
        names(&stores.config_map_metadata),
        names(&stores.deployments),
        names(&stores.replica_sets),
        names(&stores.config_maps),
        names(&stores.services),
        names(&stores.service_accounts),
        names(&stores.network_policies),
        names(&stores.claims),
        names(&stores.pods),
    ];
    assert!(held.iter().all(|held| held.is_superset(&all)), "{held:#?}");
    for kind in ["Agent", "CronJob", "Provider", "Sandbox", "ConfigMap", "Deployment", "NetworkPolicy", "Pod"] {
        assert!(stores.unparsable.contains(kind, NAMESPACE, "mistyped"), "{kind}");
    }
    let ends = |name| named(&stores.pods, NAMESPACE, name).unwrap().metadata.deletion_timestamp.is_some();
    assert!(ends("late-end") && !ends("healthy"));
}

#[tokio::test]
async fn a_watch_goes_on_after_an_object_whatever_is_in_it() {
    let (queues, mut receivers) = queues();
    let Watching { watches, .. } = watch(&api_server(), &queues, &[]);
    while_watching(watches, async {
        for controller in [Controller::Agent, Controller::Provider, Controller::SandboxTemplate, Controller::CronJob] {
            let mut queue = receivers.take(controller);
            while queue.recv().await.unwrap().name != "after" {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_child_is_applied_and_a_status_written_whatever_their_answers_hold() {
    for (name, poison) in poisons() {
        let api = RecordingApi::default();
        let metadata = |poison: &Value| object("", name, 1, poison)["metadata"].clone();
        let child = |poison: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(poison)});
        api.knows(&child(&poison));
        api.knows(&json!({"kind": "Agent", "metadata": metadata(&poison)}));
        let client = api.client(|_| None);
        let desired: ConfigMap = serde_json::from_value(child(&json!({}))).unwrap();
        assert!(Applier::new(client.clone(), AGENT_MANAGER).apply(&desired, None, "owner").await.unwrap(), "{name}");
        assert!(write_status(&client, AGENT_MANAGER, &SmallWorld::agent(name), &json!({})).await.unwrap(), "{name}");
        let writes = [format!("PATCH configmaps/{name}"), format!("PATCH {name}/status")];
        assert_eq!(api.take_writes(), writes);
    }
}

/// Nothing is known without reading it.
struct Unknown;

impl Versions for Unknown {
    fn of(&self, _namespace: &str, _source: &SourceName) -> Option<String> {
        None
    }
}

/// What reading these Secrets gives.
async fn read(names: impl IntoIterator<Item = &str>) -> Vec<Read> {
    let names = names.into_iter().map(|name| (SourceKind::Secret, name.to_owned())).collect();
    let key = DigestKey { uid: "1".to_owned(), key: b"k".to_vec() };
    References::default().read(&api_server(), &Unknown, NAMESPACE, names, &key).await.into_values().collect()
}

#[tokio::test]
async fn a_secret_is_read_whatever_is_in_its_metadata() {
    let reads = read(poisons().map(|(name, _)| name)).await;
    assert_eq!(reads.len(), poisons().len());
    assert!(reads.iter().all(|read| matches!(read, Read::Keys(keys) if keys.len() == 1)), "{reads:?}");
}

#[test]
fn no_byte_of_a_secret_is_logged_or_reported_at_any_level_though_it_does_not_parse() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = logged("trace,kube_client=trace,kube_client::client=trace", LogFormat::Text, || {
        runtime.block_on(async {
            let reads = read(["broken", "mistyped", "late-fields"]).await;
            let unreadable = reads.iter().filter(|read| matches!(read, Read::Unreadable(_))).count();
            assert_eq!(unreadable, 2, "{reads:?}");
            let reported = format!("{reads:?}");
            assert!(!VALUE.iter().any(|value| reported.contains(value)), "{reported}");
            tracing::trace!("the Secrets are read");
            let Watching { filling, watches, .. } = watch(&api_server(), &queues().0, &[]);
            while_watching(watches, fill(filling)).await;
        });
    });
    assert!(log.contains("the Secrets are read"), "nothing is logged: {log}");
    assert!(!VALUE.iter().any(|value| log.contains(value)), "{log}");
}
