//! One reconcile of one Provider. Touches the network.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::Action;

use super::gather;
use super::status;
use crate::api::Provider;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::PROVIDER_MANAGER;
use crate::references::checker::ReferenceChecker;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::stores::Stores;

/// Shared by all reconciles.
pub struct Context {
    pub client: Client,
    pub stores: Arc<Stores>,
    pub references: ReferenceChecker,
}

impl Reconciler for Context {
    type Object = Provider;
    const CONTROLLER: Controller = Controller::Provider;

    async fn reconcile(&self, provider: Arc<Provider>) -> Result<Action, ReconcileError> {
        reconcile(provider, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.references.forget(gone.uid);
    }
}

/// One reconcile.
async fn reconcile(provider: Arc<Provider>, context: &Context) -> Result<Action, ReconcileError> {
    if provider.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let gathered = gather::gather(context, &provider).await;
    let (next, again) = status::status(&provider, &gathered, Timestamp::now());
    if provider.status.as_ref() != Some(&next) {
        write_status(&context.client, PROVIDER_MANAGER, provider.as_ref(), &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(resync)))
}
