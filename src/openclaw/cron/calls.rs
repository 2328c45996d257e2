//! The gateway's calls for jobs, over its admin route. Touches the network.

use serde::Deserialize;
use serde_json::{Value, json};

use super::declaration::Declaration;
use super::job::{Job, Listed};
use super::run::Run;
use crate::openclaw::answer::{self, ENTRIES, List};
use crate::openclaw::rpc::{AdminClient, Endpoint, Method, RpcError};

/// Pages that are read: more jobs than one gateway can run.
const PAGES: usize = 100;
/// Jobs that are kept, ours and heartbeats. What else the gateway's agents made only costs the time to read it.
const MOST_KEPT: usize = 2000;
/// A page that is too long is asked for in so many parts.
const PARTS: usize = 8;

const LIST: Method = Method::page("cron.list");
const RUNS: Method = Method::page("cron.runs");
const GET: Method = Method::short("cron.get");
const ADD: Method = Method::short("cron.add");
const UPDATE: Method = Method::short("cron.update");
const REMOVE: Method = Method::short("cron.remove");

const NOT_FOUND: &str = "CRON_JOB_NOT_FOUND";

/// A page of jobs.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Jobs {
    #[serde(deserialize_with = "answer::list")]
    jobs: Option<List<Listed>>,
    #[serde(deserialize_with = "answer::flag")]
    has_more: Option<bool>,
}

/// A page of runs.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Runs {
    #[serde(deserialize_with = "answer::list")]
    entries: Option<List<Run>>,
    #[serde(deserialize_with = "answer::flag")]
    has_more: Option<bool>,
}

/// What `cron.add` answers to a declaration with a key.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Added {
    #[serde(deserialize_with = "answer::object")]
    job: Option<Listed>,
}

/// What became of a declaration.
#[derive(Debug)]
pub enum Declared {
    /// The gateway holds it; the job as it is now.
    Held(Box<Job>),
    /// The gateway does not accept it; its own words.
    Refused(String),
}

impl AdminClient {
    /// The jobs that Creel declared and the heartbeats, also those that are disabled.
    pub async fn cron_list(&self, gateway: &Endpoint) -> Result<Vec<Job>, RpcError> {
        let (mut jobs, mut read, mut size) = (Vec::new(), 0, ENTRIES);
        for _ in 0..PAGES {
            let parameters =
                json!({"includeDisabled": true, "includeDeliveryPreviews": false, "limit": size, "offset": read});
            let page = match self.call::<Jobs>(gateway, LIST, &parameters).await {
                Err(RpcError::TooLong(_)) if size > 1 => {
                    size = (size / PARTS).max(1);
                    continue;
                }
                page => page?,
            };
            let List { entries, count } = page.jobs.ok_or(RpcError::Malformed("it lists no jobs"))?;
            // What is not understood is none of ours.
            let listed = entries.into_iter().filter_map(Listed::job);
            jobs.extend(listed.filter(|job| job.is_ours() || job.heartbeat_of().is_some()));
            read += count;
            if jobs.len() > MOST_KEPT {
                return Err(RpcError::Malformed("it lists more than 2,000 jobs of CronJobs and heartbeats"));
            }
            if count == 0 || page.has_more != Some(true) {
                return Ok(jobs);
            }
        }
        Err(RpcError::Malformed("it lists more than 20,000 jobs: remove those that its agents made"))
    }

    /// One job; `None`: there is none of this id.
    pub async fn cron_get(&self, gateway: &Endpoint, id: &str) -> Result<Option<Job>, RpcError> {
        match self.call::<Listed>(gateway, GET, &json!({"id": id})).await {
            Ok(listed) => listed.job().map(Some).ok_or(RpcError::Malformed("the job cannot be parsed")),
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the job, or brings it in line.
    pub async fn cron_declare(
        &self,
        gateway: &Endpoint,
        declaration: &Declaration,
        enabled: Option<bool>,
    ) -> Result<Declared, RpcError> {
        match self.call::<Added>(gateway, ADD, &declaration.parameters(enabled)).await {
            Ok(Added { job }) => {
                let job = job.and_then(Listed::job);
                job.map(|job| Declared::Held(Box::new(job))).ok_or(RpcError::Malformed("it holds no job"))
            }
            Err(RpcError::Refused { status, message, .. }) if (400..500).contains(&status) && status != 429 => {
                Ok(Declared::Refused(message))
            }
            Err(error) => Err(error),
        }
    }

    /// Changes what this names.
    pub async fn cron_update(&self, gateway: &Endpoint, id: &str, patch: &Value) -> Result<(), RpcError> {
        self.send(gateway, UPDATE, &json!({"id": id, "patch": patch})).await
    }

    /// Stops the job, if it is there; its history stays.
    pub async fn cron_disable(&self, gateway: &Endpoint, id: &str) -> Result<(), RpcError> {
        match self.cron_update(gateway, id, &json!({"enabled": false})).await {
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some(NOT_FOUND) => Ok(()),
            disabled => disabled,
        }
    }

    /// Removes the job, if it is there.
    pub async fn cron_remove(&self, gateway: &Endpoint, id: &str) -> Result<(), RpcError> {
        match self.send(gateway, REMOVE, &json!({"id": id})).await {
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some(NOT_FOUND) => Ok(()),
            removed => removed,
        }
    }

    /// The newest runs, of one job or of all, at most `limit` (200).
    pub async fn cron_runs(&self, gateway: &Endpoint, job: Option<&str>, limit: usize) -> Result<Vec<Run>, RpcError> {
        let limit = limit.clamp(1, ENTRIES);
        let mut parameters = json!({"sortDir": "desc"});
        match job {
            Some(id) => parameters["jobId"] = json!(id),
            None => parameters["scope"] = json!("all"),
        }
        let (mut runs, mut read, mut size) = (Vec::new(), 0, limit);
        while read < limit {
            parameters["limit"] = json!(size.min(limit - read));
            if read > 0 {
                parameters["offset"] = json!(read);
            }
            let page = match self.call::<Runs>(gateway, RUNS, &parameters).await {
                Err(RpcError::TooLong(_)) if size > 1 => {
                    size = (size / PARTS).max(1);
                    continue;
                }
                page => page?,
            };
            let List { entries, count } = page.entries.ok_or(RpcError::Malformed("it lists no runs"))?;
            runs.extend(entries);
            read += count;
            if count == 0 || page.has_more != Some(true) {
                break;
            }
        }
        Ok(runs)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
