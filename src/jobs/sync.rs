//! One reconcile of the jobs of one gateway: brings them in line with the CronJobs, and sees what has run. Touches the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::changes::{Change, best, changes};
use super::context::Context;
use super::due::poll_after;
use super::history::History;
use super::memory::{Inputs, Memory, RETRY};
use crate::api::{Agent, CronJob};
use crate::declarations::wanted::{self, Wanted};
use crate::kubernetes::backoff::resync;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::cron::calls::Declared;
use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;
use crate::openclaw::rpc::RpcError;
use crate::world::gateways::Gateway;
use crate::world::jobs_found::{JobFound, JobsFound, SyncState};
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};

/// A gateway that could not be asked is left alone for this time.
const UNREACHABLE: Duration = Duration::from_secs(5);
/// Calls of one reconcile that change something; the next one makes the rest.
const MOST_CHANGES: usize = 50;
/// Jobs of one reconcile whose runs are asked for one by one, where the common list does not reach back far enough.
const MOST_HISTORIES: usize = 10;
/// The rest of what was begun is done at once.
const RESUME: Duration = Duration::from_millis(100);

type WantedJobs = BTreeMap<String, (Arc<CronJob>, Wanted)>;

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Jobs;

    async fn reconcile(&self, owner: Arc<Agent>) -> Result<Action, ReconcileError> {
        Ok(Action::requeue(reconcile(&owner, self).await))
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.facts.forget_jobs(gone.namespace, gone.name);
        Self::forget(self, gone.namespace, gone.name);
    }
}

/// One reconcile; returns when to look again. Whoever proves the gateway's configuration wakes it too.
async fn reconcile(owner: &Agent, context: &Context) -> Duration {
    let (namespace, name, now) = (owner.namespace().unwrap_or_default(), owner.name_any(), Timestamp::now());
    let Some(gateway) = context.facts.gateway(&namespace, &name) else { return resync() };
    let agents = wanted::agents(&context.stores, &namespace, &name);
    let wanted = wanted::wanted(&context.stores, &namespace, &agents, &gateway, now);
    let with_heartbeat =
        agents.iter().filter(|agent| agent.spec.heartbeat.is_some()).map(|agent| agent.name_any()).collect();
    let mut memory = context.memory(&namespace, &name);
    let keeps_unowned = context.stores.keeps_unowned_jobs(&namespace);
    let sync = Sync {
        context,
        namespace: &namespace,
        owner: &name,
        gateway: &gateway,
        wanted: &wanted,
        with_heartbeat: &with_heartbeat,
        keeps_unowned,
        now,
    };
    let inputs = sync.inputs();
    if let Some(left) = memory.idle_for(&inputs, Instant::now()) {
        return left;
    }
    memory.begin(&inputs);
    let synced = sync.sync(&mut memory).await;
    if let Ok((_, again)) = &synced {
        memory.idle_until(inputs, Instant::now() + *again);
    }
    match synced {
        Ok((found, again)) => {
            context.facts.jobs.publish(&namespace, &name, Arc::new(found));
            again
        }
        Err(error) if error.is_unasked() => UNREACHABLE,
        Err(error) => {
            tracing::info!(gateway = name, namespace, %error, "cannot list the jobs of a gateway");
            let before = context.facts.jobs.of(&namespace, &name).known();
            let mut found = before.as_deref().cloned().unwrap_or_default();
            found.jobs.values_mut().for_each(|found| found.state = SyncState::Failed(error.to_string()));
            context.facts.jobs.publish(&namespace, &name, Arc::new(found));
            UNREACHABLE
        }
    }
}

/// What a reconcile works with.
struct Sync<'a> {
    context: &'a Context,
    namespace: &'a str,
    owner: &'a str,
    gateway: &'a Gateway,
    wanted: &'a WantedJobs,
    /// The agents that have a heartbeat.
    with_heartbeat: &'a BTreeSet<String>,
    /// Whether jobs stay that no CronJob seems to want.
    keeps_unowned: bool,
    now: Timestamp,
}

impl Sync<'_> {
    fn inputs(&self) -> Inputs {
        let wanted = self
            .wanted
            .iter()
            .map(|(key, (cron_job, wanted))| (key.clone(), (SpecVersion::of(&**cron_job), wanted.clone())));
        Inputs {
            run: self.gateway.run.clone(),
            agents: self.gateway.agents.clone(),
            wanted: wanted.collect(),
            with_heartbeat: self.with_heartbeat.clone(),
            keeps_unowned: self.keeps_unowned,
            refreshes: self.context.facts.refreshes(self.namespace, self.owner),
        }
    }

    async fn sync(&self, memory: &mut Memory) -> Result<(JobsFound, Duration), RpcError> {
        let mut jobs = self.context.admin.cron_list(&self.gateway.endpoint).await?;
        let wanted = self.wanted.iter().map(|(key, (_, wanted))| (key.as_str(), wanted)).collect();
        let mut changes = changes(&wanted, &jobs);
        // Nobody knows what an object that can't be read wants.
        if self.keeps_unowned {
            changes.retain(|(_, change)| !matches!(change, Change::Remove { .. }));
        }
        let mut answers = BTreeMap::new();
        let (mut sent, mut amended) = (0, false);
        for (key, change) in changes {
            let now = Instant::now();
            let answer = if let Some(words) = memory.why_futile(&key, &change, now) {
                SyncState::Rejected(words.to_owned())
            } else if sent == MOST_CHANGES || memory.is_throttled(&change, now) {
                SyncState::Throttled
            } else {
                sent += 1;
                amended |= matches!(change, Change::Amend { .. });
                self.send(&key, change, &mut jobs, memory).await?
            };
            answers.insert(key, answer);
        }
        self.ask_for_runs(&jobs, &mut memory.history).await?;
        let is_unfinished = amended || sent == MOST_CHANGES;
        let gets_on = memory.gets_on(is_unfinished.then_some(answers.len()));
        let again = self.requeue_after(&answers, memory, &jobs, is_unfinished && gets_on);
        Ok((self.jobs_found(&jobs, &answers, &memory.history), again))
    }

    /// How long the gateway may be left alone.
    fn requeue_after(
        &self,
        answers: &BTreeMap<String, SyncState>,
        memory: &Memory,
        jobs: &[Job],
        unfinished: bool,
    ) -> Duration {
        let any = |is: fn(&SyncState) -> bool| answers.values().any(is);
        // What the gateway does not take is tried again by and by.
        if unfinished && any(|held| matches!(held, SyncState::Synced | SyncState::NotDeclared)) {
            return RESUME;
        }
        let idle = if self.wanted.is_empty() && self.with_heartbeat.is_empty() { resync() } else { RETRY };
        let mut rest = poll_after(self.watched(jobs), self.now).unwrap_or(idle);
        if any(|held| matches!(held, SyncState::Rejected(_) | SyncState::Failed(_))) {
            rest = rest.min(RETRY);
        }
        if any(|held| *held == SyncState::Throttled) {
            let turn = if unfinished { RESUME } else { RETRY };
            rest = rest.min(memory.throttled_for(Instant::now()).unwrap_or(turn) + RESUME);
        }
        rest
    }

    /// Makes one call and notes in `jobs` what came of it. Only a gateway that can't be asked at all ends the pass.
    async fn send(
        &self,
        key: &str,
        change: Change,
        jobs: &mut Vec<Job>,
        memory: &mut Memory,
    ) -> Result<SyncState, RpcError> {
        let (admin, endpoint) = (&self.context.admin, &self.gateway.endpoint);
        let sent = match change.clone() {
            // It may have begun to leave since the reconcile began.
            Change::Declare { declaration, .. } if !self.knows(&declaration.agent) => {
                return Ok(SyncState::AgentUnknown);
            }
            Change::Declare { declaration, enabled } => {
                match admin.cron_declare(endpoint, &declaration, enabled).await {
                    Ok(Declared::Held(job)) => {
                        jobs.retain(|known| known.id != job.id);
                        jobs.push(*job);
                        Ok(SyncState::Synced)
                    }
                    Ok(Declared::Refused(words)) => {
                        memory.mark_futile(key, change.clone(), words.clone(), Instant::now());
                        Ok(SyncState::Rejected(words))
                    }
                    Err(error) => Err(error),
                }
            }
            Change::Amend { id, patch } => admin.cron_update(endpoint, &id, &patch).await.map(|()| {
                // What is due again although it was accepted would be sent for ever.
                let words = format!("it accepted the change {patch}, and does not show it");
                memory.mark_futile(key, change.clone(), words, Instant::now());
                SyncState::NotDeclared
            }),
            Change::Disable { id } => admin.cron_disable(endpoint, &id).await.map(|()| {
                jobs.iter_mut().filter(|job| job.id == id).for_each(|job| job.enabled = false);
                SyncState::NotDeclared
            }),
            Change::Remove { id } => admin.cron_remove(endpoint, &id).await.map(|()| {
                jobs.retain(|job| job.id != id);
                SyncState::NotDeclared
            }),
        };
        match sent {
            Err(RpcError::Refused { retry_after: Some(wait), .. }) => {
                memory.throttle(&change, Instant::now() + wait);
                Ok(SyncState::Throttled)
            }
            Err(error @ RpcError::Refused { .. }) if matches!(change, Change::Amend { .. }) => {
                memory.mark_futile(key, change, error.to_string(), Instant::now());
                Ok(SyncState::Rejected(error.to_string()))
            }
            Err(error @ (RpcError::Refused { .. } | RpcError::Malformed(_))) => {
                Ok(SyncState::Failed(error.to_string()))
            }
            sent => sent,
        }
    }

    /// Whether the gateway still has this agent.
    fn knows(&self, agent: &str) -> bool {
        let gateway = self.context.facts.gateways.of(self.namespace, self.owner).known().flatten();
        gateway.is_some_and(|gateway| gateway.run == self.gateway.run && gateway.agents.contains(agent))
    }

    /// The jobs whose runs are told.
    fn watched<'a>(&'a self, jobs: &'a [Job]) -> impl Iterator<Item = &'a Job> {
        jobs.iter()
            .filter(|job| job.is_ours() || job.heartbeat_of().is_some_and(|agent| self.with_heartbeat.contains(agent)))
    }

    /// All new runs by one call, usually.
    async fn ask_for_runs(&self, jobs: &[Job], history: &mut History) -> Result<(), RpcError> {
        history.keep(jobs);
        let missing = history.missing(self.watched(jobs)).len();
        if missing == 0 {
            return Ok(());
        }
        history.add(self.runs(None, 2 * missing + 10).await?);
        let missing: Vec<Job> = history.missing(self.watched(jobs)).into_iter().take(MOST_HISTORIES).cloned().collect();
        for job in &missing {
            history.add(self.runs(Some(&job.id), 5).await?);
            history.asked(job);
        }
        Ok(())
    }

    /// The newest runs. What can't be read does not hinder the rest: the state of each job tells its last run too.
    async fn runs(&self, job: Option<&str>, limit: usize) -> Result<Vec<Run>, RpcError> {
        match self.context.admin.cron_runs(&self.gateway.endpoint, job, limit).await {
            Err(RpcError::Malformed(why)) => {
                tracing::warn!(
                    gateway = self.owner,
                    namespace = self.namespace,
                    why,
                    "cannot read the runs of a gateway"
                );
                Ok(Vec::new())
            }
            runs => runs,
        }
    }

    fn jobs_found(&self, jobs: &[Job], answers: &BTreeMap<String, SyncState>, history: &History) -> JobsFound {
        let found = |(key, (cron_job, wanted)): (&String, &(Arc<CronJob>, Wanted))| {
            let job = best(wanted, key, jobs).cloned();
            let unasked = match (&wanted.declaration, &job) {
                _ if wanted.paused || wanted.over => SyncState::NotDeclared,
                (None, _) => SyncState::NotDeclared,
                _ if !wanted.agent_known => SyncState::AgentUnknown,
                (Some(_), Some(_)) => SyncState::Synced,
                (Some(_), None) => SyncState::Throttled,
            };
            let found = JobFound {
                cron_job: SpecVersion::of(&**cron_job),
                state: if matches!(unasked, SyncState::Synced | SyncState::Throttled) {
                    answers.get(key).cloned().unwrap_or(unasked)
                } else {
                    unasked
                },
                runs: job.as_ref().map(|job| history.of(job)).unwrap_or_default(),
                job,
            };
            (cron_job.name_any(), found)
        };
        let beat = |job: &Job| Some((job.heartbeat_of()?.to_owned(), history.of(job).into_iter().next()?));
        let beats = self.watched(jobs).filter_map(beat).collect();
        JobsFound { jobs: self.wanted.iter().map(found).collect(), heartbeats: beats }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
