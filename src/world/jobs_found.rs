//! What the reconcile of a gateway's jobs found, for the status of CronJobs and Agents.

use std::collections::BTreeMap;

use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;

/// The jobs of one gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobsFound {
    /// What belongs to each CronJob, by its name.
    pub jobs: BTreeMap<String, JobFound>,
    /// The last heartbeat of each agent that has one.
    pub heartbeats: BTreeMap<String, Run>,
}

/// What belongs to one CronJob.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFound {
    /// The CronJob that was looked at.
    pub cron_job: SpecVersion,
    /// The job; `None`: the gateway holds none.
    pub job: Option<Job>,
    /// Whether it is what the CronJob says.
    pub state: SyncState,
    /// Its last runs, newest first.
    pub runs: Vec<Run>,
}

/// Whether the gateway holds what a CronJob says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncState {
    Synced,
    /// It did not accept it; its own words.
    Rejected(String),
    /// It could not be asked, or did not answer; why.
    Failed(String),
    /// The gateway takes only so many calls a minute; its turn comes.
    Throttled,
    /// It does not know the agent: suspended, at fault, or not taken up yet.
    AgentUnknown,
    /// Nothing was asked for: the CronJob is at fault or paused, or its time has passed.
    NotDeclared,
}
