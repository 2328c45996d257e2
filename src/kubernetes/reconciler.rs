//! What the operator needs of each controller to run it: the same outer loop serves all of them. No I/O of its own.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::controller::Action;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::apply::ApplyError;
use super::backoff::Backoff;
use super::errors::brief;
use crate::references::generated_secret::SecretError;

/// A controller: one pass over one object, and what is shared between passes.
pub trait Controls: Send + Sync + 'static {
    /// The kind whose objects are its keys.
    type Object: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static;
    /// In metrics and logs.
    const NAME: &'static str;

    /// One pass.
    fn reconcile(&self, object: Arc<Self::Object>) -> impl Future<Output = Result<Action, PassError>> + Send;

    /// How long an object waits after a failure, by UID.
    fn backoff(&self) -> &Backoff;

    /// The object is gone: forget it.
    fn forget(&self, _namespace: &str, _name: &str) {}
}

/// Why a pass could not be finished, for all that the controllers do.
#[derive(Debug, Error)]
pub enum PassError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the API server: {}", brief(.0))]
    Api(#[from] kube::Error),
    #[error("the pass took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl PassError {
    /// The API server's answer, if it is one.
    #[must_use]
    pub fn api(&self) -> Option<&kube::Error> {
        match self {
            Self::Secret(error) => error.api(),
            Self::Apply(error) => error.api(),
            Self::Api(source) => Some(source),
            Self::TimedOut(_) => None,
        }
    }
}
