#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The logs are those of the real gateway, as the kubelet would keep them.

use super::*;

#[test]
fn an_unknown_key_is_told_in_the_gateways_words() {
    let exit = read(78, include_str!("../fixtures/exit_refused_at_start.log"));
    let words =
        "openclaw.json:115 — agents.entries.writer: Unrecognized key: \"modle\"; <root>: Unrecognized key: \"bogus\"";
    assert_eq!(exit, Exit::ConfigurationRefused(words.to_owned()));
}

#[test]
fn a_file_that_is_no_json_is_a_refused_configuration() {
    let Exit::ConfigurationRefused(words) = read(78, include_str!("../fixtures/exit_not_json.log")) else {
        panic!("not refused")
    };
    assert!(words.contains("existing config is missing gateway.mode"), "{words}");
}

#[test]
fn a_missing_file_is_a_refused_configuration() {
    let Exit::ConfigurationRefused(words) = read(78, include_str!("../fixtures/exit_no_file.log")) else {
        panic!("not refused")
    };
    assert!(words.starts_with("Missing config."), "{words}");
}

#[test]
fn another_gateway_on_the_same_state_is_not_a_refused_configuration() {
    assert_eq!(read(78, include_str!("../fixtures/exit_state_in_use.log")), Exit::StateInUse);
}

#[test]
fn a_state_directory_of_someone_else_is_not_a_refused_configuration() {
    let Exit::StateNotWritable(words) = read(78, include_str!("../fixtures/exit_state_not_writable.log")) else {
        panic!("not recognised")
    };
    assert!(words.contains("EACCES: permission denied, mkdir"), "{words}");
}

#[test]
fn databases_of_a_newer_version_are_told_apart() {
    let words = "Gateway failed to start: Gateway refused startup because 1 OpenClaw database schema(s) are newer than this build. state database /home/node/.openclaw/state/openclaw.sqlite uses schema 18; this build supports 15; writer build 2026.9.6.";
    assert_eq!(read(78, words), Exit::StateNewer(words.to_owned()));
    let Exit::StateNewer(_) = read(78, &words[120..]) else { panic!("the end of it is not recognised") };
}

#[test]
fn a_heap_at_its_limit_is_told_apart_from_other_crashes() {
    let words = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n";
    assert_eq!(read(134, words), Exit::OutOfMemory);
}

#[test]
fn a_missing_token_is_told_apart_although_the_gateway_writes_more_lines_after_it() {
    assert_eq!(read(1, include_str!("../fixtures/exit_no_token.log")), Exit::SecretsUnavailable);
}

#[test]
fn a_log_without_a_known_sign_gives_its_last_words() {
    assert_eq!(read(137, ""), Exit::Other(None));
    assert_eq!(read(139, "Segmentation fault\n"), Exit::Other(Some("Segmentation fault".to_owned())));
    let Exit::Other(Some(words)) = read(1, include_str!("../fixtures/exit_port_in_use.log")) else { panic!("known?") };
    assert!(words.contains("EADDRINUSE"), "{words}");
}

#[test]
fn a_message_stays_short_and_on_one_line() {
    let Exit::Other(Some(words)) = read(2, &format!("{}\u{7}{}", "a".repeat(300), "b".repeat(300))) else {
        panic!("nothing read")
    };
    assert_eq!(words.chars().count(), MESSAGE_LIMIT);
    assert!(!words.chars().any(char::is_control));
}
