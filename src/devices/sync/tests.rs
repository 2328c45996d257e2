//! Reconciles against a gateway that answers as the real one does.

use gateway_stand_in::StandIn;
use gateway_stand_in::contract::socket::{Device, Socket};
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::recording_api::RecordingApi;
use crate::naming::{APPROVE_DEVICE, REJECT_DEVICE, REMOVE_DEVICE};
use crate::tests::small_world::NAMESPACE;
use crate::tests::stand_in::{OWNER, admin, endpoint, seen, start, world};

const READ: &str = "operator.read";

/// A gateway, and the Agent that owns it.
struct Bench {
    gateway: StandIn,
    context: Context,
    owner: Agent,
}

impl Bench {
    async fn new() -> Self {
        let (gateway, world) = (start().await, world());
        gateway.set_callers_remote();
        let seen = seen(&world, endpoint(&gateway), OWNER, &[OWNER]);
        let context = Context::new(&RecordingApi::default().client(|_| None), seen, admin());
        let owner = world.agents.into_iter().find(|agent| agent.name_any() == OWNER).unwrap();
        Self { gateway, context, owner }
    }

    /// The Agent lets these in.
    fn list(&mut self, devices: &Value) {
        self.owner.spec.gateway = serde_json::from_value(json!({"devices": devices})).unwrap();
        self.owner.metadata.generation = self.owner.metadata.generation.map(|generation| generation + 1);
    }

    fn annotate(&mut self, name: &str, value: &str) {
        self.owner.annotations_mut().insert(name.to_owned(), value.to_owned());
    }

    /// One reconcile: what it published, and when the next one is due.
    async fn reconcile(&self) -> (Option<Arc<DevicesFound>>, Duration) {
        let again = reconcile(&self.owner, &self.context).await.unwrap();
        (self.context.facts.devices.of(NAMESPACE, OWNER).known().unwrap(), again)
    }

    async fn reason(&self) -> &'static str {
        self.reconcile().await.0.unwrap().ready.reason
    }

    /// Whether the gateway lets the device in.
    async fn lets_in(&self, device: &Device, scope: &str) -> bool {
        let (mut socket, challenge) = Socket::open_from(self.gateway.address(), None).await;
        socket.call("connect", device.claim(&challenge, &self.gateway.token(), scope)).await.is_ok()
    }
}

#[tokio::test]
async fn a_gateway_whose_devices_nobody_speaks_of_is_not_asked() {
    let bench = Bench::new().await;
    assert_eq!(bench.reconcile().await.0, None);
    assert_eq!(bench.gateway.take_methods(), [""; 0]);
}

#[tokio::test]
async fn a_device_of_the_list_is_let_in_and_removed_with_its_entry() {
    let (mut bench, device) = (Bench::new().await, Device::new());
    bench.list(&json!([{"name": "board", "id": device.id()}]));
    assert_eq!(bench.reason().await, reason::WAITING_FOR_DEVICE);
    assert!(!bench.lets_in(&device, READ).await);
    bench.context.forget(NAMESPACE, OWNER);
    let (found, again) = bench.reconcile().await;
    assert_eq!((found.unwrap().ready.reason, again), (reason::DEVICES_PAIRED, IDLE));
    assert!(bench.lets_in(&device, READ).await);

    bench.owner.spec.gateway = None;
    bench.owner.metadata.generation = Some(9);
    assert_eq!(bench.reconcile().await.0, None);
    assert!(!bench.lets_in(&device, READ).await);
}

#[tokio::test]
async fn a_request_for_more_waits_for_the_annotation() {
    let (mut bench, device) = (Bench::new().await, Device::new());
    bench.list(&json!([{"name": "board", "id": device.id()}]));
    assert!(!bench.lets_in(&device, "operator.write").await);
    let (found, again) = bench.reconcile().await;
    let found = found.unwrap();
    assert_eq!((found.ready.reason, again), (reason::SCOPES_EXCEEDED, SOON));
    let pending = &found.status.pending_devices[0];
    assert_eq!(
        (pending.name.as_deref(), pending.scopes.as_slice()),
        (Some("board"), &["operator.write".to_owned()][..])
    );

    bench.annotate(APPROVE_DEVICE, &pending.request_id);
    let approval = bench.reconcile().await.0.unwrap().status.device_approval.clone().unwrap();
    assert_eq!((approval.request, approval.reason), (pending.request_id.clone(), None));
    assert!(bench.lets_in(&device, "operator.write").await);
}

#[tokio::test]
async fn the_annotation_rejects_a_request() {
    let (mut bench, device) = (Bench::new().await, Device::new());
    bench.list(&json!([]));
    assert!(!bench.lets_in(&device, READ).await);
    let request = bench.reconcile().await.0.unwrap().status.pending_devices[0].request_id.clone();
    bench.annotate(REJECT_DEVICE, &request);
    let status = bench.reconcile().await.0.unwrap().status.clone();
    let rejection = status.device_rejection.unwrap();
    assert_eq!((rejection.request, rejection.reason, status.pending_devices.len()), (request, None, 0));
    assert!(!bench.lets_in(&device, READ).await);
}

#[tokio::test]
async fn the_annotation_removes_all_devices_once() {
    let (mut bench, device) = (Bench::new().await, Device::new());
    bench.list(&json!([{"name": "board", "id": device.id()}]));
    assert!(!bench.lets_in(&device, READ).await);
    assert_eq!(bench.reason().await, reason::DEVICES_PAIRED);
    bench.annotate(REMOVE_DEVICE, "all");
    assert_eq!(bench.reconcile().await.0.unwrap().status.device_removal.as_ref().unwrap().reason, None);
    assert!(!bench.lets_in(&device, READ).await);
    // Its new request is covered by the list.
    bench.context.forget(NAMESPACE, OWNER);
    assert_eq!(bench.reason().await, reason::DEVICES_PAIRED);
    assert!(bench.lets_in(&device, READ).await);
}

#[tokio::test]
async fn a_gateway_is_left_alone_until_its_time_comes_or_something_is_new() {
    let mut bench = Bench::new().await;
    bench.list(&json!([]));
    bench.reconcile().await;
    assert_eq!(bench.gateway.take_methods(), ["device.pair.list", "logs.tail"]);
    bench.reconcile().await;
    assert_eq!(bench.gateway.take_methods(), [""; 0]);
    bench.annotate(APPROVE_DEVICE, "unknown");
    let (found, _) = bench.reconcile().await;
    let told = found.unwrap().status.device_approval.clone().unwrap();
    assert_eq!(told.reason.as_deref(), Some(reason::DEVICE_REQUEST_NOT_FOUND));
    assert_eq!(bench.gateway.take_methods(), ["device.pair.list", "logs.tail"]);
}

#[tokio::test]
async fn after_a_restart_the_status_says_what_was_let_in_and_done() {
    let (mut bench, device) = (Bench::new().await, Device::new());
    bench.list(&json!([{"name": "board", "id": device.id()}]));
    assert!(!bench.lets_in(&device, READ).await);
    let found = bench.reconcile().await.0.unwrap();
    let gateway = json!({"agent": OWNER, "outdated": false, "pairedDevices": found.status.paired_devices});
    bench.owner.status = serde_json::from_value(json!({"gateway": gateway})).unwrap();
    bench.list(&json!([]));
    // As the operator that was restarted.
    bench.context.facts.devices.forget(NAMESPACE, OWNER);
    bench.reconcile().await;
    assert!(!bench.lets_in(&device, READ).await);
}

#[tokio::test]
async fn a_gateway_that_cannot_be_asked_keeps_what_is_known() {
    let mut bench = Bench::new().await;
    bench.list(&json!([]));
    bench.gateway.set_token("another");
    let (found, again) = bench.reconcile().await;
    assert_eq!((found.unwrap().ready.reason, again), (reason::ADMIN_UNREACHABLE, UNREACHABLE));
}
