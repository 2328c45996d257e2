//! Runs a test program through Cargo and counts its tests from what libtest prints. Starts processes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::report::{Failure, Report};
use crate::command::tail;

/// So many last lines of the output are quoted when a program ends without a result.
const QUOTED_LINES: usize = 60;

/// Runs `cargo test` and counts. Prints each test as it ends, and what the failed ones had to say. Whatever keeps the
/// tests from being counted (they do not compile, the process dies, `limit` passes) is one failure.
pub async fn run(phase: &str, command: &mut Command, limit: Duration) -> Report {
    let started = Instant::now();
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that the test program under Cargo can be ended with it.
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => Group(child),
        Err(error) => return failed(phase, &format!("cargo cannot be started: {error}")),
    };
    let mut output = Output::default();
    let ended = tokio::time::timeout(limit, child.read(phase, &mut output)).await;
    let seconds = started.elapsed().as_secs();
    let mut report = match ended {
        Ok(true) if output.finished => output.report.clone(),
        Ok(success) if success => failed(phase, "the test program printed no result"),
        Ok(_) if output.finished => output.report.clone(),
        Ok(_) => failed(phase, &tail(&output.text, QUOTED_LINES)),
        Err(_elapsed) => {
            let mut report = output.report.clone();
            report
                .add(failed(phase, &format!("not finished after {seconds} s:\n{}", tail(&output.text, QUOTED_LINES))));
            report
        }
    };
    let said = failures(&output.text);
    if !said.is_empty() {
        println!("{said}");
    }
    for failure in &mut report.failed {
        if let Some(words) = words_of(&output.text, &failure.name) {
            words.clone_into(&mut failure.said);
        }
        failure.name = format!("{phase}: {}", failure.name);
    }
    println!("        {phase}: {} passed, {} failed in {seconds} s", report.passed, report.failed.len());
    report
}

fn failed(phase: &str, why: &str) -> Report {
    println!("FAILED  {phase}\n{why}\n");
    let failure = Failure { name: "no result".to_owned(), said: why.to_owned() };
    Report { failed: vec![failure], ..Report::default() }
}

/// A child and all that it started, ended together when it is dropped.
struct Group(Child);

impl Group {
    /// Reads standard output and standard error to their ends; true when the child succeeded.
    async fn read(&mut self, phase: &str, output: &mut Output) -> bool {
        let (Some(stdout), Some(stderr)) = (self.0.stdout.take(), self.0.stderr.take()) else { return false };
        let mut errors = String::new();
        tokio::join!(
            lines(stdout, |line| output.line(phase, line)),
            lines(stderr, |line| {
                errors.push_str(line);
                errors.push('\n');
            }),
        );
        output.text.push_str(&errors);
        self.0.wait().await.is_ok_and(|status| status.success())
    }
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

async fn lines(stream: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Test output need not be UTF-8.
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        each(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        line.clear();
    }
}

/// What was read so far.
#[derive(Default)]
struct Output {
    text: String,
    report: Report,
    /// Whether a `test result:` line was seen.
    finished: bool,
}

impl Output {
    fn line(&mut self, phase: &str, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.finished |= line.starts_with("test result: ");
        match outcome(line) {
            Some((_, Outcome::Passed)) => self.report.passed += 1,
            Some((_, Outcome::Ignored)) => self.report.skipped += 1,
            Some((name, Outcome::Failed)) => {
                self.report.failed.push(Failure { name: name.to_owned(), said: String::new() });
            }
            None => return,
        }
        println!("        {phase}: {line}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Ignored,
}

/// The test's name and outcome, from libtest's `test <name> ... <outcome>`.
fn outcome(line: &str) -> Option<(&str, Outcome)> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match outcome {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        ignored if ignored.starts_with("ignored") => Outcome::Ignored,
        _ => return None,
    };
    Some((name, outcome))
}

/// The part between libtest's `failures:` headings: what each failed test printed.
fn failures(output: &str) -> &str {
    let Some((_, from)) = output.split_once("\nfailures:\n") else { return "" };
    from.split_once("\nfailures:\n").map_or(from, |(said, _names)| said)
}

/// What this failed test printed.
fn words_of<'a>(output: &'a str, test: &str) -> Option<&'a str> {
    let (_, from) = output.split_once(&format!("---- {test} stdout ----\n"))?;
    let end = ["\n---- ", "\nfailures:\n"].iter().filter_map(|mark| from.find(mark)).min();
    Some(from[..end.unwrap_or(from.len())].trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const OUTPUT: &str = "
running 3 tests
test a::works ... ok
test b ... FAILED
test c ... ignored, needs a moon

failures:

---- b stdout ----
the moon is missing

failures:
    b

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn failed_test(name: &str) -> Failure {
        Failure { name: name.into(), said: String::new() }
    }

    #[test]
    fn each_test_is_counted_by_its_own_line() {
        let mut output = Output::default();
        for line in OUTPUT.lines() {
            output.line("unit", line);
        }
        assert!(output.finished);
        assert_eq!(output.report, Report { passed: 1, skipped: 1, failed: vec![failed_test("b")] });
    }

    #[test]
    fn what_a_failed_test_printed_is_quoted() {
        assert_eq!(failures(OUTPUT).trim(), "---- b stdout ----\nthe moon is missing");
        assert_eq!(words_of(OUTPUT, "b"), Some("the moon is missing"));
        assert_eq!(words_of(OUTPUT, "a::works"), None);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_one_failure() {
        let mut hang = Command::new("sh");
        hang.args(["-c", "echo 'test a ... ok'; sleep 10000"]);
        let report = run("hang", &mut hang, Duration::from_secs(5)).await;
        assert_eq!((report.passed, report.failed.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_program_that_does_not_compile_is_one_failure() {
        let report =
            run("broken", Command::new("sh").args(["-c", "echo error >&2; exit 101"]), Duration::from_mins(1)).await;
        assert_eq!(report.failed[0].name, "broken: no result");
        assert!(report.failed[0].said.contains("error"), "{:?}", report.failed);
    }
}
