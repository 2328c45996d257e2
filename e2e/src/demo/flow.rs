//! The steps of the demo, in order. Runs programs; touches the network and the disk.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use tokio::process::Command;

use super::ask::{self as question, AskError};
use super::endpoint::{Endpoint, SCRIPTED_NAMESPACE};
use super::next::{Place, steps};
use super::run_now::{RunNowError, run_now};
use super::samples::{self, Samples, SamplesError};
use super::wait::{WaitError, until_ready};
use crate::cache::{self, CacheError};
use crate::chart::{namespace_yaml, workspace};
use crate::cluster::{self, Cluster, Egress, Keep, Programs};
use crate::command::{CommandError, run};
use crate::images::{self, Images, Profile};
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
    Import(#[from] CommandError),
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

/// What a person may choose.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Replaces the model that the demo chooses.
    pub model: Option<String>,
    /// An existing cluster instead of one on this machine.
    pub kubeconfig: Option<PathBuf>,
    /// What brings an image's archive to the nodes of that cluster: a command line, to which its path is added.
    pub import: Option<String>,
}

/// Brings everything up, asks the first Agent, and tells what to try next.
pub async fn up(wanted: &Wanted) -> Result<(), DemoError> {
    let progress = Progress::new();
    let endpoint = Endpoint::choose(|name| std::env::var(name).ok(), wanted.model.as_deref());
    let samples = samples::read(&workspace().join("manifests/samples"), &endpoint)?;
    progress.say(format_args!("the assistants will talk to {} ({})", endpoint.provider, endpoint.base_url));

    let (cluster, images) = prepare(wanted, &endpoint, &progress).await?;
    install(&cluster, &images, &progress, &endpoint).await?;
    progress.say("applying manifests/samples/");
    for line in kubectl::apply(cluster.kubectl(), &samples.yaml).await?.lines() {
        progress.say(format_args!("  {line}"));
    }
    let client = cluster.client().await?;
    progress.say("waiting until every Provider, Sandbox, Agent and CronJob is ready; their conditions:");
    // One Provider, one Sandbox, the Agents, and the CronJobs.
    let count = samples.agents.len() + samples.cron_jobs.len() + 2;
    until_ready(&client, &samples.namespace, count, &progress).await?;

    for agent in &samples.agents {
        let question = if agent.has_sandbox { COMMAND } else { QUESTION };
        converse(&cluster, &client, &samples.namespace, &agent.name, question, &progress).await?;
    }
    for job in &samples.cron_jobs {
        let what = format!("running CronJob {} once", job.name);
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
pub async fn ask(kubeconfig: Option<&Path>, agent: &str, words: &str) -> Result<(), DemoError> {
    let cluster = match kubeconfig {
        Some(kubeconfig) => Cluster::at(kubeconfig, &Progress::new()).await?,
        None => Cluster::open().await?,
    };
    let client = cluster.client().await?;
    // The namespace that the samples name; the endpoint plays no part in it.
    let samples = samples::read(&workspace().join("manifests/samples"), &Endpoint::choose(|_| None, None))?;
    converse(&cluster, &client, &samples.namespace, agent, words, &Progress::new()).await
}

/// Takes the cluster down, and everything with it; what was built remains, unless the `cache` shall go too.
pub async fn down(cache: bool) -> Result<(), DemoError> {
    let progress = Progress::new();
    Cluster::down(Keep::Nothing, &progress).await?;
    progress.say("removed the cluster, everything in it, and its images");
    let (size, place) = (cache::size()?, cache::place()?);
    if cache {
        if cache::remove()? {
            progress.say(format_args!("removed the built files: {} in {}", gigabytes(size), place.display()));
        }
    } else if size > 0 {
        progress.say(format_args!(
            "kept the built files for the next start: {} in {}; `cargo demo down --cache` removes them too",
            gigabytes(size),
            place.display()
        ));
    }
    Ok(())
}

/// Removes what the demo made in an existing cluster. The kinds of Creel stay, as the chart promises.
pub async fn down_elsewhere(kubeconfig: &Path) -> Result<(), DemoError> {
    let progress = Progress::new();
    let cluster = Cluster::at(kubeconfig, &progress).await?;
    let samples = samples::read(&workspace().join("manifests/samples"), &Endpoint::choose(|_| None, None))?;
    let namespaces = ["delete", "namespace", &samples.namespace, SCRIPTED_NAMESPACE, "--ignore-not-found"];
    progress.during("removing the demo's namespaces", kubectl::run(cluster.kubectl(), &namespaces)).await?;
    cluster.uninstall_creel(&progress).await?;
    Ok(())
}

/// As `df --si` tells it, rounded up.
fn gigabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000_000);
    format!("{}.{} GB", tenths / 10, tenths % 10)
}

/// The cluster, and every image on its nodes, so that no Pod waits for one.
async fn prepare(wanted: &Wanted, endpoint: &Endpoint, progress: &Progress) -> Result<(Cluster, Images), DemoError> {
    if let Some(kubeconfig) = &wanted.kubeconfig {
        let cluster = Cluster::at(kubeconfig, progress).await?;
        if !cluster.is_here() {
            return Ok((cluster.clone(), import(&cluster, wanted.import.as_deref(), progress).await?));
        }
    }
    // Before the images, which need some of them too: two installations at once would be refused.
    Programs::ensure_packages(progress).await?;
    let (programs, images) = tokio::join!(Programs::ensure(progress), Images::build(Profile::E2e, progress));
    programs?;
    let images = images?;
    let egress = if endpoint.scripted { Egress::Sealed } else { Egress::Internet };
    let cluster = Cluster::up_with(egress, progress).await?;
    images.load(&cluster, progress).await?;
    Ok((cluster, images))
}

/// Builds what no registry has and brings it to the nodes of an existing cluster.
async fn import(cluster: &Cluster, import: Option<&str>, progress: &Progress) -> Result<Images, DemoError> {
    Programs::ensure_image_tools(progress).await?;
    let images = Images::build_unpublished(Profile::E2e, progress).await?;
    let Some(import) = import else {
        images.load(cluster, progress).await?;
        return Ok(images);
    };
    for image in images.all() {
        let mut words = import.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(&image.archive);
        progress.during(&format!("importing {}", image.name), run(&mut command)).await?;
    }
    Ok(images)
}

/// The chart, and the scripted model server where it is needed.
async fn install(
    cluster: &Cluster,
    images: &Images,
    progress: &Progress,
    endpoint: &Endpoint,
) -> Result<(), DemoError> {
    kubectl::apply(cluster.kubectl(), &namespace_yaml()).await?;
    // The annotation replaces the operator's Pod when its image was built anew under the same name.
    cluster.install_creel(&[("operator.podAnnotations.image-digest", &images.creel.digest)], progress).await?;
    if endpoint.scripted {
        kubectl::apply(cluster.kubectl(), &manifest(SCRIPTED_NAMESPACE, &images.model_server.digest)).await?;
        let deployment = format!("deployment/{}", SERVICE.0);
        let rollout = ["-n", SCRIPTED_NAMESPACE, "rollout", "status", &deployment, "--timeout=120s"];
        progress.during("starting the scripted model server", kubectl::run(cluster.kubectl(), &rollout)).await?;
    }
    Ok(())
}

async fn converse(
    cluster: &Cluster,
    client: &kube::Client,
    namespace: &str,
    agent: &str,
    words: &str,
    progress: &Progress,
) -> Result<(), DemoError> {
    let address = question::address(cluster, client, namespace, agent).await?;
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
    let reachable = endpoint.scripted && cluster.is_here();
    let model_server = if reachable { Some(model_server_address(client).await?) } else { None };
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
