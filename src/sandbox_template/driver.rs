//! One reconcile of one Sandbox: validates what it names and counts the Pods made from it. Touches the network.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::Context;
use super::gather;
use super::status::{self, User};
use crate::api::Sandbox;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::READY;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::SANDBOX_MANAGER;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};

impl Reconciler for Context {
    type Object = Sandbox;
    const CONTROLLER: Controller = Controller::SandboxTemplate;

    async fn reconcile(&self, sandbox: Arc<Sandbox>) -> Result<Action, ReconcileError> {
        reconcile(&sandbox, self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.references.forget(gone.uid);
    }
}

/// One reconcile.
async fn reconcile(sandbox: &Sandbox, context: &Context) -> Result<Action, ReconcileError> {
    if sandbox.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let fault = gather::missing(sandbox, context).await;
    let users = gather::users(sandbox, &context.stores, &context.facts);
    if keeps(sandbox, &users) {
        return Ok(Action::requeue(resync()));
    }
    let (next, again) = status::status(sandbox, &users, fault.as_ref(), context.max_egress, Timestamp::now());
    if sandbox.status.as_ref() != Some(&next) {
        write_status(&context.client, SANDBOX_MANAGER, sandbox, &next).await?;
    }
    Ok(Action::requeue(again.unwrap_or_else(resync)))
}

/// Whether the status stays: it tells of a Pod that is not known yet.
fn keeps(sandbox: &Sandbox, users: &[User]) -> bool {
    let Some(status) = &sandbox.status else { return false };
    let generation = sandbox.metadata.generation;
    users.iter().any(|user| {
        user.state.keeps(&status.conditions, READY, generation) && status.pods.iter().any(|pod| pod.agent == user.agent)
    })
}
