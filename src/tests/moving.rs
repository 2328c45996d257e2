//! Ten configurations that people run, as resources: each setting is in the sample, or is one that Creel has yet to offer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::gateway::fixtures::{gathered, plan, secret};

/// How many settings wait for a feature. It only ever falls.
const WAITING: usize = 16;

/// Where a setting is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Place {
    /// `Agent/house spec.model`: there, and if it is a key of openclaw.json, in what Creel renders of it.
    Field(String),
    /// A path of openclaw.json that Creel sets whether or not anyone asks.
    Rendered(String),
    /// What Creel has yet to offer.
    WaitsFor(String),
}

/// The settings of each configuration, by the name of its sample.
fn configurations() -> BTreeMap<String, BTreeMap<String, Place>> {
    serde_yaml::from_str(&read("src/tests/moving.yaml")).unwrap()
}

const SAMPLES: &str = "manifests/samples/moving";

fn in_checkout(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(in_checkout(path)).unwrap()
}

fn sample(name: &str) -> String {
    read(&format!("{SAMPLES}/{name}.yaml"))
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Every Secret that the resources name, with its keys.
fn secrets(value: &Value, found: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let ("secretKeyRef" | "secretRef", Some(name)) = (key.as_str(), value["name"].as_str()) {
                    found.entry(name.to_owned()).or_default().extend(value["key"].as_str().map(str::to_owned));
                }
                secrets(value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                secrets(item, found);
            }
        }
        _ => {}
    }
}

/// What Creel renders of the resources, with everything that they name there.
fn rendered(yaml: &str) -> Value {
    let mut gathered = gathered(yaml);
    let mut named = BTreeMap::new();
    for document in documents(yaml) {
        secrets(&document, &mut named);
    }
    named
        .entry(format!("{}-secret", gathered.owner.metadata.name.as_deref().unwrap()))
        .or_default()
        .extend(["token".to_owned(), "ssh-key".to_owned()]);
    for (name, keys) in &named {
        let data: Vec<_> = keys.iter().map(|key| (key.as_str(), "x")).collect();
        secret(&mut gathered, name, &data);
    }
    let plan = plan(&gathered);
    assert!(plan.faults.is_empty() && plan.pod.is_ok(), "{:?} {:?}", plan.faults, plan.pod.err());
    assert!(plan.agent_warnings.values().all(Vec::is_empty), "{:?}", plan.agent_warnings);
    plan.config.unwrap().value().clone()
}

/// The value at a path with dots between its keys; keys have none here.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => value.get(key),
    })
}

/// The path in openclaw.json of a field for keys without a field.
fn passed(object: &str, path: &str) -> Option<String> {
    let of_agent =
        || Some(format!("agents.entries.{}.{}", object.strip_prefix("Agent/")?, path.strip_prefix("spec.config.")?));
    path.strip_prefix("spec.gateway.config.").map(str::to_owned).or_else(of_agent)
}

#[test]
fn every_setting_of_people_who_move_is_in_their_sample_or_waits_by_name() {
    let configurations = configurations();
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, settings) in &configurations {
        let yaml = sample(name);
        let rendered = rendered(&yaml);
        let objects: BTreeMap<String, Value> = documents(&yaml)
            .into_iter()
            .map(|object| {
                (
                    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()),
                    object,
                )
            })
            .collect();
        for (setting, place) in settings {
            match place {
                Place::Field(field) => {
                    let (object, path) = field.split_once(' ').unwrap();
                    assert!(at(&objects[object], path).is_some(), "{name}: {setting} is not at {field}");
                    let passed = passed(object, path);
                    assert!(
                        passed.as_ref().is_none_or(|path| at(&rendered, path).is_some()),
                        "{name}: {setting} is not rendered at {passed:?}"
                    );
                }
                Place::Rendered(path) => assert!(at(&rendered, path).is_some(), "{name}: {setting} is not at {path}"),
                Place::WaitsFor(feature) => *waiting.entry(feature).or_default() += 1,
            }
        }
    }
    assert_eq!(waiting.values().sum::<usize>(), WAITING, "{waiting:#?}");
}

#[test]
fn each_sample_is_one_of_the_ten_configurations_and_no_two_have_an_object_of_one_name() {
    let samples: BTreeSet<String> = std::fs::read_dir(in_checkout(SAMPLES))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = configurations().into_keys().collect();
    assert_eq!((names.len(), &names), (10, &samples));
    let all: Vec<Value> = samples.iter().flat_map(|name| documents(&sample(name))).collect();
    let distinct: BTreeSet<String> =
        all.iter().map(|object| format!("{}/{}", object["kind"], object["metadata"]["name"])).collect();
    assert_eq!(distinct.len(), all.len());
}
