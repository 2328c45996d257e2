//! CronJobs on real gateways. One room for each promise: `schedule` (on time, in the right place, and as the spec says), `failures` (seen
//! at a glance, with the gateway's own numbers), `recovery` (gateways that are killed, or forget, or are edited behind Creel's back),
//! `run_now` (once for each value), `leaving` (Agents that come and go), `heartbeat` (the Agents' own).
//!
//! What needs an operator that is away is in `alone`.

use std::collections::BTreeMap;

use e2e::suite::{TestNamespace, agent, cron_job, secret_value};
use serde_json::Value;

mod failures;
mod heartbeat;
mod leaving;
mod recovery;
mod run_now;
mod schedule;

pub const AGENT: &str = "writer";
/// When nothing may run by itself for the length of a test.
pub const RARELY: &str = "schedule: '0 4 1 1 *'";
/// As soon as the gateway's failures can be waited for.
const OFTEN: &str = "every: 10s";

/// The Agent `writer` on a gateway of its own, without a shell, and the Provider `main`.
pub async fn writer(namespace: &TestNamespace) {
    namespace.serve("main", &secret_value("key")).await;
    namespace.apply(&agent(AGENT, "main/small")).await;
    namespace.ready(AGENT).await;
}

/// A CronJob of the Agent `writer`.
pub fn job(name: &str, when: &str, message: &str) -> String {
    cron_job(name, AGENT, when, message)
}

/// Waits until the gateway of `owner` holds the jobs of these CronJobs and no others of Creel's, each once; their ids.
pub async fn holds_exactly(namespace: &TestNamespace, owner: &str, names: &[&str]) -> BTreeMap<String, String> {
    let what = format!("the gateway holds {names:?} and nothing else of Creel's");
    namespace
        .eventually(&what, e2e::suite::START, async || {
            let ids = namespace.declared_jobs(owner).await?;
            if ids.keys().eq(names) { Ok(ids) } else { Err(format!("{ids:?}")) }
        })
        .await
}

/// Whether the gateway is about this job now.
fn runs(job: &Value) -> bool {
    job["state"]["runningAtMs"].is_number()
}
