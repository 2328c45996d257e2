//! Runs the real binary: locks, signals and copies as a Pod would see them. Touches a temporary directory.
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_creel-shell");

/// A directory of its own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-shell-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running keeper; each test's Pods have names of their own, because all share the machine's network namespace.
struct Keeper {
    child: Child,
    pod: String,
    log: BufReader<ChildStderr>,
}

impl Keeper {
    fn start(directory: &Directory, pod: &str) -> Self {
        let pod = format!("{}-{pod}", directory.0.display());
        let mut child = Command::new(BINARY)
            .args(["keep", "--pod", &pod, "--directory"])
            .arg(&directory.0)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, pod, log }
    }

    fn is_ready(&self) -> bool {
        Command::new(BINARY).args(["ready", "--pod", &self.pod]).stderr(Stdio::null()).status().unwrap().success()
    }

    fn becomes_ready(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if self.is_ready() {
                return true;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    fn terminate(mut self) -> Option<i32> {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_second_keeper_waits_until_the_first_is_killed() {
    let directory = Directory::new("two");
    let first = Keeper::start(&directory, "first");
    assert!(first.becomes_ready());
    let mut second = Keeper::start(&directory, "second");
    assert!(second.line().contains("waiting for the gateway before this one to end"));
    sleep(Duration::from_millis(600));
    assert!(!second.is_ready());
    first.kill();
    assert!(second.becomes_ready());
    second.kill();
}

#[test]
fn a_keeper_that_holds_the_lock_ends_well_when_told_to() {
    let directory = Directory::new("term");
    let keeper = Keeper::start(&directory, "one");
    assert!(keeper.becomes_ready());
    assert_eq!(keeper.terminate(), Some(0));
    let next = Keeper::start(&directory, "next");
    assert!(next.becomes_ready());
    next.kill();
}

#[test]
fn a_keeper_that_waits_ends_well_when_told_to() {
    let directory = Directory::new("wait");
    let first = Keeper::start(&directory, "first");
    assert!(first.becomes_ready());
    let mut second = Keeper::start(&directory, "second");
    second.line();
    assert_eq!(second.terminate(), Some(0));
    first.kill();
}

#[test]
fn a_removed_lock_file_does_not_lock_the_next_keeper_in_or_out() {
    let directory = Directory::new("removed");
    let first = Keeper::start(&directory, "first");
    assert!(first.becomes_ready());
    fs::remove_file(directory.0.join(".creel-lock")).unwrap();
    let second = Keeper::start(&directory, "second");
    assert!(second.becomes_ready());
    first.kill();
    assert!(second.is_ready());
    second.kill();
}

#[test]
fn the_workspaces_are_there_once_the_keeper_is_ready() {
    let directory = Directory::new("workspaces");
    let keeper = Keeper::start(&directory, "one");
    assert!(keeper.becomes_ready());
    assert!(directory.0.join("workspaces").is_dir());
    keeper.kill();
}

#[test]
fn a_claim_that_is_not_there_is_named_with_the_remedy() {
    let output = run(&["keep", "--pod", "missing", "--directory", "/nonexistent/claim"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(message.contains("/nonexistent/claim/.creel-lock") && message.contains("must be writable"), "{message}");
}

#[test]
fn installing_twice_leaves_one_executable_copy_and_a_link_to_it() {
    let directory = Directory::new("install");
    for _ in 0..2 {
        assert!(run(&["install", &directory.0.display().to_string()]).status.success());
    }
    let mut names: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["creel-shell", "creel-shell-ssh"]);
    assert_eq!(fs::read_link(directory.0.join("creel-shell-ssh")).unwrap(), Path::new("creel-shell"));
    let copy = directory.0.join("creel-shell");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(Path::new(BINARY)).unwrap());
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}
