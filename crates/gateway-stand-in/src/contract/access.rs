//! The token, and what is no call.

use serde_json::json;

use super::subject::{Host, Subject};

pub async fn a_wrong_token_and_none_are_answered_401<H: Host>(subject: &Subject<H>) {
    for token in [Some("wrong"), None] {
        let request = subject.http.post(subject.url("/api/v1/admin/rpc")).body(r#"{"id":"1","method":"config.get"}"#);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body, json!({"error": {"message": "Unauthorized", "type": "unauthorized"}}));
    }
}

/// A gateway that trusts no proxy answers so to whoever names another address, and to the right token too.
pub async fn a_forwarded_call_is_answered_403<H: Host>(subject: &Subject<H>) {
    let request = subject.http.post(subject.url("/api/v1/admin/rpc")).bearer_auth(&subject.token);
    let request = request.header("x-forwarded-for", "192.0.2.1").body(r#"{"id":"1","method":"config.get"}"#);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 403);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["error"]["type"], "proxy_attribution_required");
}

pub async fn what_is_no_call_is_refused_with_a_reason<H: Host>(subject: &Subject<H>) {
    for (body, message) in [
        ("{", "request body must be valid JSON"),
        (r#"{"id":"1"}"#, "method must be a non-empty string"),
        (r#"{"id":"1","method":"nonsense"}"#, "admin HTTP RPC method is not supported: nonsense"),
        (r#"{"id":"1","method":"chat.send"}"#, "admin HTTP RPC method is not supported: chat.send"),
    ] {
        let request = subject.http.post(subject.url("/api/v1/admin/rpc")).bearer_auth(&subject.token).body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400);
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!((&answer["ok"], &answer["error"]["message"]), (&json!(false), &json!(message)), "{answer}");
    }
    let request = subject.http.get(subject.url("/api/v1/admin/rpc")).bearer_auth(&subject.token);
    assert_eq!(request.send().await.unwrap().status(), 405);
}

pub async fn the_probe_needs_no_token<H: Host>(subject: &Subject<H>) {
    let response = subject.http.get(subject.url("/startupz")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&body["ok"], &body["status"]), (&json!(true), &json!("started")), "{body}");
}
