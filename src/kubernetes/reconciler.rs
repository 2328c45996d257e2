//! Why a reconcile could not be finished. No I/O.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;

use super::apply::ApplyError;
use super::errors::brief;

/// A failed step of a reconcile.
pub trait Failure: Error + Send + Sync {
    /// The API server's answer, if it is one.
    fn api(&self) -> Option<&kube::Error> {
        None
    }

    /// The reason of a condition, where only a person can repair it.
    fn reason(&self) -> Option<&'static str> {
        None
    }
}

/// Why a reconcile could not be finished, for all controllers.
#[derive(Debug, Error)]
pub enum ReconcileError {
    #[error("{0}")]
    Step(Box<dyn Failure>),
    #[error("API server: {}", brief(.0))]
    Api(#[from] kube::Error),
    #[error("timed out after {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl<F: Failure + 'static> From<F> for ReconcileError {
    fn from(step: F) -> Self {
        Self::Step(Box::new(step))
    }
}

impl ReconcileError {
    /// The API server's answer, if it is one.
    #[must_use]
    pub fn api(&self) -> Option<&kube::Error> {
        match self {
            Self::Step(step) => step.api(),
            Self::Api(source) => Some(source),
            Self::TimedOut(_) => None,
        }
    }
}

impl Failure for ApplyError {
    fn api(&self) -> Option<&kube::Error> {
        Self::api(self)
    }
}
