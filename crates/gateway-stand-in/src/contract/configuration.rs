//! `config.get` as the proof of what is in force.

use serde_json::{Value, json};

use super::document::{HIDDEN, OTHER};
use super::subject::{Host, Subject};

const MARKER: &str = "/wizard/lastRunCommand";

async fn shown<H: Host>(subject: &Subject<H>) -> Value {
    subject.ok("config.get", json!({})).await
}

/// Writes the configuration and waits until it is shown and in force.
async fn apply<H: Host>(subject: &Subject<H>, document: &Value) -> Value {
    subject.host.configure(&document.to_string()).await;
    applied(subject, document).await
}

async fn applied<H: Host>(subject: &Subject<H>, document: &Value) -> Value {
    subject
        .eventually("the configuration in force", async || {
            let payload = shown(subject).await;
            let is_it = payload["parsed"].pointer(MARKER) == document.pointer(MARKER);
            let in_force = payload["configRevisionHash"] == payload["appliedConfigHash"];
            if payload["valid"] == true && is_it && in_force { Ok(payload) } else { Err(hashes(&payload).to_string()) }
        })
        .await
}

/// Writes what the gateway does not take and waits until it says so.
async fn refuse<H: Host>(subject: &Subject<H>, text: &str) -> Value {
    subject.host.configure(text).await;
    subject
        .eventually("a refused configuration", async || {
            let payload = shown(subject).await;
            if payload["valid"] == false { Ok(payload) } else { Err(hashes(&payload).to_string()) }
        })
        .await
}

fn hashes(payload: &Value) -> Value {
    json!([payload["valid"], payload["hash"], payload["configRevisionHash"], payload["appliedConfigHash"]])
}

fn marked<H>(subject: &Subject<H>, marker: &str) -> Value {
    let mut document = subject.document.clone();
    document["wizard"]["lastRunCommand"] = json!(marker);
    document
}

pub async fn it_is_shown_with_its_secrets_hidden<H: Host>(subject: &Subject<H>) {
    let payload = shown(subject).await;
    let mut expected = subject.document.clone();
    for leaf in HIDDEN {
        *expected.pointer_mut(leaf).unwrap_or_else(|| panic!("no {leaf}")) = json!("__OPENCLAW_REDACTED__");
    }
    assert_eq!(payload["parsed"], expected);
    assert_eq!((&payload["valid"], &payload["issues"]), (&json!(true), &json!([])));
    assert!(payload["hash"].is_string(), "{}", payload["hash"]);
    assert_eq!(payload["configRevisionHash"], payload["appliedConfigHash"]);
}

pub async fn a_new_one_is_seen_and_applied<H: Host>(subject: &Subject<H>) {
    let before = shown(subject).await;
    let document = marked(subject, "contract 2");
    let after = apply(subject, &document).await;
    for hash in ["hash", "configRevisionHash", "appliedConfigHash"] {
        assert_ne!(before[hash], after[hash], "{hash}");
    }
    let again = apply(subject, &subject.document).await;
    for hash in ["configRevisionHash", "appliedConfigHash"] {
        assert_eq!(before[hash], again[hash], "the same configuration has the same {hash}");
    }
}

pub async fn an_edit_of_a_hidden_leaf_shows_only_in_the_hashes<H: Host>(subject: &Subject<H>) {
    let before = shown(subject).await;
    let mut document = subject.document.clone();
    document["models"]["providers"]["p-main"]["headers"]["X-Org"] = json!("another");
    subject.host.configure(&document.to_string()).await;
    let after = subject
        .eventually("another file", async || {
            let payload = shown(subject).await;
            let in_force = payload["configRevisionHash"] == payload["appliedConfigHash"];
            let is_new = payload["hash"] != before["hash"];
            if is_new && in_force { Ok(payload) } else { Err(hashes(&payload).to_string()) }
        })
        .await;
    assert_eq!(before["parsed"], after["parsed"]);
    assert_ne!(before["configRevisionHash"], after["configRevisionHash"]);
    restore(subject, &before).await;
}

pub async fn other_bytes_of_the_same_meaning_are_another_file_of_the_same_revision<H: Host>(subject: &Subject<H>) {
    let before = shown(subject).await;
    subject.host.configure(&serde_json::to_string_pretty(&subject.document).unwrap()).await;
    let after = subject
        .eventually("another file", async || {
            let payload = shown(subject).await;
            if payload["hash"] == before["hash"] { Err(hashes(&payload).to_string()) } else { Ok(payload) }
        })
        .await;
    assert_eq!(before["configRevisionHash"], after["configRevisionHash"]);
    restore(subject, &before).await;
}

pub async fn a_refused_one_is_told_with_its_issues_and_the_one_before_stays_in_force<H: Host>(subject: &Subject<H>) {
    let before = shown(subject).await;
    let mut document = subject.document.clone();
    document["agents"]["entries"][OTHER]["modle"] = json!("x");
    document["bogus"] = json!(1);
    let refused = refuse(subject, &document.to_string()).await;
    assert_eq!((&refused["parsed"], &refused["configRevisionHash"]), (&Value::Null, &Value::Null));
    assert_ne!(refused["hash"], before["hash"]);
    assert_eq!(refused["appliedConfigHash"], before["appliedConfigHash"]);
    let expected = json!([
        {"path": format!("agents.entries.{OTHER}"), "message": "Unrecognized key: \"modle\""},
        {"path": "", "message": "Unrecognized key: \"bogus\""},
    ]);
    assert_eq!(refused["issues"], expected);
    restore(subject, &before).await;
}

pub async fn a_file_that_is_no_json_is_refused_too<H: Host>(subject: &Subject<H>) {
    let before = shown(subject).await;
    let refused = refuse(subject, "{").await;
    assert_eq!(refused["issues"][0]["path"], "");
    let message = refused["issues"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("JSON5 parse failed"), "{message}");
    restore(subject, &before).await;
}

/// Brings back the configuration of the subject, which this was the answer to.
async fn restore<H: Host>(subject: &Subject<H>, before: &Value) {
    subject.host.configure(&subject.document.to_string()).await;
    let is_back = async || {
        let payload = shown(subject).await;
        let is_it = payload["configRevisionHash"] == before["configRevisionHash"];
        let in_force = payload["configRevisionHash"] == payload["appliedConfigHash"];
        if is_it && in_force { Ok(()) } else { Err(hashes(&payload).to_string()) }
    };
    subject.eventually("the configuration before", is_back).await;
}

/// Takes the agent out of the configuration, and returns once it is out of force.
pub(super) async fn without_agent<H: Host>(subject: &Subject<H>, agent: &str) {
    let mut document = marked(subject, "contract without an agent");
    document["agents"]["entries"].as_object_mut().unwrap().remove(agent);
    apply(subject, &document).await;
}

/// Brings back the configuration of the subject.
pub(super) async fn reset<H: Host>(subject: &Subject<H>) {
    apply(subject, &subject.document).await;
}
