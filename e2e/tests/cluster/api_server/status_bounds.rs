//! The API server takes every status that lies within the bounds of the schema: what gateways say is cut to these, and that it is, a
//! test without a cluster shows.

use e2e::suite::{TestNamespace, in_namespace};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::{cron_job, make, provider, resting, said};

/// Tries the status as the operator writes it, and leaves the object as it is.
async fn try_status(namespace: &TestNamespace, kind: &str, name: &str, status: &Value) -> Result<(), String> {
    let params = PatchParams { dry_run: true, field_manager: Some("bounds".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"status": status}));
    namespace.api(kind).patch_status(name, &params, &patch).await.map(drop).map_err(|error| said(&error))
}

/// The longest texts of this letter, and this time and count wherever there is one.
fn fullest(letter: &str, time: &str, count: i32) -> Value {
    let text = |length: usize| letter.repeat(length);
    let run = json!({"time": time, "status": "Failed", "reason": text(64), "error": text(400), "duration": text(32),
        "costUSD": text(64)});
    json!({"jobID": text(400), "nextRunTime": time, "lastRun": run, "recentRuns": vec![run.clone(); 5],
        "consecutiveFailures": count, "disabledByGateway": {"reason": text(400), "time": time}})
}

#[tokio::test]
async fn the_api_server_takes_every_status_within_the_bounds_of_the_schema() {
    in_namespace("bounds", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        make(&namespace, &cron_job("j", "a")).await;
        for letter in ["a", "\u{1F600}", "\""] {
            for time in ["1970-01-01T00:00:00Z", "2000-02-29T12:00:00Z", "2199-12-31T23:59:59Z"] {
                for count in [0, i32::MAX] {
                    let status = fullest(letter, time, count);
                    try_status(&namespace, "CronJob", "j", &status).await.expect("a status of a CronJob");
                }
                let heartbeat = json!({"heartbeat": {"time": time, "status": "Skipped", "error": letter.repeat(400)}});
                try_status(&namespace, "Agent", "a", &heartbeat).await.expect("a status of an Agent");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_api_server_refuses_a_status_beyond_them() {
    in_namespace("beyond", async |namespace| {
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        make(&namespace, &cron_job("j", "a")).await;
        for status in [json!({"jobID": "a".repeat(401)}), json!({"nextRunTime": "-0002-01-01T00:00:00Z"})] {
            let said = try_status(&namespace, "CronJob", "j", &status).await.expect_err("beyond the bounds");
            assert!(said.contains("status."), "{said}");
        }
    })
    .await;
}
