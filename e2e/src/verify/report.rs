//! What passed and what failed, counted in one sum, and how long it took. Writes to standard output.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use super::programs::Test;
use super::run::Ended;
use crate::command::cut;
use crate::progress::Progress;

/// Lines of what a failed test said that the closing repeats, and characters of each.
const SAID_LINES: usize = 12;
const SAID_WIDTH: usize = 200;
/// Characters of all that the closing repeats: whoever sees only the end of a long output still sees what failed.
const SAID_SIZE: usize = 6_000;
/// So many of the slowest tests are named.
const SLOWEST: usize = 10;

/// A step or a test that failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Failure {
    pub name: String,
    /// Its own words; may be many lines, or empty.
    pub said: String,
}

/// The sum of every step and every test.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub passed: usize,
    pub skipped: usize,
    pub failed: Vec<Failure>,
    /// What failed beside others and passed alone: how it failed.
    pub unsteady: Vec<Failure>,
    /// What each step took, in their order.
    steps: Vec<(String, Duration)>,
    tests: Vec<(String, Duration)>,
}

impl Report {
    /// Runs a step and counts it by its result; a failure is printed in full. The value is `None` for a step that failed.
    pub async fn step<T, E: Display>(
        &mut self,
        name: &str,
        progress: &Progress,
        step: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let started = Instant::now();
        let result = progress.during(name, step).await;
        self.took(name, started.elapsed());
        match result {
            Ok(value) => {
                println!("ok      {name}");
                self.passed += 1;
                Some(value)
            }
            Err(error) => {
                self.fail(name, error.to_string());
                None
            }
        }
    }

    /// Counts a step that could not run because an earlier one failed.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("skipped {name}: {reason}");
        self.skipped += 1;
    }

    /// Counts a test that has ended.
    pub fn test(&mut self, test: &Test, ended: Ended) {
        let name = named(test);
        let seconds = ended.took.as_secs_f32();
        match ended.failed {
            None => {
                println!("ok      {name} ({seconds:.1} s)");
                self.passed += 1;
            }
            Some(said) => self.fail(&name, format!("after {seconds:.1} s\n{said}")),
        }
        self.tests.push((name, ended.took));
    }

    /// Counts a test that failed and was run again: as the second time ended.
    pub fn again(&mut self, test: &Test, first: Ended, second: Ended) {
        if second.failed.is_none() {
            let name = named(test);
            let said = first.failed.unwrap_or_default();
            println!("UNSTEADY {name}: it failed and passed alone; the first time it said\n{said}\n");
            self.unsteady.push(Failure { name, said });
        }
        self.test(test, second);
    }

    /// Notes what a step took that is counted by its tests.
    pub fn took(&mut self, step: &str, time: Duration) {
        self.steps.push((step.to_owned(), time));
    }

    fn fail(&mut self, name: &str, said: String) {
        println!("FAILED  {name}\n{said}\n");
        self.failed.push(Failure { name: name.to_owned(), said });
    }

    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.skipped == 0
    }

    /// Where the time went, how what failed began to explain itself, the names of all that failed, then the closing line.
    #[must_use]
    pub fn closing(&self) -> String {
        let room = SAID_SIZE / (self.failed.len() + self.unsteady.len()).max(1);
        let mut lines = self.times();
        lines.extend(self.unsteady.iter().chain(&self.failed).map(|failure| failure.beginning(room)));
        lines.extend(self.unsteady.iter().map(|failure| format!("unsteady: {}", failure.name)));
        lines.extend(self.failed.iter().map(|failure| format!("failed: {}", failure.name)));
        let unsteady = match self.unsteady.len() {
            0 => String::new(),
            number => format!(" ({number} only when run alone)"),
        };
        lines.push(format!("{} passed{unsteady}, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped));
        lines.join("\n")
    }

    /// The time of each step, and of the slowest tests.
    fn times(&self) -> Vec<String> {
        let line = |(name, time): &(String, Duration)| format!("{:>8.1} s  {name}", time.as_secs_f32());
        let mut slowest = self.tests.clone();
        slowest.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        slowest.truncate(SLOWEST);
        let tables = [("time of each step", &self.steps), ("slowest tests", &slowest)];
        let tables = tables.into_iter().filter(|(_, rows)| !rows.is_empty());
        tables.flat_map(|(title, rows)| std::iter::once(format!("--- {title}")).chain(rows.iter().map(line))).collect()
    }
}

fn named(test: &Test) -> String {
    format!("{}: {}", test.program.name, test.name)
}

impl Failure {
    /// The name and the first lines of what it said, in `room` characters.
    fn beginning(&self, room: usize) -> String {
        let lines = self.said.lines().filter(|line| !line.trim().is_empty()).take(SAID_LINES);
        let said: Vec<String> = lines.map(|line| format!("    {}", cut(line, SAID_WIDTH))).collect();
        cut(&format!("--- {}\n{}", self.name, said.join("\n")), room)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::super::programs::Program;
    use super::*;

    fn test(name: &str) -> Test {
        let program = Program { name: "creel".into(), path: "/bin/true".into(), directory: "/".into() };
        Test { program: Arc::new(program), name: name.into(), ignored: false }
    }

    fn ended(seconds: u64, failed: Option<&str>) -> Ended {
        Ended { took: Duration::from_secs(seconds), failed: failed.map(str::to_owned) }
    }

    #[test]
    fn the_closing_line_sums_steps_and_tests_and_what_took_long_stands_before_it() {
        let mut report = Report { passed: 1, ..Report::default() };
        report.took("format", Duration::from_millis(1_500));
        for number in 0..12 {
            report.test(&test(&format!("t{number}")), ended(number, None));
        }
        report.test(&test("broken"), ended(99, Some("it broke")));
        report.skip("real pods", "the cluster was not prepared");
        let closing = report.closing();
        let lines: Vec<_> = closing.lines().collect();
        assert_eq!(lines[..3], ["--- time of each step", "     1.5 s  format", "--- slowest tests"]);
        assert_eq!(lines[3..5], ["    99.0 s  creel: broken", "    11.0 s  creel: t11"]);
        assert_eq!(lines[12], "     3.0 s  creel: t3", "ten of them");
        let end = ["--- creel: broken", "    after 99.0 s", "    it broke", "failed: creel: broken"];
        assert_eq!(lines[13..17], end);
        assert_eq!(lines[17..], ["13 passed, 1 failed, 1 skipped"]);
        assert!(!report.succeeded());
    }

    #[test]
    fn a_test_that_passes_the_second_time_counts_as_passed_and_is_told() {
        let mut report = Report::default();
        report.again(&test("busy"), ended(9, Some("it took too long")), ended(1, None));
        report.again(&test("broken"), ended(9, Some("it broke")), ended(2, Some("it broke again")));
        let closing = report.closing();
        assert!(closing.contains("--- creel: busy\n    it took too long\n"), "{closing}");
        assert!(closing.contains("    after 2.0 s\n    it broke again\n"), "{closing}");
        let end = "unsteady: creel: busy\nfailed: creel: broken\n1 passed (1 only when run alone), 1 failed, 0 skipped";
        assert!(closing.ends_with(end), "{closing}");
    }

    #[tokio::test]
    async fn a_step_counts_by_its_result() {
        let (mut report, progress) = (Report::default(), Progress::new());
        assert_eq!(report.step("one", &progress, async { Ok::<_, String>(7) }).await, Some(7));
        assert_eq!(report.step("two", &progress, async { Err::<(), _>("a warning") }).await, None);
        assert!(report.closing().ends_with("--- two\n    a warning\nfailed: two\n1 passed, 1 failed, 0 skipped"));
    }

    #[test]
    fn the_end_of_the_output_tells_of_every_failure_however_much_they_say() {
        let mut report = Report::default();
        for number in 0..30 {
            report.test(&test(&format!("t{number}")), ended(1, Some(&"word ".repeat(9_999))));
        }
        let closing = report.closing();
        assert!(closing.len() < 8_000, "{}", closing.len());
        assert!(closing.contains("--- creel: t0\n    after") && closing.contains("--- creel: t29\n    after"));
    }
}
