//! Objects of the test's namespace, by kind and name. Touches the network.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::core::TypeMeta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::namespace::{SOON, TestNamespace};

/// The field manager of the tests: a user who applies YAML.
const MANAGER: &str = "suite";

/// So many requests at once, where many are made.
const AT_ONCE: usize = 8;

/// A condition of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub status: String,
    pub reason: String,
    pub message: String,
    /// Whether it speaks of the object's present generation.
    pub current: bool,
}

/// The resource of a kind: those of `creel.dev`, and of Kubernetes' core and apps groups where the tests need them.
#[must_use]
pub fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Agent" | "CronJob" | "Provider" | "Sandbox" => ("creel.dev", "v1alpha1"),
        "Deployment" | "ReplicaSet" => ("apps", "v1"),
        "Ingress" | "NetworkPolicy" => ("networking.k8s.io", "v1"),
        "Role" | "RoleBinding" => ("rbac.authorization.k8s.io", "v1"),
        _ => ("", "v1"),
    };
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let irregular = match kind {
        "Ingress" => "ingresses",
        "NetworkPolicy" => "networkpolicies",
        "Sandbox" => "sandboxes",
        _ => return resource,
    };
    irregular.clone_into(&mut resource.plural);
    resource
}

/// Does this for each number below `count`, some at a time.
pub async fn side_by_side(count: usize, one: impl AsyncFn(usize)) {
    stream::iter(0..count).for_each_concurrent(AT_ONCE, |number| one(number)).await;
}

/// The condition of this type in an object's status.
#[must_use]
pub fn condition(object: &DynamicObject, kind: &str) -> Option<Condition> {
    let all = object.data["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    Some(Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
        current: found["observedGeneration"].as_i64() == object.metadata.generation,
    })
}

impl TestNamespace {
    /// The objects of this kind in the namespace.
    #[must_use]
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.name, &resource(kind))
    }

    /// Applies these YAML documents as `kubectl apply --server-side` would.
    pub async fn apply(&self, yaml: &str) {
        if let Err(error) = self.try_apply(yaml).await {
            panic!("the API server refuses {error}");
        }
    }

    /// Applies these YAML documents; the first that is refused is the error.
    pub async fn try_apply(&self, yaml: &str) -> Result<(), kube::Error> {
        for document in serde_yaml::Deserializer::from_str(yaml) {
            let document = Value::deserialize(document).expect("the fixture is YAML");
            let mut object: DynamicObject = serde_json::from_value(document).expect("the fixture is an object");
            let TypeMeta { kind, .. } = object.types.clone().expect("the fixture has a kind");
            object.metadata.namespace = Some(self.name.clone());
            let name = object.metadata.name.clone().expect("the fixture has a name");
            self.api(&kind).patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object)).await?;
        }
        Ok(())
    }

    /// The object; `None` when there is none.
    pub async fn find(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        self.api(kind).get_opt(name).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"))
    }

    /// The object, which is there.
    pub async fn get(&self, kind: &str, name: &str) -> DynamicObject {
        self.find(kind, name).await.unwrap_or_else(|| panic!("there is no {kind} {name} in {}", self.name))
    }

    /// Merges this into the object.
    pub async fn merge(&self, kind: &str, name: &str, patch: &Value) -> DynamicObject {
        let patched = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{kind} {name} with {patch}: {error}"))
    }

    /// Sets an annotation; `None` removes it.
    pub async fn annotate(&self, kind: &str, name: &str, annotation: &str, value: Option<&str>) {
        self.merge(kind, name, &json!({"metadata": {"annotations": {annotation: value}}})).await;
    }

    /// Deletes the object and waits until it is gone.
    pub async fn delete(&self, kind: &str, name: &str) {
        let uid = self.get(kind, name).await.metadata.uid;
        let deleted = self.api(kind).delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
        self.eventually(&format!("{kind} {name} is gone"), SOON, async || {
            // Another of that name may be made at once.
            let present = self.find(kind, name).await.and_then(|object| object.metadata.uid);
            if present.is_none() || present != uid { Ok(()) } else { Err("it is there".to_owned()) }
        })
        .await;
    }

    /// The events about one object, oldest first.
    async fn events_about(&self, kind: &str, name: &str) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.name);
        let fields = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let mut listed = events.list(&ListParams::default().fields(&fields)).await.expect("events can be listed").items;
        listed.sort_by_key(|event| event.metadata.creation_timestamp.clone().map(|time| time.0));
        listed
    }

    /// Their notes.
    pub async fn events(&self, kind: &str, name: &str) -> Vec<String> {
        self.events_about(kind, name).await.into_iter().filter_map(|event| event.message).collect()
    }

    /// Their reasons, each once.
    pub async fn event_reasons(&self, kind: &str, name: &str) -> BTreeSet<String> {
        self.events_about(kind, name).await.into_iter().filter_map(|event| event.reason).collect()
    }

    /// Waits for an event with `part` in its note: it comes after the status that it tells of. The notes of all events about the object.
    pub async fn told(&self, kind: &str, name: &str, part: &str) -> Vec<String> {
        self.eventually(&format!("an Event about {kind} {name} says {part:?}"), SOON, async || {
            let notes = self.events(kind, name).await;
            if notes.iter().any(|note| note.contains(part)) { Ok(notes) } else { Err(format!("{notes:?}")) }
        })
        .await
    }

    /// Waits for an event with this reason: it comes after the status that it tells of.
    pub async fn told_why(&self, kind: &str, name: &str, reason: &str) {
        self.eventually(&format!("an Event about {kind} {name} has the reason {reason}"), SOON, async || {
            let reasons = self.event_reasons(kind, name).await;
            if reasons.contains(reason) { Ok(()) } else { Err(format!("{reasons:?}")) }
        })
        .await;
    }
}
