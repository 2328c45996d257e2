//! A real Kubernetes on one machine: etcd, API server with an audit log, controller-manager, scheduler, kubelet,
//! kube-proxy, containerd, DNS and a default storage class, as processes that outlive the command that starts them.
//!
//! `programs` gets the programs, `plan` says what runs with which `configuration`, `start` and `takedown` do it;
//! `processes` recognises what an earlier run left, `traces` what lies elsewhere. With `CREEL_KUBECONFIG` an existing cluster is used as it is.

mod add_ons;
mod certificates;
mod configuration;
mod error;
mod firewall;
mod gateway_api;
mod images;
mod layout;
mod network;
mod plan;
mod processes;
mod programs;
mod release;
mod start;
mod takedown;
mod traces;

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::process::Command;

pub use configuration::{NODE_NAME, PAUSE_IMAGE};
pub use error::Error;
pub use firewall::clear as clear_firewall;
pub use gateway_api::gateway_api;
pub use network::{Egress, NODE_ADDRESS, NODE_BRIDGE, SERVICE_RANGE};
use programs::Clients;
pub use programs::{KUBERNETES_VERSION, Programs, kube_router, kwok, network_policies};
pub use release::{RELEASE_NAME, RELEASE_NAMESPACE, TEST_CONFIG_OVERRIDE};

use crate::images::Image;
use crate::progress::Progress;
use error::At as _;
use layout::Layout;
use plan::Plan;

/// Names an existing cluster that is used instead of one on this machine; the tests get their cluster by it.
pub const KUBECONFIG_VARIABLE: &str = "CREEL_KUBECONFIG";

/// What outlives a cluster that is taken down. Built programs are no part of it (see `cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The node's image store: the next start then has nothing to import.
    Images,
    Nothing,
}

/// A cluster that answered.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    clients: Clients,
    /// Absent for a cluster that is not ours.
    layout: Option<Layout>,
}

impl Cluster {
    /// The cluster that `CREEL_KUBECONFIG` names, or the one on this machine: as it runs already, or started now.
    /// What an interrupted run left is removed first. Its Pods are sealed. Takes seconds; minutes the first time, for
    /// builds.
    pub async fn up(progress: &Progress) -> Result<Self, Error> {
        Self::up_with(Egress::Sealed, progress).await
    }

    /// As `up`, with Pods that reach so much. A running cluster of the other kind is replaced; to one that is not ours
    /// `egress` means nothing.
    pub async fn up_with(egress: Egress, progress: &Progress) -> Result<Self, Error> {
        if let Some(existing) = Self::existing(progress).await? {
            return Ok(existing);
        }
        require_root()?;
        let programs = Programs::ensure(progress).await?;
        let layout = Layout::default();
        let _lock = lock(&layout, progress).await?;
        let plan = Plan::new(&layout, &programs, egress);
        let cluster =
            Self { kubeconfig: layout.kubeconfig(), clients: programs.clients(), layout: Some(layout.clone()) };
        if start::is_current(&layout, &plan) && start::is_healthy(&cluster, &layout).await {
            return Ok(cluster);
        }
        if layout.run().exists() {
            let what = if layout.plan().exists() && !start::is_current(&layout, &plan) {
                "replacing the running cluster: it was started by another version, or with another access to the internet"
            } else {
                "removing what an earlier run left"
            };
            progress.during(what, takedown::take_down(&layout)).await?;
        }
        let what = format!("starting Kubernetes {KUBERNETES_VERSION}");
        progress.during(&what, start::start(&cluster, &layout, &plan)).await?;
        Ok(cluster)
    }

    /// The existing cluster of this kubeconfig, with kubectl and Helm as the machine has them.
    pub async fn at(kubeconfig: &Path, progress: &Progress) -> Result<Self, Error> {
        let layout = Layout::default();
        let layout = (kubeconfig == layout.kubeconfig()).then_some(layout);
        let clients = match &layout {
            Some(_) => Programs::ensure(progress).await?.clients(),
            None => Clients::ensure(progress).await?,
        };
        let cluster = Self { kubeconfig: kubeconfig.to_owned(), clients, layout };
        cluster.client().await?.apiserver_version().await?;
        Ok(cluster)
    }

    /// The cluster that already runs; starts nothing.
    pub async fn open() -> Result<Self, Error> {
        let progress = Progress::new();
        if let Some(existing) = Self::existing(&progress).await? {
            return Ok(existing);
        }
        let layout = Layout::default();
        if !layout.plan().exists() {
            return Err(Error::NotRunning);
        }
        let programs = Programs::ensure(&progress).await?;
        let cluster =
            Self { kubeconfig: layout.kubeconfig(), clients: programs.clients(), layout: Some(layout.clone()) };
        if start::is_healthy(&cluster, &layout).await { Ok(cluster) } else { Err(Error::NotRunning) }
    }

    /// Takes the cluster on this machine down, in whatever state it is.
    pub async fn down(keep: Keep, progress: &Progress) -> Result<(), Error> {
        require_root()?;
        let layout = Layout::default();
        let _lock = lock(&layout, progress).await?;
        if layout.run().exists() {
            progress.during("taking the cluster down", takedown::take_down(&layout)).await?;
            let programs = Programs::ensure(progress).await?;
            takedown::remove_packet_filter_rules(&programs).await?;
        }
        match keep {
            Keep::Images => Ok(()),
            Keep::Nothing => progress.during("removing the node's images", takedown::remove_state(&layout)).await,
        }
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new client for the administrator.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        let kubeconfig = |source| Error::Kubeconfig { path: self.kubeconfig.clone(), source: Box::new(source) };
        let read = Kubeconfig::read_from(&self.kubeconfig).map_err(kubeconfig)?;
        let mut config =
            kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.map_err(kubeconfig)?;
        config.connect_timeout = Some(Duration::from_secs(5));
        Ok(kube::Client::try_from(config)?)
    }

    /// Whether it is the cluster on this machine: then its Pods and Services can be reached from here.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.layout.is_some()
    }

    /// The API server's audit log: every write, one `audit.k8s.io/v1` Event as JSON a line. `None` for a cluster that
    /// is not ours.
    #[must_use]
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.layout.as_ref().map(Layout::audit_log)
    }

    /// The logs of the components, `<component>.log`. `None` for a cluster that is not ours.
    #[must_use]
    pub fn logs(&self) -> Option<PathBuf> {
        self.layout.as_ref().map(Layout::logs)
    }

    /// The components that should run but do not, each with its log.
    #[must_use]
    pub fn ended_components(&self) -> Vec<(String, PathBuf)> {
        self.layout.as_ref().map(processes::ended).unwrap_or_default()
    }

    /// `kubectl` of the cluster's version, pointed at it.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        self.client_program(&self.clients.kubectl)
    }

    /// Helm, pointed at the cluster.
    #[must_use]
    pub fn helm(&self) -> Command {
        self.client_program(&self.clients.helm)
    }

    /// Brings an image to the node, unless it has just that one. The nodes of a cluster that is not ours must have it, or
    /// be able to pull it.
    pub async fn load(&self, image: &Image, progress: &Progress) -> Result<(), Error> {
        let Some(layout) = &self.layout else {
            let archive = image.archive.display();
            progress.say(format_args!("{}: its archive is {archive}, to be imported on the nodes", image.name));
            return Ok(());
        };
        // Alone: an image has its name before it is unpacked, and who finds it then would go on too early.
        let _lock = lock(layout, progress).await?;
        progress.during(&format!("importing {}", image.name), images::load(layout, image)).await?;
        Ok(())
    }

    /// Gives an image on the node a second name, as if it were another one.
    pub async fn name_image(&self, image: &str, name: &str) -> Result<(), Error> {
        let layout = self.layout.as_ref().ok_or(Error::NotRunning)?;
        images::tag(layout, image, name).await
    }

    fn client_program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        if let Some(layout) = &self.layout {
            // What kubectl and Helm remember of this cluster ends with it.
            command.env("KUBECACHEDIR", layout.data("discovery"));
        }
        command
    }

    /// The cluster named by the environment. It may be the one of this machine: `cargo verify` tells its tests so.
    async fn existing(progress: &Progress) -> Result<Option<Self>, Error> {
        let Some(kubeconfig) = std::env::var_os(KUBECONFIG_VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        Self::at(Path::new(&kubeconfig), progress).await.map(Some)
    }
}

/// Who changes the cluster holds this lock until it is dropped; others wait.
async fn lock(layout: &Layout, progress: &Progress) -> Result<File, Error> {
    let path = layout.lock();
    loop {
        std::fs::create_dir_all(layout.root()).at("make the directory", layout.root())?;
        let file = File::create(&path).at("make the lock", &path)?;
        let file = if file.try_lock().is_ok() { file } else { wait_for(file, progress).await.at("lock", &path)? };
        // A takedown that keeps nothing removes the file: then others have locked, or will lock, another one.
        let locked = file.metadata().at("read", &path)?;
        if std::fs::metadata(&path).is_ok_and(|now| now.ino() == locked.ino()) {
            return Ok(file);
        }
    }
}

async fn wait_for(file: File, progress: &Progress) -> std::io::Result<File> {
    let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    let waited = progress.during("waiting for another command that changes the cluster", waiting).await;
    waited.map_err(std::io::Error::other)?
}

fn require_root() -> Result<(), Error> {
    if cfg!(target_os = "linux") && rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot) }
}
