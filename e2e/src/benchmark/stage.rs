//! The namespace that everything is measured in, with a Provider on the scripted model server, and one beside it. Touches the network.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::error::{Asking, Error};
use crate::progress::Progress;
use crate::suite::{TestNamespace, model_server, secret_value};

/// Always the same name: two benchmarks at once would measure each other, and what an interrupted one left is found.
pub const NAMESPACE: &str = "creel-benchmark";
/// The one that does its worst.
const NEIGHBOUR: &str = "creel-benchmark-neighbour";
/// The Provider that the Agents use, with the models `small` and `large`.
pub const PROVIDER: &str = "scripted";

/// A gateway takes up to half a minute to end.
const GONE: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// An empty namespace with the Provider in it. What an interrupted run left is removed first.
pub async fn open(client: &Client, progress: &Progress) -> Result<TestNamespace, Error> {
    let namespace = create(client, NAMESPACE, progress).await?;
    namespace.serve(PROVIDER, &secret_value("benchmark")).await;
    namespace.condition("Provider", PROVIDER, "Ready", GONE, |ready| ready.status == "True").await;
    Ok(namespace)
}

/// An empty namespace beside it. What an interrupted run left is removed first.
pub async fn open_neighbour(client: &Client, progress: &Progress) -> Result<TestNamespace, Error> {
    create(client, NEIGHBOUR, progress).await
}

async fn create(client: &Client, name: &str, progress: &Progress) -> Result<TestNamespace, Error> {
    let all: Api<Namespace> = Api::all(client.clone());
    if all.get_opt(name).await.asking("read the namespace")?.is_some() {
        all.delete(name, &DeleteParams::default()).await.asking("delete the namespace")?;
        progress.during("removing what an earlier run left", gone(&all, name)).await?;
    }
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": name, "labels": labels}});
    let namespace: Namespace =
        serde_json::from_value(namespace).map_err(|_| Error::Missing("the namespace as an object".into()))?;
    all.create(&PostParams::default(), &namespace).await.asking("create the namespace")?;
    let models = progress.during("waiting for the scripted model server", model_server(client)).await;
    Ok(TestNamespace { name: name.into(), scope: name.into(), host: None, client: client.clone(), models })
}

/// Deletes the namespace; nobody waits for that.
pub async fn close(namespace: &TestNamespace) -> Result<(), Error> {
    let all: Api<Namespace> = Api::all(namespace.client.clone());
    all.delete(&namespace.name, &DeleteParams::default()).await.asking("delete the namespace")?;
    Ok(())
}

async fn gone(all: &Api<Namespace>, name: &str) -> Result<(), Error> {
    let started = Instant::now();
    while all.get_opt(name).await.asking("read the namespace")?.is_some() {
        if started.elapsed() > GONE {
            let what = format!("the namespace {name} is not gone");
            return Err(Error::Late { what, waited: GONE.as_secs(), namespace: name.into() });
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
