//! Runs one test, in a process of its own: what it leaves behind, and how it ends, is then nothing to the next. Starts processes.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::programs::Test;
use crate::chart::workspace;
use crate::command::tail;

/// So many last lines of what a failed test said are kept.
const KEPT_LINES: usize = 200;

/// How a test ended.
#[derive(Debug)]
pub struct Ended {
    pub took: Duration,
    /// What it said, when it failed.
    pub failed: Option<String>,
}

/// A variable and its value.
pub type Variable = (&'static str, OsString);

/// What Cargo would give to a program of tests in this directory, and these variables.
pub fn environment(command: &mut Command, directory: &Path, variables: &[Variable]) {
    command.current_dir(directory).env("CARGO_MANIFEST_DIR", directory).envs(variables.iter().cloned());
    // Each process would otherwise have Cargo tell it.
    command.env("INSTA_WORKSPACE_ROOT", workspace());
    // Where a test failed says its message; a page of frames for each would bury it.
    command.env("RUST_BACKTRACE", "0");
}

/// Runs the test. One that is not over after `limit` hangs: it is ended with all that it started, and has failed.
pub async fn run(test: &Test, variables: &[Variable], limit: Duration) -> Ended {
    let mut command = Command::new(&test.program.path);
    environment(&mut command, &test.program.directory, variables);
    command.args(["--exact", &test.name, "--include-ignored", "--nocapture"]);
    end_of(&mut command, limit).await
}

async fn end_of(command: &mut Command, limit: Duration) -> Ended {
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut group = match command.spawn() {
        Ok(child) => Group(child),
        Err(error) => return Ended { took: started.elapsed(), failed: Some(format!("it cannot be started: {error}")) },
    };
    let mut said = [Vec::new(), Vec::new()];
    let ended = tokio::time::timeout(limit, group.read(&mut said)).await;
    let took = started.elapsed();
    let said = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let failed = match ended {
        Ok(true) if said[0].contains("\ntest result: ok. 1 passed") => None,
        Ok(true) => Some(format!("it was not run:\n{}", words(&said))),
        Ok(false) => Some(words(&said)),
        Err(_elapsed) => Some(format!("it hangs: not over after {} s\n{}", limit.as_secs(), words(&said))),
    };
    Ended { took, failed }
}

/// What the test said, without what libtest says around it.
fn words([stdout, stderr]: &[String; 2]) -> String {
    let frame = |line: &&str| {
        ["running 1 test", "test result: ", "failures:", "error: test failed"]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    let all: Vec<_> =
        stdout.lines().chain(stderr.lines()).filter(|line| !line.trim().is_empty() && !frame(line)).collect();
    tail(&all.join("\n"), KEPT_LINES)
}

/// A child and all that it started, ended together when it is dropped.
struct Group(Child);

impl Group {
    /// Reads standard output and standard error to their ends; true when the child succeeded.
    async fn read(&mut self, said: &mut [Vec<u8>; 2]) -> bool {
        let (Some(stdout), Some(stderr)) = (self.0.stdout.take(), self.0.stderr.take()) else { return false };
        let [out, err] = said;
        tokio::join!(all(stdout, out), all(stderr, err));
        self.0.wait().await.is_ok_and(|status| status.success())
    }
}

/// Reads what comes until the end, or until there is an error.
async fn all(mut stream: impl AsyncRead + Unpin, into: &mut Vec<u8>) {
    while stream.read_buf(into).await.is_ok_and(|read| read > 0) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            // The group is gone already when all of it has ended.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    async fn shell(script: &str, limit: Duration) -> Option<String> {
        end_of(Command::new("sh").args(["-c", script]), limit).await.failed
    }

    #[tokio::test]
    async fn a_test_has_passed_when_its_program_says_so_and_ends_well() {
        let passed =
            "echo; echo 'running 1 test'; echo 'test a ... ok'; echo; echo 'test result: ok. 1 passed; 0 failed'";
        assert_eq!(shell(passed, LONG).await, None);
        assert!(shell(&format!("{passed}; exit 1"), LONG).await.is_some());
        let none = shell("echo; echo 'test result: ok. 0 passed; 0 failed; 5 filtered out'", LONG).await.unwrap();
        assert!(none.starts_with("it was not run"), "{none}");
    }

    #[tokio::test]
    async fn what_a_failed_test_said_is_kept_without_what_stands_around_it() {
        let script =
            "echo 'running 1 test'; echo; echo 'the moon is missing' >&2; echo 'test result: FAILED.'; exit 101";
        assert_eq!(shell(script, LONG).await.unwrap(), "the moon is missing");
    }

    #[tokio::test]
    async fn a_test_that_hangs_fails_with_what_it_said_and_is_ended_with_all_that_it_started() {
        let mut said = String::new();
        // A slow machine needs the longer times until it has begun.
        for seconds in [1, 10, 60] {
            said = shell("sleep 1000 & echo begun $!; wait", Duration::from_secs(seconds)).await.unwrap();
            assert!(said.starts_with("it hangs"), "{said}");
            if said.contains("begun") {
                break;
            }
        }
        let started = said.split_whitespace().last().unwrap();
        // A process that has ended has no command line, whether or not it was waited for.
        while std::fs::read(format!("/proc/{started}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            tokio::task::yield_now().await;
        }
    }
}
