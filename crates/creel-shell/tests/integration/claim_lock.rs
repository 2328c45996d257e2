//! `creel-shell keep` and `creel-shell ready`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::Signal;

use crate::fixtures::directory::Directory;
use crate::fixtures::opens::Opens;
use crate::fixtures::process::{self, eventually};
use crate::fixtures::{BINARY, text};

/// A running lock holder. Each has a Pod name of its own, because all share the network namespace of this machine.
struct Holder {
    child: Child,
    pod: String,
    log: BufReader<ChildStderr>,
}

impl Holder {
    fn start(directory: &Directory, pod: &str) -> Self {
        let pod = format!("{}-{pod}", directory.text());
        let mut child = Command::new(BINARY)
            .args(["keep", "--pod", &pod, "--directory", &directory.text()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, pod, log }
    }

    /// Starts a lock holder and waits until it has the lock.
    fn start_ready(directory: &Directory, pod: &str) -> Self {
        let holder = Self::start(directory, pod);
        holder.becomes_ready();
        holder
    }

    fn is_ready(&self) -> bool {
        Command::new(BINARY).args(["ready", "--pod", &self.pod]).stderr(Stdio::null()).status().unwrap().success()
    }

    fn becomes_ready(&self) {
        eventually("the lock is held", || self.is_ready());
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    fn terminate(mut self) -> Option<i32> {
        process::signal(self.child.id(), Signal::TERM);
        self.child.wait().unwrap().code()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_second_holder_waits_until_the_first_is_killed() {
    let directory = Directory::new();
    let first = Holder::start_ready(&directory, "first");
    let mut second = Holder::start(&directory, "second");
    assert_eq!(second.line(), "waiting for the previous gateway to end\n");
    // It opens the file each time that it tries to lock it.
    Opens::of(&directory.path(".creel-lock")).wait(2);
    assert!(!second.is_ready());
    first.kill();
    second.becomes_ready();
    second.kill();
}

#[test]
fn a_holder_with_the_lock_exits_well_on_sigterm_and_the_next_one_gets_it() {
    let directory = Directory::new();
    let holder = Holder::start_ready(&directory, "one");
    assert_eq!(holder.terminate(), Some(0));
    Holder::start_ready(&directory, "next").kill();
}

#[test]
fn a_holder_that_waits_exits_well_on_sigterm() {
    let directory = Directory::new();
    let first = Holder::start_ready(&directory, "first");
    let mut second = Holder::start(&directory, "second");
    second.line();
    assert_eq!(second.terminate(), Some(0));
    first.kill();
}

#[test]
fn a_removed_lock_file_does_not_lock_the_next_holder_in_or_out() {
    let directory = Directory::new();
    let first = Holder::start_ready(&directory, "first");
    fs::remove_file(directory.path(".creel-lock")).unwrap();
    let second = Holder::start_ready(&directory, "second");
    first.kill();
    assert!(second.is_ready());
    second.kill();
}

#[test]
fn the_directory_of_the_workspaces_exists_once_the_lock_is_held() {
    let directory = Directory::new();
    let holder = Holder::start_ready(&directory, "one");
    assert!(directory.path("workspaces").is_dir());
    holder.kill();
}

#[test]
fn a_volume_without_a_required_directory_is_not_locked_and_stays_as_it_is() {
    let directory = Directory::new();
    let keep = |required: &str| {
        let required = format!("{}:{required}", directory.text());
        let mut command = Command::new(BINARY);
        command.args(["keep", "--pod", &required, "--directory", &directory.text(), "--require", &required]);
        command.stderr(Stdio::piped());
        command
    };
    let output = keep("agents/main").output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).starts_with("the volume has no directory `agents/main`"));
    fs::create_dir_all(directory.path("agents/main")).unwrap();
    let mut child = keep("agents/main").spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with("the gateway can start\n"), "{line}");
    assert!(!directory.path("workspaces").exists() && !directory.path("agents/workspaces").exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_missing_volume_is_named_with_a_remedy() {
    let output =
        Command::new(BINARY).args(["keep", "--pod", "missing", "--directory", "/nonexistent/claim"]).output().unwrap();
    let message = text(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("/nonexistent/claim/.creel-lock") && message.contains("must be writable"), "{message}");
}
