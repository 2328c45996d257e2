//! Where everything of the cluster lies on this machine. Pure: only names paths.

use std::path::{Path, PathBuf};

/// There is one cluster a machine: its addresses are fixed, so its directory is too.
const STATE_DIRECTORY: &str = "/var/lib/creel-e2e";

/// The paths of the cluster, all below one directory outside the checkout.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Self { root: STATE_DIRECTORY.into() }
    }
}

impl Layout {
    /// Everything of the cluster, also what outlives a run.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Held while the cluster is being changed.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Images, kept from run to run: an import takes much longer than a start.
    pub fn image_store(&self) -> PathBuf {
        self.root.join("containerd")
    }

    /// Everything of one run.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The digest of the plan that this run follows; written last, so a half-made run has none.
    pub fn plan(&self) -> PathBuf {
        self.run().join("plan")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.user_kubeconfig("admin")
    }

    pub fn user_kubeconfig(&self, user: &str) -> PathBuf {
        self.run().join("kubeconfig").join(user)
    }

    pub fn certificate(&self, name: &str) -> PathBuf {
        self.run().join("certificates").join(format!("{name}.crt"))
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.run().join("certificates").join(format!("{name}.key"))
    }

    pub fn configuration(&self, name: &str) -> PathBuf {
        self.run().join("configuration").join(name)
    }

    /// Which process runs a component (see `processes`).
    pub fn record(&self, component: &str) -> PathBuf {
        self.records().join(component)
    }

    pub fn records(&self) -> PathBuf {
        self.run().join("processes")
    }

    pub fn logs(&self) -> PathBuf {
        self.run().join("logs")
    }

    pub fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }

    /// Every write to the API server, one JSON object a line.
    pub fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.jsonl")
    }

    /// A component's own data in this run.
    pub fn data(&self, component: &str) -> PathBuf {
        self.run().join(component)
    }

    pub fn containerd_socket(&self) -> PathBuf {
        self.data("containerd").join("containerd.sock")
    }
}
