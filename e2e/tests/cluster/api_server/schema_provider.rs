//! What the API server refuses of a Provider, and in which words. Only dry runs: nothing is made.

use serde_json::{Value, json};

use super::stage::{Server, merged, provider};

/// The Provider with these fields is refused with these words.
async fn refused(server: &Server, spec: Value, words: &str) {
    let object = merged(provider("p"), json!({"spec": spec}));
    let said = server.dry_run(&object).await.expect_err(&format!("{object} was accepted"));
    assert!(said.contains(words), "{object} was refused, but in other words: {said}");
}

async fn accepted(server: &Server, spec: Value) {
    let object = merged(provider("p"), json!({"spec": spec}));
    server.dry_run(&object).await.unwrap_or_else(|said| panic!("{object} was refused: {said}"));
}

#[tokio::test]
async fn a_base_url_is_http_with_a_host_and_holds_no_credentials() {
    let server = Server::new().await;
    let words = "baseURL must be an http or https URL with a host and without credentials, query or fragment";
    for url in [
        "api.openai.com/v1",
        "ftp://host/v1",
        "https://",
        "https:///v1",
        "https://user:key@host/v1",
        "https://host/v1?key=x",
        "https://host/v1#x",
        "not a url",
    ] {
        refused(&server, json!({"baseURL": url}), words).await;
    }
    for url in
        ["https://api.openai.com/v1", "http://localhost:11434", "http://10.0.0.1:8080/v1", "http://[::1]:8080/v1"]
    {
        accepted(&server, json!({"baseURL": url})).await;
    }
}

#[tokio::test]
async fn a_header_has_a_plain_name_and_one_source() {
    let server = Server::new().await;
    let header = |header: Value| json!({"headers": [header]});
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    for one in [json!({"name": "X"}), json!({"name": "X", "value": "v", "valueFrom": secret})] {
        refused(&server, header(one), "set exactly one of value and valueFrom").await;
    }
    for name in ["X Y", "X:", "Ü"] {
        let words = "a header name consists of letters, digits and '-'";
        refused(&server, header(json!({"name": name, "value": "v"})), words).await;
    }
    for name in ["Authorization", "host", "Content-Length", "TRANSFER-ENCODING", "connection"] {
        let words = "the HTTP client sets this header itself; use credentials for the API key";
        refused(&server, header(json!({"name": name, "value": "v"})), words).await;
    }
    let words = "a header value consists of printable ASCII characters";
    refused(&server, header(json!({"name": "X", "value": "a\r\nb"})), words).await;
    let twice = json!({"headers": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]});
    refused(&server, twice, "Duplicate value").await;
    let in_other_case = json!({"headers": [{"name": "X-Org", "value": "1"}, {"name": "x-org", "value": "2"}]});
    refused(&server, in_other_case, "two headers have the same name: HTTP does not distinguish case").await;
    accepted(&server, header(json!({"name": "X-Org", "value": "acme"}))).await;
    accepted(&server, header(json!({"name": "X-Key", "valueFrom": secret}))).await;
}

#[tokio::test]
async fn credentials_are_in_what_a_secret_can_be_called() {
    let server = Server::new().await;
    let credentials = |name: &str| json!({"credentials": {"secretKeyRef": {"name": name, "key": "api-key"}}});
    for name in ["..", "../../other/secrets/x", "a/b", "Keys", "-a"] {
        refused(&server, credentials(name), "spec.credentials.secretKeyRef.name").await;
    }
    for name in ["keys", "team-2.keys", "0"] {
        accepted(&server, credentials(name)).await;
    }
}

#[tokio::test]
async fn a_model_whose_id_openclaw_would_cut_is_refused() {
    let server = Server::new().await;
    let model = |id: &str| json!({"models": [{"id": id}]});
    for id in ["m@latest", "org/m@v1", "m@2024062", "m@q4@20240620", "m@@"] {
        refused(&server, model(id), "OpenClaw takes what follows the '@' for the name of an auth profile").await;
    }
    for id in ["gpt-4o", "@cf/meta/llama-3", "a@b/c", "m@20240620", "org/m@IQ2_XS", "m@20240620@q8"] {
        accepted(&server, model(id)).await;
    }
}

#[tokio::test]
async fn a_provider_offers_models_each_once() {
    let server = Server::new().await;
    refused(&server, json!({"models": []}), "should have at least 1 items").await;
    refused(&server, json!({"models": [{"id": "m"}, {"id": "m"}]}), "Duplicate value").await;
    for id in ["a b", "ü"] {
        let words = "a model id consists of printable ASCII characters without spaces";
        refused(&server, json!({"models": [{"id": id}]}), words).await;
    }
    refused(&server, json!({"models": [{"id": "m", "contextWindow": 10}]}), "greater than or equal to 1024").await;
    refused(&server, json!({"models": [{"id": "m", "input": ["sound"]}]}), "Unsupported value").await;
    let cost = |input: Value| json!({"models": [{"id": "m", "cost": {"input": input, "output": "1"}}]});
    for price in [json!("-1"), json!("1,5"), json!(1.5)] {
        refused(&server, cost(price), "spec.models[0].cost.input").await;
    }
    accepted(&server, cost(json!("0.15"))).await;
    accepted(&server, json!({"models": [{"id": "meta-llama/Llama-3.1:free", "input": ["text", "image"]}]})).await;
}

#[tokio::test]
async fn a_provider_speaks_a_protocol_that_openclaw_knows() {
    let server = Server::new().await;
    refused(&server, json!({"api": "soap"}), "Unsupported value: \"soap\"").await;
    for api in [
        "openai-completions",
        "openai-responses",
        "anthropic-messages",
        "google-generative-ai",
        "ollama",
        "azure-openai-responses",
    ] {
        accepted(&server, json!({"api": api})).await;
    }
}
