//! Has a CronJob run once, now, and waits for what becomes of it. Touches the network.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::wait::resource;

const ANNOTATION: &str = "creel.dev/run-now";
/// A run is a turn of the model, and a shell that may just start.
const LIMIT: Duration = Duration::from_mins(5);
const INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum RunNowError {
    #[error("CronJob {name} of namespace {namespace} cannot be asked to run")]
    Api { name: String, namespace: String, source: Box<kube::Error> },
    #[error("no run of CronJob {name} ended within {} s: `kubectl -n {namespace} describe ccj {name}` says why", LIMIT.as_secs())]
    Late { name: String, namespace: String },
}

/// Runs it, and tells in one line what became of the run: `Succeeded after 5.2s, cost 0.0010 US dollars`.
pub async fn run_now(client: &Client, namespace: &str, name: &str) -> Result<String, RunNowError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource("CronJob"));
    let (name, namespace) = (name.to_owned(), namespace.to_owned());
    let refused =
        |source| RunNowError::Api { name: name.clone(), namespace: namespace.clone(), source: Box::new(source) };
    // Any value that it has not had yet.
    let request = Timestamp::now().as_second().to_string();
    let annotated = json!({"metadata": {"annotations": {ANNOTATION: request}}});
    let before = api.patch(&name, &PatchParams::default(), &Patch::Merge(&annotated)).await.map_err(refused)?;
    let before = &before.data["status"]["lastRun"];
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        let status = api.get(&name).await.map_err(refused)?.data["status"].take();
        let ended = status["runNow"]["request"] == request.as_str() && status["runNow"]["finished"] == true;
        let run = &status["lastRun"];
        if ended && run.is_object() && run["time"] != before["time"] {
            return Ok(told(run));
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Err(RunNowError::Late { name, namespace })
}

fn told(run: &Value) -> String {
    let text = |name: &str| run[name].as_str().unwrap_or_default();
    let part = |before: &str, name: &str, behind: &str| match text(name) {
        "" => String::new(),
        text => format!("{before}{text}{behind}"),
    };
    let duration = part(" after ", "duration", "");
    let cost = part(", cost ", "costUSD", " US dollars");
    format!("{}{duration}{cost}{}{}", text("status"), part(": ", "reason", ""), part(", ", "error", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_in_one_line() {
        let run =
            json!({"status": "Succeeded", "time": "2026-11-21T15:00:00Z", "duration": "5.2s", "costUSD": "0.0010"});
        assert_eq!(told(&run), "Succeeded after 5.2s, cost 0.0010 US dollars");
        let run = json!({"status": "Failed", "reason": "CreditExhausted", "error": "402 Insufficient Balance"});
        assert_eq!(told(&run), "Failed: CreditExhausted, 402 Insufficient Balance");
    }
}
