//! How long it takes from an Agent's creation to its gateway's Pod, and how much of that is the operator's doing. Touches the network.
//!
//! The Pods ask for a node that does not exist, so no gateway starts and takes the machine from the next round. Beside each Agent
//! a plain Deployment of the same Pod is created: what Kubernetes needs by itself.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::ready;
use std::time::{Duration, Instant};

use futures::stream::select;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PartialObjectMeta};
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout_at};

use super::error::{Asking, Error};
use super::sample::Sample;
use super::table::{Row, Unit};
use crate::suite::TestNamespace;

const AGENT: &str = include_str!("fixtures/unschedulable.yaml");
/// The label that the Pods of a stand-in have.
const STAND_IN: &str = "benchmark/stand-in";
/// The label that everything of a gateway has.
const GATEWAY: &str = "creel.dev/gateway";
/// The label that everything of a sandbox has.
const SANDBOX: &str = "creel.dev/agent";

const LIMIT: Duration = Duration::from_secs(30);
/// Until conditions are written and stores have seen it all, so that a round does not pay for the one before.
pub const QUIET: Duration = Duration::from_millis(700);

/// Goal of the operator's part at the 50th percentile, in milliseconds.
const SHARE_GOAL: f64 = 100.0;

/// The durations of all rounds.
#[derive(Debug, Default)]
struct Taken {
    /// Until the Deployment is written: what the operator does, with the API server's answers to it.
    share: Sample,
    pod: Sample,
    stand_in: Sample,
}

/// What a watch saw for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    Deployment,
    Pod,
}

/// Creates so many Agents, and as many stand-ins, one after another.
pub async fn measure(namespace: &TestNamespace, rounds: usize) -> Result<Vec<Row>, Error> {
    let deployments_seen = sightings::<Deployment>(namespace, Seen::Deployment);
    let mut seen = select(deployments_seen, sightings::<Pod>(namespace, Seen::Pod)).boxed();
    // Opens connections and fills caches; not counted.
    round(namespace, "warm-up", &mut seen).await?;
    let deployments: Api<Deployment> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let template = template(&deployments.get("warm-up-gateway").await.asking("read the Deployment warm-up-gateway")?)?;
    let mut taken = Taken::default();
    for number in 0..rounds {
        let (share, pod) = round(namespace, &format!("agent-{number}"), &mut seen).await?;
        taken.share.add(share);
        taken.pod.add(pod);
        let name = format!("stand-in-{number}");
        namespace.apply(&stand_in(&name, &template)).await;
        let started = Instant::now();
        taken.stand_in.add(wait(&mut seen, &name, started, &[Seen::Pod]).await?[&Seen::Pod]);
        sleep(QUIET).await;
    }
    Ok(rows(&taken))
}

fn rows(taken: &Taken) -> Vec<Row> {
    let row = |measure: &str, ours: &Sample, percent| {
        Row::new(format!("{measure}, p{percent}"), Unit::Milliseconds, ours.percentile(percent))
    };
    let pod = |percent| {
        row("Agent created → gateway Pod created", &taken.pod, percent).beside(taken.stand_in.percentile(percent))
    };
    let share = |percent| row("  of it the operator: → Deployment written", &taken.share, percent);
    vec![pod(50), pod(95), share(50).goal(SHARE_GOAL), share(95)]
}

/// Creates one Agent; the time until its Deployment and until its Pod are there.
async fn round(
    namespace: &TestNamespace,
    name: &str,
    seen: &mut (impl Stream<Item = (Seen, String, Instant)> + Unpin),
) -> Result<(Duration, Duration), Error> {
    namespace.apply(&AGENT.replace("<name>", name)).await;
    let started = Instant::now();
    let found = wait(seen, name, started, &[Seen::Deployment, Seen::Pod]).await?;
    sleep(QUIET).await;
    Ok((found[&Seen::Deployment], found[&Seen::Pod]))
}

/// Reads what the watches saw until all of `wanted` was seen of this subject.
pub async fn wait(
    seen: &mut (impl Stream<Item = (Seen, String, Instant)> + Unpin),
    subject: &str,
    started: Instant,
    wanted: &[Seen],
) -> Result<BTreeMap<Seen, Duration>, Error> {
    let mut found = BTreeMap::new();
    while !wanted.iter().all(|seen| found.contains_key(seen)) {
        let next = timeout_at((started + LIMIT).into(), seen.next()).await;
        let Ok(Some((kind, whose, at))) = next else {
            let what = format!("there is no Pod of {subject}");
            let namespace = super::stage::NAMESPACE.to_owned();
            return Err(Error::Late { what, waited: LIMIT.as_secs(), namespace });
        };
        if whose == subject {
            // The watch may be quicker than the answer.
            found.entry(kind).or_insert_with(|| at.saturating_duration_since(started));
        }
    }
    Ok(found)
}

/// Every object of a kind when it comes or changes: what it is, whose it is, and when that was seen.
pub fn sightings<K>(namespace: &TestNamespace, kind: Seen) -> impl Stream<Item = (Seen, String, Instant)> + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + DeserializeOwned + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let seen = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
    seen.filter_map(move |found| {
        let subject = found.ok().and_then(|object| subject(&object));
        ready(subject.map(|subject| (kind, subject, Instant::now())))
    })
}

fn subject<K>(object: &PartialObjectMeta<K>) -> Option<String> {
    let labels = object.metadata.labels.as_ref()?;
    [GATEWAY, STAND_IN, SANDBOX].iter().find_map(|label| labels.get(*label)).cloned()
}

/// The Pod of a gateway without the labels by which Creel knows its own.
fn template(deployment: &Deployment) -> Result<Value, Error> {
    let what = || Error::Missing(format!("the Pod template of Deployment {}", deployment.name_any()));
    let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).ok_or_else(what)?;
    serde_json::to_value(spec).map_err(|_| what())
}

fn stand_in(name: &str, pod: &Value) -> String {
    let labels = json!({STAND_IN: name});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn only_the_first_sighting_of_the_subject_counts() {
        let started = Instant::now();
        let at = |milliseconds| started + Duration::from_millis(milliseconds);
        let mut seen = futures::stream::iter([
            (Seen::Pod, "other".to_owned(), at(1)),
            (Seen::Deployment, "a".to_owned(), at(5)),
            (Seen::Deployment, "a".to_owned(), at(7)),
            (Seen::Pod, "a".to_owned(), at(9)),
        ]);
        let found = wait(&mut seen, "a", started, &[Seen::Deployment, Seen::Pod]).await.unwrap();
        assert_eq!(found[&Seen::Deployment], Duration::from_millis(5));
        assert_eq!(found[&Seen::Pod], Duration::from_millis(9));
        assert!(wait(&mut seen, "a", started, &[Seen::Pod]).await.is_err());
    }

    #[test]
    fn the_stand_in_is_a_deployment_that_is_not_creels() {
        let text = stand_in("s", &json!({"containers": []}));
        assert!(!text.contains("creel.dev"), "{text}");
    }
}
