//! One namespace does its worst, and an Agent in another one starts, is edited, gets another key and answers. Alone, because it takes the
//! API server's memory, and what is counted is the operator's alone.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::suite::operator::{pods, restart};
use e2e::suite::{
    MARKER, MARKER_BASE64, SOON, TestNamespace, agent, eventually, in_namespace, operator_log, secret, secret_value,
};
use futures::stream::{self, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::api_server::stage::{cron_job, edit, make, merged, provider, reason, resting};

/// Objects with the label by which the operator watches its children: a megabyte each.
const LABELLED: usize = 500;
/// Secrets whose labels are a megabyte.
const LONG_LABELS: usize = 50;
/// Secrets that an Agent reads all keys of.
const MANY_KEYS: usize = 10;
const KEYS: usize = 30_000;
/// CronJobs that never run.
const NEVER: usize = 200;
/// Connections to the operator that say nothing.
const SILENT: usize = 200;
/// So many requests at once.
const AT_ONCE: usize = 8;
/// The largest value that the API server keeps, less what is beside it.
const MEGABYTE: usize = 1_000_000;
const LABEL: &str = "app.kubernetes.io/managed-by";
const HEALTH_PORT: u16 = 8080;

#[tokio::test]
async fn a_namespace_that_does_its_worst_is_not_noticed_in_another() {
    in_namespace("worst", async |worst| {
        in_namespace("beside", async |beside| {
            fill(&worst).await;
            // What is there is listed once more, and what a namespace does meanwhile meets an operator that has just begun.
            restart(&beside.client).await;
            let before = Operator::seen(&beside.client).await;
            let silent = silent(&beside.client).await;
            tokio::select! {
                () = never_rests(&worst) => unreachable!("it has no end"),
                () = lives(&beside) => {}
            }
            drop(silent);
            assert_eq!(Operator::seen(&beside.client).await, before, "the same process is the leader all the time");
            let log = operator_log(&beside.client, 100_000).await;
            let bytes = log.lines().map(str::len).max().unwrap_or_default();
            assert!(!log.is_empty() && bytes < 20_000, "a line of the log has {bytes} bytes");
            assert!(!log.contains(MARKER) && !log.contains(MARKER_BASE64), "the log holds a Secret's value");
        })
        .await;
        empty(&worst).await;
    })
    .await;
}

/// Makes what stays.
async fn fill(worst: &TestNamespace) {
    make(worst, &provider("p")).await;
    let labels = json!({"metadata": {"labels": {LABEL: "creel", "app.kubernetes.io/component": "gateway"}}});
    let large = "x".repeat(MEGABYTE);
    all(LABELLED, async |number| {
        let map = merged(object("ConfigMap", &format!("labelled-{number}")), labels.clone());
        make(worst, &merged(map, json!({"data": {"openclaw.json": large}}))).await;
    })
    .await;
    let labels: BTreeMap<_, _> =
        (0..MEGABYTE / 120).map(|n| (format!("example.com/{n:050}"), "x".repeat(60))).collect();
    all(LONG_LABELS, async |number| {
        let secret = merged(object("Secret", &format!("labels-{number}")), json!({"metadata": {"labels": labels}}));
        make(worst, &secret).await;
    })
    .await;
    let keys: BTreeMap<_, _> = (0..KEYS).map(|n| (format!("KEY_{n}"), "dg==")).collect();
    all(MANY_KEYS, async |number| {
        make(worst, &merged(object("Secret", &format!("keys-{number}")), json!({"data": keys}))).await;
        let sources = json!({"spec": {"gateway": {"envFrom": [{"secretRef": {"name": format!("keys-{number}")}}]}}});
        make(worst, &merged(resting(&format!("a{number}")), sources)).await;
    })
    .await;
    all(NEVER, async |number| {
        let never =
            merged(cron_job(&format!("never-{number}"), "a0"), json!({"spec": {"schedule": "0 0 31 2,4,6,9,11 *"}}));
        make(worst, &never).await;
    })
    .await;
    reason(worst, "a0", "Ready", "Suspended").await;
}

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
}

async fn all(count: usize, one: impl AsyncFn(usize)) {
    stream::iter(0..count).for_each_concurrent(AT_ONCE, |number| one(number)).await;
}

/// Edits without end what the operator made, and what it watches.
async fn never_rests(worst: &TestNamespace) {
    for round in 0_u64.. {
        let selector = json!({"spec": {"selector": {"round": round.to_string()}}});
        // Which of the two wrote last is of no account; an object that is made anew just now is missed.
        edit(worst, "Service", "a0-gateway", &selector).await.ok();
        let annotation = json!({"metadata": {"annotations": {"round": round.to_string()}}});
        edit(worst, "ConfigMap", &format!("labelled-{}", round % LABELLED as u64), &annotation).await.ok();
        edit(worst, "Secret", "keys-0", &json!({"stringData": {"ROUND": round.to_string()}})).await.ok();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What people do with an Agent.
async fn lives(beside: &TestNamespace) {
    beside.serve("main", &secret_value("first")).await;
    beside.apply(&agent("desk", "main/small")).await;
    beside.ready("desk").await;
    beside.ask("desk", "s", "Hello.").await;
    let pod = beside.gateway("desk").await;
    let model = json!({"spec": {"model": {"primary": {"provider": "main", "model": "large"}}}});
    beside.merge("Agent", "desk", &model).await;
    beside.applied("desk").await;
    assert_eq!(beside.gateway("desk").await, pod, "an edit needs no other Pod");
    let second = secret_value("second");
    beside.apply(&secret("main", "api-key", &second)).await;
    beside.replaced("desk", &pod).await;
    beside.ready("desk").await;
    let seen = beside.ask_and_see("desk", "s", "Hello again.").await;
    assert!(seen.api_key.as_deref() == Some(&second), "another key than the second was on the wire");
}

/// Connections to the port of the operator's health that say nothing, for as long as they are kept.
async fn silent(client: &Client) -> Vec<TcpStream> {
    let operator = pods(client).await;
    let ip = operator[0].status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
    let mut open = Vec::new();
    for _ in 0..SILENT {
        // One that is refused or closed at once is no worse for it.
        open.extend(TcpStream::connect((ip.as_str(), HEALTH_PORT)).await);
    }
    open
}

/// Which process of the operator leads.
#[derive(Debug, PartialEq)]
struct Operator {
    holder: Option<String>,
    transitions: Option<i32>,
    /// Of its containers, by Pod.
    restarts: Vec<(Option<String>, i32)>,
}

impl Operator {
    async fn seen(client: &Client) -> Self {
        let leases: Api<Lease> = Api::namespaced(client.clone(), e2e::cluster::RELEASE_NAMESPACE);
        let lease = eventually(SOON, async || {
            let names: Vec<_> = pods(client).await.into_iter().filter_map(|pod| pod.metadata.name).collect();
            let listed = leases.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let held = listed.items.into_iter().filter_map(|lease| lease.spec);
            held.into_iter()
                .find(|spec| spec.holder_identity.as_ref().is_some_and(|holder| names.contains(holder)))
                .ok_or_else(|| "no leader".to_owned())
        });
        let lease = lease.await.expect("the operator leads");
        let restarts = pods(client).await.into_iter().map(|pod| {
            let containers = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
            (pod.metadata.uid, containers.iter().map(|container| container.restart_count).sum())
        });
        Self { holder: lease.holder_identity, transitions: lease.lease_transitions, restarts: restarts.collect() }
    }
}

/// Nothing that looks at the namespace afterwards has to read it all.
async fn empty(worst: &TestNamespace) {
    for kind in ["ConfigMap", "Secret"] {
        let (api, all) = (worst.api(kind), ListParams::default());
        api.delete_collection(&DeleteParams::default(), &all).await.expect("they can be deleted");
    }
}
