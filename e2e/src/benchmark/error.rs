//! Why a benchmark ended without its table. Pure.

use std::path::PathBuf;

use crate::model_server::ClientError;
use crate::suite::AdminError;
use crate::{cluster, images};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error(transparent)]
    Models(#[from] ClientError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the API server: {what}")]
    Api { what: String, source: Box<kube::Error> },
    #[error("the binary {} can't be measured", path.display())]
    Binary { path: PathBuf, source: std::io::Error },
    #[error("after {waited} s {what}: `kubectl -n {namespace} get agents,pods` shows what hinders it")]
    Late { what: String, waited: u64, namespace: String },
    #[error("{0} is missing or not as expected")]
    Missing(String),
}

/// Says what was asked when the API server refuses it.
pub trait Asking<T> {
    fn asking(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T> Asking<T> for Result<T, kube::Error> {
    fn asking(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Api { what: what.into(), source: Box::new(source) })
    }
}
