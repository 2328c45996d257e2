//! The gateway's calls for jobs, over its admin route. Touches the network.

use serde_json::{Value, json};

use super::declaration::Declaration;
use super::job::{Job, listed};
use super::run::Run;
use crate::openclaw::rpc::{AdminClient, Endpoint, RpcError};

/// Jobs and runs on one page: the most that the gateway gives.
const PAGE: usize = 200;
/// Pages that are read: more jobs than one gateway can run.
const PAGES: usize = 25;

/// What became of a declaration.
#[derive(Debug)]
pub enum Declared {
    /// The gateway holds it; the job as it is now.
    Held(Box<Job>),
    /// The gateway does not accept it; its own words.
    Refused(String),
}

impl AdminClient {
    /// All jobs, also those that are disabled.
    pub async fn cron_list(&self, gateway: &Endpoint) -> Result<Vec<Job>, RpcError> {
        let (mut jobs, mut read) = (Vec::new(), 0);
        for _ in 0..PAGES {
            let parameters = json!({
                "includeDisabled": true, "includeDeliveryPreviews": false, "limit": PAGE, "offset": read,
            });
            let page = self.call(gateway, "cron.list", parameters).await?;
            let entries = page.get("jobs").and_then(Value::as_array).ok_or(RpcError::Malformed("it lists no jobs"))?;
            // What is not understood is none of ours.
            jobs.extend(entries.iter().filter_map(listed));
            read += entries.len();
            if entries.is_empty() || page.get("hasMore").and_then(Value::as_bool) != Some(true) {
                return Ok(jobs);
            }
        }
        Err(RpcError::Malformed("it lists more than 5,000 jobs"))
    }

    /// One job; `None`: there is none of this id.
    pub async fn cron_get(&self, gateway: &Endpoint, id: &str) -> Result<Option<Job>, RpcError> {
        match self.call(gateway, "cron.get", json!({"id": id})).await {
            Ok(payload) => listed(&payload).map(Some).ok_or(RpcError::Malformed("the job cannot be parsed")),
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some("CRON_JOB_NOT_FOUND") => Ok(None),
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
        match self.call(gateway, "cron.add", declaration.parameters(enabled)).await {
            Ok(payload) => {
                let job = listed(payload.get("job").unwrap_or(&payload));
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
        self.call(gateway, "cron.update", json!({"id": id, "patch": patch})).await.map(drop)
    }

    /// Stops the job, if it is there; its history stays.
    pub async fn cron_disable(&self, gateway: &Endpoint, id: &str) -> Result<(), RpcError> {
        match self.call(gateway, "cron.update", json!({"id": id, "patch": {"enabled": false}})).await {
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some("CRON_JOB_NOT_FOUND") => Ok(()),
            disabled => disabled.map(drop),
        }
    }

    /// Removes the job, if it is there.
    pub async fn cron_remove(&self, gateway: &Endpoint, id: &str) -> Result<(), RpcError> {
        match self.call(gateway, "cron.remove", json!({"id": id})).await {
            Err(RpcError::Refused { code, .. }) if code.as_deref() == Some("CRON_JOB_NOT_FOUND") => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// The newest runs, of one job or of all, at most `limit` (200).
    pub async fn cron_runs(&self, gateway: &Endpoint, job: Option<&str>, limit: usize) -> Result<Vec<Run>, RpcError> {
        let mut parameters = json!({"limit": limit.clamp(1, PAGE), "sortDir": "desc"});
        match job {
            Some(id) => parameters["jobId"] = json!(id),
            None => parameters["scope"] = json!("all"),
        }
        let page = self.call(gateway, "cron.runs", parameters).await?;
        let entries = page.get("entries").and_then(Value::as_array).ok_or(RpcError::Malformed("it lists no runs"))?;
        Ok(entries.iter().filter_map(Run::told).collect())
    }
}
