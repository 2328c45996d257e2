#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The payloads are those of a real gateway that was given the document of [`config::tests::gateway`], cut to what is read.

use serde_json::json;

use super::*;
use crate::openclaw::config::sandbox::{
    Sandbox,
    tests::{sandbox, with},
};
use crate::openclaw::config::{self, tests::gateway};

/// What is read of this payload.
fn read(ours: &Value, payload: &Value) -> Answer {
    let text = payload.to_string();
    Reader::new(ours).deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap()
}

fn compare(ours: &Value, payload: &Value, before: Option<&str>) -> Verdict {
    read(ours, payload).verdict(before)
}

fn file(payload: &Value) -> Option<&str> {
    payload["hash"].as_str()
}

fn same(ours: &Value, seen: &Value) -> bool {
    Same { ours, marker: None }.deserialize(seen).unwrap()
}

fn applied() -> Value {
    serde_json::from_str(include_str!("../fixtures/config_get_applied.json")).unwrap()
}

/// The document with another value in a header, seen but not yet applied.
fn seen_not_applied() -> Value {
    serde_json::from_str(include_str!("../fixtures/config_get_seen_not_applied.json")).unwrap()
}

fn refused() -> Value {
    serde_json::from_str(include_str!("../fixtures/config_get_refused.json")).unwrap()
}

fn ours() -> Value {
    config::render(&gateway())
}

#[test]
fn our_file_in_the_gateway_is_applied() {
    assert_eq!(compare(&ours(), &applied(), None), Verdict::Applied);
    assert_eq!(compare(&ours(), &applied(), Some("another file")), Verdict::Applied);
}

#[test]
fn equal_hashes_of_an_older_file_prove_nothing() {
    let mut newer = gateway();
    newer.agents.remove("writer");
    assert_eq!(compare(&config::render(&newer), &applied(), None), Verdict::Pending);
}

#[test]
fn an_edit_of_a_redacted_leaf_alone_is_pending_until_the_marker_says_so() {
    let mut other = ours();
    other["models"]["providers"]["p-openai"]["headers"]["X-Org"] = json!("other");
    assert_eq!(compare(&marker::with_marker(other), &applied(), None), Verdict::Pending);
}

/// What a real gateway shows of this document: the id of a SecretRef and the known hosts are redacted.
fn shown(document: &Value) -> Value {
    let mut parsed = document.clone();
    let ssh = &mut parsed["agents"]["entries"]["concierge"]["sandbox"]["ssh"];
    ssh["identityData"]["id"] = json!(REDACTED);
    ssh["knownHostsData"] = json!(REDACTED);
    let mut payload = applied();
    payload["parsed"] = parsed;
    payload
}

#[test]
fn a_sandbox_in_the_gateway_is_applied_and_another_host_key_is_pending() {
    let ours = config::render(&with(Some(&sandbox())));
    assert_eq!(compare(&ours, &shown(&ours), None), Verdict::Applied);
    let other = config::render(&with(Some(&Sandbox { host_key: None, ..sandbox() })));
    assert_eq!(compare(&other, &shown(&ours), None), Verdict::Pending);
}

#[test]
fn a_file_that_is_seen_but_not_in_force_is_only_read() {
    let payload = seen_not_applied();
    assert_eq!(compare(&payload["parsed"], &payload, None), Verdict::Read);
}

#[test]
fn a_refusal_is_told_in_the_gateways_words() {
    let Verdict::Refused(refusal) = compare(&ours(), &refused(), None) else { panic!("not refused") };
    let words = ["agents.entries.writer: Unrecognized key: \"modle\"", "openclaw.json: Unrecognized key: \"bogus\""];
    assert_eq!(refusal.issues, words);
    assert_eq!(refusal.file.as_deref(), file(&refused()));
}

#[test]
fn a_refusal_of_the_file_before_ours_is_not_about_ours() {
    let before = refused();
    assert_eq!(compare(&ours(), &before, file(&before)), Verdict::Pending);
}

#[test]
fn a_refusal_stays_short_and_on_one_line() {
    let mut payload = refused();
    payload["issues"] = (0..20).map(|_| json!({"path": "a", "message": "b\n".repeat(400)})).collect();
    let Verdict::Refused(refusal) = compare(&ours(), &payload, None) else { panic!("not refused") };
    assert_eq!(refusal.issues.len(), ISSUES_LIMIT);
    assert!(refusal.issues.iter().all(|issue| issue.chars().count() <= ISSUE_LENGTH_LIMIT && !issue.contains('\n')));
}

#[test]
fn an_answer_of_another_shape_is_pending() {
    assert_eq!(compare(&ours(), &json!({}), None), Verdict::Pending);
}

#[test]
fn a_number_is_the_same_with_and_without_a_fraction() {
    assert!(same(&json!({"cost": 1.0}), &json!({"cost": 1})));
    assert!(!same(&json!({"cost": 1.0}), &json!({"cost": 2})));
}
