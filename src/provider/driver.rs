//! One pass over one Provider. Touches the network.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::gather;
use super::status;
use crate::api::Provider;
use crate::kubernetes::backoff::{Backoff, look_again};
use crate::kubernetes::reconciler::{Controls, PassError};
use crate::kubernetes::status::write_status;
use crate::naming::PROVIDER_MANAGER;
use crate::references::checker::Presence;

/// Shared by all passes.
pub struct Context(pub Presence);

impl Controls for Context {
    type Object = Provider;
    const NAME: &'static str = "provider";

    async fn reconcile(&self, provider: Arc<Provider>) -> Result<Action, PassError> {
        reconcile(provider, self).await
    }

    fn backoff(&self) -> &Backoff {
        &self.0.backoff
    }
}

/// One pass.
async fn reconcile(provider: Arc<Provider>, context: &Context) -> Result<Action, PassError> {
    if provider.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let gathered = gather::gather(&context.0, &provider).await;
    let (next, again) = status::status(&provider, &gathered, Timestamp::now());
    if provider.status.as_ref() != Some(&next) {
        write_status(&context.0.client, PROVIDER_MANAGER, provider.as_ref(), &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(look_again)))
}
