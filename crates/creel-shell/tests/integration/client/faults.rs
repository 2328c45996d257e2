//! Sandboxes that are missing, lost or frozen, killed clients, and output that is not read.

use std::fs;
use std::io::{Read, repeat};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread::scope;

use rustix::process::Signal;

use crate::fixtures::client::assert_fails;
use crate::fixtures::process::{eventually, finish};
use crate::fixtures::sshd::Sandbox;
use crate::fixtures::text;

#[test]
fn a_call_waits_for_a_missing_sandbox_until_the_connect_timeout() {
    let mut sandbox = Sandbox::absent();
    sandbox.configure(|config| config.connect_timeout = 1);
    assert_fails(&sandbox.run("true"), "cannot reach the sandbox 127.0.0.1:");
    sandbox.configure(|config| config.connect_timeout = 120);
    let call = sandbox.command("true").spawn().unwrap();
    sandbox.start_server();
    assert!(finish(call).status.success(), "the sandbox started while the call waited for it");
}

#[test]
fn a_sandbox_that_sends_nothing_fails_all_waiting_calls_after_the_connect_timeout() {
    let sandbox = Sandbox::absent();
    sandbox.configure(|config| config.connect_timeout = 1);
    let _silent = TcpListener::bind(sandbox.address).unwrap();
    scope(|threads| {
        for call in [threads.spawn(|| sandbox.run("true")), threads.spawn(|| sandbox.run("true"))] {
            assert_fails(&call.join().unwrap(), "did not complete the SSH handshake within 1 s");
        }
    });
}

#[test]
fn a_lost_connection_ends_the_call_and_the_next_one_opens_another() {
    let mut sandbox = Sandbox::running();
    let mut call = sandbox.start("echo running; cat");
    let _input = call.take_input();
    sandbox.stop_server();
    let message = format!("the connection to the sandbox {} was lost: ", sandbox.address);
    assert_fails(&call.finish(), &message);
    eventually("the mux master exits", || sandbox.masters().is_empty());
    sandbox.start_server();
    sandbox.assert_works();
}

#[test]
fn a_connection_that_is_lost_between_calls_goes_unnoticed() {
    let mut sandbox = Sandbox::running();
    for _ in 0..3 {
        sandbox.assert_works();
        sandbox.stop_server();
        sandbox.start_server();
    }
}

#[test]
fn a_sandbox_that_freezes_between_calls_fails_the_next_one() {
    let sandbox = Sandbox::running();
    sandbox.assert_works();
    sandbox.configure(|config| config.connect_timeout = 1);
    sandbox.signal_server(Signal::STOP);
    let output = sandbox.run("true");
    sandbox.signal_server(Signal::CONT);
    assert_fails(&output, "did not complete the SSH handshake within 1 s");
    sandbox.configure(|_| {});
    sandbox.assert_works();
}

/// A call that is idle, or uploads, while its sandbox freezes.
fn freeze_during_a_call(uploads: bool) {
    let sandbox = Sandbox::running();
    sandbox.configure(|config| config.alive_interval = 1);
    let mut call = sandbox.start("echo running; cat > /dev/null");
    let mut input = call.take_input();
    scope(|threads| {
        let upload = uploads.then(|| threads.spawn(|| std::io::copy(&mut repeat(b'x'), &mut input)));
        sandbox.signal_server(Signal::STOP);
        let output = call.finish();
        sandbox.signal_server(Signal::CONT);
        assert_fails(&output, "answered none of 3 keepalives");
        assert!(upload.is_none_or(|upload| upload.join().unwrap().is_err()));
    });
}

#[test]
fn a_sandbox_that_freezes_during_a_call_ends_it() {
    scope(|threads| [false, true].map(|uploads| threads.spawn(move || freeze_during_a_call(uploads))).map(drop));
}

#[test]
fn a_killed_client_ends_its_remote_command_and_no_other() {
    let sandbox = Sandbox::running();
    let ended = sandbox.directory.path("ended");
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let mut other = sandbox.start("echo running; read line; echo done");
        let script = format!("trap '' TERM; echo running; cat > /dev/null; touch {}", ended.display());
        let call = sandbox.start(&script);
        call.signal(signal);
        eventually("the remote command ends", || ended.exists());
        call.finish();
        fs::remove_file(&ended).unwrap();
        other.write(b"\n");
        assert_eq!(text(&other.finish().stdout), "done\n");
    }
    assert_eq!(sandbox.connections(), 1);
}

#[test]
fn while_output_is_not_read_a_new_call_gets_another_connection() {
    let sandbox = Sandbox::running();
    sandbox.configure(|config| config.connect_timeout = 3);
    let _master = sandbox.start_mux_master(&["--stall-timeout", "3600"]);
    let mut unread = sandbox.command("yes").spawn().unwrap();
    let is_fine = |call| {
        let output = finish(call);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("fine\n", ""));
    };
    // A call that starts just before the connection is full waits until the other one ends.
    let mut calls: Vec<Child> = Vec::new();
    eventually("a call gets another connection", || {
        calls.extract_if(.., |call| call.try_wait().unwrap().is_some()).for_each(is_fine);
        if calls.len() < 50 {
            calls.push(sandbox.command("echo fine").spawn().unwrap());
        }
        sandbox.connections() > 1
    });
    unread.kill().unwrap();
    unread.wait().unwrap();
    calls.into_iter().for_each(is_fine);
}

#[test]
fn a_call_whose_output_is_not_read_is_ended_while_others_are_running() {
    let sandbox = Sandbox::running();
    let _master = sandbox.start_mux_master(&["--stall-timeout", "3"]);
    let mut other = sandbox.start("echo running; read line; echo done");
    let mut unread = sandbox.command("yes").stdin(Stdio::null()).spawn().unwrap();
    eventually("the call is ended", || unread.try_wait().unwrap().is_some());
    assert_eq!(unread.wait().unwrap().code(), Some(255));
    let mut error = String::new();
    unread.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(error, "creel-shell: the output was not read for 3 s, which delayed other calls\n");
    other.write(b"\n");
    assert_eq!(text(&other.finish().stdout), "done\n");
}
