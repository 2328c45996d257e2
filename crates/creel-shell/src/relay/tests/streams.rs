//! Answers as they come, clients that go away, and what is counted.

use super::*;

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn send(stream: &mut TcpStream, event: &str) {
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.unwrap();
}

/// Reads until this has come.
async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(wanted) {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

async fn metrics(stage: &Stage, token: &str) -> String {
    let (status, text) = stage.refused(&format!("GET /metrics HTTP/1.1\r\nauthorization: Bearer {token}"), "").await;
    assert_eq!(status, 200);
    text
}

#[tokio::test]
async fn each_event_reaches_the_client_before_the_next_one_is_there() {
    let stage = Stage::new().await;
    let mut client = stage.ask(HOME, &question("ada")).await;
    let (mut gateway, ..) = stage.received().await;
    gateway.write_all(EVENTS.as_bytes()).await.unwrap();
    assert!(until(&mut client, "\r\n\r\n").await.contains("content-type: text/event-stream"));
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        send(&mut gateway, &event).await;
        until(&mut client, &event).await;
    }
    let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":2}}"#;
    send(&mut gateway, usage).await;
    send(&mut gateway, "").await;
    closed(&mut client).await;
    let text = metrics(&stage, &token(HOME)).await;
    assert!(text.contains(r#"creel_relay_tokens_total{client="home",type="input"} 40"#), "{text}");
    assert!(text.contains(r#"creel_relay_tokens_total{client="home",type="output"} 2"#), "{text}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_question_before_and_in_the_answer() {
    let stage = Stage::new().await;
    let client = stage.ask(HOME, &question("ada")).await;
    let (mut gateway, ..) = stage.received().await;
    drop(client);
    closed(&mut gateway).await;

    let mut client = stage.ask(HOME, &question("ada")).await;
    let (mut gateway, ..) = stage.received().await;
    gateway.write_all(EVENTS.as_bytes()).await.unwrap();
    send(&mut gateway, "data: 1\n\n").await;
    until(&mut client, "data: 1\n\n").await;
    drop(client);
    closed(&mut gateway).await;
}

#[tokio::test]
async fn a_gateway_that_goes_away_ends_the_answer_and_one_that_is_not_there_is_said() {
    let stage = Stage::new().await;
    let mut client = stage.ask(HOME, &question("ada")).await;
    let (mut gateway, ..) = stage.received().await;
    gateway.write_all(EVENTS.as_bytes()).await.unwrap();
    send(&mut gateway, "data: 1\n\n").await;
    drop(gateway);
    let (status, text) = response(&mut client).await;
    assert!(status == 200 && !text.ends_with("0\r\n\r\n"), "the answer is seen to be cut off: {text}");

    let mut client = stage.ask(HOME, &question("ada")).await;
    drop(stage.received().await);
    assert_eq!(response(&mut client).await.0, 503);
    let Stage { gateway, address, _running, .. } = stage;
    drop(gateway);
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("{}\r\nhost: relay\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}", chat(HOME));
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(response(&mut client).await.0, 503);
}

#[tokio::test]
async fn what_the_gateway_says_is_passed_on_whatever_its_status() {
    let stage = Stage::new().await;
    let mut client = stage.ask(HOME, &question("ada")).await;
    let (mut gateway, ..) = stage.received().await;
    gateway.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nwrong").await.unwrap();
    assert_eq!(response(&mut client).await, (400, "wrong".to_owned()));
}

#[tokio::test]
async fn a_client_sees_its_own_counts_and_the_token_of_the_gateway_those_of_all() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        let mut client = stage.ask(HOME, &question("ada")).await;
        let (gateway, ..) = stage.received().await;
        reply(gateway, r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":1}}"#).await;
        response(&mut client).await;
    }
    stage.refused(&chat(WEB), &question("eve").to_string()).await;
    let all = metrics(&stage, GATEWAY_TOKEN).await;
    for line in [
        r#"creel_relay_requests_total{client="home",result="forwarded"} 2"#,
        r#"creel_relay_tokens_total{client="home",type="input"} 20"#,
        r#"creel_relay_requests_total{client="web",result="refused"} 1"#,
    ] {
        assert!(all.contains(line), "{all}");
    }
    assert!(!metrics(&stage, &token(WEB)).await.contains("home"));
    stage.clients(&[(HOME, &["ben"])]);
    let after = metrics(&stage, GATEWAY_TOKEN).await;
    assert!(after.contains(r#"{client="home",type="input"} 20"#) && !after.contains("web"), "{after}");
}
