//! Begins, holds, ends and cuts off runs.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::Surroundings;
use super::job::{Job, State};
use super::run::{Delivery, Outcome, Run};
use super::schedule::Schedule;

/// Runs that are in progress at the same time.
const SLOTS: usize = 8;
const INTERRUPTED: &str = "cron: job interrupted by gateway restart";

/// What becomes of the turns that begin from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turns {
    /// The model answers.
    #[default]
    Answer,
    /// The model's provider rejects the request.
    Fail,
    /// They stay in progress, until this is changed.
    Hold,
}

#[derive(Debug, Default)]
pub struct Scheduler {
    pub(super) jobs: Vec<Job>,
    /// Those that have ended, the newest last.
    pub(super) ended: Vec<Value>,
    running: Vec<Run>,
    waiting: VecDeque<Run>,
    turns: Turns,
    runs_asked_for: u64,
    ids: u64,
}

impl Scheduler {
    /// Lists the jobs of the gateway itself as its configuration has them.
    pub fn keep_own_jobs(&mut self, surroundings: Surroundings<'_>) {
        let dreaming = "memory-core:memory-dreaming-promotion";
        let dream = json!({"kind": "cron", "expr": "0 3 * * *"});
        self.keep_own_job(dreaming, None, true, &dream, surroundings);
        let agents = surroundings.configuration.agents();
        self.jobs.retain(|job| match job.key().and_then(|key| key.strip_prefix("heartbeat:")) {
            Some(agent) => agents.contains_key(agent),
            None => true,
        });
        for (agent, entry) in agents {
            let every = surroundings.configuration.heartbeat(&entry);
            let schedule = json!({"kind": "every", "everyMs": every.unwrap_or(1_800_000), "anchorMs": 0});
            let key = format!("heartbeat:{agent}");
            self.keep_own_job(&key, Some(agent), every.is_some(), &schedule, surroundings);
        }
    }

    fn keep_own_job(
        &mut self,
        key: &str,
        agent: Option<String>,
        enabled: bool,
        schedule: &Value,
        surroundings: Surroundings<'_>,
    ) {
        let Ok(schedule) = Schedule::read(schedule, surroundings.now_ms, surroundings.now_ms) else { return };
        let known = self.jobs.iter().position(|job| job.key() == Some(key));
        let known = known.filter(|at| self.jobs[*at].enabled == enabled && self.jobs[*at].schedule == schedule);
        if known.is_some() {
            return;
        }
        self.jobs.retain(|job| job.key() != Some(key));
        let fields = Map::from_iter([
            ("declarationKey".to_owned(), json!(key)),
            ("name".to_owned(), json!(key.replace(':', "-"))),
            ("sessionTarget".to_owned(), json!("main")),
            ("wakeMode".to_owned(), json!("next-heartbeat")),
            ("payload".to_owned(), json!({"kind": "heartbeat"})),
        ]);
        self.make(agent, enabled, schedule, fields, surroundings.now_ms);
    }

    pub(super) fn make(
        &mut self,
        agent: Option<String>,
        enabled: bool,
        schedule: Schedule,
        fields: Map<String, Value>,
        now_ms: i64,
    ) -> &Job {
        self.ids += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.ids);
        let (created_ms, updated_ms) = (now_ms, now_ms);
        let mut job = Job { id, agent, enabled, schedule, fields, created_ms, updated_ms, state: State::default() };
        job.state.next_run_at_ms = job.due_after(now_ms);
        self.jobs.push(job);
        &self.jobs[self.jobs.len() - 1]
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == id)
    }

    /// Whether a run of the job is in progress or waits.
    pub(super) fn is_busy(&self, id: &str) -> bool {
        self.running.iter().chain(&self.waiting).any(|run| run.job == id)
    }

    /// The id of the next run that is asked for.
    pub(super) fn run_id(&mut self, job: &str, now_ms: i64) -> String {
        self.runs_asked_for += 1;
        format!("manual:{job}:{now_ms}:{}", self.runs_asked_for)
    }

    /// Begins a run, or lets it wait for a slot.
    pub(super) fn begin(&mut self, job: &str, id: Option<String>, surroundings: Surroundings<'_>) {
        self.waiting.push_back(Run { job: job.to_owned(), id, began_ms: surroundings.now_ms });
        self.fill_slots(surroundings);
    }

    fn fill_slots(&mut self, surroundings: Surroundings<'_>) {
        while self.running.len() < SLOTS
            && let Some(mut run) = self.waiting.pop_front()
        {
            run.began_ms = surroundings.now_ms;
            let Some(at) = self.position(&run.job) else { continue };
            self.jobs[at].state.running_at_ms = Some(run.began_ms);
            let agent = self.jobs[at].agent.clone().filter(|agent| !surroundings.has_agent(agent));
            let job = run.job.clone();
            self.running.push(run);
            match (agent, self.turns) {
                (Some(agent), _) => self.end(&job, &Outcome::agent_missing(&agent), surroundings),
                (None, Turns::Answer) => self.end(&job, &Outcome::Done, surroundings),
                (None, Turns::Fail) => self.end(&job, &Outcome::rejected(), surroundings),
                (None, Turns::Hold) => {}
            }
        }
    }

    /// Sets what becomes of turns; those that are held end so.
    pub fn set_turns(&mut self, turns: Turns, surroundings: Surroundings<'_>) {
        self.turns = turns;
        let outcome = match turns {
            Turns::Hold => return,
            Turns::Answer => Outcome::Done,
            Turns::Fail => Outcome::rejected(),
        };
        while let Some(job) = self.running.first().map(|run| run.job.clone()) {
            self.end(&job, &outcome, surroundings);
            self.fill_slots(surroundings);
        }
    }

    /// Ends the run of this job, if one is in progress; whether one was.
    pub fn finish(&mut self, job: &str, outcome: &Outcome, surroundings: Surroundings<'_>) -> bool {
        let is_running = self.running.iter().any(|run| run.job == job);
        self.end(job, outcome, surroundings);
        self.fill_slots(surroundings);
        is_running
    }

    fn end(&mut self, id: &str, outcome: &Outcome, surroundings: Surroundings<'_>) {
        let Some(run) = self.running.iter().position(|run| run.job == id).map(|at| self.running.remove(at)) else {
            return;
        };
        let Some(at) = self.position(id) else { return };
        let job = &mut self.jobs[at];
        let delivery = if *outcome == Outcome::Done { delivery(job, surroundings) } else { Delivery::NotRequested };
        run.settle(job, outcome, &delivery, surroundings.now_ms);
        self.ended.push(run.entry(job, outcome, &delivery, surroundings.now_ms));
        let is_over = matches!(job.schedule, Schedule::At { .. }) && run.id.is_none();
        if is_over && job.fields.get("deleteAfterRun") == Some(&json!(true)) {
            self.jobs.remove(at);
        }
    }

    /// Ends the run of a job without its word: the job was disabled or removed.
    pub(super) fn cut_off(&mut self, job: &Job, error: &str, surroundings: Surroundings<'_>) {
        let begun = self.running.iter().position(|run| run.job == job.id).map(|at| self.running.remove(at));
        let run = begun.or_else(|| {
            let at = self.waiting.iter().position(|run| run.job == job.id)?;
            self.waiting.remove(at)
        });
        let Some(run) = run else { return };
        let outcome = Outcome::Failed { error: error.to_owned(), reason: None };
        self.ended.push(run.entry(job, &outcome, &Delivery::NotRequested, surroundings.now_ms));
        if let Some(at) = self.position(&job.id) {
            run.settle(&mut self.jobs[at], &outcome, &Delivery::NotRequested, surroundings.now_ms);
        }
        self.fill_slots(surroundings);
    }

    /// The process was killed: what ran is remembered as cut off, without its id, and what waited is forgotten.
    pub fn kill(&mut self, surroundings: Surroundings<'_>) {
        self.waiting.clear();
        let outcome = Outcome::Failed { error: INTERRUPTED.to_owned(), reason: None };
        for run in std::mem::take(&mut self.running) {
            let Some(at) = self.position(&run.job) else { continue };
            run.settle(&mut self.jobs[at], &outcome, &Delivery::NotRequested, surroundings.now_ms);
            let run = Run { id: None, ..run };
            let mut entry = run.entry(&self.jobs[at], &outcome, &Delivery::NotRequested, surroundings.now_ms);
            (entry["deliveryStatus"], entry["deliveryError"]) = (json!("unknown"), json!(INTERRUPTED));
            self.ended.push(entry);
        }
    }

    /// When the next job is due.
    pub fn next_due(&self) -> Option<i64> {
        self.due().min().map(|(at, _)| at)
    }

    /// Begins what is due by now.
    pub fn begin_due(&mut self, surroundings: Surroundings<'_>) {
        let due: Vec<String> =
            self.due().filter(|(at, _)| *at <= surroundings.now_ms).map(|(_, id)| id.clone()).collect();
        for id in due {
            self.begin(&id, None, surroundings);
        }
    }

    fn due(&self) -> impl Iterator<Item = (i64, &String)> {
        let idle = self.jobs.iter().filter(|job| job.enabled && !self.is_busy(&job.id));
        idle.filter_map(|job| Some((job.state.next_run_at_ms?, &job.id)))
    }
}

/// What becomes of the answer: the gateway calls no address of its own network, and no channel that it does not have.
fn delivery(job: &Job, surroundings: Surroundings<'_>) -> Delivery {
    let text = |key| job.fields.get("delivery").and_then(|delivery| delivery.get(key)).and_then(Value::as_str);
    match (text("mode"), text("channel")) {
        (Some("webhook"), _) if text("to").is_some_and(is_private) => {
            Delivery::Failed("Blocked hostname or private/internal/special-use IP address".to_owned())
        }
        (Some("announce"), Some(channel)) if !surroundings.configuration.has_channel(channel) => {
            Delivery::Failed(format!("{channel} bot token missing for account \"default\""))
        }
        (Some("webhook" | "announce"), _) => Delivery::Delivered,
        _ => Delivery::NotRequested,
    }
}

fn is_private(url: &str) -> bool {
    ["http://127.", "http://localhost", "http://10.", "http://192.168."].iter().any(|start| url.starts_with(start))
}
