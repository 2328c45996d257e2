//! The admin route of a gateway, asked directly: what the gateway itself says, whatever Creel makes of it. Touches the network: the API
//! server, and the route at the Pod's address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::{Value, json};

use super::namespace::TestNamespace;
use crate::explain::explain;

/// The gateway's one thread may be busy for a moment; one that is busy for this long hangs.
const ANSWER: Duration = Duration::from_mins(1);

/// Where a gateway listens.
pub(super) const PORT: u16 = 18_789;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{0} is missing or not as expected")]
    Missing(String),
    #[error("Secret {name} can't be read")]
    Token { name: String, source: Box<kube::Error> },
    #[error("the gateway does not answer {method}")]
    Unreachable { method: String, source: reqwest::Error },
    #[error("the gateway refuses {method} with {status}: {body}")]
    Refused { method: String, status: u16, body: Value },
}

/// The admin route of one gateway Pod. It holds the token, so it has no `Debug`.
pub struct Admin {
    http: reqwest::Client,
    pub address: SocketAddr,
    pub token: String,
}

impl Admin {
    /// That of the gateway that the Agent `owner` owns, as it runs now.
    pub async fn of(namespace: &TestNamespace, owner: &str) -> Result<Self, AdminError> {
        let pods = namespace.pods(owner).await;
        let mut running = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let ip: Option<IpAddr> = running.find_map(|pod| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok());
        let ip = ip.ok_or_else(|| AdminError::Missing(format!("the address of the gateway Pod of Agent {owner}")))?;
        let token = namespace.token(owner).await?;
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
        let http = http.map_err(|source| AdminError::Unreachable { method: "anything".to_owned(), source })?;
        Ok(Self { http, address: SocketAddr::new(ip, PORT), token })
    }

    /// Calls a method and returns its payload.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, AdminError> {
        let unreachable = |source| AdminError::Unreachable { method: method.to_owned(), source };
        let question = json!({"id": "1", "method": method, "params": params});
        let url = format!("http://{}/api/v1/admin/rpc", self.address);
        let sent = self.http.post(url).bearer_auth(&self.token).json(&question).send().await;
        let response = sent.map_err(unreachable)?;
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.map_err(unreachable)?;
        if body["ok"] == true {
            return Ok(body["payload"].take());
        }
        Err(AdminError::Refused { method: method.to_owned(), status, body })
    }
}

impl TestNamespace {
    /// The token that Creel generated for the gateway of `owner`.
    pub async fn token(&self, owner: &str) -> Result<String, AdminError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.name);
        let name = format!("{owner}-secret");
        let read = secrets.get(&name).await;
        let secret = read.map_err(|source| AdminError::Token { name: name.clone(), source: Box::new(source) })?;
        let token = secret.data.and_then(|mut data| data.remove("token"));
        let token = token.and_then(|value| String::from_utf8(value.0).ok());
        token.ok_or_else(|| AdminError::Missing(format!("key token of Secret {name}")))
    }

    /// What the gateway of `owner` answers to this method; `Err`: why it does not.
    pub async fn try_rpc(&self, owner: &str, method: &str, params: Value) -> Result<Value, String> {
        let told = |error: AdminError| explain(&error);
        Admin::of(self, owner).await.map_err(told)?.call(method, params).await.map_err(told)
    }

    /// The same of a gateway that runs.
    pub async fn rpc(&self, owner: &str, method: &str, params: Value) -> Value {
        let answered = self.try_rpc(owner, method, params.clone()).await;
        answered.unwrap_or_else(|seen| panic!("{method} {params} at the gateway of Agent {owner}: {seen}"))
    }
}
