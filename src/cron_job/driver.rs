//! One pass over one CronJob: names the steps. Touches the network through them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::Context;
use super::run_now;
use super::status::{self, Served, View};
use crate::api::cron_job::CronJobStatus;
use crate::api::{Agent, CronJob};
use crate::declarations::validate::{GatewayScope, validate};
use crate::declarations::wanted;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::{DECLARED, HEALTHY, find, reason};
use crate::kubernetes::events;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::status::write_status;
use crate::naming::{CRON_JOB_MANAGER, is_paused};
use crate::references::digests::Fault;
use crate::references::suggest;
use crate::world::facts::{Fact, Facts};
use crate::world::jobs_found::JobsFound;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::stores::{Stores, named, within};
use crate::world::triggers::gateway_owner;

impl Reconciler for Context {
    type Object = CronJob;
    const CONTROLLER: Controller = Controller::CronJob;

    async fn reconcile(&self, job: Arc<CronJob>) -> Result<Action, ReconcileError> {
        reconcile(&self.up_to_date(&job), self).await
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.forget_intent(gone.namespace, gone.name);
    }
}

/// One pass.
async fn reconcile(job: &CronJob, context: &Context) -> Result<Action, ReconcileError> {
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let job_context = job_context(job, &context.stores, &context.facts);
    let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if job_context.known.keeps(before, DECLARED, job.metadata.generation) {
        return Ok(Action::requeue(resync()));
    }
    let (next, again) = status::status(job, &job_context.view(job), Timestamp::now());
    let next = report(job, next, context).await?;
    let Some(next) = next else { return Ok(Action::await_change()) };
    let view = job_context.view(job);
    let asked = match (view.served, view.found.filter(|_| !view.paused)) {
        (Ok(served), Some(found)) => run_now::serve(context, job, &next, served.owner, found).await?,
        _ => None,
    };
    Ok(Action::requeue(next_look([again, asked])))
}

/// The next reconcile: when something is due, and now and then in any case, because an event may have been lost.
fn next_look(due: [Option<Duration>; 2]) -> Duration {
    due.into_iter().flatten().fold(resync(), Duration::min)
}

/// Writes the status if it differs, and tells of turns in it; `None`: the object is gone.
async fn report(
    job: &CronJob,
    next: CronJobStatus,
    context: &Context,
) -> Result<Option<CronJobStatus>, ReconcileError> {
    if job.status.as_ref() == Some(&next) {
        return Ok(Some(next));
    }
    if !write_status(&context.client, CRON_JOB_MANAGER, job, &next).await? {
        return Ok(None);
    }
    let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for event in events::of_ready(before, &next.conditions).into_iter().chain(turn_of_health(before, &next.conditions))
    {
        context.publish(job, &event).await;
    }
    Ok(Some(next))
}

/// An event when a job begins to fail, and when it is well again. That a first run succeeds is no news.
fn turn_of_health(before: &[Condition], after: &[Condition]) -> Option<Event> {
    let (now, before) = (find(after, HEALTHY)?, find(before, HEALTHY).map(|before| before.status.as_str()));
    match (before, now.status.as_str()) {
        (Some("False"), "True") => Some(events::event(EventType::Normal, reason::RUN_RECOVERED, &now.message)),
        (before, "False") if before != Some("False") => {
            let note = format!("{}: {}", now.reason, now.message);
            Some(events::event(EventType::Warning, reason::RUN_FAILING, &note))
        }
        _ => None,
    }
}

/// What the stores know around a CronJob.
struct JobContext {
    agent: Option<Arc<Agent>>,
    owner: Option<Arc<Agent>>,
    missing: Option<Fault>,
    fault: Option<Fault>,
    answers: bool,
    /// Whether the gateway and its jobs were looked at, where the status depends on them.
    known: Fact<()>,
    jobs: Option<Arc<JobsFound>>,
    scope: GatewayScope,
}

impl JobContext {
    fn view(&self, job: &CronJob) -> View<'_> {
        let served = match (&self.agent, &self.owner, &self.missing) {
            (Some(agent), Some(owner), None) => Ok(Served { agent, owner }),
            (.., Some(fault)) => Err(fault.clone()),
            _ => Err(agent_not_found(job, "")),
        };
        let found = self.jobs.as_ref().and_then(|jobs| jobs.jobs.get(&job.name_any()));
        let found = found.filter(|found| found.cron_job.is_of(job));
        let (fault, answers, paused) = (self.fault.clone(), self.answers, is_paused(job.annotations()));
        View { served, fault, answers, found, scope: &self.scope, paused }
    }
}

fn job_context(job: &CronJob, stores: &Stores, facts: &Facts) -> JobContext {
    let namespace = job.namespace().unwrap_or_default();
    let name = &job.spec.agent_ref.name;
    let agent = named(&stores.agents, &namespace, name);
    let owner = agent.as_deref().map(gateway_owner);
    let owner_object = owner.as_ref().and_then(|owner| named(&stores.agents, &namespace, owner));
    let missing = match (&agent, &owner_object) {
        (None, _) => {
            let known: Vec<_> =
                within(&stores.agents, &namespace, |_| true).iter().map(|agent| agent.name_any()).collect();
            Some(agent_not_found(job, &suggest::suggestion(name, known.iter().map(String::as_str))))
        }
        (Some(_), Some(owner)) if owner.spec.gateway_ref.is_none() => None,
        (Some(_), _) => Some(Fault {
            reason: reason::GATEWAY_NOT_FOUND,
            message: format!(
                "Agent \"{name}\" has no gateway (spec.agentRef of CronJob \"{}\"): see its conditions",
                job.name_any()
            ),
            carried: false,
        }),
    };
    let owner = owner.unwrap_or_default();
    let jobs = facts.jobs.of(&namespace, &owner);
    let gateway = facts.gateways.of(&namespace, &owner);
    let agents = wanted::agents(stores, &namespace, &owner);
    let scope = wanted::scope(stores, &namespace, &agents);
    let fault = validate(job, &scope, Timestamp::now()).err();
    let known = match &gateway {
        _ if missing.is_some() || fault.is_some() => Fact::Known(()),
        Fact::Unknown => Fact::Unknown,
        Fact::Known(None) => Fact::Known(()),
        Fact::Known(Some(_)) => jobs.as_ref().map(|_| ()),
    };
    let (answers, jobs) = (gateway.known().flatten().is_some(), jobs.known());
    JobContext { agent, owner: owner_object, missing, fault, answers, known, jobs, scope }
}

fn agent_not_found(job: &CronJob, meant: &str) -> Fault {
    let (agent, name) = (&job.spec.agent_ref.name, job.name_any());
    Fault {
        reason: reason::AGENT_NOT_FOUND,
        message: format!(
            "Agent \"{agent}\" does not exist (spec.agentRef of CronJob \"{name}\"){meant}: create it, or use another name"
        ),
        carried: false,
    }
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
