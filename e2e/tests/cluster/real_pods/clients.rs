//! Clients with tokens of their own: what the relay of a real gateway lets them do.

use e2e::suite::{START, TestNamespace, secret, secret_value};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const GATEWAY: u16 = 18_789;
const RELAY: u16 = 18_790;
const RESPONSES: &str = "/v1/responses";

/// A client asks its Agent and no other one, whatever its headers say, and opens nothing else; its token changes without a restart. The
/// gateway of `owner` runs, with the Provider `main`, and `joined` is on it with another Provider.
pub async fn ask_their_agents_only(namespace: &TestNamespace, owner: &str, joined: &str) {
    let before = namespace.gateway(owner).await;
    let (first, second) = (secret_value("client"), secret_value("client"));
    namespace.apply(&secret("client", "token", &first)).await;
    let client = json!({"name": "web", "secretRef": {"name": "client", "key": "token"}});
    let auth = json!({"auth": {"clients": [client]}});
    namespace.merge("Agent", owner, &json!({"spec": {"gateway": auth}})).await;
    let pod = namespace.replaced(owner, &before).await;
    namespace.ready(owner).await;
    namespace.ready(joined).await;

    let place = Place::of(namespace, owner).await;
    let ask = |token: &str, agent: &str, text: &str| {
        let question = json!({"model": format!("openclaw/{agent}"), "input": text, "user": "alice"});
        place.post(RELAY, RESPONSES, token).json(&question)
    };
    let asked = async || answer(ask(&first, owner, "from a client")).await;
    let said = namespace.eventually("the client gets its answer", START, asked).await;
    assert!(said.to_string().contains("You said: from a client"), "{said}");

    assert_eq!(status(ask(&first, joined, "to another Agent")).await, StatusCode::FORBIDDEN);
    let session = format!("agent:{joined}:main");
    let overriding = async || {
        let headers = [("x-openclaw-agent-id", joined), ("x-openclaw-session-key", &session)];
        let request = ask(&first, owner, "with headers of OpenClaw");
        answer(headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))).await
    };
    namespace.eventually("the headers are ignored", START, overriding).await;
    let seen = namespace.seen().await;
    assert!(!seen.iter().any(|request| request.text.contains("to another Agent")), "it reached a model");
    let mut overridden = seen.iter().filter(|request| request.text.contains("with headers of OpenClaw")).peekable();
    assert!(overridden.peek().is_some(), "no model was asked");
    assert!(overridden.all(|request| request.path.starts_with(&namespace.prefix("main"))), "another Agent was asked");

    for path in ["/", "/api/v1/admin/rpc", "/tools/invoke", "/v1/embeddings"] {
        assert_eq!(status(place.post(RELAY, path, &first)).await, StatusCode::NOT_FOUND, "{path}");
    }
    let listed = place.http.get(place.url(RELAY, "/v1/models")).bearer_auth(&first);
    let listed = answer(listed).await.expect("a list");
    let ids: Vec<_> = listed["data"].as_array().into_iter().flatten().map(|model| &model["id"]).collect();
    assert_eq!(ids, [&json!(format!("openclaw/{owner}"))]);
    let question = json!({"model": format!("openclaw/{owner}"), "input": "who am I?"});
    for (port, token) in [(GATEWAY, &first), (RELAY, &place.token)] {
        let refused = status(place.post(port, RESPONSES, token).json(&question)).await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED, "port {port} takes the token of the other one");
    }

    namespace.apply(&secret("client", "token", &second)).await;
    let rotated = async || answer(ask(&second, owner, "with the next token")).await;
    namespace.eventually("the next token is taken up", START, rotated).await;
    assert_eq!(status(ask(&first, owner, "with the old token")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(namespace.gateway(owner).await, pod, "the token is taken up without a restart");
}

/// Where the gateway of an Agent is reached, and its token.
struct Place {
    http: Client,
    ip: String,
    token: String,
}

impl Place {
    async fn of(namespace: &TestNamespace, owner: &str) -> Self {
        let services: Api<Service> = Api::namespaced(namespace.client.clone(), &namespace.name);
        let service = services.get(&format!("{owner}-gateway")).await.expect("a Service");
        Self {
            http: Client::builder().no_proxy().build().expect("a client"),
            ip: service.spec.and_then(|spec| spec.cluster_ip).expect("an address"),
            token: namespace.token(owner).await.expect("a token"),
        }
    }

    fn url(&self, port: u16, path: &str) -> String {
        format!("http://{}:{port}{path}", self.ip)
    }

    fn post(&self, port: u16, path: &str, token: &str) -> RequestBuilder {
        self.http.post(self.url(port, path)).bearer_auth(token)
    }
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.expect("a response").status()
}

/// The body of a response with the status 200.
async fn answer(request: RequestBuilder) -> Result<Value, String> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let (status, body) = (response.status(), response.text().await.map_err(|error| error.to_string())?);
    let answer = if status == StatusCode::OK { serde_json::from_str(&body).ok() } else { None };
    answer.ok_or_else(|| format!("{status}: {body}"))
}
