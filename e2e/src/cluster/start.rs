//! Starts a run of the cluster and waits until it can be used; also tells whether a run is healthy. Touches the disk,
//! processes, the machine's network, and talks to the API server.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::Api;
use tokio::net::TcpStream;

use super::configuration::NODE_NAME;
use super::error::{At as _, Error};
use super::layout::Layout;
use super::network::NODE_ADDRESS;
use super::plan::{CONTAINERD, Component, Plan};
use super::{Cluster, add_ons, certificates, images, network, processes};
use crate::command::tail;
use crate::images::pause;

/// It takes 7–9 s. A component that ends is noticed at once, so only a hang takes this long.
const LIMIT: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(100);
/// A cluster that lives may be slow to say so while both cores compile something.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether the run on this machine is the one that follows `plan`.
pub fn is_current(layout: &Layout, plan: &Plan) -> bool {
    std::fs::read_to_string(layout.plan()).is_ok_and(|digest| digest == plan.digest())
}

/// Whether a run came to its end and all its processes live, the API server answers and the node takes Pods. Asks
/// nobody when a process is missing.
pub async fn is_healthy(cluster: &Cluster, layout: &Layout) -> bool {
    if !layout.plan().exists() || !processes::ended(layout).is_empty() {
        return false;
    }
    let Ok(client) = cluster.client().await else { return false };
    let ready = async {
        while !(answers(&client).await && takes_pods(&client).await) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.is_ok()
}

/// Starts everything, on a machine where nothing of an earlier run is left. The plan's digest is written last: a run
/// without it is one that was interrupted.
pub async fn start(cluster: &Cluster, layout: &Layout, plan: &Plan) -> Result<(), Error> {
    network::check_free()?;
    prepare(layout, plan)?;
    network::set_up(plan.egress).await?;
    launch(layout, &plan.foundation)?;
    let until = Instant::now() + LIMIT;
    // containerd may be started a second time meanwhile, which is no reason to give up waiting for the others.
    let (runtime, servers): (Vec<_>, Vec<_>) =
        plan.foundation.iter().partition(|component| component.name == CONTAINERD);
    let (runtime, waiting) =
        (Waiting { layout, components: runtime, until }, Waiting { layout, components: servers, until });
    let client = cluster.client().await?;
    let (store, server) =
        tokio::join!(fill_image_store(&runtime), waiting.until("the API server is ready", || answers(&client)));
    store?;
    server?;
    waiting
        .until("kube-system exists and add-ons are applied", || async { add_ons::apply(&client).await.is_ok() })
        .await?;

    launch(layout, &plan.clients)?;
    let waiting = Waiting { components: plan.clients.iter().collect(), ..waiting };
    waiting.until("the node takes Pods", || takes_pods(&client)).await?;
    waiting.until("CoreDNS listens", || async { TcpStream::connect((NODE_ADDRESS, 53)).await.is_ok() }).await?;
    std::fs::write(layout.plan(), plan.digest()).at("write", layout.plan())
}

/// Makes directories, configuration and certificates.
fn prepare(layout: &Layout, plan: &Plan) -> Result<(), Error> {
    let directories = [layout.records(), layout.logs(), layout.data("volumes"), layout.data("pod-logs")];
    for directory in directories {
        std::fs::create_dir_all(&directory).at("make the directory", directory)?;
    }
    for (name, text) in &plan.files {
        let path = layout.configuration(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at("make the directory", parent)?;
        }
        std::fs::write(&path, text).at("write", path)?;
    }
    certificates::write_all(layout)
}

fn launch(layout: &Layout, components: &[Component]) -> Result<(), Error> {
    components.iter().try_for_each(|component| processes::start(layout, component))
}

/// Brings the pause image into a store that holds no containers of an earlier run.
async fn fill_image_store(waiting: &Waiting<'_>) -> Result<(), Error> {
    let layout = waiting.layout;
    let answers = || waiting.until("containerd answers", || images::answers(layout));
    answers().await?;
    if images::forget_containers(layout).await? {
        for component in &waiting.components {
            processes::stop(processes::recorded(layout, component.name).as_slice()).await?;
            processes::start(layout, component)?;
        }
        answers().await?;
    }
    images::load(layout, &pause().await?).await?;
    Ok(())
}

async fn answers(client: &kube::Client) -> bool {
    let Ok(request) = hyper::Request::get("/readyz").body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok_and(|answer| answer == "ok")
}

/// The node is ready and untainted, and Pods get the ServiceAccount that they need.
async fn takes_pods(client: &kube::Client) -> bool {
    let nodes: Api<Node> = Api::all(client.clone());
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let (Ok(node), Ok(_account)) = (nodes.get(NODE_NAME).await, accounts.get("default").await) else { return false };
    let untainted = node.spec.and_then(|spec| spec.taints).is_none_or(|taints| taints.is_empty());
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    untainted && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Waits for things to become so, unless a component ends meanwhile.
struct Waiting<'a> {
    layout: &'a Layout,
    components: Vec<&'a Component>,
    until: Instant,
}

impl Waiting<'_> {
    async fn until<F: Future<Output = bool>>(&self, what: &'static str, is_so: impl Fn() -> F) -> Result<(), Error> {
        while !is_so().await {
            self.check_components()?;
            if Instant::now() > self.until {
                return Err(Error::NotReady { what, seconds: LIMIT.as_secs(), logs: self.layout.logs() });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// A component that has not yet recorded itself counts as running.
    fn check_components(&self) -> Result<(), Error> {
        for component in &self.components {
            if processes::recorded(self.layout, component.name).is_some_and(|process| !processes::is_running(process)) {
                let log = self.layout.log(component.name);
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Error::Ended { component: component.name.to_owned(), log, tail: tail(&text, 20) });
            }
        }
        Ok(())
    }
}
