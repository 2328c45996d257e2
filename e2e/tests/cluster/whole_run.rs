//! Looks back on the whole run, after all other tests: no secret value where people read, every configuration that Creel rendered
//! is one that OpenClaw accepts, and the operator lacked no right.

use std::collections::{BTreeMap, BTreeSet};

use e2e::images::GATEWAY_IMAGE;
use e2e::suite::evidence::KINDS;
use e2e::suite::operator::{AuditLog, keep_logs, logs_directory};
use e2e::suite::{MARKER, MARKER_BASE64, SOON, TestNamespace, client, in_namespace, rendered_directory, resource};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DynamicObject, ListParams, LogParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// The logs of all operators of the run by Pod.
async fn operator_logs(client: &Client) -> BTreeMap<String, String> {
    keep_logs(client).await;
    let files = std::fs::read_dir(logs_directory()).expect("the logs of the operator");
    let logs: BTreeMap<_, _> = files
        .map(|file| file.expect("a log").path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a log is text")))
        .collect();
    assert!(logs.values().any(|log| !log.is_empty()), "no operator left a log");
    logs
}

#[tokio::test]
async fn no_log_and_no_object_of_the_run_holds_a_secret_value() {
    let client = client().await;
    let holds = |text: &str| text.contains(MARKER) || text.contains(MARKER_BASE64);
    for (path, log) in operator_logs(&client).await {
        let line = log.lines().find(|line| holds(line));
        assert!(line.is_none(), "{path}: {line:?}");
    }
    for kind in KINDS {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind));
        for object in api.list(&ListParams::default()).await.expect(kind) {
            let text = serde_json::to_string(&object).expect("an object is JSON");
            assert!(!holds(&text), "{kind} {}: {text}", object.name_any());
        }
    }
    if let Some(audit) = AuditLog::whole().await {
        // Names and addresses of requests are in it.
        let requests: Vec<_> = audit.of_operator().iter().map(ToString::to_string).collect();
        assert!(requests.iter().all(|request| !holds(request)));
    }
}

#[tokio::test]
async fn the_operator_lacked_no_right() {
    let client = client().await;
    let audit = AuditLog::whole().await.expect("an audit log: these tests run on the cluster of this machine");
    let requests = audit.of_operator();
    assert!(!requests.is_empty(), "the operator wrote nothing in the whole run");
    let forbidden: Vec<_> =
        requests.iter().filter(|event| event["annotations"]["authorization.k8s.io/decision"] == "forbid").collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    // Reads are not audited; the log tells of those.
    for (path, log) in operator_logs(&client).await {
        let lines: Vec<_> =
            log.lines().filter(|line| line.contains("cannot") && line.contains("is forbidden: User")).collect();
        assert!(lines.is_empty(), "{path}: {lines:#?}");
    }
}

/// Every configuration that the run's namespaces held, each shape once, by the file that it came from.
fn rendered() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(rendered_directory()).expect("configurations of the run");
    let mut texts = BTreeSet::new();
    files
        .map(|file| file.expect("a file").path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .filter(|(name, text)| texts.insert(shape(name, text)))
        .collect()
}

/// The text without what differs from test to test and means nothing to OpenClaw: the namespace's name, and digests.
fn shape(file: &str, text: &str) -> String {
    let namespace = file.split("--").next().unwrap_or_default();
    let text = text.replace(namespace, "namespace");
    let words = text.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| word.len() < 9 || !word[..8].chars().all(|digit| digit.is_ascii_hexdigit())).collect()
}

/// Each configuration, and what OpenClaw's own validation says of it: `<file> <exit code> <JSON>`.
async fn validate(
    namespace: &TestNamespace,
    configurations: &BTreeMap<String, String>,
) -> BTreeMap<String, (bool, String)> {
    let maps: Api<ConfigMap> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let mut sources = Vec::new();
    // A ConfigMap holds a mebibyte.
    let all: Vec<_> = configurations.iter().collect();
    for (number, some) in all.chunks(64).enumerate() {
        let data: BTreeMap<String, String> =
            some.iter().map(|(name, text)| ((*name).clone(), (*text).clone())).collect();
        let name = format!("configurations-{number}");
        let map: ConfigMap =
            serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).expect("a ConfigMap");
        maps.create(&PostParams::default(), &map).await.expect("a ConfigMap can be made");
        sources.push(json!({"configMap": {"name": name}}));
    }
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    pods.create(&PostParams::default(), &validator(&sources)).await.expect("a Pod can be made");
    namespace
        .eventually("OpenClaw has looked at every configuration", SOON * 6, async || {
            let status = pods.get("validator").await.expect("the Pod").status.unwrap_or_default();
            if status.phase.as_deref() == Some("Succeeded") { Ok(()) } else { Err(json!(status).to_string()) }
        })
        .await;
    let said = pods.logs("validator", &LogParams::default()).await.expect("its log");
    let lines = said.lines().filter_map(|line| line.strip_prefix("configuration "));
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let (name, code) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            (name.to_owned(), (code == "0", words.next().unwrap_or_default().to_owned()))
        })
        .collect()
}

fn validator(sources: &[Value]) -> Pod {
    let script = r#"ls /configurations/* | xargs -P 2 -I FILE sh -c '
        said=$(OPENCLAW_CONFIG_PATH=FILE node openclaw.mjs config validate --json 2>&1); code=$?
        echo "configuration $(basename FILE) $code $(echo "$said" | tr "\n" " ")"'"#;
    serde_json::from_value(json!({
        "metadata": {"name": "validator"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "validator",
                "image": GATEWAY_IMAGE,
                "workingDir": "/app",
                "command": ["sh", "-c", script],
                "env": [{"name": "HOME", "value": "/tmp"}, {"name": "OPENCLAW_STATE_DIR", "value": "/tmp/state"}],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "configurations", "mountPath": "/configurations"}, {"name": "tmp", "mountPath": "/tmp"}],
            }],
            "volumes": [{"name": "configurations", "projected": {"sources": sources}}, {"name": "tmp", "emptyDir": {}}],
        },
    }))
    .expect("a Pod")
}

#[tokio::test]
async fn openclaw_accepts_every_configuration_that_creel_rendered() {
    in_namespace("validate", async |namespace| {
        let mut configurations = rendered();
        assert!(!configurations.is_empty(), "no test of this run kept a configuration");
        // One that must be refused proves that the others were looked at.
        let (_, text) = configurations.iter().find(|(name, _)| name.contains("-config-")).expect("a mounted one");
        let mut broken: Value = serde_json::from_str(text).expect("a configuration is JSON");
        broken["gateway"]["no-such-key"] = json!(true);
        configurations.insert("broken.json".to_owned(), broken.to_string());
        // The tests put one there through the door that only they have, to see it refused.
        let refused_on_purpose = |name: &str| name == "broken.json" || name.starts_with("refused-");
        let said = validate(&namespace, &configurations).await;
        assert_eq!(said.keys().collect::<Vec<_>>(), configurations.keys().collect::<Vec<_>>());
        assert!(!said["broken.json"].0, "an unknown key was accepted: {}", said["broken.json"].1);
        let refused: Vec<_> = said.iter().filter(|(name, (valid, _))| !valid && !refused_on_purpose(name)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        println!("{} configurations are valid", said.len() - 1);
    })
    .await;
}
