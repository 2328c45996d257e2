//! CronJobs, and what the gateway's own scheduler says of their jobs. Touches the network.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::columns;
use super::namespace::{START, TestNamespace};
use super::objects::{Condition, condition};
use crate::cluster::Cluster;
use crate::kubectl::run;

/// What the gateway gives on one page at most.
const PAGE: usize = 200;
/// A run that should not be would begin well within this.
const WATCHED: Duration = Duration::from_secs(15);
/// The annotation that runs a CronJob once, now.
pub const RUN_NOW: &str = "creel.dev/run-now";

/// Seconds since 1970 of a time, as an object tells it (RFC 3339) or the gateway (milliseconds). `None` where there is none.
#[must_use]
pub fn second(time: &Value) -> Option<i64> {
    let told = time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    told.or_else(|| Timestamp::from_millisecond(time.as_i64()?).ok()).map(Timestamp::as_second)
}

impl TestNamespace {
    /// Under which the gateway knows the job of a CronJob.
    #[must_use]
    pub fn job_key(&self, cron_job: &str) -> String {
        format!("k8s:{}/{cron_job}", self.name)
    }

    /// All jobs of the gateway of `owner`, ours and others, also those that rest; `Err`: why the gateway does not tell.
    pub async fn try_jobs(&self, owner: &str) -> Result<Vec<Value>, String> {
        let mut jobs = Vec::new();
        loop {
            let params = json!({"includeDisabled": true, "limit": PAGE, "offset": jobs.len()});
            let page = self.try_rpc(owner, "cron.list", params).await?;
            let listed = page["jobs"].as_array().ok_or("it lists no jobs")?;
            jobs.extend(listed.iter().cloned());
            if listed.is_empty() || page["hasMore"] != true {
                return Ok(jobs);
            }
        }
    }

    /// The same of a gateway that runs.
    pub async fn jobs(&self, owner: &str) -> Vec<Value> {
        self.try_jobs(owner).await.unwrap_or_else(|seen| panic!("the jobs of the gateway of Agent {owner}: {seen}"))
    }

    /// The job of a CronJob, if the gateway holds one. Two of them are a failure.
    pub async fn job(&self, owner: &str, cron_job: &str) -> Option<Value> {
        let key = self.job_key(cron_job);
        let mut found: Vec<_> =
            self.jobs(owner).await.into_iter().filter(|job| job["declarationKey"] == key.as_str()).collect();
        assert!(found.len() < 2, "CronJob {cron_job} was declared twice: {found:?}");
        found.pop()
    }

    /// The ids of Creel's jobs by the names of their CronJobs, on a shared gateway those of this test; `Err` when the gateway does not
    /// tell, or one is there twice.
    pub async fn declared_jobs(&self, owner: &str) -> Result<BTreeMap<String, String>, String> {
        let mut ids = BTreeMap::new();
        for job in self.try_jobs(owner).await? {
            let Some(name) = job["declarationKey"].as_str().and_then(|key| key.strip_prefix("k8s:")) else { continue };
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            if self.host.is_some() && !name.starts_with(&self.scope) {
                continue;
            }
            let id = job["id"].as_str().unwrap_or_default().to_owned();
            if let Some(other) = ids.insert(name.clone(), id) {
                return Err(format!("CronJob {name} was declared twice: {other} and {}", job["id"]));
            }
        }
        Ok(ids)
    }

    /// The runs of one job that the gateway remembers, newest first.
    pub async fn runs(&self, owner: &str, job_id: &str) -> Vec<Value> {
        let params = json!({"jobId": job_id, "limit": PAGE, "sortDir": "desc"});
        let page = self.rpc(owner, "cron.runs", params).await;
        page["entries"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the gateway holds the CronJob as it is now; the id of its job.
    pub async fn declared(&self, cron_job: &str) -> String {
        self.eventually(&format!("CronJob {cron_job} is declared"), START, async || {
            let object = self.get("CronJob", cron_job).await;
            let declared = condition(&object, "Declared").filter(|found| found.current && found.status == "True");
            match (declared, object.data["status"]["jobID"].as_str()) {
                (Some(_), Some(id)) => Ok(id.to_owned()),
                _ => Err(object.data["status"].to_string()),
            }
        })
        .await
    }

    /// Waits for this reason in a condition of the CronJob.
    pub async fn cron_job_reason(&self, cron_job: &str, condition_type: &str, reason: &str) -> Condition {
        self.condition("CronJob", cron_job, condition_type, START, |found| found.reason == reason).await
    }

    /// What the status says of the run that ended last, once it fits.
    pub async fn last_run(&self, cron_job: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.eventually(&format!("the last run of CronJob {cron_job}"), START, async || {
            let status = self.get("CronJob", cron_job).await.data["status"].clone();
            let run = status["lastRun"].clone();
            if run.is_object() && fits(&run) { Ok(run) } else { Err(status.to_string()) }
        })
        .await
    }

    /// Asks for a run by the annotation.
    pub async fn run_now(&self, cron_job: &str, request: &str) {
        self.annotate("CronJob", cron_job, RUN_NOW, Some(request)).await;
    }

    /// Waits until the run that was asked for with this value has ended.
    pub async fn ran_for(&self, cron_job: &str, request: &str) {
        self.eventually(&format!("CronJob {cron_job} runs for {request:?}"), START, async || {
            let run_now = self.get("CronJob", cron_job).await.data["status"]["runNow"].clone();
            let ended = run_now["request"] == request && run_now["finished"] == true;
            if ended { Ok(()) } else { Err(run_now.to_string()) }
        })
        .await;
    }

    /// Waits until so many runs of the job have ended, and watches that no more of them begin.
    pub async fn ran_exactly(&self, owner: &str, job_id: &str, count: usize) {
        self.eventually(&format!("{count} runs have ended"), START, async || {
            let now = self.runs(owner, job_id).await.len();
            if now >= count { Ok(()) } else { Err(format!("{now} runs")) }
        })
        .await;
        let seen = self.stays("the runs of the job", WATCHED, async || {
            let job = self.rpc(owner, "cron.get", json!({"id": job_id})).await;
            (self.runs(owner, job_id).await.len(), job["state"]["runningAtMs"].is_number())
        });
        assert_eq!(seen.await, (count, false), "how many runs have ended, and whether one is in progress");
    }

    /// `kubectl get ccj` as people see it, by name and heading.
    pub async fn cron_job_table(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let cluster = Cluster::open().await.expect("a cluster");
        let printed =
            run(cluster.kubectl(), &["--namespace", &self.name, "get", "ccj"]).await.expect("kubectl get ccj");
        columns::rows(&printed).into_iter().map(|row| (row["NAME"].clone(), row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_second_for_an_object_and_for_the_gateway() {
        assert_eq!(second(&json!("2026-11-21T15:13:01Z")), Some(1_795_273_981));
        assert_eq!(second(&json!(1_795_273_981_029_i64)), Some(1_795_273_981));
        assert_eq!(second(&Value::Null), None);
    }
}
