//! A typed client of the model server's own routes, for tests and the demo. Touches the network, not the disk.

use std::time::Duration;

use reqwest::Method;
use tokio::time::Instant;

use super::journal::{Filter, Recorded};
use super::rule::Rule;

/// These routes answer at once; who waits this long waits for a server that is gone.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Why the model server did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the HTTP client cannot be built")]
    Build(#[source] reqwest::Error),
    #[error("the model server at {url} does not answer: is it running, and reachable from here?")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the model server refuses {method} {url} with {status}: {body}")]
    Refused { method: Method, url: String, status: u16, body: String },
    #[error("the model server saw no request that fits {filter:?} within {waited:?}")]
    Unseen { filter: Filter, waited: Duration },
}

/// Talks to one model server.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// `base` is the server's root, for example `http://10.96.4.2:8080`; only plain HTTP is spoken.
    pub fn new(base: impl Into<String>) -> Result<Self, ClientError> {
        // reqwest wants a TLS provider even for plain HTTP; an error means that another part of the process chose one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(ClientError::Build)?;
        Ok(Self { base: base.into().trim_end_matches('/').to_owned(), http })
    }

    /// A `baseURL` for a Provider whose requests arrive below `prefix`, for example `/team-b`.
    #[must_use]
    pub fn base_url(&self, prefix: &str) -> String {
        format!("{}{}/v1", self.base, prefix.trim_end_matches('/'))
    }

    /// Ends well when the server answers.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.send(Method::GET, "/healthz", None).await.map(drop)
    }

    /// Sets the rules of the script `name`, replacing those that it had. Give each test a name of its own, and rules a path
    /// prefix or key of its own.
    pub async fn script(&self, name: &str, rules: &[Rule]) -> Result<(), ClientError> {
        let body = serde_json::json!(rules).to_string();
        self.send(Method::PUT, &format!("/scripts/{name}"), Some(body)).await.map(drop)
    }

    /// Removes the script `name`; no error when there is none.
    pub async fn remove_script(&self, name: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, &format!("/scripts/{name}"), None).await.map(drop)
    }

    /// The requests that fit, oldest first; the server keeps the last 4,000.
    pub async fn requests(&self, filter: &Filter) -> Result<Vec<Recorded>, ClientError> {
        let path = format!("/requests?{}", query(filter));
        let response = self.send(Method::GET, &path, None).await?;
        response.json().await.map_err(|source| ClientError::Unreachable { url: self.base.clone(), source })
    }

    /// The number of the last request: what `Filter::after` takes to see only what comes from now on.
    pub async fn last_sequence(&self) -> Result<u64, ClientError> {
        Ok(self.requests(&Filter::default()).await?.last().map_or(0, |request| request.sequence))
    }

    /// Waits until a request fits and returns the newest that does.
    pub async fn wait_for_request(&self, filter: &Filter, limit: Duration) -> Result<Recorded, ClientError> {
        let start = Instant::now();
        loop {
            if let Some(request) = self.requests(filter).await?.pop() {
                return Ok(request);
            }
            if start.elapsed() > limit {
                return Err(ClientError::Unseen { filter: filter.clone(), waited: limit });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes the bot with this token; until then the token is unauthorized.
    pub async fn make_bot(&self, token: &str) -> Result<(), ClientError> {
        self.send(Method::PUT, &format!("/bots/{token}"), Some("{}".to_owned())).await.map(drop)
    }

    /// A person writes to the bot.
    pub async fn write_to_bot(&self, token: &str, person: i64, text: &str) -> Result<(), ClientError> {
        let body = serde_json::json!({"from": person, "text": text}).to_string();
        self.send(Method::POST, &format!("/bots/{token}/messages"), Some(body)).await.map(drop)
    }

    /// What the bot has sent, oldest first, each with `chat_id` and `text`.
    pub async fn sent_by_bot(&self, token: &str) -> Result<Vec<serde_json::Value>, ClientError> {
        let response = self.send(Method::GET, &format!("/bots/{token}/messages"), None).await?;
        response.json().await.map_err(|source| ClientError::Unreachable { url: self.base.clone(), source })
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<reqwest::Response, ClientError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|source| ClientError::Unreachable { url: url.clone(), source })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(ClientError::Refused { method, url, status: status.as_u16(), body })
    }
}

fn query(filter: &Filter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("pathPrefix", &filter.path_prefix), ("apiKey", &filter.api_key), ("model", &filter.model)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(after) = filter.after {
        query.append_pair("after", &after.to_string());
    }
    query.finish()
}
