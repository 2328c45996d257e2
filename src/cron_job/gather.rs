//! What the stores and facts say around one CronJob. Looks at these only.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::status::{Served, View};
use crate::api::{Agent, CronJob};
use crate::declarations::validate::{GatewayScope, validate};
use crate::declarations::wanted;
use crate::kubernetes::conditions::reason;
use crate::naming::is_paused;
use crate::references::digests::Fault;
use crate::references::suggest;
use crate::world::facts::{Fact, Facts};
use crate::world::jobs_found::JobsFound;
use crate::world::stores::{Stores, named, within};
use crate::world::triggers::gateway_owner;

/// What the stores know around a CronJob.
pub struct Gathered {
    agent: Option<Arc<Agent>>,
    owner: Option<Arc<Agent>>,
    missing: Option<Fault>,
    fault: Option<Fault>,
    answers: bool,
    /// Whether the gateway and its jobs were looked at, where the status depends on them.
    pub known: Fact<()>,
    jobs: Option<Arc<JobsFound>>,
    scope: GatewayScope,
}

impl Gathered {
    /// The same for the status.
    #[must_use]
    pub fn view(&self, job: &CronJob) -> View<'_> {
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

/// Looks at everything around the CronJob.
#[must_use]
pub fn gather(job: &CronJob, stores: &Stores, facts: &Facts) -> Gathered {
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
    Gathered { agent, owner: owner_object, missing, fault, answers, known, jobs, scope }
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
