//! What calls can do, and how they share connections.

use std::fs;

use rustix::process::Signal;

use crate::fixtures::client::assert_fails;
use crate::fixtures::pair::Pair;
use crate::fixtures::process::{eventually, with_command_line};
use crate::fixtures::text;

#[test]
fn more_calls_at_once_than_a_connection_allows_use_another_connection() {
    let pair = Pair::start();
    let start = || pair.client.start("echo running; read line; echo $line");
    let first = start();
    let others: Vec<_> = (1..70).map(|_| start()).collect();
    assert_eq!(pair.connections(), (2, 2));
    for mut call in others.into_iter().chain([first]) {
        assert_eq!(pair.connections(), (2, 2), "a call is running on the first connection");
        call.write(b"done\n");
        let output = call.finish();
        assert_eq!((text(&output.stdout), output.status.code()), ("done\n", Some(0)));
    }
    eventually("the first connection is closed", || pair.connections() == (2, 1));
    pair.client.assert_works();
    assert_eq!(pair.connections(), (2, 1));
}

#[test]
fn the_whole_remote_process_group_ends_with_the_client() {
    let pair = Pair::start();
    let mut calls = Vec::new();
    for (number, signal) in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP].into_iter().enumerate() {
        let seconds = format!("{}{number}", 100_000 + std::process::id());
        // A shell that ignores signals, another one that it started, and a program in the background of that one.
        let script = format!("trap '' TERM HUP INT; (sleep {seconds} & wait) & echo running; wait; sleep {seconds}");
        calls.push((pair.client.start(&script), signal, seconds));
    }
    for (call, signal, _) in &calls {
        call.signal(*signal);
    }
    for (call, _, seconds) in calls {
        call.finish();
        eventually("the programs have ended", || {
            with_command_line(|line| line.split('\0').any(|word| word == seconds)).is_empty()
        });
    }
    pair.leaves_no_program();
    pair.client.assert_works();
}

#[test]
fn an_unknown_key_on_either_side_is_refused() {
    let pair = Pair::start();
    let stranger = fs::read_to_string(pair.directory.path("stranger.pub")).unwrap();
    let line = format!("[{}]:{} {stranger}\n", pair.address.ip(), pair.address.port());
    fs::write(pair.directory.path("known_strangers"), line).unwrap();
    pair.client.configure(|config| config.known_hosts = pair.directory.path("known_strangers"));
    assert_fails(&pair.client.run("true"), "host key verification failed");
    pair.client.configure(|config| config.identity = pair.directory.path("stranger"));
    assert_fails(&pair.client.run("true"), "refused the client key of user `sandbox`");
    pair.logs("rejected a key that is not authorized");
    pair.client.configure(|_| {});
    pair.client.assert_works();
}

#[test]
fn either_side_may_end_its_stream_before_the_other() {
    let pair = Pair::start();
    let mut call = pair.client.start("echo running; cat; for n in 1 2 3; do sleep 0.2; echo $n; done; exit 4");
    drop(call.take_input());
    let output = call.finish();
    assert_eq!((text(&output.stdout), output.status.code()), ("1\n2\n3\n", Some(4)));

    let copy = pair.directory.path("copy");
    let mut call = pair.client.start(&format!("echo running; exec >&- 2>&-; cat > {}; exit 5", copy.display()));
    (0..100).for_each(|_| call.write(&[b'x'; 10_000]));
    assert_eq!(call.finish().status.code(), Some(5));
    assert_eq!(fs::metadata(copy).unwrap().len(), 1_000_000);
    pair.client.assert_works();
}

#[test]
fn openclaws_removal_of_a_sandbox_keeps_a_mounted_workspace() {
    let pair = Pair::start_with(&["--keep-workspace", "/workspaces/root/workspace"]);
    let root = pair.directory.path("root");
    fs::create_dir_all(root.join("workspace")).unwrap();
    let removal = format!("'/bin/sh' '-c' 'rm -rf -- \"$1\"' 'openclaw-sandbox-remove' '{}'", root.display());
    let output = pair.client.run(&removal);
    let message = "creel-shell: the workspace is a mounted volume, nothing was removed\n";
    assert_eq!((text(&output.stderr), output.status.code()), (message, Some(0)));
    assert!(root.join("workspace").exists());
    pair.client.assert_works();
}

#[test]
fn a_terminal_is_one_on_the_remote_side() {
    let pair = Pair::start();
    let output = pair.client.terminal("tty; stty size; exit 3").output().unwrap();
    let lines = text(&output.stdout);
    assert!(lines.starts_with("/dev/pts/") && lines.ends_with("\r\n24 80\r\n"), "{lines}");
    assert_eq!(output.status.code(), Some(3));
}
