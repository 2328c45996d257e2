//! What the passes over the schedules of gateways found, for the status of CronJobs and Agents. Memory only: after a restart of the
//! operator each is unknown until its first pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kubernetes::caches::by_name::Places;
use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;

/// The schedule of one gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// What belongs to each CronJob, by its name.
    pub jobs: BTreeMap<String, Found>,
    /// The last heartbeat of each agent that has one.
    pub heartbeats: BTreeMap<String, Run>,
}

/// What belongs to one CronJob.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The CronJob that was looked at, and its generation.
    pub uid: String,
    pub generation: Option<i64>,
    /// The job; `None`: the gateway holds none.
    pub job: Option<Job>,
    /// Whether it is what the CronJob says.
    pub held: Held,
    /// Its last runs, newest first.
    pub runs: Vec<Run>,
}

/// Whether the gateway holds what a CronJob says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Exactly,
    /// It did not accept it; its own words.
    Refused(String),
    /// It could not be asked, or did not answer; why.
    Failed(String),
    /// The gateway takes only so many calls a minute; its turn comes.
    Waiting,
    /// It does not know the agent: suspended, at fault, or not taken up yet.
    AgentUnknown,
    /// Nothing was asked for: the CronJob is at fault or paused, or its time has passed.
    NotWanted,
}

/// By namespace and name of the Agent that owns the gateway.
#[derive(Debug, Default)]
pub struct Schedules {
    found: Places<Arc<Schedule>>,
    /// The gateways that have to be looked at although nothing in the cluster says so.
    hurried: Places<()>,
}

impl Schedules {
    /// What the last pass found.
    #[must_use]
    pub fn of(&self, namespace: &str, owner: &str) -> Option<Arc<Schedule>> {
        self.found.get(namespace, owner)
    }

    /// Remembers what a pass found; returns what was known before.
    pub fn remember(&self, namespace: &str, owner: &str, schedule: Arc<Schedule>) -> Option<Arc<Schedule>> {
        self.found.put(namespace, owner, schedule)
    }

    /// Something was asked of the gateway: the next pass looks at it before its time.
    pub fn hurry(&self, namespace: &str, owner: &str) {
        self.hurried.put(namespace, owner, ());
    }

    /// Whether something was asked of the gateway since the last pass.
    pub fn take_hurry(&self, namespace: &str, owner: &str) -> bool {
        self.hurried.take(namespace, owner).is_some()
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, namespace: &str, owner: &str) {
        self.found.take(namespace, owner);
    }
}
