//! Who may ask whom, and what the gateway gets to see.

use super::*;

#[tokio::test]
async fn a_question_reaches_the_gateway_with_its_token_and_nothing_else_of_the_client() {
    let stage = Stage::new().await;
    let headers = [
        "x-openclaw-session-key: agent:ben:main",
        "X-OpenClaw-Agent-Id: ben",
        "x-openclaw-model: p/m",
        "x-openclaw-scopes: operator.admin",
        "cookie: a=b",
        "x-forwarded-for: 192.0.2.1",
        "forwarded: for=192.0.2.1",
        "x-real-ip: 192.0.2.1",
        "origin: https://evil.example.com",
        "accept-encoding: gzip",
        "accept: text/event-stream",
        "te: trailers",
    ];
    let path = "/v1/chat/completions?token=mine";
    let head = format!("POST {path} HTTP/1.1\r\nauthorization: bearer {}\r\n{}", token(WEB), headers.join("\r\n"));
    let body = json!({"model": "openclaw/ben", "stream": true, "messages": [], "temperature": 0.5, "user": "alice"});
    let mut client = stage.begin(&head, &body.to_string()).await;
    let (gateway, seen, body) = stage.received().await;
    let mut lines: Vec<&str> = seen.trim_end().split("\r\n").collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", stage.gateway.local_addr().unwrap());
    let length = format!("content-length: {}", body.to_string().len());
    let token = format!("authorization: bearer {GATEWAY_TOKEN}");
    let (accept, json) = ("accept: text/event-stream", "content-type: application/json");
    assert_eq!(lines, ["post /v1/chat/completions http/1.1", accept, &token, &length, json, &host]);
    let session = body["user"].as_str().unwrap();
    assert!(session.starts_with("web-") && session.len() == 36, "{session}");
    assert_eq!(
        body,
        json!({"model": "openclaw/ben", "stream": true, "messages": [], "temperature": 0.5, "user": session})
    );
    reply(gateway, "{}").await;
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("x-more: kept\r\n"), "{text}");
    assert!(!text.contains("cookie"), "{text}");
}

#[tokio::test]
async fn without_the_token_of_a_client_every_path_answers_401_and_the_gateways_own_token_is_no_exception() {
    let stage = Stage::new().await;
    let of = |value: &str| format!("\r\nauthorization: {value}");
    let twice = format!("{}{}", of(&format!("Bearer {}", token(HOME))), of("Bearer x"));
    let gateways = of(&format!("Bearer {GATEWAY_TOKEN}"));
    let wrong =
        [String::new(), of("Bearer"), of("Bearer "), of("Bearer token-of-"), of("Basic dG9rZW4="), twice, gateways];
    let mut bodies = std::collections::BTreeSet::new();
    for authorization in wrong {
        for path in ["GET /v1/models", "POST /v1/chat/completions", "GET /"] {
            let (status, body) = stage.refused(&format!("{path} HTTP/1.1{authorization}"), "").await;
            assert_eq!(status, 401, "{path} {authorization}");
            bodies.insert(body);
        }
    }
    assert_eq!(bodies.len(), 1, "an unknown token looks like none");
}

#[tokio::test]
async fn only_the_three_apis_are_there() {
    let stage = Stage::new().await;
    let paths = ["/", "/v1", "/v1/", "/v1/embeddings", "/v1/models/openclaw", "/v1/../tools/invoke", "/v1//responses"];
    for path in paths.into_iter().chain(["/api/v1/admin/rpc", "/hooks", "/healthz", "/v1/responses/", "/v1%2fmodels"]) {
        let head = format!("POST {path} HTTP/1.1\r\nauthorization: Bearer {}", token(HOME));
        assert_eq!(stage.refused(&head, "{}").await.0, 404, "{path}");
    }
    for (request, status) in [("GET /v1/responses", 405), ("POST /v1/models", 405), ("OPTIONS /v1/models", 405)] {
        let head = format!("{request} HTTP/1.1\r\nauthorization: Bearer {}", token(HOME));
        assert_eq!(stage.refused(&head, "").await.0, status, "{request}");
    }
    let upgrade = "GET / HTTP/1.1\r\nupgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
    let head = format!("{upgrade}\r\nauthorization: Bearer {}", token(HOME));
    assert_eq!(stage.refused(&head, "").await.0, 404);
}

#[tokio::test]
async fn a_client_sees_and_asks_its_own_agents_only() {
    let stage = Stage::new().await;
    for (client, wanted) in [(HOME, json!(["openclaw/ada"])), (WEB, json!(["openclaw/ada", "openclaw/ben"]))] {
        let head = format!("GET /v1/models HTTP/1.1\r\nauthorization: Bearer {}", token(client));
        let (status, body) = stage.refused(&head, "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let ids: Vec<_> = body["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
        assert_eq!((status, json!(ids)), (200, wanted));
    }
    let foreign =
        ["openclaw/ben", "openclaw:ada", "agent:ada", "OpenClaw/ada", "openclaw/Ada", " openclaw/ada", "gpt-4o", ""];
    for model in foreign {
        let (status, body) = stage.refused(&chat(HOME), &json!({"model": model, "messages": []}).to_string()).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["error"]["code"]), (403, &json!("model_not_allowed")), "{model}");
        assert_eq!(body["error"]["message"], "This token is not for that model. Use `openclaw/ada`.");
    }
    for model in ["openclaw", "openclaw/default"] {
        assert_eq!(stage.refused(&chat(WEB), &json!({"model": model}).to_string()).await.0, 403, "{model}");
    }
    assert_eq!(stage.refused(&chat(WEB), "{}").await.0, 403);
    for body in [question("ada"), json!({"model": "openclaw"}), json!({"model": "openclaw/default"}), json!({})] {
        let _client = stage.ask(HOME, &body).await;
        assert_eq!(stage.received().await.2["model"], "openclaw/ada", "{body}");
    }
}

#[tokio::test]
async fn a_user_is_of_one_client_and_keeps_the_session() {
    let stage = Stage::new().await;
    let mut seen = Vec::new();
    for (client, user) in [(HOME, "alice"), (HOME, "alice"), (HOME, "bob"), (WEB, "alice"), (WEB, "x:subagent:y")] {
        let _client = stage.ask(client, &json!({"model": "openclaw/ada", "user": user})).await;
        seen.push(stage.received().await.2["user"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen[0], seen[1]);
    let different: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(different.len(), 4, "{seen:?}");
    assert!(seen.iter().all(|user| user.chars().all(|one| one.is_ascii_alphanumeric() || one == '-')), "{seen:?}");
    for user in [json!(null), json!(""), json!(" ")] {
        let _client = stage.ask(HOME, &json!({"user": user})).await;
        assert_eq!(stage.received().await.2, json!({"model": "openclaw/ada"}), "no user, no session");
    }
}

#[tokio::test]
async fn a_body_that_could_be_read_in_two_ways_or_not_at_all_is_refused() {
    let stage = Stage::new().await;
    let bodies = [
        r#"{"model":"openclaw/ada","model":"openclaw/ben"}"#,
        r#"{"model":"openclaw/ada","mo\u0064el":"openclaw/ben"}"#,
        r#"{"model":"openclaw/ada","user":"a","user":"b"}"#,
        r#"{"model":["openclaw/ada"]}"#,
        r#"{"model":"openclaw/ada","user":{"a":1}}"#,
        r#"{"model":"openclaw/ada","previous_response_id":"resp_1"}"#,
        r#"{"model":"openclaw/ada"} {"model":"openclaw/ben"}"#,
        r#"[{"model":"openclaw/ada"}]"#,
        r#"{"model":"openclaw/ada""#,
        "model=openclaw/ada",
        "",
    ];
    for body in bodies {
        let (status, said) = stage.refused(&chat(HOME), body).await;
        assert_eq!(status, 400, "{body}: {said}");
    }
    let deep = format!(r#"{{"model":"openclaw/ada","messages":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(stage.refused(&chat(HOME), &deep).await.0, 400);
    let (status, said) = stage.refused(&chat(HOME), &json!("x".repeat(10_000)).to_string()).await;
    assert!(status == 400 && said.len() < 500, "{status}: {said}");
    let said = stage.refused(&chat(HOME), r#"{"model":"openclaw/ada","previous_response_id":"resp_1"}"#).await.1;
    assert!(said.contains("Send the same `user`"), "{said}");
}

#[tokio::test]
async fn what_is_none_of_the_relays_business_is_passed_on_as_it_is() {
    let stage = Stage::new().await;
    let body = json!({
        "messages": [{"role": "user", "content": "ä \u{1f600} \"quoted\"\n", "model": "nested", "user": "nested"}],
        "previous_response_id": null, "seed": -7, "big": 18_446_744_073_709_551_615_u64, "temperature": 0.1,
        "tools": [], "stream_options": {"include_usage": true}, "nothing": null,
    });
    let _client = stage.ask(HOME, &body).await;
    let mut wanted = body.clone();
    wanted["model"] = json!("openclaw/ada");
    wanted.as_object_mut().unwrap().remove("previous_response_id");
    assert_eq!(stage.received().await.2, wanted);
}

#[tokio::test]
async fn clients_come_change_and_go_while_the_relay_runs() {
    let stage = Stage::new().await;
    let models = async |client: &str| {
        stage.refused(&format!("GET /v1/models HTTP/1.1\r\nauthorization: Bearer {}", token(client)), "").await
    };
    stage.clients(&[(HOME, &["ben"]), ("new", &["ada"])]);
    assert!(models(HOME).await.1.contains("openclaw/ben"));
    assert_eq!((models("new").await.0, models(WEB).await.0), (200, 401));
    watch::take_up(Some(&(b"{".to_vec(), KEY.to_vec())), &stage.relay);
    assert_eq!(models(HOME).await.0, 200, "a file that cannot be read changes nothing");
    watch::take_up(Some(&(document(&[(HOME, &["ada"])]), b"another key".to_vec())), &stage.relay);
    assert_eq!(models(HOME).await.0, 401);
    stage.clients(&[(HOME, &[])]);
    assert_eq!(models(HOME).await.0, 401, "a client without agents can do nothing");
    watch::take_up(Some(&(document(&[(HOME, &["ada"])]), Vec::new())), &stage.relay);
    assert_eq!(models(HOME).await.0, 401, "without a key no token is known");
    watch::take_up(None, &stage.relay);
    assert_eq!(models(HOME).await.0, 401);
}
