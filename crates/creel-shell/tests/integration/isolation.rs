//! `creel-shell isolation`.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::fixtures::directory::Directory;
use crate::fixtures::{BINARY, text};

fn report(directory: &Directory, arguments: &[&str]) -> Value {
    let report = directory.path("report");
    let status = Command::new(BINARY).arg("isolation").args(arguments).arg("--report").arg(&report).status().unwrap();
    assert!(status.success());
    serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap()
}

#[test]
fn what_can_be_reached_and_written_is_reported_sorted() {
    let directory = Directory::new();
    let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut addresses = servers.each_ref().map(|server| server.local_addr().unwrap().to_string());
    addresses.sort();
    let (first, second, read_only) = (&*addresses[0], &*addresses[1], &*directory.text());
    let arguments = ["--unreachable", second, "--unreachable", first, "--read-only", read_only];
    let expected = json!({"reachable": [first, second], "writable": [read_only], "refused": [], "timedOut": []});
    assert_eq!(report(&directory, &arguments), expected);
}

#[test]
fn an_address_that_refuses_a_connection_is_reported_as_such() {
    let directory = Directory::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = ["--unreachable", &*closed, "--read-only", "/proc/self"];
    let expected = json!({"reachable": [], "writable": [], "refused": [closed], "timedOut": []});
    assert_eq!(report(&directory, &arguments), expected);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let output = Command::new(BINARY).args(["isolation", "--report", "/nonexistent/report"]).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("cannot write --report /nonexistent/report"));
}
