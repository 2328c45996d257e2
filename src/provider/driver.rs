//! One pass over one Provider. Touches the network.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::Action;

use super::{gather, status};
use crate::api::Provider;
use crate::cluster::backoff::{Backoff, look_again};
use crate::cluster::controls::{Controls, PassError};
use crate::cluster::names::PROVIDER_MANAGER;
use crate::cluster::references::{DigestKey, References};
use crate::cluster::status_writer;
use crate::cluster::stores::Stores;
use crate::observe::metrics::Metrics;

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
        status_writer::write(&context.client, PROVIDER_MANAGER, provider.as_ref(), &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(look_again)))
}
