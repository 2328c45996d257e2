//! What people who move to Creel configure: the API server accepts it, and the operator renders all of it. OpenClaw looks at what was
//! rendered with every other configuration of the run.

use std::collections::{BTreeMap, BTreeSet};

use e2e::chart::workspace;
use e2e::suite::{SOON, TestNamespace, in_namespace, secret_value};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::{Value, json};

use super::stage::{make, merged};

/// The resources of all samples, without the namespace that they are for.
fn samples() -> Vec<Value> {
    let files = std::fs::read_dir(workspace().join("manifests/samples/moving")).expect("samples");
    let mut objects = Vec::new();
    for file in files {
        let yaml = std::fs::read_to_string(file.expect("a file").path()).expect("a sample");
        for document in serde_yaml::Deserializer::from_str(&yaml) {
            let mut object = Value::deserialize(document).expect("a sample is YAML");
            object["metadata"].as_object_mut().expect("metadata").remove("namespace");
            objects.push(object);
        }
    }
    objects
}

/// What the resources name and users bring themselves: Secrets by name with their keys, and claims.
#[derive(Default)]
struct Brought {
    secrets: BTreeMap<String, BTreeSet<String>>,
    claims: BTreeSet<String>,
}

impl Brought {
    fn find(&mut self, value: &Value) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match (key.as_str(), value["name"].as_str()) {
                ("secretKeyRef" | "secretRef", Some(name)) => {
                    let keys = self.secrets.entry(name.to_owned()).or_default();
                    keys.extend(value["key"].as_str().map(str::to_owned));
                }
                ("existingClaim", _) => self.claims.extend(value.as_str().map(str::to_owned)),
                _ => self.find(value),
            }
        }
        value.as_array().into_iter().flatten().for_each(|item| self.find(item));
    }

    fn objects(&self) -> Vec<Value> {
        let secrets = self.secrets.iter().map(|(name, keys)| {
            let data: BTreeMap<_, _> = keys.iter().map(|key| (key, secret_value(key))).collect();
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
        });
        let claims = self.claims.iter().map(|name| {
            let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})
        });
        secrets.chain(claims).collect()
    }
}

/// The Agent that owns the gateway of this one; `None`: it is no Agent.
fn owner(object: &Value) -> Option<&str> {
    let joined = object["spec"]["gatewayRef"]["name"].as_str();
    joined.or_else(|| object["metadata"]["name"].as_str()).filter(|_| object["kind"] == "Agent")
}

/// The same object; a gateway that would start does not.
fn at_rest(object: &Value) -> Value {
    let owns_a_gateway = object["kind"] == "Agent" && object["spec"].get("gatewayRef").is_none();
    let rest = if owns_a_gateway { json!({"spec": {"suspend": true}}) } else { json!({}) };
    merged(object.clone(), rest)
}

/// Waits until a configuration of this gateway has exactly these agents.
async fn rendered(namespace: &TestNamespace, owner: &str, agents: &BTreeSet<String>) {
    let prefix = format!("{owner}-config-");
    namespace
        .eventually(&format!("the gateway of {owner} has all its agents"), SOON, async || {
            let maps = namespace.api("ConfigMap").list(&ListParams::default()).await.expect("ConfigMaps");
            let texts = maps.items.iter().filter(|map| map.name_any().starts_with(&prefix));
            let texts = texts.filter_map(|map| map.data["data"]["openclaw.json"].as_str());
            let found: Vec<BTreeSet<String>> = texts
                .map(|text| serde_json::from_str::<Value>(text).expect("a configuration is JSON"))
                .filter_map(|document| Some(document["agents"]["entries"].as_object()?.keys().cloned().collect()))
                .collect();
            if found.contains(agents) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    namespace.condition("Agent", owner, "ReferencesResolved", SOON, |found| found.status == "True").await;
}

#[tokio::test]
async fn every_configuration_of_people_who_move_is_accepted_and_rendered_whole() {
    in_namespace("moving", async |namespace| {
        let objects = samples();
        let mut brought = Brought::default();
        for object in &objects {
            brought.find(object);
        }
        for object in brought.objects().into_iter().chain(objects.iter().map(at_rest)) {
            make(&namespace, &object).await;
        }
        let mut gateways = BTreeMap::<&str, BTreeSet<String>>::new();
        for object in &objects {
            if let Some(owner) = owner(object) {
                let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
                gateways.entry(owner).or_default().insert(name);
            }
        }
        assert_eq!(gateways.len(), 10);
        for (owner, agents) in &gateways {
            rendered(&namespace, owner, agents).await;
        }
    })
    .await;
}
