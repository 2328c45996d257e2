//! One reconcile of one CronJob: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::Context;
use super::gather::gather;
use super::run_now::Requested;
use super::{report, status};
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
    Ok(Action::requeue(next_look([again, asked])))
}

/// The next reconcile: when something is due, and now and then in any case, because an event may have been lost.
fn next_look(due: [Option<Duration>; 2]) -> Duration {
    due.into_iter().flatten().fold(resync(), Duration::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_ahead_does_not_end_the_regular_looks() {
        let (minute, year) = (Duration::from_mins(1), Duration::from_hours(8760));
        assert!(next_look([Some(year), None]) < Duration::from_hours(1));
        assert_eq!(next_look([Some(year), Some(minute)]), minute);
        assert!(next_look([None, None]) < Duration::from_hours(1));
    }
}
