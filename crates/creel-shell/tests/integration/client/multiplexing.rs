//! All calls to a sandbox share one connection, which a background process holds.

use std::fs;
use std::path::Path;
use std::thread::{scope, sleep};
use std::time::Duration;

use creel_shell::client::control_socket::ControlDirectory;
use rustix::process::Signal;

use crate::fixtures::client::assert_fails;
use crate::fixtures::process::{self, eventually, finish};
use crate::fixtures::sshd::Sandbox;
use crate::fixtures::{amount, text};

#[test]
fn calls_one_after_another_share_one_connection() {
    let sandbox = Sandbox::running();
    (0..amount(50, 1000)).for_each(|_| assert!(sandbox.run("true").status.success()));
    assert_eq!(sandbox.connections(), 1);
    assert_eq!(sandbox.masters().len(), 1);
}

#[test]
fn twenty_first_calls_at_once_share_one_connection() {
    let sandbox = Sandbox::running();
    scope(|threads| {
        let sandbox = &*sandbox;
        let calls: Vec<_> = (0..20).map(|n| (n, threads.spawn(move || sandbox.run(&format!("echo {n}"))))).collect();
        for (n, call) in calls {
            let output = call.join().unwrap();
            assert_eq!((text(&output.stdout), text(&output.stderr)), (format!("{n}\n").as_str(), ""));
        }
    });
    assert_eq!(sandbox.connections(), 1);
    assert_eq!(sandbox.masters().len(), 1);
}

#[test]
fn the_mux_master_keeps_nothing_of_the_call_that_started_it() {
    let sandbox = Sandbox::running();
    let child = sandbox.command("true").spawn().unwrap();
    let client = child.id();
    // Ends only when no other process has its pipes open.
    assert!(finish(child).status.success());
    let master = sandbox.master();
    // It is closed to others of its user.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let link = |name: &str| fs::read_link(format!("/proc/{master}/{name}")).unwrap();
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream), Path::new("/dev/null"));
    }
    assert_eq!(link("cwd"), Path::new("/"));
    assert_eq!(fs::read(format!("/proc/{master}/environ")).unwrap(), b"");
    let stat = fs::read_to_string(format!("/proc/{master}/stat")).unwrap();
    let numbers: Vec<u32> =
        stat.rsplit(") ").next().unwrap().split(' ').skip(1).map_while(|n| n.parse().ok()).collect();
    let [parent, group, session] = numbers[..3] else { panic!("{stat}") };
    assert!(![client, std::process::id()].contains(&parent), "it is not a child of the call");
    assert!(![client, std::process::id()].contains(&group) && group == session);
}

#[test]
fn the_mux_master_leaves_no_core_dump_with_the_private_key() {
    let sandbox = Sandbox::running();
    assert!(sandbox.run("true").status.success());
    let limits = fs::read_to_string(format!("/proc/{}/limits", sandbox.master())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[test]
fn the_mux_master_exits_when_it_is_idle_but_not_during_a_call() {
    let sandbox = Sandbox::running();
    let mut command = sandbox.mux_master(&["--idle-timeout", "1"]);
    let call = sandbox.command("sleep 1.5").spawn().unwrap();
    eventually("the call waits at the socket", || {
        fs::read_dir(format!("/proc/{}/fd", call.id())).is_ok_and(|files| {
            files
                .filter_map(Result::ok)
                .any(|file| fs::read_link(file.path()).is_ok_and(|path| path.to_string_lossy().starts_with("socket:")))
        })
    });
    let mut master = command.spawn().unwrap();
    drop(command);
    assert!(finish(call).status.success());
    assert_eq!(sandbox.masters(), [master.id()]);
    assert!(master.wait().unwrap().success());
    let left = fs::read_dir(sandbox.control_directory()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| name == "lock"));
    sandbox.assert_works();
    assert_eq!(sandbox.connections(), 2);
}

#[test]
fn calls_do_not_fail_while_mux_masters_come_and_go() {
    let sandbox = Sandbox::running();
    let id = sandbox.connection_id();
    let directory = ControlDirectory::open(&sandbox.control_directory()).unwrap();
    scope(|threads| {
        let calls: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| (0..20).for_each(|_| assert_eq!(text(&sandbox.run("true").stderr), ""))))
            .collect();
        // A mux master that exits removes its socket first. At this pace, a call never meets three of them.
        while calls.iter().any(|call| !call.is_finished()) {
            directory.remove(&id).unwrap();
            sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_killed_mux_master_ends_its_calls_and_is_replaced() {
    let sandbox = Sandbox::running();
    let call = sandbox.start("echo running; cat");
    process::signal(sandbox.master(), Signal::KILL);
    assert_fails(&call.finish(), "exited during the call");
    sandbox.assert_works();
}
