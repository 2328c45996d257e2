//! Devices that talk to a gateway over its WebSocket: who asks is seen, and the annotations decide.

use e2e::suite::{START, TestNamespace};
use gateway_stand_in::contract::socket::Device;
use serde_json::{Value, json};

const SCOPE: &str = "operator.read";

/// A device asks, is shown, is rejected by an annotation, asks again, is let in by another one, and is removed by a third. The gateway of `owner` runs, and knows the
/// operator's own device and no other.
pub async fn are_let_in_and_removed_by_annotations(namespace: &TestNamespace, owner: &str) {
    let (pod, own) = (namespace.gateway(owner).await, namespace.paired_devices(owner).await);
    assert_eq!(own.len(), 1, "the operator's own device");
    namespace.merge("Agent", owner, &json!({"spec": {"gateway": {"devices": []}}})).await;
    namespace.condition("Agent", owner, "DevicesReady", START, |found| found.reason == "DevicesPaired").await;

    let device = Device::new();
    let first = request(namespace, owner, &device).await;
    let first = first["requestID"].as_str().expect("an id");
    namespace.annotate("Agent", owner, "creel.dev/reject-device", Some(first)).await;
    namespace.told_why("Agent", owner, "DeviceRejected").await;
    let request = request(namespace, owner, &device).await;
    assert_ne!(request["requestID"], first, "it asks anew");
    assert_eq!((&request["deviceID"], &request["scopes"]), (&json!(device.id()), &json!([SCOPE])));
    let id = request["requestID"].as_str().expect("an id");
    namespace.told("Agent", owner, &format!("creel.dev/approve-device={id}")).await;
    namespace.condition("Agent", owner, "DevicesReady", START, |found| found.reason == "PairingRequired").await;

    namespace.annotate("Agent", owner, "creel.dev/approve-device", Some(id)).await;
    namespace.told_why("Agent", owner, "DeviceApproved").await;
    let (mut socket, token) = namespace.connect(owner, &device, SCOPE).await.expect("a device that was approved");
    socket.call("cron.status", json!({})).await.expect("it may read");
    namespace.condition("Agent", owner, "DevicesReady", START, |found| found.reason == "DevicesPaired").await;

    namespace.annotate("Agent", owner, "creel.dev/remove-device", Some("all")).await;
    namespace.told_why("Agent", owner, "DeviceRemoved").await;
    assert_eq!(namespace.paired_devices(owner).await, own, "the operator's own device stays");
    let stale = namespace.connect_by_device_token(owner, &device, (SCOPE, &token)).await;
    stale.expect_err("a device token of before");
    namespace.condition("Agent", owner, "DevicesReady", START, |found| found.reason == "DeviceTokenMismatch").await;
    namespace.told_why("Agent", owner, "DeviceTokenMismatch").await;
    namespace.connect(owner, &device, SCOPE).await.expect_err("a device that was removed");
    assert_eq!(namespace.gateway(owner).await.name, pod.name, "nothing of this recreates the Pod");
}

/// The device asks, and its request is shown.
async fn request(namespace: &TestNamespace, owner: &str, device: &Device) -> Value {
    namespace
        .eventually("the request is in the status", START, async || {
            let refusal = namespace.connect(owner, device, SCOPE).await.err().ok_or("it is let in")?;
            let shown = pending(namespace, owner).await;
            match shown.as_array().and_then(|shown| shown.first()) {
                Some(first) if first["requestID"] == refusal["details"]["requestId"] => Ok(first.clone()),
                _ => Err(format!("{refusal} and {shown}")),
            }
        })
        .await
}

async fn pending(namespace: &TestNamespace, owner: &str) -> Value {
    namespace.get("Agent", owner).await.data["status"]["gateway"]["pendingDevices"].clone()
}
