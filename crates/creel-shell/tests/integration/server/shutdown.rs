//! How the server ends: when it drains, and on SIGTERM.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use super::out;
use crate::fixtures::directory::Directory;
use crate::fixtures::opens::Opens;
use crate::fixtures::process::{eventually, finish};
use crate::fixtures::server::Server;

#[test]
fn a_draining_server_accepts_calls_while_one_is_running_and_then_exits() {
    let directory = Directory::new();
    let file = directory.path("drain");
    fs::write(&file, "false").unwrap();
    let mut server = Server::start_with(&["--drain-file", file.to_str().unwrap()]);
    let (mut ssh, _output) = server.begin("echo running; sleep 1000");
    fs::write(&file, "true\n").unwrap();
    server.logs("draining: 1 calls are running");
    assert_eq!(out(&server.run("echo another")), "another\n");
    assert!(!server.has_ended());
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    assert_eq!(server.status(), Some(0));
    server.logs("drained: no call is running");
}

#[test]
fn a_server_whose_drain_file_is_missing_or_says_false_continues() {
    let directory = Directory::new();
    let file = directory.path("drain");
    let mut server = Server::start_with(&["--drain-file", file.to_str().unwrap()]);
    assert_eq!(server.run("true").status.code(), Some(0));
    fs::write(&file, "false").unwrap();
    // The first time after it was missing, the second time after it said `false`.
    Opens::of(&file).wait(2);
    assert!(!server.has_ended());
    assert_eq!(server.run("true").status.code(), Some(0));
    assert!(!server.log().contains("drain"), "{}", server.log());
}

#[test]
fn an_idle_server_exits_on_sigterm_without_the_grace_period() {
    // Longer than the test waits.
    let mut server = Server::start_with(&["--grace", "3600"]);
    server.terminate();
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_running_call_may_finish_after_sigterm_and_no_other_starts() {
    let mut server = Server::start_with(&["--grace", "3600"]);
    let mut ssh =
        server.ssh(&[], &["echo running; read line; echo finished $line"]).stdin(Stdio::piped()).spawn().unwrap();
    eventually("the call is running", || server.programs().len() == 1);
    server.terminate();
    server.logs("stopping: 1 calls are running");
    assert_eq!(server.run("true").status.code(), Some(255));
    ssh.stdin.take().unwrap().write_all(b"well\n").unwrap();
    let output = finish(ssh);
    assert_eq!((out(&output), output.status.code()), ("running\nfinished well\n", Some(0)));
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_call_that_is_running_after_the_grace_period_is_ended() {
    let mut server = Server::start_with(&["--grace", "1"]);
    let (ssh, mut output) = server.begin("trap '' HUP; echo running; sleep 1000; echo not reached");
    server.terminate();
    assert_eq!(server.status(), Some(0));
    server.logs("call ended: the server is stopping");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!(finish(ssh).status.code(), Some(255));
}
