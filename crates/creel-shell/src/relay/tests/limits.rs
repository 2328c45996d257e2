//! What clients cannot use up.

use super::*;

#[tokio::test]
async fn a_client_has_its_share_of_the_requests_and_all_together_have_theirs() {
    let stage = Stage::with(Limits { requests: 3, requests_of_client: 2, ..Limits::default() }).await;
    let mut running = Vec::new();
    for client in [HOME, HOME, WEB] {
        running.push((stage.ask(client, &question("ada")).await, stage.received().await.0));
    }
    for client in [HOME, WEB] {
        let (status, said) = stage.refused(&chat(client), &question("ada").to_string()).await;
        assert_eq!(status, 429, "{said}");
    }
    let (mut client, gateway) = running.remove(0);
    reply(gateway, "{}").await;
    response(&mut client).await;
    let mut client = stage.ask(HOME, &question("ada")).await;
    reply(stage.received().await.0, "{}").await;
    assert_eq!(response(&mut client).await.0, 200, "a place is free again");
    drop(running.remove(0));
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_declared_or_not_and_never_reaches_the_gateway() {
    let stage = Stage::with(Limits { body: 1000, ..Limits::default() }).await;
    let long = json!({"model": "openclaw/ada", "input": "x".repeat(1000)}).to_string();
    assert_eq!(stage.refused(&chat(HOME), &long).await.0, 413);
    let mut client = stage.connect().await;
    let head = format!("{}\r\nhost: relay\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n", chat(HOME));
    client.write_all(format!("{head}{:x}\r\n{long}\r\n0\r\n\r\n", long.len()).as_bytes()).await.unwrap();
    assert_eq!(response(&mut client).await.0, 413);
    let mut client = stage.connect().await;
    let short = question("ada").to_string();
    client.write_all(format!("{head}{:x}\r\n{short}\r\n0\r\n\r\n", short.len()).as_bytes()).await.unwrap();
    reply(stage.received().await.0, "{}").await;
    assert_eq!(response(&mut client).await.0, 200, "a body of unknown length is fine");
}

#[tokio::test]
async fn whoever_does_not_send_what_it_began_is_not_waited_for() {
    let stage = Stage::with(Limits { head_timeout: SHORT, body_timeout: SHORT, ..Limits::default() }).await;
    let mut silent = stage.connect().await;
    let mut slow = stage.connect().await;
    slow.write_all(b"POST /v1/resp").await.unwrap();
    closed(&mut silent).await;
    closed(&mut slow).await;
    let mut idle = stage.connect().await;
    idle.write_all(b"GET /v1/models HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    closed(&mut idle).await;
    let mut stingy = stage.connect().await;
    stingy.write_all(format!("{}\r\nhost: relay\r\ncontent-length: 9\r\n\r\n{{", chat(HOME)).as_bytes()).await.unwrap();
    assert_eq!(response(&mut stingy).await.0, 408);
}

#[tokio::test]
async fn large_bodies_take_turns_and_small_ones_pass_them() {
    let limits = Limits { large_bodies: 1, body_timeout: SHORT, ..Limits::default() };
    let stage = Stage::with(limits).await;
    let head = format!("{}\r\nhost: relay\r\ncontent-length: 100000\r\n\r\n{{", chat(HOME));
    let (mut first, mut second) = (stage.connect().await, stage.connect().await);
    first.write_all(head.as_bytes()).await.unwrap();
    second.write_all(head.as_bytes()).await.unwrap();
    let mut small = stage.ask(WEB, &question("ada")).await;
    reply(stage.received().await.0, "{}").await;
    assert_eq!(response(&mut small).await.0, 200);
    let (first, second) = (response(&mut first).await.0, response(&mut second).await.0);
    assert!(first == 408 && [408, 429].contains(&second), "{first} {second}");
    let large = json!({"model": "openclaw/ada", "input": "x".repeat(100_000)});
    let mut client = stage.ask(HOME, &large).await;
    assert_eq!(stage.received().await.2["input"], large["input"], "the turn is free again");
    drop(stage.gateway);
    closed(&mut client).await;
}

#[tokio::test]
async fn a_client_leaves_turns_for_large_bodies_to_others() {
    let stage = Stage::new().await;
    let begun = |client| format!("{}\r\nhost: relay\r\ncontent-length: 100000\r\n\r\n{{", chat(client));
    let mut stingy = Vec::new();
    for _ in 0..4 {
        let mut one = stage.connect().await;
        one.write_all(begun(HOME).as_bytes()).await.unwrap();
        stingy.push(one);
    }
    let large = json!({"model": "openclaw/ada", "input": "x".repeat(100_000)});
    let mut client = stage.ask(WEB, &large).await;
    reply(stage.received().await.0, "{}").await;
    assert_eq!(response(&mut client).await.0, 200);
}

#[tokio::test]
async fn a_body_that_grows_when_it_is_copied_is_refused() {
    let stage = Stage::with(Limits { body: 1000, ..Limits::default() }).await;
    let body = format!(r#"{{"model":"openclaw/ada","input":[{}1]}}"#, "1e15,".repeat(180));
    assert!(body.len() < 1000);
    let (status, said) = stage.refused(&chat(HOME), &body).await;
    assert_eq!(status, 413, "{said}");
}

#[tokio::test]
async fn more_connections_than_the_limit_are_closed() {
    let stage = Stage::with(Limits { connections: 1, ..Limits::default() }).await;
    let first = stage.connect().await;
    let mut second = stage.connect().await;
    closed(&mut second).await;
    drop(first);
    let head = format!(
        "GET /v1/models HTTP/1.1\r\nauthorization: Bearer {}\r\nhost: relay\r\nconnection: close\r\n\r\n",
        token(HOME)
    );
    loop {
        let mut stream = stage.connect().await;
        let mut text = String::new();
        let _ = stream.write_all(head.as_bytes()).await;
        if stream.read_to_string(&mut text).await.is_ok() && text.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}
