//! What `creel-shell` does around the programs of a Pod: the first process, the directories, the proof of isolation.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::sandbox_server::{BINARY, children, eventually, process};
use creel_shell::isolation::Report;
use rustix::process::{Signal, kill_process};

/// A directory of its own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-pod-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn call(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

/// Runs a script under `creel-shell run`; it has said `ready`.
fn start(script: &str) -> Child {
    let mut init = Command::new(BINARY)
        .args(["run", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(init.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    init
}

#[test]
fn the_status_of_the_program_is_passed_on() {
    assert_eq!(call(&["run", "--", "sh", "-c", "exit 78"]).status.code(), Some(78));
    assert_eq!(call(&["run", "--", "true"]).status.code(), Some(0));
    assert_eq!(call(&["run", "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
}

#[test]
fn a_program_that_cannot_be_started_is_named_with_the_status_of_a_shell() {
    let missing = call(&["run", "--", "/nonexistent/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/program cannot be started"));
    assert_eq!(call(&["run", "--", "/etc/passwd"]).status.code(), Some(126));
}

#[test]
fn options_after_the_program_are_its_own() {
    let output = call(&["run", "--", "echo", "--help", "-n", "--"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--help -n --\n");
}

#[test]
fn signals_are_handed_on() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let mut init = start(&format!("trap 'exit 9' {name}; echo ready; while :; do sleep 0.02; done"));
        kill_process(process(init.id()), signal).unwrap();
        assert_eq!(init.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn orphans_are_waited_for() {
    let mut init = start("for i in 1 2 3; do (sleep 0.3 &); done; echo ready; read line; exit 5");
    let id = init.id();
    eventually("the orphans are its children", || children(id).len() == 4);
    eventually("none is left", || children(id).len() == 1);
    init.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert_eq!(init.wait().unwrap().code(), Some(5));
}

#[test]
fn directories_are_created_once_with_the_mode_of_the_group() {
    let mount = Directory::new("prepare");
    let claim = format!("{}:workspaces/writer", mount.0.display());
    let other = format!("{}:openclaw/agent", mount.0.display());
    for _ in 0..2 {
        let output = Command::new("sh")
            .args(["-c", "umask 002; exec \"$@\"", "sh", BINARY, "prepare", &claim, &other])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for path in ["workspaces", "workspaces/writer", "openclaw", "openclaw/agent"] {
        let mode = fs::metadata(mount.0.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o775, "{path}");
    }
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let mount = Directory::new("links");
    let elsewhere = Directory::new("elsewhere");
    symlink(&elsewhere.0, mount.0.join("workspaces")).unwrap();
    fs::create_dir(mount.0.join("real")).unwrap();
    symlink(&elsewhere.0, mount.0.join("real/writer")).unwrap();
    for path in ["workspaces/writer", "real/writer", "real/writer/deeper"] {
        let output = call(&["prepare", &format!("{}:{path}", mount.0.display())]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains("is in the way and is no directory"), "{message}");
    }
    assert_eq!(fs::read_dir(&elsewhere.0).unwrap().count(), 0);
}

#[test]
fn a_path_that_leaves_its_mount_and_a_missing_mount_are_refused() {
    let output = call(&["prepare", "/tmp:../etc"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("<mount>:<path>"));
    let output = call(&["prepare", "/nonexistent:x"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("mount the volume there"));
}

fn isolation(directory: &Path, arguments: &[String]) -> String {
    let report = directory.join("report");
    let status = Command::new(BINARY).arg("isolation").args(arguments).arg("--report").arg(&report).status().unwrap();
    assert!(status.success());
    fs::read_to_string(report).unwrap()
}

#[test]
fn what_can_be_reached_and_written_is_reported_sorted() {
    let directory = Directory::new("isolation");
    let servers: Vec<_> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut addresses: Vec<_> = servers.iter().map(|server| server.local_addr().unwrap().to_string()).collect();
    addresses.sort();
    let read_only = directory.0.display().to_string();
    let arguments: Vec<_> = addresses
        .iter()
        .rev()
        .flat_map(|address| ["--unreachable".to_owned(), address.clone()])
        .chain(["--read-only".to_owned(), read_only.clone()])
        .collect();
    let report: Report = serde_json::from_str(&isolation(&directory.0, &arguments)).unwrap();
    assert_eq!(report, Report { reachable: addresses, writable: vec![read_only] });
    let left: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["report"]);
}

#[test]
fn an_isolated_sandbox_has_an_empty_report() {
    let directory = Directory::new("isolated");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = ["--unreachable".to_owned(), closed, "--read-only".to_owned(), "/proc/self".to_owned()];
    assert_eq!(isolation(&directory.0, &arguments), r#"{"reachable":[],"writable":[]}"#);
}

#[test]
fn an_address_that_is_closed_off_within_three_seconds_is_not_reachable() {
    let directory = Directory::new("settling");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let closing = std::thread::spawn(move || {
        server.accept().unwrap();
        drop(server);
    });
    let report = isolation(&directory.0, &["--unreachable".to_owned(), address]);
    closing.join().unwrap();
    assert_eq!(report, r#"{"reachable":[],"writable":[]}"#);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let output = call(&["isolation", "--report", "/nonexistent/report"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/report cannot be written"));
}
