//! A namespace with so much in it that to look at all of it for each change would take longer than the operator's Lease lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use e2e::cluster::RELEASE_NAMESPACE;
use e2e::suite::operator::{Leader, OPERATOR, restart};
use e2e::suite::{SOON, TestNamespace, condition, in_namespace, side_by_side};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::api_server::stage::{edit, make, merged, resting};

const AGENTS: usize = 1_000;
/// That each Agent reads.
const SECRETS: usize = 10;

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn a_namespace_with_a_thousand_agents_and_ten_thousand_secrets_never_makes_the_lease_late() {
    in_namespace("large", async |namespace| {
        let client = &namespace.client;
        let renewals = Renewals::of(client);
        side_by_side(AGENTS, async |number| make_reader(&namespace, number).await).await;
        all_are_told_of(&namespace).await;
        // All of it is listed at once.
        restart(client).await;
        let before = Leader::of(client).await;
        side_by_side(AGENTS * SECRETS, async |number| {
            let change = json!({"stringData": {"KEY": format!("another {number}")}});
            let name = secret(number / SECRETS, number % SECRETS);
            edit(&namespace, "Secret", &name, &change).await.expect("a Secret can be changed");
        })
        .await;
        assert_eq!(Leader::of(client).await, before, "the same process is the leader all the time");
        let (longest, lasts) = (renewals.longest_pause(), lease_lasts(client).await);
        println!("between two renewals of the Lease: at most {longest:#}");
        assert!(longest < lasts, "{longest:#} passed between two renewals of a Lease that lasts {lasts:#}");
    })
    .await;
}

fn secret(agent: usize, number: usize) -> String {
    format!("secret-{agent}-{number}")
}

/// An Agent at rest, whose Provider is missing so that it costs few children, and the Secrets that its gateway reads.
async fn make_reader(namespace: &TestNamespace, agent: usize) {
    let names: Vec<_> = (0..SECRETS).map(|number| secret(agent, number)).collect();
    for name in &names {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        make(namespace, &merged(secret, json!({"stringData": {"KEY": "a value"}}))).await;
    }
    let sources: Vec<_> = names.iter().map(|name| json!({"secretRef": {"name": name}})).collect();
    let gateway = json!({"spec": {"gateway": {"envFrom": sources}}});
    make(namespace, &merged(resting(&format!("agent-{agent}")), gateway)).await;
}

/// Waits until every Agent has a status of its present generation.
async fn all_are_told_of(namespace: &TestNamespace) {
    let look = async || {
        let agents = namespace.api("Agent").list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let told = agents.iter().filter(|agent| condition(agent, "Ready").is_some_and(|ready| ready.current)).count();
        if told == AGENTS { Ok(()) } else { Err(format!("{told} of {AGENTS}")) }
    };
    namespace.eventually("all Agents have a status", SOON * 6, look).await;
}

async fn lease_lasts(client: &Client) -> SignedDuration {
    let leases: Api<Lease> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
    let spec = leases.get(OPERATOR).await.expect("the Lease can be read").spec.unwrap_or_default();
    SignedDuration::from_secs(spec.lease_duration_seconds.expect("a Lease says how long it lasts").into())
}

/// When the operator's Lease was renewed, by who held it.
struct Renewals {
    seen: Arc<Mutex<BTreeMap<String, Vec<Timestamp>>>>,
    watch: JoinHandle<()>,
}

impl Renewals {
    /// From now on.
    fn of(client: &Client) -> Self {
        let leases: Api<Lease> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
        let only = watcher::Config::default().fields(&format!("metadata.name={OPERATOR}"));
        let seen = Arc::<Mutex<BTreeMap<String, Vec<Timestamp>>>>::default();
        let into = Arc::clone(&seen);
        let watch = tokio::spawn(async move {
            let mut leases = watcher(leases, only).default_backoff().applied_objects().boxed();
            while let Some(lease) = leases.next().await {
                // After an error it lists and goes on.
                let Some(spec) = lease.ok().and_then(|lease| lease.spec) else { continue };
                if let (Some(holder), Some(time)) = (spec.holder_identity, spec.renew_time) {
                    into.lock().unwrap().entry(holder).or_default().push(time.0);
                }
            }
        });
        Self { seen, watch }
    }

    /// The longest time between two renewals by the same holder.
    fn longest_pause(&self) -> SignedDuration {
        let seen = self.seen.lock().unwrap();
        let pauses = seen.values().flat_map(|times| times.windows(2).map(|pair| pair[1].duration_since(pair[0])));
        pauses.max().expect("the Lease is renewed")
    }
}

impl Drop for Renewals {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
