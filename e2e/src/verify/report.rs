//! What passed and what failed, counted in one sum. Writes to standard output.

use std::fmt::Display;

use crate::command::cut;

/// Lines of what a failed test said that the closing repeats, and characters of each.
const SAID_LINES: usize = 12;
const SAID_WIDTH: usize = 200;
/// Characters of all that the closing repeats: whoever sees only the end of a long output still sees what failed.
const SAID_SIZE: usize = 6_000;

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
}

impl Report {
    /// Counts a step by its result, and prints a failure in full. The value is `None` for a step that failed.
    pub fn step<T, E: Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                println!("ok      {name}");
                self.passed += 1;
                Some(value)
            }
            Err(error) => {
                println!("FAILED  {name}\n{error}\n");
                self.failed.push(Failure { name: name.to_owned(), said: error.to_string() });
                None
            }
        }
    }

    /// Counts a step that could not run because an earlier one failed.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("skipped {name}: {reason}");
        self.skipped += 1;
    }

    pub fn add(&mut self, other: Report) {
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.failed.extend(other.failed);
    }

    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.skipped == 0
    }

    /// How what failed began to explain itself, the names of all that failed, then the closing line.
    #[must_use]
    pub fn closing(&self) -> String {
        let room = SAID_SIZE / self.failed.len().max(1);
        let mut lines: Vec<String> = self.failed.iter().map(|failure| failure.beginning(room)).collect();
        lines.extend(self.failed.iter().map(|failure| format!("failed: {}", failure.name)));
        lines.push(format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped));
        lines.join("\n")
    }
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
    use super::*;

    fn failure(name: &str, said: &str) -> Failure {
        Failure { name: name.into(), said: said.into() }
    }

    #[test]
    fn the_closing_line_sums_steps_and_tests() {
        let mut report = Report::default();
        report.step::<_, String>("format", Ok(()));
        report.step::<(), _>("clippy", Err("a warning"));
        report.add(Report { passed: 5, skipped: 1, failed: vec![failure("unit: a_test", "it broke")] });
        let closing = "--- clippy\n    a warning\n--- unit: a_test\n    it broke\nfailed: clippy\nfailed: unit: a_test\n\
                       6 passed, 2 failed, 1 skipped";
        assert_eq!(report.closing(), closing);
        assert!(!report.succeeded());
    }

    #[test]
    fn the_end_of_the_output_tells_of_every_failure_however_much_they_say() {
        let failed: Vec<_> = (0..30).map(|number| failure(&format!("t{number}"), &"word ".repeat(9_999))).collect();
        let closing = Report { failed, ..Report::default() }.closing();
        assert!(closing.len() < 8_000, "{}", closing.len());
        assert!(closing.contains("--- t0\n    word") && closing.contains("--- t29\n    word"));
    }
}
