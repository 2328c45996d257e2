//! How long it takes from an edit of an Agent's model to the gateway that runs with it. Touches the network: the API server, and the
//! gateway's admin route at its Pod's address.

use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::error::{Asking, Error};
use super::sample::Sample;
use super::stage::PROVIDER;
use super::table::{Row, Unit};
use crate::suite::{Admin, TestNamespace, agent, condition};

/// The Agent whose gateway runs.
pub const AGENT: &str = "live";
const MODELS: [&str; 2] = ["large", "small"];

const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_mins(2);
/// Between two edits, so that none is measured together with the one before.
const QUIET: Duration = Duration::from_secs(1);

/// Goal at the 50th percentile, in milliseconds.
pub const GOAL: f64 = 2000.0;

/// Starts an Agent with a gateway of its own, for [`measure`].
pub async fn start(namespace: &TestNamespace) {
    namespace.apply(&agent(AGENT, &format!("{PROVIDER}/{}", MODELS[1]))).await;
    namespace.ready(AGENT).await;
}

/// How long after edits of the model the gateway ran with them, and the operator said so.
#[derive(Debug, Default)]
pub struct Edits {
    pub run: Sample,
    pub told: Sample,
}

/// Edits the model of the Agent so many times, one after another.
pub async fn edit(namespace: &TestNamespace, edits: usize) -> Result<Edits, Error> {
    let (admin, agents) = (Admin::of(namespace, AGENT).await?, namespace.api("Agent"));
    let before = agents.get(AGENT).await.asking("read the Agent")?.data["spec"]["model"]["primary"]["model"].clone();
    let others = MODELS.iter().cycle().skip(usize::from(before == MODELS[0]));
    let mut taken = Edits::default();
    for model in others.take(edits) {
        let patch = json!({"spec": {"model": {"primary": {"model": model}}}});
        let edited =
            agents.patch(AGENT, &PatchParams::default(), &Patch::Merge(&patch)).await.asking("edit the Agent")?;
        let started = Instant::now();
        let runs_with_it = until("the gateway does not run with the edit", started, async || {
            Ok(runs_with(&configuration(&admin).await, model))
        });
        let is_told = until("ConfigApplied is not True", started, async || is_applied(&agents, &edited).await);
        let (gateway, status) = tokio::try_join!(runs_with_it, is_told)?;
        taken.run.add(gateway);
        taken.told.add(status);
        sleep(QUIET).await;
    }
    Ok(taken)
}

/// The same as rows.
pub async fn measure(namespace: &TestNamespace, edits: usize) -> Result<Vec<Row>, Error> {
    let Edits { run, told } = edit(namespace, edits).await?;
    let row = |measure: &str, sample: &Sample, percent| {
        Row::new(format!("{measure}, p{percent}"), Unit::Milliseconds, sample.percentile(percent)).goal(GOAL)
    };
    let (gateway, status) = ("model edited → the gateway runs with it", "model edited → ConfigApplied=True");
    Ok(vec![row(gateway, &run, 50), row(gateway, &run, 95), row(status, &told, 50), row(status, &told, 95)])
}

/// The time from `started` until `look` sees it.
pub async fn until(
    what: &str,
    started: Instant,
    look: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<Duration, Error> {
    until_within(LIMIT, what, started, look).await
}

/// The time from `started` until `look` sees it, if it takes no longer than this.
pub async fn until_within(
    limit: Duration,
    what: &str,
    started: Instant,
    mut look: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<Duration, Error> {
    while !look().await? {
        if started.elapsed() > limit {
            let namespace = super::stage::NAMESPACE.to_owned();
            return Err(Error::Late { what: what.to_owned(), waited: limit.as_secs(), namespace });
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(started.elapsed())
}

/// Whether the operator says that the gateway runs with the Agent as it was edited.
async fn is_applied(agents: &Api<DynamicObject>, edited: &DynamicObject) -> Result<bool, Error> {
    let now = agents.get(AGENT).await.asking("read the Agent")?;
    let applied = condition(&now, "ConfigApplied").is_some_and(|found| found.current && found.status == "True");
    Ok(applied && now.metadata.generation == edited.metadata.generation)
}

/// What the gateway says of its configuration; nothing when it does not answer in time: then it is asked again.
pub async fn configuration(admin: &Admin) -> Value {
    admin.call("config.get", json!({})).await.unwrap_or_default()
}

/// Whether `config.get` shows this model in a file that is seen, valid and taken up.
fn runs_with(payload: &Value, model: &str) -> bool {
    let primary = payload["parsed"]["agents"]["entries"][AGENT]["model"]["primary"].as_str();
    primary.is_some_and(|primary| primary.ends_with(&format!("/{model}"))) && is_taken_up(payload)
}

/// Whether the file that `config.get` shows is valid and taken up.
#[must_use]
pub fn is_taken_up(payload: &Value) -> bool {
    let revision = payload["configRevisionHash"].as_str();
    payload["valid"] == true && revision.is_some() && revision == payload["appliedConfigHash"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_live_when_its_file_is_seen_and_taken_up() {
        let payload = |model: &str, applied: &str| {
            json!({"valid": true, "configRevisionHash": "new", "appliedConfigHash": applied,
                "parsed": {"agents": {"entries": {"live": {"model": {"primary": model}}}}}})
        };
        assert!(runs_with(&payload("p-scripted/large", "new"), "large"));
        assert!(!runs_with(&payload("p-scripted/large", "old"), "large"));
        assert!(!runs_with(&payload("p-scripted/small", "new"), "large"));
        assert!(!runs_with(&json!({}), "large"));
    }
}
