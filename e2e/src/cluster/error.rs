//! What can go wrong with the cluster on one machine, each with its remedy.

use std::path::PathBuf;

use crate::command::CommandError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the cluster on one machine runs on Linux as root only; run this as root, or name an existing cluster with CREEL_KUBECONFIG"
    )]
    NotRoot,
    #[error("these programs are missing: {}. Install the Debian packages {} (here it cannot be done for you: {reason})", programs.join(", "), packages.join(" "))]
    Programs { programs: Vec<String>, packages: Vec<String>, reason: String },
    #[error("`go` is not on PATH: install Go 1.25 or later, the components of Kubernetes are built with it")]
    NoGo,
    #[error("no cluster is running: start one with `cargo cluster up`, or name one with CREEL_KUBECONFIG")]
    NotRunning,
    #[error("another process listens on {address}, which the cluster's {component} needs; stop that process first")]
    AddressInUse { address: String, component: &'static str },
    #[error("{component} ended right after its start; the end of its log {}:\n{tail}", log.display())]
    Ended { component: String, log: PathBuf, tail: String },
    #[error("{what} was not so after {seconds} s; the logs are in {}", logs.display())]
    NotReady { what: &'static str, seconds: u64, logs: PathBuf },
    #[error("these processes of the cluster outlive SIGKILL: {pids:?}")]
    Unstoppable { pids: Vec<i32> },
    #[error("cannot {what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Cache(#[from] crate::cache::CacheError),
    #[error("cannot make the cluster's certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the kubeconfig {} cannot be used: {source}", path.display())]
    Kubeconfig { path: PathBuf, source: Box<kube::config::KubeconfigError> },
    #[error("the API server answers: {0}")]
    Kubernetes(#[from] Box<kube::Error>),
    #[error(transparent)]
    Image(#[from] crate::images::Error),
    #[error("a manifest of the cluster's own add-ons is wrong: {0}")]
    AddOn(#[from] serde_yaml::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

/// Adds path and purpose to an I/O error.
pub(super) trait At<T> {
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::File { what, path: path.into(), source })
    }
}
