//! Which runs have to be asked for, and which are kept. Pure.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::openclaw::cron::job::Job;
use crate::openclaw::cron::run::Run;

/// Runs that are kept of one job.
const KEPT: usize = 20;

/// The last runs of each job of a gateway, newest first, by the job's id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    runs: HashMap<String, Vec<Run>>,
    /// The last run of a job as of when its runs were asked for one by one: the gateway forgets runs after a week.
    asked: HashMap<String, Timestamp>,
}

impl History {
    /// The jobs whose last run is not among what is known.
    pub fn missing<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Vec<&'a Job> {
        let known = |job: &Job| {
            let newest = self.runs.get(&job.id).and_then(|runs| runs.first()).and_then(Run::started_at);
            newest.max(self.asked.get(&job.id).copied())
        };
        jobs.filter(|job| known(job) < job.state.last_run()).collect()
    }

    /// The gateway was asked for the runs of this job, and has told all that it knows.
    pub fn asked(&mut self, job: &Job) {
        self.asked.extend(job.state.last_run().map(|last| (job.id.clone(), last)));
    }

    /// Adds runs that the gateway told of.
    pub fn add(&mut self, runs: Vec<Run>) {
        for run in runs {
            let kept = self.runs.entry(run.job.clone()).or_default();
            if !kept.iter().any(|known| known.started_at() == run.started_at()) {
                kept.push(run);
                kept.sort_by_key(|run| std::cmp::Reverse(run.started_at()));
                kept.truncate(KEPT);
            }
        }
    }

    /// Forgets the jobs that are gone.
    pub fn keep(&mut self, jobs: &[Job]) {
        self.runs.retain(|id, _| jobs.iter().any(|job| job.id == *id));
        self.asked.retain(|id, _| jobs.iter().any(|job| job.id == *id));
    }

    /// The runs of a job. What the gateway's history no longer has, the job's own state tells.
    #[must_use]
    pub fn of(&self, job: &Job) -> Vec<Run> {
        let mut runs = self.runs.get(&job.id).cloned().unwrap_or_default();
        if runs.first().and_then(Run::started_at) < job.state.last_run() {
            runs.splice(..0, job.state.last(&job.id));
        }
        runs
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openclaw::cron::job::listed;

    fn job(last_run: i64) -> Job {
        listed(&json!({"id": "1", "enabled": true, "state": {"lastRunAtMs": last_run, "lastRunStatus": "error"}}))
            .unwrap()
    }

    fn run(began: i64) -> Run {
        serde_json::from_value(json!({"jobId": "1", "runAtMs": began, "status": "ok"})).unwrap()
    }

    #[test]
    fn only_a_new_run_is_asked_for() {
        let mut history = History::default();
        assert_eq!(history.missing([job(5)].iter()).len(), 1);
        history.add(vec![run(5), run(3), run(5)]);
        assert_eq!(history.missing([job(5)].iter()).len(), 0);
        assert_eq!(history.of(&job(5)), [run(5), run(3)]);
        assert_eq!(history.missing([job(7)].iter()).len(), 1);
    }

    #[test]
    fn a_run_that_the_history_lacks_is_told_by_the_state() {
        let mut history = History::default();
        history.add(vec![run(3)]);
        let began: Vec<_> = history.of(&job(7)).iter().map(|run| run.started_at().unwrap().as_millisecond()).collect();
        assert_eq!(began, [7, 3]);
    }

    #[test]
    fn what_the_gateway_has_forgotten_is_asked_for_once() {
        let mut history = History::default();
        history.asked(&job(5));
        assert_eq!(history.missing([job(5)].iter()).len(), 0);
        assert_eq!(history.missing([job(7)].iter()).len(), 1);
    }

    #[test]
    fn the_runs_of_a_job_that_is_gone_are_forgotten() {
        let mut history = History::default();
        history.add(vec![run(3)]);
        history.keep(&[]);
        assert_eq!(history, History::default());
    }
}
