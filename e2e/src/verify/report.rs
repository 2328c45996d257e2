//! What passed and what failed, counted in one sum. Writes to standard output.

use std::fmt::Display;

/// The sum of every step and every test.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub passed: usize,
    pub skipped: usize,
    /// The names of what failed.
    pub failed: Vec<String>,
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
                self.failed.push(name.to_owned());
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

    /// The names of what failed, then the closing line.
    #[must_use]
    pub fn closing(&self) -> String {
        let mut lines: Vec<String> = self.failed.iter().map(|name| format!("failed: {name}")).collect();
        lines.push(format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_closing_line_sums_steps_and_tests() {
        let mut report = Report::default();
        report.step::<_, String>("format", Ok(()));
        report.step::<(), _>("clippy", Err("a warning"));
        report.add(Report { passed: 5, skipped: 1, failed: vec!["unit: a_test".into()] });
        assert_eq!(report.closing(), "failed: clippy\nfailed: unit: a_test\n6 passed, 2 failed, 1 skipped");
        assert!(!report.succeeded());
    }
}
