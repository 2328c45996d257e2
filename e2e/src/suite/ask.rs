//! Turns of an Agent through its gateway's Service, as any program would take them. Touches the network.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::admin::PORT;
use super::namespace::TestNamespace;
use crate::explain::explain;
use crate::model_server::{Filter, Recorded};

/// A turn takes seconds; one that takes this long hangs.
const TURN: Duration = Duration::from_mins(10);
/// kube-proxy learns of a Pod that became ready a moment later than the API server, and refuses connections until then.
const REACHED: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// OpenClaw fails a turn with an internal error when a worker of its own holds its database for too long, as happens on a busy machine.
const TRIES: usize = 3;
const INTERNAL_ERROR: &str = "500 ";

impl TestNamespace {
    /// Asks an Agent on the gateway of `owner`. Questions with the same `session` belong to one conversation. `Err`: the status and
    /// body, or why the gateway was not reached.
    pub async fn try_ask(&self, owner: &str, agent: &str, session: &str, text: &str) -> Result<String, String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        let service = services.get(&format!("{owner}-gateway")).await.map_err(|error| error.to_string())?;
        let ip = service.spec.and_then(|spec| spec.cluster_ip).ok_or("the Service has no address")?;
        let token = self.token(owner).await.map_err(|error| explain(&error))?;
        let http = reqwest::Client::builder().no_proxy().timeout(TURN).build().map_err(|error| error.to_string())?;
        let question = json!({"model": format!("openclaw/{agent}"), "input": text, "user": session});
        let until = Instant::now() + REACHED;
        let response = loop {
            let request = http.post(format!("http://{ip}:{PORT}/v1/responses")).bearer_auth(&token).json(&question);
            match request.send().await {
                Err(error) if error.is_connect() && Instant::now() < until => sleep(LOOK_AGAIN).await,
                sent => break sent.map_err(|error| format!("{error:?}"))?,
            }
        };
        let (status, body) = (response.status(), response.text().await.map_err(|error| error.to_string())?);
        let answer = serde_json::from_str::<Value>(&body).ok().and_then(|body| spoken(&body));
        answer.filter(|_| status.is_success()).ok_or_else(|| format!("{status}: {body}"))
    }

    /// Asks the Agent on its own gateway, or the shared one, and returns its answer.
    pub async fn ask(&self, agent: &str, session: &str, text: &str) -> String {
        self.ask_on(self.host_of(agent), agent, session, text).await
    }

    /// Asks an Agent on the gateway of `owner`, and returns its answer.
    pub async fn ask_on(&self, owner: &str, agent: &str, session: &str, text: &str) -> String {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_ask(owner, agent, session, text).await {
                Ok(answer) => return answer,
                Err(seen) if seen.starts_with(INTERNAL_ERROR) && tries < TRIES => eprintln!("asked again: {seen}"),
                Err(seen) => panic!("Agent {agent} does not answer: {seen}"),
            }
        }
    }

    /// Asks, and returns the request that reached the model server for it: the newest with these words below this Provider's path.
    pub async fn ask_and_see(&self, agent: &str, session: &str, text: &str) -> Recorded {
        self.ask(agent, session, text).await;
        let seen = self.seen().await.into_iter().rev().find(|request| request.text.contains(text));
        seen.unwrap_or_else(|| panic!("no model was asked {text:?}"))
    }

    /// The requests of this test's Agents to the model server, oldest first.
    pub async fn seen(&self) -> Vec<Recorded> {
        let filter = Filter::default().path_prefix(format!("/{}", self.scope));
        self.models.requests(&filter).await.expect("the model server tells what it was asked")
    }
}

/// The text of the answer's last message.
fn spoken(body: &Value) -> Option<String> {
    let last = body["output"].as_array()?.last()?["content"].as_array()?.last()?;
    last["text"].as_str().map(str::to_owned)
}
