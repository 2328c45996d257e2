//! The steps of the benchmark. Builds, brings up the cluster, installs Creel, and measures; touches the disk and the network.

use std::time::Duration;

use tokio::time::sleep;

use super::error::Error;
use super::table::Table;
use super::{creation, cron, live, memory, neighbour, sandbox, size, stage};
use crate::cluster::{Cluster, KUBECONFIG_VARIABLE, TEST_CONFIG_OVERRIDE};
use crate::images::{self, Image, Profile};
use crate::progress::Progress;
use crate::suite::TestNamespace;

/// Long enough for the last status to be written and the last question to be answered.
const IDLE: Duration = Duration::from_secs(20);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Agents created one after another.
    pub rounds: usize,
    /// Edits of a model, one after another.
    pub edits: usize,
    /// Calls of each tool by each way into a sandbox, one after another.
    pub calls: usize,
    /// CronJobs on one gateway.
    pub jobs: usize,
}

/// Measures everything once, into `table`: what was measured before an error is in it too.
pub async fn benchmark(wanted: Wanted, table: &mut Table, progress: &Progress) -> Result<(), Error> {
    let (cluster, creel) = prepare(progress).await?;
    table.notes = notes(wanted);
    if let Some(creel) = creel {
        table.rows.extend(size::measure(&creel)?);
    }
    let client = cluster.client().await?;
    let namespace = stage::open(&client, progress).await?;
    let measured = async {
        on_stage(&namespace, wanted, table, progress).await?;
        // Its gateways are on the machine that the cluster runs on.
        if cluster.logs().is_some() {
            table.rows.extend(Box::pin(neighbour::measure(&namespace, wanted.edits, progress)).await?);
        }
        Ok(())
    };
    let measured = measured.await;
    let closed = stage::close(&namespace).await;
    measured.and(closed)
}

async fn on_stage(
    namespace: &TestNamespace,
    wanted: Wanted,
    table: &mut Table,
    progress: &Progress,
) -> Result<(), Error> {
    let what = format!("creating {} Agents and as many stand-ins, one after another", wanted.rounds);
    table.rows.extend(progress.during(&what, creation::measure(namespace, wanted.rounds)).await?);
    progress.during("starting a gateway", live::start(namespace)).await;
    let what = format!("editing its model {} times", wanted.edits);
    table.rows.extend(progress.during(&what, live::measure(namespace, wanted.edits)).await?);
    let what = format!("calling tools in a sandbox, {} times each way", wanted.calls);
    table.rows.extend(progress.during(&what, sandbox::measure_calls(namespace, wanted.calls)).await?);
    let what = format!("creating the sandboxes of {} Agents, one after another", wanted.rounds);
    table.rows.extend(progress.during(&what, sandbox::measure_creation(namespace, wanted.rounds)).await?);
    let what = format!("watching {} CronJobs", wanted.jobs);
    table.rows.extend(progress.during(&what, cron::measure(namespace, wanted.jobs)).await?);
    progress.during("leaving the operator alone", sleep(IDLE)).await;
    table.rows.extend(memory::measure(&namespace.client).await?);
    Ok(())
}

/// The cluster with Creel in it, and Creel's image. On a cluster that the environment names, nothing is built or installed: what
/// runs there is measured.
async fn prepare(progress: &Progress) -> Result<(Cluster, Option<Image>), Error> {
    let cluster = Cluster::up(progress).await?;
    if std::env::var_os(KUBECONFIG_VARIABLE).is_some_and(|value| !value.is_empty()) {
        return Ok((cluster, None));
    }
    let images = images::load_all(&cluster, Profile::Benchmark, progress).await?;
    // The annotation replaces the operator's Pod when its image was built anew under the same name.
    let digest = ("operator.podAnnotations.image-digest", images.creel.digest.as_str());
    // The ways into a sandbox are exchanged through the same door as in the tests.
    cluster.install_creel(&[TEST_CONFIG_OVERRIDE[0], TEST_CONFIG_OVERRIDE[1], digest], progress).await?;
    Ok((cluster, Some(images.creel)))
}

fn notes(wanted: Wanted) -> Vec<String> {
    vec![
        format!(
            "{} Agents whose Pods fit no node, created one after another; {} edits of the model of one with a gateway.",
            wanted.rounds, wanted.edits
        ),
        "Times begin with the API server's answer. Stand-in: a plain Deployment of the same Pod, in the same rounds."
            .into(),
        format!(
            "A call: from the scripted model's answer that calls the tool to its next request, {} times; the stand-in runs the command in the gateway's own Pod, without a network.",
            wanted.calls
        ),
        "A bad neighbour: another namespace with 600 MB of objects, 51 gateways that hang, babble or flood, and edits without end. Stand-in: the same edits, and the operator, before it came.".into(),
        "CronJobs: three of them are due every ten seconds, for a minute; each call of the gateway counts, whatever it is for.".into(),
        "The operator is measured with all these Agents present. Ratios tell more than times on a busy machine.".into(),
    ]
}
