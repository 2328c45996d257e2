//! The steps of the demo, in order. Runs programs; touches the network and the disk.

use std::path::Path;

use k8s_openapi::api::core::v1::Service;
use kube::api::Api;

use super::ask::{self as question, AskError};
use super::endpoint::{Endpoint, SCRIPTED_NAMESPACE};
use super::next::{Place, steps};
use super::run_now::{RunNowError, run_now};
use super::samples::{self, Samples, SamplesError};
use super::wait::{WaitError, until_ready};
use crate::cache::{self, CacheError};
use crate::chart::{namespace_yaml, workspace};
use crate::cluster::{self, Cluster, Egress, Keep};
use crate::images;
use crate::kubectl::{self, KubectlError};
use crate::model_server::{SERVICE, manifest};
use crate::progress::Progress;

const QUESTION: &str = "Hello! Who are you, and what can you do for me?";
/// For an Agent with a shell. A scripted model runs what stands between the backticks, a real one understands it.
const COMMAND: &str = "Run `hostname` in your shell and tell me what it says.";

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error(transparent)]
    Samples(#[from] SamplesError),
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    RunNow(#[from] RunNowError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("the model server's Service has no address")]
    ModelServer { source: Option<Box<kube::Error>> },
}

/// Brings everything up, asks the first Agent, and tells what to try next. `model` replaces the model that the demo chooses.
pub async fn up(model: Option<&str>) -> Result<(), DemoError> {
    let progress = Progress::new();
    let endpoint = Endpoint::choose(|name| std::env::var(name).ok(), model);
    let samples = samples::read(&workspace().join("manifests/samples"), &endpoint)?;
    progress.say(format_args!("the assistants will talk to {} ({})", endpoint.provider, endpoint.base_url));

    let egress = if endpoint.scripted { Egress::Sealed } else { Egress::Internet };
    let cluster = Cluster::up_with(egress, &progress).await?;
    install(&cluster, &progress, &endpoint).await?;
    progress.say("applying manifests/samples/");
    for line in kubectl::apply(cluster.kubectl(), &samples.yaml).await?.lines() {
        progress.say(format_args!("  {line}"));
    }
    let client = cluster.client().await?;
    progress.say("waiting until every Provider, Sandbox, Agent and CronJob is ready; what each says about itself:");
    // One Provider, one Sandbox, the Agents, and the CronJobs.
    let count = samples.agents.len() + samples.cron_jobs.len() + 2;
    until_ready(&client, &samples.namespace, count, &progress).await?;

    for agent in &samples.agents {
        let question = if agent.has_sandbox { COMMAND } else { QUESTION };
        converse(&client, &samples.namespace, &agent.name, question, &progress).await?;
    }
    for job in &samples.cron_jobs {
        let what = format!("having CronJob {} run once, now", job.name);
        let became = progress.during(&what, run_now(&client, &samples.namespace, &job.name)).await?;
        println!("\n  {:<10} {}\n  {:<10} {became}", job.name, job.message, job.agent);
    }
    // Kubernetes has a kind CronJob too; the short name is Creel's alone.
    let kinds = "providers,sandboxes,agents,ccj,pods";
    println!("\n$ kubectl -n {} get {kinds}", samples.namespace);
    println!("{}", kubectl::run(cluster.kubectl(), &["-n", &samples.namespace, "get", kinds]).await?);
    println!("{}", tell_next(&cluster, &client, &samples, &endpoint).await?);
    Ok(())
}

/// Asks one Agent of the running demo.
pub async fn ask(agent: &str, words: &str) -> Result<(), DemoError> {
    let client = Cluster::open().await?.client().await?;
    // The namespace that the samples name; the endpoint plays no part in it.
    let samples = samples::read(&workspace().join("manifests/samples"), &Endpoint::choose(|_| None, None))?;
    converse(&client, &samples.namespace, agent, words, &Progress::new()).await
}

/// Takes the cluster down, and everything with it; what was built remains, unless the `cache` shall go too.
pub async fn down(cache: bool) -> Result<(), DemoError> {
    let progress = Progress::new();
    Cluster::down(Keep::Nothing, &progress).await?;
    progress.say("the cluster is gone, with everything in it and its images");
    let (size, place) = (cache::size()?, cache::place()?);
    if cache {
        if cache::remove()? {
            progress.say(format_args!("what was built is gone too: {} in {}", gigabytes(size), place.display()));
        }
    } else if size > 0 {
        progress.say(format_args!(
            "what was built remains, for the next start: {} in {}; `cargo demo down --cache` removes it too",
            gigabytes(size),
            place.display()
        ));
    }
    Ok(())
}

/// As `df --si` tells it, rounded up.
fn gigabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000_000);
    format!("{}.{} GB", tenths / 10, tenths % 10)
}

/// All images first, so that no Pod waits for one; then the chart, and the scripted model server where it is needed.
async fn install(cluster: &Cluster, progress: &Progress, endpoint: &Endpoint) -> Result<(), DemoError> {
    let gateway = images::gateway(progress).await?;
    let sandbox = images::sandbox(progress).await?;
    let creel = images::creel(progress).await?;
    let model_server = if endpoint.scripted { Some(images::model_server(progress).await?) } else { None };
    for image in [&gateway, &sandbox, &creel].into_iter().chain(&model_server) {
        cluster.load(image, progress).await?;
    }
    kubectl::apply(cluster.kubectl(), &namespace_yaml()).await?;
    // The annotation replaces the operator's Pod when its image was built anew under the same name.
    cluster.install_creel(&[("operator.podAnnotations.image-digest", &creel.digest)], progress).await?;
    if let Some(image) = model_server {
        kubectl::apply(cluster.kubectl(), &manifest(SCRIPTED_NAMESPACE, &image.digest)).await?;
        let deployment = format!("deployment/{}", SERVICE.0);
        let rollout = ["-n", SCRIPTED_NAMESPACE, "rollout", "status", &deployment, "--timeout=120s"];
        progress.during("starting the scripted model server", kubectl::run(cluster.kubectl(), &rollout)).await?;
    }
    Ok(())
}

async fn converse(
    client: &kube::Client,
    namespace: &str,
    agent: &str,
    words: &str,
    progress: &Progress,
) -> Result<(), DemoError> {
    let address = question::address(client, namespace, agent).await?;
    let what = format!("asking {agent} at {}", address.url);
    let answer = progress.during(&what, question::ask(&address, agent, words)).await?;
    println!("\n  {:<10} {words}\n  {agent:<10} {answer}", "you");
    Ok(())
}

async fn tell_next(
    cluster: &Cluster,
    client: &kube::Client,
    samples: &Samples,
    endpoint: &Endpoint,
) -> Result<String, DemoError> {
    let model_server = if endpoint.scripted { Some(model_server_address(client).await?) } else { None };
    let kubectl = cluster.kubectl();
    let program = Path::new(kubectl.as_std().get_program());
    let place = Place {
        kubeconfig: cluster.kubeconfig(),
        programs: program.parent().unwrap_or(program),
        namespace: &samples.namespace,
        agent: samples.agents.first().map_or("", |agent| &agent.name),
        sandboxed: samples.agents.iter().find(|agent| agent.has_sandbox).map(|agent| agent.name.as_str()),
        cron_job: samples.cron_jobs.first().map(|job| job.name.as_str()),
        model_server: model_server.as_deref(),
    };
    Ok(steps(&place, endpoint))
}

async fn model_server_address(client: &kube::Client) -> Result<String, DemoError> {
    let (name, port) = SERVICE;
    let services: Api<Service> = Api::namespaced(client.clone(), SCRIPTED_NAMESPACE);
    let service =
        services.get(name).await.map_err(|source| DemoError::ModelServer { source: Some(Box::new(source)) })?;
    let ip = service.spec.and_then(|spec| spec.cluster_ip).ok_or(DemoError::ModelServer { source: None })?;
    Ok(format!("{ip}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_tenths_of_a_gigabyte() {
        assert_eq!([1, 1_900_000_000, 2_010_000_000].map(gigabytes), ["0.1 GB", "1.9 GB", "2.1 GB"]);
    }
}
