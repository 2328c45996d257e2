//! The methods `cron.*`.

use serde_json::{Value, json};

use super::definition::{Definition, update};
use super::job::Job;
use super::run::Outcome;
use super::{Scheduler, Surroundings};
use crate::refusal::Refusal;

/// The most on one page, and what a page holds unless the call says so.
const MOST: usize = 200;
const PAGE: usize = 50;

/// Whether the authority of a call outlives its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// It ends with an HTTP call: a run that is asked for by one finds it gone.
    Call,
    /// It is that of a paired device.
    Device,
}

impl Scheduler {
    /// Answers a call. A method that the gateway does not have is `None`.
    pub fn answer(
        &mut self,
        method: &str,
        params: &Value,
        authority: Authority,
        surroundings: Surroundings<'_>,
    ) -> Option<Result<Value, Refusal>> {
        Some(match method {
            "cron.status" => Ok(
                json!({"enabled": true, "storage": "sqlite", "jobs": self.jobs.len(), "nextWakeAtMs": self.next_due()}),
            ),
            "cron.list" => self.list(params, surroundings),
            "cron.get" => self.found(params).map(|at| self.jobs[at].value()),
            "cron.runs" => self.runs(params),
            "cron.add" => self.add(params, surroundings),
            "cron.update" => self.update(params, surroundings),
            "cron.remove" => self.remove(params, surroundings),
            "cron.run" => self.run(params, authority, surroundings),
            _ => return None,
        })
    }

    fn found(&self, params: &Value) -> Result<usize, Refusal> {
        let id = params.get("id").or_else(|| params.get("jobId")).and_then(Value::as_str).unwrap_or_default();
        self.position(id).ok_or_else(|| Refusal::job_not_found(id))
    }

    /// By the time of the next run; those that have none come last.
    fn list(&self, params: &Value, surroundings: Surroundings<'_>) -> Result<Value, Refusal> {
        let all = params.get("includeDisabled") == Some(&json!(true));
        let mut jobs: Vec<&Job> = self.jobs.iter().filter(|job| all || job.enabled).collect();
        jobs.sort_by_key(|job| (job.state.next_run_at_ms.unwrap_or(i64::MAX), job.id.clone()));
        let fallback = surroundings.fallback_agent();
        let jobs = jobs.into_iter().map(|job| job.listed(fallback.as_deref())).collect();
        page("cron.list", "jobs", jobs, params)
    }

    /// Newest first. The runs of a job that is gone are still there.
    fn runs(&self, params: &Value) -> Result<Value, Refusal> {
        let job = params.get("jobId").and_then(Value::as_str);
        let of_job = |entry: &&Value| job.is_none_or(|id| entry["jobId"] == id);
        let entries: Vec<Value> = self.ended.iter().rev().filter(of_job).map(|entry| self.named(entry)).collect();
        match job {
            Some(id) if entries.is_empty() && self.position(id).is_none() => Err(Refusal::job_not_found(id)),
            _ => page("cron.runs", "entries", entries, params),
        }
    }

    fn named(&self, entry: &Value) -> Value {
        let mut entry = entry.clone();
        let name = entry["jobId"].as_str().and_then(|id| self.jobs[self.position(id)?].text("name"));
        if let Some(name) = name {
            entry["jobName"] = json!(name);
        }
        entry
    }

    fn add(&mut self, params: &Value, surroundings: Surroundings<'_>) -> Result<Value, Refusal> {
        let definition = Definition::read(params, surroundings.now_ms)?;
        let agent = definition.agent.clone().or_else(|| surroundings.fallback_agent());
        if agent.as_deref().is_none_or(|agent| !surroundings.has_agent(agent)) {
            return Err(Refusal::without_a_reason());
        }
        let key = params.get("declarationKey").and_then(Value::as_str);
        let is_it = |job: &Job| key.is_some() && job.key() == key && job.agent == agent;
        if let Some(at) = self.jobs.iter().position(is_it) {
            let updated = definition.converge(&mut self.jobs[at], surroundings.now_ms)?;
            return Ok(json!({"created": false, "updated": updated, "job": self.jobs[at].value()}));
        }
        let Definition { enabled, schedule, fields, .. } = definition;
        let job = self.make(agent, enabled.unwrap_or(true), schedule, fields, surroundings.now_ms).value();
        Ok(if key.is_some() { json!({"created": true, "job": job}) } else { job })
    }

    fn update(&mut self, params: &Value, surroundings: Surroundings<'_>) -> Result<Value, Refusal> {
        let at = self.found(params)?;
        self.refuse_own(at)?;
        let patch = params.get("patch").unwrap_or(&Value::Null);
        update(&mut self.jobs[at], patch, |agent| surroundings.has_agent(agent), surroundings.now_ms)?;
        if patch.get("enabled") == Some(&json!(false)) {
            self.cut_off(&self.jobs[at].clone(), "Cron job disabled by operator.", surroundings);
        }
        Ok(self.jobs[at].value())
    }

    fn remove(&mut self, params: &Value, surroundings: Surroundings<'_>) -> Result<Value, Refusal> {
        let at = self.found(params)?;
        self.refuse_own(at)?;
        let job = self.jobs.remove(at);
        self.cut_off(&job, "Cron job removed by operator.", surroundings);
        Ok(json!({"ok": true, "removed": true}))
    }

    /// The jobs of the gateway itself are not the callers'.
    fn refuse_own(&self, at: usize) -> Result<(), Refusal> {
        let is_own = self.jobs[at].key().is_some_and(|key| key.starts_with("heartbeat:"));
        if is_own { Err(Refusal::without_a_reason()) } else { Ok(()) }
    }

    fn run(&mut self, params: &Value, authority: Authority, surroundings: Surroundings<'_>) -> Result<Value, Refusal> {
        let at = self.found(params)?;
        let (id, next) = (self.jobs[at].id.clone(), self.jobs[at].state.next_run_at_ms);
        if self.is_busy(&id) {
            return Ok(json!({"ok": true, "ran": false, "reason": "already-running"}));
        }
        if params.get("mode") == Some(&json!("due")) && next.is_none_or(|next| next > surroundings.now_ms) {
            return Ok(json!({"ok": true, "ran": false, "reason": "not-due"}));
        }
        let run_id = self.run_id(&id, surroundings.now_ms);
        match authority {
            Authority::Device => self.begin(&id, Some(run_id.clone()), surroundings),
            Authority::Call => self.lose(at, &run_id, surroundings),
        }
        Ok(json!({"ok": true, "enqueued": true, "runId": run_id}))
    }

    /// A run whose authority has ended leaves an entry, and the job as it was.
    fn lose(&mut self, at: usize, run_id: &str, surroundings: Surroundings<'_>) {
        let error = "Gateway client authority closed before dispatching cron.run.".to_owned();
        let run = super::run::Run {
            job: self.jobs[at].id.clone(),
            id: Some(run_id.to_owned()),
            began_ms: surroundings.now_ms,
        };
        let outcome = Outcome::Failed { error, reason: None };
        let entry = run.entry(&self.jobs[at], &outcome, &super::run::Delivery::NotRequested, surroundings.now_ms);
        self.ended.push(entry);
    }
}

fn page(method: &str, name: &str, all: Vec<Value>, params: &Value) -> Result<Value, Refusal> {
    let number = |key| params.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    let (limit, offset, total) = (number("limit").unwrap_or(PAGE), number("offset").unwrap_or(0), all.len());
    if !(1..=MOST).contains(&limit) {
        let bound = if limit == 0 { "must be >= 1" } else { "must be <= 200" };
        return Err(Refusal::invalid_params(method, &format!("at /limit: {bound}")));
    }
    let shown: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
    let next = offset + shown.len();
    Ok(json!({
        name: shown, "total": total, "offset": offset, "limit": limit, "hasMore": next < total,
        "nextOffset": (next < total).then_some(next),
    }))
}
