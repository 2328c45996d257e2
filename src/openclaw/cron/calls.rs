//! The gateway's calls for jobs, over its admin route. Touches the network.

use serde_json::{Value, json};

use super::declaration::Declaration;
use super::job::{Job, listed};
use super::run::Run;
use crate::openclaw::rpc::{AdminClient, Endpoint, RpcError};

/// Jobs on one page: the most that the gateway gives.
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
        let mut jobs = Vec::new();
        for _ in 0..PAGES {
            let parameters = json!({
                "includeDisabled": true, "includeDeliveryPreviews": false, "limit": PAGE, "offset": jobs.len(),
            });
            let page = self.call(gateway, "cron.list", parameters).await?;
            let entries = page.get("jobs").and_then(Value::as_array).ok_or(RpcError::Malformed("it lists no jobs"))?;
            let parsed: Option<Vec<Job>> = entries.iter().map(listed).collect();
            jobs.extend(parsed.ok_or(RpcError::Malformed("a job in it is not understood"))?);
            if entries.is_empty() || page.get("hasMore").and_then(Value::as_bool) != Some(true) {
                return Ok(jobs);
            }
        }
        Err(RpcError::Malformed("it lists more than 5,000 jobs"))
    }

    /// One job; `None`: there is none of this id.
    pub async fn cron_get(&self, gateway: &Endpoint, id: &str) -> Result<Option<Job>, RpcError> {
        match self.call(gateway, "cron.get", json!({"id": id})).await {
            Ok(payload) => listed(&payload).map(Some).ok_or(RpcError::Malformed("the job is not understood")),
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

    /// Gives the job to another agent.
    pub async fn cron_give(&self, gateway: &Endpoint, id: &str, agent: &str) -> Result<(), RpcError> {
        self.call(gateway, "cron.update", json!({"id": id, "patch": {"agentId": agent}})).await.map(drop)
    }

    /// Stops the job; its history stays.
    pub async fn cron_disable(&self, gateway: &Endpoint, id: &str) -> Result<(), RpcError> {
        self.call(gateway, "cron.update", json!({"id": id, "patch": {"enabled": false}})).await.map(drop)
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
        let mut page = self.call(gateway, "cron.runs", parameters).await?;
        let entries = page.get_mut("entries").map(Value::take).ok_or(RpcError::Malformed("it lists no runs"))?;
        serde_json::from_value(entries).map_err(|_| RpcError::Malformed("a run in it is not understood"))
    }
}
