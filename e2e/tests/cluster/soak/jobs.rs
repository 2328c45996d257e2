//! More jobs than a gateway takes in a minute.

use e2e::suite::{SOON, TestNamespace, in_namespace};
use kube::api::{DeleteParams, ListParams};

use crate::real_pods::cron::{AGENT, RARELY, holds_exactly, job, writer};

/// OpenClaw takes 30 changes of jobs a minute.
const JOBS: usize = 100;

#[tokio::test]
#[ignore = "takes minutes: cargo soak"]
async fn a_hundred_jobs_are_all_declared_once_and_removed_at_the_pace_of_the_gateway() {
    in_namespace("many-jobs", async |namespace: TestNamespace| {
        writer(&namespace).await;
        let names: Vec<_> = (0..JOBS).map(|number| format!("job-{number:03}")).collect();
        for name in &names {
            namespace.apply(&job(name, RARELY, "Nothing yet.")).await;
        }
        for name in &names {
            namespace.declared(name).await;
        }
        let all: Vec<_> = names.iter().map(String::as_str).collect();
        holds_exactly(&namespace, AGENT, &all).await;

        let jobs = namespace.api("CronJob");
        jobs.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("they can be deleted");
        let gone = async || {
            let left = namespace.declared_jobs(AGENT).await?;
            if left.is_empty() { Ok(()) } else { Err(format!("{} jobs are left", left.len())) }
        };
        namespace.eventually("the gateway holds none of them", SOON * 4, gone).await;
    })
    .await;
}
