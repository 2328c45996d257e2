//! A question to an Agent over the gateway's `/v1/responses`, as any program would ask it. Touches the network.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Client;
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use super::forward::{Forward, ForwardError};
use super::wait::resource;
use crate::cluster::Cluster;

/// The port that every gateway listens on.
const PORT: u16 = 18789;
/// A real model thinks, and a busy endpoint is asked again by the gateway.
const TIMEOUT: Duration = Duration::from_mins(5);

/// A gateway that is being recreated refuses connections for less than this.
const RESTART: Duration = Duration::from_secs(90);
const RETRY: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("cannot read {what} of namespace {namespace}")]
    Read { what: String, namespace: String, source: Box<kube::Error> },
    #[error("Agent {agent} has no gateway yet: `kubectl -n {namespace} describe agent {agent}` says why")]
    NoGateway { agent: String, namespace: String },
    #[error("Secret {secret} has no key {key}, or it is no text")]
    NoToken { secret: String, key: String },
    #[error("the gateway at {url} does not answer: `kubectl -n {namespace} get pods` shows its Pod")]
    Unreachable { namespace: String, url: String, source: reqwest::Error },
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("the gateway answers {status}: {body}")]
    Refused { status: u16, body: String },
}

/// Where an Agent can be asked.
pub struct Address {
    pub url: String,
    namespace: String,
    token: String,
    /// Holds the way open.
    _forward: Option<Forward>,
}

/// Finds gateway and token of an Agent, from its status, and a way there.
pub async fn address(cluster: &Cluster, client: &Client, namespace: &str, agent: &str) -> Result<Address, AskError> {
    let read = |what: String| {
        let namespace = namespace.to_owned();
        move |source| AskError::Read { what, namespace, source: Box::new(source) }
    };
    let agents: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource("Agent"));
    let found = agents.get(agent).await.map_err(read(format!("Agent {agent}")))?;
    let gateway = &found.data["status"]["gateway"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (Some(service), Some(secret), Some(key)) =
        (text(&gateway["service"]), text(&gateway["tokenSecret"]["name"]), text(&gateway["tokenSecret"]["key"]))
    else {
        return Err(AskError::NoGateway { agent: agent.to_owned(), namespace: namespace.to_owned() });
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = secrets.get(&secret).await.map_err(read(format!("Secret {secret}")))?;
    let token = found.data.and_then(|mut data| data.remove(&key)).and_then(|value| String::from_utf8(value.0).ok());
    let token = token.ok_or(AskError::NoToken { secret, key })?;
    let (host, forward) = if cluster.is_here() {
        let services: Api<Service> = Api::namespaced(client.clone(), namespace);
        let found = services.get(&service).await.map_err(read(format!("Service {service}")))?;
        let Some(ip) = found.spec.and_then(|spec| spec.cluster_ip) else {
            return Err(AskError::NoGateway { agent: agent.to_owned(), namespace: namespace.to_owned() });
        };
        (format!("{ip}:{PORT}"), None)
    } else {
        let forward = Forward::open(cluster.kubectl(), namespace, &service, PORT).await?;
        (format!("127.0.0.1:{}", forward.port), Some(forward))
    };
    let url = format!("http://{host}/v1/responses");
    Ok(Address { url, namespace: namespace.to_owned(), token, _forward: forward })
}

/// Asks and returns the text of the answer. Each question is a session of its own. A gateway that is just being recreated is
/// waited for.
pub async fn ask(address: &Address, agent: &str, question: &str) -> Result<String, AskError> {
    // reqwest wants a TLS provider even for plain HTTP; an error means that another part of the process chose one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unreachable =
        |source| AskError::Unreachable { namespace: address.namespace.clone(), url: address.url.clone(), source };
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(unreachable)?;
    let body = json!({"model": format!("openclaw/{agent}"), "input": question});
    let started = Instant::now();
    let response = loop {
        match http.post(&address.url).bearer_auth(&address.token).json(&body).send().await {
            // Nothing was asked yet, so nothing is asked twice.
            Err(error) if error.is_connect() && started.elapsed() < RESTART => tokio::time::sleep(RETRY).await,
            sent => break sent.map_err(unreachable)?,
        }
    };
    let status = response.status();
    let body = response.text().await.map_err(unreachable)?;
    if !status.is_success() {
        return Err(AskError::Refused { status: status.as_u16(), body });
    }
    Ok(spoken(&body).unwrap_or(body))
}

/// The texts of the answer's messages.
fn spoken(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let messages = body["output"].as_array()?.iter().filter_map(|item| item["content"].as_array());
    let texts: Vec<_> = messages.flatten().filter_map(|part| part["text"].as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_text_of_all_messages() {
        let body = r#"{"status":"completed","output":[{"type":"message","role":"assistant",
            "content":[{"type":"output_text","text":"You said: hello"}]}]}"#;
        assert_eq!(spoken(body).as_deref(), Some("You said: hello"));
        assert_eq!(spoken("{}"), None);
    }
}
