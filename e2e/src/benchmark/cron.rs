//! What many CronJobs on one gateway cost, and how soon a run's result is in the status. Touches the network: the API server, the
//! operator's metrics through it, and the gateway's admin route.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hyper::Request;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout_at};

use super::error::{Asking, Error};
use super::live::{AGENT, until_within};
use super::memory::operator;
use super::sample::Sample;
use super::table::{Row, Unit};
use crate::cluster::RELEASE_NAMESPACE;
use crate::suite::{Admin, TestNamespace, condition, cron_job, second};

/// So many of them run all the time; the others are not due while it is measured.
const LIVELY: usize = 3;
const WATCHED: Duration = Duration::from_mins(1);
/// A run that ended so long before the end of the watch should have been told of.
const TOLD: Duration = Duration::from_secs(10);
/// A gateway takes 30 new jobs a minute.
const DECLARED_EACH: Duration = Duration::from_secs(3);
const DECLARED: Duration = Duration::from_mins(2);
const DECLARED_LOOK: Duration = Duration::from_secs(1);
const CALLS: &str = "creel_gateway_calls_total{";

/// Calls of the gateway a second.
const CALLS_GOAL: f64 = 2.0;
/// From a run's end to its result in the status, in milliseconds.
const TOLD_GOAL: f64 = 5000.0;

/// When runs were first seen in a status, in milliseconds since 1970: by the job's id and the second in which the run began.
type Seen = BTreeMap<(String, i64), i64>;

/// So many CronJobs on the gateway that runs, watched for a minute.
pub async fn measure(namespace: &TestNamespace, jobs: usize) -> Result<Vec<Row>, Error> {
    for number in 0..jobs {
        let when = if number < LIVELY { "every: 10s" } else { "schedule: '0 4 1 1 *'" };
        namespace.apply(&cron_job(&format!("job-{number}"), AGENT, when, "Say something.")).await;
    }
    let cron_jobs = namespace.api("CronJob");
    let limit = DECLARED + DECLARED_EACH * u32::try_from(jobs).unwrap_or(u32::MAX);
    let started = Instant::now();
    let declared = until_within(limit, "not every CronJob is declared", started, async || {
        sleep(DECLARED_LOOK).await;
        let all = cron_jobs.list(&ListParams::default()).await.asking("list the CronJobs")?;
        let declared =
            |object: &&DynamicObject| condition(object, "Declared").is_some_and(|found| found.status == "True");
        Ok(all.iter().filter(declared).count() == jobs)
    })
    .await?;
    let (before, from) = (calls(namespace).await?, Timestamp::now().as_millisecond());
    let seen = watch(namespace).await;
    let (after, to) = (calls(namespace).await?, Timestamp::now().as_millisecond());
    let params = json!({"scope": "all", "limit": 200, "sortDir": "desc"});
    let runs = Admin::of(namespace, AGENT).await?.call("cron.runs", params).await?;
    // They would go on to run while other things are measured.
    cron_jobs
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .asking("delete the CronJobs")?;

    let runs = runs["entries"].as_array().cloned().unwrap_or_default();
    let delays = delays(&seen, &runs, from, to);
    let rate = (after - before) / WATCHED.as_secs_f64();
    let told = |percent| {
        let measure = format!("run ended → result in the status, p{percent}");
        Row::new(measure, Unit::Milliseconds, delays.percentile(percent)).goal(TOLD_GOAL)
    };
    let measure = format!("{jobs} CronJobs created → the gateway holds all of them");
    let declared = Row::new(measure, Unit::Milliseconds, Some(declared.as_secs_f64() * 1000.0));
    let calls = Row::new(format!("calls of a gateway with {jobs} CronJobs"), Unit::PerSecond, Some(rate));
    Ok(vec![declared, calls.goal(CALLS_GOAL), told(50), told(95)])
}

/// How often the operator has called gateways.
async fn calls(namespace: &TestNamespace) -> Result<f64, Error> {
    let name = operator(&namespace.client).await?.name_any();
    let missing = || Error::Missing(format!("the metric {CALLS}…}} of Pod {name}"));
    let uri = format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/pods/{name}:8080/proxy/metrics");
    let request = Request::get(uri).body(Vec::new()).map_err(|_| missing())?;
    let text = namespace.client.request_text(request).await.asking(format!("read the metrics of Pod {name}"))?;
    sum(&text).ok_or_else(missing)
}

/// Over all methods and outcomes; `None` when there is no such metric.
fn sum(metrics: &str) -> Option<f64> {
    let lines = metrics.lines().filter(|line| line.starts_with(CALLS));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    counts.fold(None, |sum, count| Some(sum.unwrap_or(0.0) + count))
}

async fn watch(namespace: &TestNamespace) -> Seen {
    let until = Instant::now() + WATCHED;
    let mut changes =
        watcher(namespace.api("CronJob"), watcher::Config::default()).default_backoff().applied_objects().boxed();
    let mut seen = Seen::new();
    while let Ok(Some(found)) = timeout_at(until.into(), changes.next()).await {
        let Ok(object) = found else { continue };
        let status = &object.data["status"];
        if let (Some(id), Some(began)) = (status["jobID"].as_str(), second(&status["lastRun"]["time"])) {
            seen.entry((id.to_owned(), began)).or_insert_with(|| Timestamp::now().as_millisecond());
        }
    }
    seen
}

/// How long after its end each run was seen, of those that ended between these times. One that was not seen at all counts with all the
/// time that there was, unless that was short.
fn delays(seen: &Seen, runs: &[Value], from: i64, to: i64) -> Sample {
    let mut delays = Sample::default();
    for run in runs {
        let (Some(ended), Some(began)) = (run["ts"].as_i64(), second(&run["runAtMs"])) else { continue };
        let job = run["jobId"].as_str().unwrap_or_default().to_owned();
        let delay = |until: i64| Duration::from_millis(u64::try_from(until - ended).unwrap_or_default());
        match seen.get(&(job, began)) {
            _ if !(from..to).contains(&ended) => {}
            Some(at) => delays.add(delay(*at)),
            None if delay(to) > TOLD => delays.add(delay(to)),
            None => {}
        }
    }
    delays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_never_told_of_counts_unless_it_had_just_ended() {
        let run = |job: &str, began: i64, ended: i64| json!({"jobId": job, "runAtMs": began, "ts": ended});
        let runs =
            [run("a", 1_000, 3_000), run("a", 11_000, 13_000), run("b", 12_500, 14_000), run("b", 40_000, 58_000)];
        let seen = Seen::from([(("a".to_owned(), 1), 5_000), (("a".to_owned(), 11), 14_500)]);
        let delays = delays(&seen, &runs, 10_000, 60_000);
        assert_eq!((delays.percentile(50), delays.percentile(100)), (Some(1_500.0), Some(46_000.0)));
    }

    #[test]
    fn calls_are_counted_over_all_methods() {
        let text = "# TYPE creel_gateway_calls counter\ncreel_gateway_calls_total{method=\"cron.list\"} 7\n\
            creel_gateway_calls_total{method=\"cron.add\"} 3\ncreel_leader 1\n";
        assert_eq!(sum(text), Some(10.0));
        assert_eq!(sum("creel_leader 1\n"), None);
    }
}
