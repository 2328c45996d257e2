//! One reconcile of one CronJob: names the steps. Touches the network through them.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::Context;
use super::gather::gather;
use super::run_now::Requested;
use super::{report, requeue, status};
use crate::api::CronJob;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::DECLARED;
use crate::kubernetes::reconciler::ReconcileError;
use crate::world::queues::Controller;
use crate::world::runtime::Reconciler;

impl Reconciler for Context {
    type Object = CronJob;
    const CONTROLLER: Controller = Controller::CronJob;

    async fn reconcile(&self, job: Arc<CronJob>) -> Result<Action, ReconcileError> {
        reconcile(&job, self).await
    }
}

/// One reconcile.
async fn reconcile(job: &CronJob, context: &Context) -> Result<Action, ReconcileError> {
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let gathered = gather(job, &context.stores, &context.facts);
    let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if gathered.known.keeps(before, DECLARED, job.metadata.generation) {
        return Ok(Action::requeue(resync()));
    }
    let (next, again) = status::status(job, &gathered.view(job), Timestamp::now());
    let Some(written) = report::report(job, next, context).await? else { return Ok(Action::await_change()) };
    let view = gathered.view(job);
    let asked = match (view.served, view.found.filter(|_| !view.paused)) {
        (Ok(served), Some(found)) => Requested { context, job: written, owner: served.owner }.serve(found).await?,
        _ => None,
    };
    Ok(Action::requeue(requeue::after([again, asked])))
}
