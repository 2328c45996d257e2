//! Sandboxes for tests, from the YAML that a user would write.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde::Deserialize;
use serde_json::{Value, json};

use super::build;
use super::gather::{Found, Gathered, Live};
use super::plan::PodPlan;
use super::secret::Keys;
use super::validate::validate;
use crate::api::{Agent, Sandbox};
use crate::naming::{SANDBOX_MANAGER, SandboxNames};
use crate::references::digests::{KeyDigest, Read, SourceKind};
use crate::references::mounted::Mounted;
use crate::references::read::DigestKey;

/// An owner, an Agent that joined it, and the Sandbox that this one uses.
const OFFICE: &str = "
kind: Agent
metadata: {name: concierge, namespace: assistants, uid: concierge-uid, generation: 1}
spec:
  model: {primary: {provider: openai, model: gpt-4o-mini}}
---
kind: Agent
metadata: {name: writer, namespace: assistants, uid: writer-uid, generation: 1}
spec:
  gatewayRef: {name: concierge}
  model: {primary: {provider: openai, model: gpt-4o-mini}}
  sandbox: {ref: {name: default}}
---
kind: Sandbox
metadata: {name: default, namespace: assistants, uid: default-uid, generation: 1}
spec:
  image: docker.io/library/python:3.13-slim-bookworm
  workspaceAccess: rw
  env: [{name: GITEA_TOKEN, valueFrom: {secretKeyRef: {name: gitea, key: token}}}]
";

/// The API server's address as Pods see it.
pub const API_SERVER: &str = "10.96.0.1:443";

/// The sandbox of `writer` in [`OFFICE`], nothing of it made yet; its gateway runs on the node `one`.
pub fn office() -> Gathered {
    let mut objects = serde_yaml::Deserializer::from_str(OFFICE).map(|document| {
        let mut value = Value::deserialize(document).unwrap();
        value["apiVersion"] = "creel.dev/v1alpha1".into();
        value
    });
    let owner: Agent = serde_json::from_value(objects.next().unwrap()).unwrap();
    let agent: Agent = serde_json::from_value(objects.next().unwrap()).unwrap();
    let sandbox: Sandbox = serde_json::from_value(objects.next().unwrap()).unwrap();
    let mut gathered = Gathered {
        used: agent.spec.sandbox.clone().unwrap(),
        agent: Arc::new(agent),
        sandbox: Some(Arc::new(sandbox)),
        owner: Some(Arc::new(owner)),
        owner_unparsable: false,
        keys: Keys {
            host_key: "ssh-ed25519 HOST".into(),
            digest_key: DigestKey { uid: "key-uid".into(), key: b"key".to_vec() },
        },
        client_key: Found::Here("ssh-ed25519 CLIENT".into()),
        access_modes: Found::Here(vec!["ReadWriteOnce".into()]),
        gateway: None,
        reads: BTreeMap::new(),
        mounted: Mounted::default(),
        live: Live::default(),
    };
    gateway_on(&mut gathered, Some("one"));
    secret(&mut gathered, "gitea", &[("token", "one")]);
    gathered
}

/// Puts the gateway's Pod on this node, or on none yet.
pub fn gateway_on(gathered: &mut Gathered, node: Option<&str>) {
    let pod = json!({"metadata": {"name": "concierge-gateway-1"}, "spec": {"containers": [], "nodeName": node}});
    gathered.gateway = Some(Arc::new(serde_json::from_value(pod).unwrap()));
}

/// Puts a Secret with this data into what was read.
pub fn secret(gathered: &mut Gathered, name: &str, data: &[(&str, &str)]) {
    let source = (SourceKind::Secret, name.to_owned());
    let keys =
        data.iter().map(|(key, value)| ((*key).to_owned(), KeyDigest::of(b"key", &source, key, value.as_bytes())));
    gathered.reads.insert(source.clone(), Read::Keys(keys.collect()));
}

/// The plan of the sandbox.
pub fn plan(gathered: &Gathered) -> PodPlan {
    validate(gathered).plan.unwrap()
}

/// The Pod of this plan.
pub fn pod(gathered: &Gathered, plan: &PodPlan) -> Pod {
    let names = SandboxNames::of("writer");
    build::pod::build(&gathered.agent, &names, plan, "creel:test", API_SERVER.parse().ok())
}

/// Makes the Pod of the present plan run, ready, on the node `one`.
pub fn run(gathered: &mut Gathered) {
    let mut pod = pod(gathered, &plan(gathered));
    pod.metadata.uid = Some("pod-uid".into());
    pod.metadata.managed_fields = Some(vec![images_owned_by(SANDBOX_MANAGER, &pod)]);
    pod.spec.as_mut().unwrap().node_name = Some("one".into());
    let shell = json!({"name": "shell", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                       "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
    let conditions = json!([{"type": "Ready", "status": "True"}]);
    let status = json!({"phase": "Running", "conditions": conditions, "containerStatuses": [shell]});
    pod.status = Some(serde_json::from_value(status).unwrap());
    gathered.live.pod = Some(Arc::new(pod));
}

/// As the API server notes who set the images of the Pod.
fn images_owned_by(manager: &str, pod: &Pod) -> ManagedFieldsEntry {
    let spec = pod.spec.as_ref().unwrap();
    let item = |container: &Container| (format!("k:{{\"name\":\"{}\"}}", container.name), json!({"f:image": {}}));
    let items = |all: &[Container]| all.iter().map(item).collect::<serde_json::Map<_, _>>();
    let init = items(spec.init_containers.as_ref().unwrap());
    let fields = json!({"f:spec": {"f:containers": items(&spec.containers), "f:initContainers": init}});
    serde_json::from_value(json!({"manager": manager, "operation": "Update", "fieldsV1": fields})).unwrap()
}

/// Sets the image of the container of this index, init containers first, as `kubectl set image` does.
pub fn set_image_by_hand(pod: &mut Pod, container: usize, image: &str) {
    let spec = pod.spec.as_mut().unwrap();
    let all = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers).collect::<Vec<_>>();
    let edited = all.into_iter().nth(container).unwrap();
    edited.image = Some(image.to_owned());
    let item = format!("k:{{\"name\":\"{}\"}}", edited.name);
    let mut entries = pod.metadata.managed_fields.take().unwrap();
    let mut theirs = ManagedFieldsEntry { manager: Some("kubectl-set".into()), ..entries[0].clone() };
    let of_item = |fields: &mut ManagedFieldsEntry, is_kept: &dyn Fn(&str) -> bool| {
        let lists = fields.fields_v1.as_mut().unwrap().0["f:spec"].as_object_mut().unwrap();
        lists.values_mut().for_each(|items| items.as_object_mut().unwrap().retain(|item, _| is_kept(item)));
    };
    of_item(&mut theirs, &|of| of == item);
    of_item(&mut entries[0], &|of| of != item);
    entries.push(theirs);
    pod.metadata.managed_fields = Some(entries);
}

/// Edits the Pod that runs.
pub fn edit_pod(gathered: &mut Gathered, change: impl FnOnce(&mut Pod)) {
    change(Arc::make_mut(gathered.live.pod.as_mut().unwrap()));
}

/// Edits the Sandbox.
pub fn edit_sandbox(gathered: &mut Gathered, change: impl FnOnce(&mut Sandbox)) {
    change(Arc::make_mut(gathered.sandbox.as_mut().unwrap()));
}

/// Edits the Agent whose sandbox it is.
pub fn edit_agent(gathered: &mut Gathered, change: impl FnOnce(&mut Agent)) {
    change(Arc::make_mut(&mut gathered.agent));
}

/// Edits the Agent that owns the gateway.
pub fn edit_owner(gathered: &mut Gathered, change: impl FnOnce(&mut Agent)) {
    change(Arc::make_mut(gathered.owner.as_mut().unwrap()));
}
