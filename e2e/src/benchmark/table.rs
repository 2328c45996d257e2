//! What was measured as text: one line a measure, in columns. Pure.

use std::fmt;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Millions of bytes.
    Megabytes,
    /// 1024 × 1024 bytes.
    Mebibytes,
    Milliseconds,
    PerSecond,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::PerSecond => format!("{value:.2} /s"),
            Self::Milliseconds if value >= 1000.0 => format!("{:.2} s", value / 1000.0),
            Self::Milliseconds => format!("{value:.0} ms"),
        }
    }
}

/// One line of the table. What could not be measured is `None`.
#[derive(Debug, Clone)]
pub struct Row {
    pub measure: String,
    pub unit: Unit,
    pub ours: Option<f64>,
    pub stand_in: Option<f64>,
    /// Ours should stay below it.
    pub goal: Option<f64>,
}

impl Row {
    #[must_use]
    pub fn new(measure: impl Into<String>, unit: Unit, ours: Option<f64>) -> Self {
        Self { measure: measure.into(), unit, ours, stand_in: None, goal: None }
    }

    #[must_use]
    pub fn beside(mut self, stand_in: Option<f64>) -> Self {
        self.stand_in = stand_in;
        self
    }

    #[must_use]
    pub fn goal(mut self, goal: f64) -> Self {
        self.goal = Some(goal);
        self
    }

    fn cells(&self) -> [String; 5] {
        let show = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |value| self.unit.show(value));
        let ratio = self.ours.zip(self.stand_in).map(|(ours, stand_in)| format!("{:.2} ×", ours / stand_in));
        let goal = self.goal.map(|goal| {
            let reached = self.ours.map(|ours| if ours < goal { ", reached" } else { ", MISSED" });
            format!("< {}{}", self.unit.show(goal), reached.unwrap_or_default())
        });
        let text = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
        [self.measure.clone(), show(self.ours), show(self.stand_in), text(ratio), text(goal)]
    }
}

const NOTHING: &str = "–";
const HEAD: [&str; 5] = ["measure", "ours", "stand-in", "ratio", "goal"];

/// The result of a benchmark.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub rows: Vec<Row>,
    /// What a reader must know to understand the numbers.
    pub notes: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 5]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
        let [first, second, third, fourth] = [0, 1, 2, 3].map(width);
        for [measure, ours, stand_in, ratio, goal] in &lines {
            writeln!(formatter, "{measure:<first$}  {ours:>second$}  {stand_in:>third$}  {ratio:>fourth$}  {goal}")?;
        }
        for note in &self.notes {
            write!(formatter, "\n{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_what_is_unknown_is_a_dash() {
        let rows = vec![
            Row::new("binary", Unit::Megabytes, Some(13.49)).goal(15.0),
            Row::new("Agent → Pod", Unit::Milliseconds, Some(150.0)).beside(Some(100.0)).goal(120.0),
            Row::new("edit", Unit::Milliseconds, Some(1234.0)),
            Row::new("calls", Unit::PerSecond, Some(0.5)).goal(2.0),
            Row::new("memory", Unit::Mebibytes, None).goal(20.0),
        ];
        let table = Table { rows, notes: vec!["A note.".into()] };
        let expected = "\
measure         ours  stand-in   ratio  goal
binary       13.5 MB         –       –  < 15.0 MB, reached
Agent → Pod   150 ms    100 ms  1.50 ×  < 120 ms, MISSED
edit          1.23 s         –       –  –
calls        0.50 /s         –       –  < 2.00 /s, reached
memory             –         –       –  < 20.0 MiB

A note.";
        assert_eq!(table.to_string(), expected);
    }
}
