//! Servers that end, and streams that are not read.

use std::fs;
use std::io::{Read, copy, repeat};
use std::process::Stdio;
use std::thread::scope;

use rustix::process::Signal;

use crate::fixtures::client::assert_fails;
use crate::fixtures::directory::Directory;
use crate::fixtures::pair::Pair;
use crate::fixtures::process::{eventually, finish};
use crate::fixtures::text;

#[test]
fn a_server_that_is_killed_during_a_call_ends_it_and_the_next_call_works() {
    let mut pair = Pair::start();
    for _ in 0..3 {
        let call = pair.client.start("echo running; cat");
        pair.kill();
        assert_fails(&call.finish(), "was lost: the sandbox closed it");
        pair.client.configure(|config| config.connect_timeout = 1);
        assert_fails(&pair.client.run("true"), ": Connection refused");
        pair.client.configure(|_| {});
        pair.start_again();
        pair.client.assert_works();
    }
}

#[test]
fn a_server_that_stops_ends_running_calls_after_the_grace_period_and_the_next_call_works() {
    let mut pair = Pair::start_with(&["--grace", "0"]);
    let call = pair.client.start("echo running; exec sleep 1000");
    pair.terminate();
    assert_fails(&call.finish(), "ended the command without an exit status");
    assert_eq!(pair.status(), Some(0));
    pair.start_again();
    pair.client.assert_works();
}

#[test]
fn a_draining_server_lets_calls_finish() {
    let directory = Directory::new();
    let drain = directory.path("drain");
    let mut pair = Pair::start_with(&["--drain-file", drain.to_str().unwrap()]);
    let mut call = pair.client.start("echo running; read line; echo $line; exit 6");
    fs::write(&drain, "true\n").unwrap();
    pair.logs("draining: 1 calls are running");
    pair.client.assert_works();
    call.write(b"last\n");
    let output = call.finish();
    assert_eq!((text(&output.stdout), output.status.code()), ("last\n", Some(6)));
    assert_eq!(pair.status(), Some(0));
    pair.start_again();
    pair.client.assert_works();
}

#[test]
fn a_full_disk_is_an_error_of_the_command() {
    let pair = Pair::start();
    let mut child = pair.client.command("cat > /dev/full").stdin(Stdio::piped()).spawn().unwrap();
    // More than fits into all buffers on the way: the client must not hang on what the command no longer reads.
    let mut input = child.stdin.take().unwrap();
    let _ = copy(&mut repeat(b'x').take(20 << 20), &mut input);
    drop(input);
    let output = finish(child);
    assert!(text(&output.stderr).contains("No space left on device"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    pair.client.assert_works();
}

#[test]
fn a_command_that_never_reads_its_input_delays_no_other() {
    let pair = Pair::start();
    let mut call = pair.client.start("echo running; exec sleep 1000");
    let mut input = call.take_input();
    scope(|threads| {
        let writer = threads.spawn(move || copy(&mut repeat(b'x').take(50 << 20), &mut input));
        (0..10).for_each(|_| pair.client.assert_works());
        assert!(!writer.is_finished());
        call.signal(Signal::KILL);
        call.finish();
        assert!(writer.join().unwrap().is_err());
    });
    pair.leaves_no_program();
    pair.client.assert_works();
}

#[test]
fn a_call_whose_output_is_not_read_is_ended_while_others_wait() {
    let pair = Pair::start();
    let _master = pair.client.start_mux_master(&["--stall-timeout", "5"]);
    let mut other = pair.client.start("echo running; read line; echo done");
    let mut unread = pair.client.command("exec yes").spawn().unwrap();
    // They start before, when and after the connection is full.
    eventually("the call is ended", || {
        pair.client.assert_works();
        unread.try_wait().unwrap().is_some()
    });
    assert_eq!(unread.wait().unwrap().code(), Some(255));
    let mut error = String::new();
    unread.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(error.contains("the output was not read for 5 s"), "{error}");
    other.write(b"\n");
    assert_eq!(text(&other.finish().stdout), "done\n");
    pair.leaves_no_program();
    pair.client.assert_works();
}

#[test]
fn calls_that_start_while_another_fills_the_connection_do_not_fail() {
    let pair = Pair::start();
    pair.client.assert_works();
    let mut unread = pair.client.command("sleep 0.2; exec yes").spawn().unwrap();
    // Some start before the connection is full, some just then, some after.
    let calls: Vec<_> = (0..60).map(|_| pair.client.command("echo fine").spawn().unwrap()).collect();
    for call in calls {
        let output = finish(call);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("fine\n", ""));
    }
    unread.kill().unwrap();
    unread.wait().unwrap();
}
