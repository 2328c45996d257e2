//! One pass over one Provider. Touches the network.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use thiserror::Error;

use super::{gather, status};
use crate::api::Provider;
use crate::cluster::api_error::brief;
use crate::cluster::backoff::{Backoff, look_again};
use crate::cluster::controls::{Controls, Failure};
use crate::cluster::names::PROVIDER_MANAGER;
use crate::cluster::references::{DigestKey, References};
use crate::cluster::stores::Stores;
use crate::observe::metrics::Metrics;

/// Why a pass could not be finished.
#[derive(Debug, Error)]
pub enum PassError {
    #[error("the API server: {}", brief(.0))]
    Api(#[from] kube::Error),
    #[error("the pass took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Shared by all passes.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub metrics: Arc<Metrics>,
    pub references: References,
    pub backoff: Backoff,
    /// Only presence counts here: any key serves, and it stays in this process.
    pub digest_key: DigestKey,
}

impl Failure for PassError {
    fn timed_out(limit: Duration) -> Self {
        Self::TimedOut(limit)
    }

    fn api(&self) -> Option<&kube::Error> {
        match self {
            Self::Api(source) => Some(source),
            Self::TimedOut(_) => None,
        }
    }
}

impl Controls for Context {
    type Object = Provider;
    type Error = PassError;
    const NAME: &'static str = "provider";

    async fn reconcile(&self, provider: Arc<Provider>) -> Result<Action, PassError> {
        reconcile(provider, self).await
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}

/// One pass.
async fn reconcile(provider: Arc<Provider>, context: &Context) -> Result<Action, PassError> {
    if provider.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let gathered =
        gather::gather(&context.client, &context.stores, &context.references, &context.digest_key, &provider).await;
    let (next, again) = status::status(&provider, &gathered, Timestamp::now());
    if provider.status.as_ref() != Some(&next) {
        let api: Api<Provider> = Api::namespaced(context.client.clone(), &provider.namespace().unwrap_or_default());
        let patch = json!({
            "apiVersion": "creel.dev/v1alpha1",
            "kind": "Provider",
            "metadata": {"name": provider.name_any(), "uid": provider.uid()},
            "status": next,
        });
        let params = PatchParams::apply(PROVIDER_MANAGER).force();
        match api.patch_status(&provider.name_any(), &params, &Patch::Apply(&patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            patched => patched.map(|_| ())?,
        }
    }
    Ok(Action::requeue(again.unwrap_or_else(look_again)))
}
