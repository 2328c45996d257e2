//! The model server over real TCP, as the gateway and the tests meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, ClientError, Filter, MAX_DELAY, ModelServer, Options, Rule};

struct Setup {
    _server: ModelServer,
    client: Client,
    http: reqwest::Client,
}

async fn setup(options: Options) -> Setup {
    let server = ModelServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options).await.unwrap();
    let client = Client::new(format!("http://{}", server.address())).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Setup { _server: server, client, http }
}

impl Setup {
    async fn ask(&self, prefix: &str, key: &str, body: Value) -> reqwest::Response {
        let url = format!("{}/chat/completions", self.client.base_url(prefix));
        self.http.post(url).bearer_auth(key).header("X-Org", "acme").body(body.to_string()).send().await.unwrap()
    }

    async fn answer(&self, prefix: &str, key: &str) -> (u16, Value) {
        let response = self.ask(prefix, key, hello(false)).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

fn hello(stream: bool) -> Value {
    json!({"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}],
        "tools": [{"type": "function", "function": {"name": "read", "parameters": {}}}]})
}

fn content(body: &Value) -> &str {
    body["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn without_a_script_it_says_what_it_heard() {
    let setup = setup(Options::default()).await;
    setup.client.health().await.unwrap();
    let (status, body) = setup.answer("", "k").await;
    assert_eq!((status, content(&body)), (200, "You said: hello"));
    assert!(body["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_stream_is_server_sent_events_that_end_in_done() {
    let setup = setup(Options::default()).await;
    let response = setup.ask("", "k", hello(true)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = response.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    assert!(body.contains(r#""content":"hello""#), "{body}");
}

#[tokio::test]
async fn prefixes_and_keys_keep_scripts_apart() {
    let setup = setup(Options::default()).await;
    setup.client.script("a", &[Rule::text("from a").path_prefix("/a")]).await.unwrap();
    setup.client.script("b", &[Rule::text("from b").api_key("key-b")]).await.unwrap();
    assert_eq!(content(&setup.answer("/a", "k").await.1), "from a");
    assert_eq!(content(&setup.answer("/c", "key-b").await.1), "from b");
    assert_eq!(content(&setup.answer("/c", "k").await.1), "You said: hello");
    setup.client.remove_script("a").await.unwrap();
    assert_eq!(content(&setup.answer("/a", "k").await.1), "You said: hello");
}

#[tokio::test]
async fn errors_come_with_their_status_and_a_body_of_the_protocol() {
    let setup = setup(Options::default()).await;
    for (status, code) in [(401, json!("invalid_api_key")), (402, json!("invalid_request_error")), (500, Value::Null)] {
        setup.client.script("fault", &[Rule::error(status)]).await.unwrap();
        let (seen, body) = setup.answer("", "k").await;
        assert_eq!((seen, &body["error"]["code"]), (status, &code));
    }
    setup.client.script("fault", &[Rule::error(429)]).await.unwrap();
    let response = setup.ask("", "k", hello(true)).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"20".parse().unwrap()));
}

#[tokio::test]
async fn a_delayed_answer_is_recorded_before_it_is_given_and_given_when_its_script_is_gone() {
    let setup = setup(Options::default()).await;
    let delayed = Rule::text("late").path_prefix("/slow").delay(MAX_DELAY);
    for replace in [true, false] {
        setup.client.script("slow", std::slice::from_ref(&delayed)).await.unwrap();
        let after = setup.client.last_sequence().await.unwrap();
        let filter = Filter::default().path_prefix("/slow").after(after);
        let (answer, ()) = tokio::join!(setup.answer("/slow", "k"), async {
            setup.client.wait_for_request(&filter, Duration::from_mins(1)).await.unwrap();
            if replace {
                setup.client.script("slow", &[Rule::text("another")]).await.unwrap();
            } else {
                setup.client.remove_script("slow").await.unwrap();
            }
        });
        assert_eq!(content(&answer.1), "late");
    }
}

#[tokio::test]
async fn a_delay_is_waited_for_while_the_script_is_there() {
    let setup = setup(Options::default()).await;
    let delay = Duration::from_millis(300);
    setup.client.script("slow", &[Rule::text("late").delay(delay)]).await.unwrap();
    let start = Instant::now();
    assert_eq!(content(&setup.answer("", "k").await.1), "late");
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn a_required_key_refuses_every_other() {
    let options = Options { api_key: Some("right".into()), ..Options::default() };
    let setup = setup(options).await;
    assert_eq!(setup.answer("", "right").await.0, 200);
    let (status, body) = setup.answer("", "wrong-key-1234").await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_api_key")));
}

#[tokio::test]
async fn what_was_on_the_wire_can_be_asked_for() {
    let setup = setup(Options::default()).await;
    setup.answer("/a", "first").await;
    let before = setup.client.last_sequence().await.unwrap();
    setup.answer("/a", "second").await;
    let requests = setup.client.requests(&Filter::default().path_prefix("/a").after(before)).await.unwrap();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.api_key.as_deref(), Some("second"));
    assert_eq!(request.headers["x-org"], "acme");
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!((request.text.as_str(), request.model.as_str(), request.status), ("hello", "gpt-4o-mini", 200));
    assert_eq!(request.prompt.0, "Be kind.");
    assert_eq!(request.tools, ["read"]);
}

#[tokio::test]
async fn models_are_listed_as_told() {
    let setup = setup(Options { models: vec!["one".into()], ..Options::default() }).await;
    let list = |prefix: &str| {
        let request = setup.http.get(format!("{}/models", setup.client.base_url(prefix)));
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["data"][0]["id"].clone() }
    };
    assert_eq!(list("").await, "one");
    setup.client.script("listed", &[Rule::models(["two"]).path_prefix("/b")]).await.unwrap();
    assert_eq!(list("/b").await, "two");
}

#[tokio::test]
async fn a_script_that_makes_no_sense_is_refused_with_the_reason() {
    let setup = setup(Options::default()).await;
    let refused = setup.client.script("s", &[Rule::error(200)]).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { status: 400, body, .. } if body.contains("400 to 599")),
        "{refused}"
    );
    let url = format!("{}/chat/completions", setup.client.base_url(""));
    let response = setup.http.post(url).body("{").send().await.unwrap();
    assert_eq!(response.status(), 400);
}
