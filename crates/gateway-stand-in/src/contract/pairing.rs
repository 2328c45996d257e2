//! The handshake over the WebSocket. The clauses about approval want a caller that is not on the gateway's own machine.

use serde_json::{Value, json};

use super::socket::{Device, Socket, without_device};
use super::subject::{Host, Subject};
use crate::devices::ADMIN;

/// 1008: the gateway's policy is against it.
const POLICY: u16 = 1008;

pub async fn a_device_from_elsewhere_is_let_in_once_it_is_approved<H: Host>(subject: &Subject<H>) {
    let device = Device::new();
    let refusal = Socket::connect(subject, &device).await.expect_err("a device that nobody knows");
    assert_eq!(refusal["code"], "NOT_PAIRED", "{refusal}");
    let details = &refusal["details"];
    assert_eq!((&details["code"], &details["reason"]), (&json!("PAIRING_REQUIRED"), &json!("not-paired")));
    assert_eq!((&details["deviceId"], &details["requestedScopes"]), (&json!(device.id()), &json!([ADMIN])));
    subject.refused_because("device.pair.approve", json!({"requestId": "nonsense"}), "unknown requestId").await;
    let pending = subject.ok("device.pair.list", json!({})).await["pending"].take();
    let request = pending.as_array().unwrap().iter().find(|request| request["deviceId"] == device.id().as_str());
    assert_eq!(request.unwrap()["requestId"], details["requestId"]);

    let approval = json!({"requestId": details["requestId"]});
    let approved = subject.ok("device.pair.approve", approval.clone()).await;
    assert_eq!(approved["device"]["deviceId"], device.id().as_str());
    subject.refused_because("device.pair.approve", approval, "unknown requestId").await;
    for _ in 0..2 {
        let mut socket = Socket::connect(subject, &device).await.expect("a device that was approved");
        assert_eq!(socket.call("cron.status", json!({})).await.expect("a status")["enabled"], true);
    }
    let paired = subject.ok("device.pair.list", json!({})).await["paired"].take();
    assert!(paired.as_array().unwrap().iter().any(|paired| paired["deviceId"] == device.id().as_str()), "{paired}");
}

pub async fn a_device_that_waits_keeps_its_request_until_it_is_rejected<H: Host>(subject: &Subject<H>) {
    let device = Device::new();
    let first = Socket::connect(subject, &device).await.expect_err("a device that nobody knows");
    let second = Socket::connect(subject, &device).await.expect_err("a device that nobody knows");
    assert_eq!(first["details"]["requestId"], second["details"]["requestId"]);
    let rejection = json!({"requestId": first["details"]["requestId"]});
    let rejected = subject.ok("device.pair.reject", rejection.clone()).await;
    assert_eq!((&rejected["requestId"], &rejected["deviceId"]), (&rejection["requestId"], &json!(device.id())));
    subject.refused_because("device.pair.reject", rejection.clone(), "unknown requestId").await;
    let third = Socket::connect(subject, &device).await.expect_err("a device that was rejected");
    assert_ne!(third["details"]["requestId"], rejection["requestId"], "{third}");
}

pub async fn a_device_that_is_removed_has_to_ask_again<H: Host>(subject: &Subject<H>) {
    let (device, scope) = (Device::new(), "operator.read");
    subject.refused_because("device.pair.remove", json!({"deviceId": device.id()}), "unknown deviceId").await;
    let before = introduce(subject, &device, scope).await.expect_err("a device that nobody knows");
    subject.ok("device.pair.approve", json!({"requestId": before["details"]["requestId"]})).await;
    introduce(subject, &device, scope).await.expect("a device that was approved");
    let removed = subject.ok("device.pair.remove", json!({"deviceId": device.id()})).await;
    assert_eq!(removed["deviceId"], device.id().as_str(), "{removed}");
    let after = introduce(subject, &device, scope).await.expect_err("a device that was removed");
    assert_ne!(after["details"]["requestId"], before["details"]["requestId"], "{after}");
    let listed = subject.ok("device.pair.list", json!({})).await["pending"].take();
    let request = listed.as_array().unwrap().iter().find(|request| request["deviceId"] == device.id().as_str());
    let request = request.unwrap();
    assert_eq!((&request["role"], &request["scopes"]), (&json!("operator"), &json!([scope])), "{request}");
}

pub async fn whoever_has_no_device_may_do_nothing<H: Host>(subject: &Subject<H>) {
    let (mut socket, _) = Socket::open(subject).await;
    let hello = socket.call("connect", without_device(&subject.token, ADMIN)).await.expect("the token is right");
    assert_eq!((&hello["type"], &hello["auth"]["scopes"]), (&json!("hello-ok"), &json!([])));
    for (method, scope) in [("cron.run", ADMIN), ("cron.list", "operator.read")] {
        let refusal = socket.call(method, json!({"id": "x", "mode": "force"})).await.expect_err("no scope");
        let said = (refusal["code"].as_str(), refusal["message"].as_str());
        assert_eq!(said, (Some("FORBIDDEN"), Some(format!("missing scope: {scope}").as_str())), "{refusal}");
    }
}

pub async fn a_wrong_token_is_refused_with_a_code<H: Host>(subject: &Subject<H>) {
    let (mut socket, challenge) = Socket::open(subject).await;
    let refusal = socket.call("connect", Device::new().claim(&challenge, "wrong", ADMIN)).await.expect_err("wrong");
    assert_eq!(refusal["details"]["code"], "AUTH_TOKEN_MISMATCH", "{refusal}");
    assert_eq!(socket.closed().await, POLICY);
}

pub async fn what_is_not_signed_as_it_should_is_refused<H: Host>(subject: &Subject<H>) {
    let (other, zeros) = (Device::new().id(), "A".repeat(86));
    let faults: [(&str, Value, &str); 4] = [
        ("signature", json!(zeros), "DEVICE_AUTH_SIGNATURE_INVALID"),
        ("nonce", json!("another"), "DEVICE_AUTH_NONCE_MISMATCH"),
        ("signedAt", json!(1), "DEVICE_AUTH_SIGNATURE_EXPIRED"),
        ("id", json!(other), "DEVICE_AUTH_DEVICE_ID_MISMATCH"),
    ];
    for (field, value, code) in faults {
        let (mut socket, challenge) = Socket::open(subject).await;
        let mut claim = Device::new().claim(&challenge, &subject.token, ADMIN);
        claim["device"][field] = value;
        let refusal = socket.call("connect", claim).await.expect_err(field);
        assert_eq!(refusal["details"]["code"], code, "{refusal}");
        assert_eq!(socket.closed().await, POLICY);
    }
    let (mut socket, challenge) = Socket::open(subject).await;
    let mut claim = Device::new().claim(&challenge, &subject.token, ADMIN);
    (claim["minProtocol"], claim["maxProtocol"]) = (json!(3), json!(3));
    let refusal = socket.call("connect", claim).await.expect_err("an old protocol");
    assert_eq!(refusal["details"]["code"], "PROTOCOL_MISMATCH", "{refusal}");
}

pub async fn the_first_request_must_be_connect<H: Host>(subject: &Subject<H>) {
    let (mut socket, _) = Socket::open(subject).await;
    let refusal = socket.call("cron.status", json!({})).await.expect_err("not introduced");
    assert_eq!(refusal["message"], "invalid handshake: first request must be connect");
    assert_eq!(socket.closed().await, POLICY);
}

pub async fn a_lesser_scope_runs_nothing<H: Host>(subject: &Subject<H>) {
    let device = Device::new();
    let scope = "operator.write";
    let mut answer = introduce(subject, &device, scope).await;
    if let Err(refusal) = &answer {
        let request = json!({"requestId": refusal["details"]["requestId"]});
        subject.ok("device.pair.approve", request).await;
        answer = introduce(subject, &device, scope).await;
    }
    let refusal = answer.expect("approved").call("cron.run", json!({"id": "x"})).await.expect_err("a lesser scope");
    assert_eq!(refusal["message"], "missing scope: operator.admin", "{refusal}");
}

async fn introduce<H: Host>(subject: &Subject<H>, device: &Device, scope: &str) -> Result<Socket, Value> {
    let (mut socket, challenge) = Socket::open(subject).await;
    socket.call("connect", device.claim(&challenge, &subject.token, scope)).await.map(|_| socket)
}
