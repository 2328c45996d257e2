//! Does `config.get` prove that the gateway runs our file? Pure.
//!
//! OpenClaw answers with the file that it saw last (`parsed`, secrets redacted) and with two hashes that are equal once
//! it runs with that file. Equal hashes alone prove nothing: they are equal, too, before a change is seen.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::answer::{self, List};
use super::marker;

/// What OpenClaw shows instead of a leaf that may be secret.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// Bounds for what goes into a condition.
const ISSUES_LIMIT: usize = 8;
const ISSUE_LENGTH_LIMIT: usize = 200;

/// Where a gateway stands with our file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway runs with exactly this file.
    Applied,
    /// It has not read the file yet.
    Pending,
    /// It has read exactly this file and does not run with it: it works on it, or cannot.
    Read,
    /// It saw a file that it refuses and goes on with what it had.
    Refused(Refusal),
}

/// A refused file, in the gateway's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Each as `agents.entries.writer: Unrecognized key: "modle"`; at most 8 of at most 200 characters.
    pub issues: Vec<String>,
    /// Which file was refused; see [`Answer::file`].
    pub file: Option<String>,
}

/// What `config.get` says, as far as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    valid: Option<bool>,
    /// The gateway's name for the content of the file that it saw last. Comparable only with other answers of the same Pod: it is keyed
    /// with a secret of the gateway.
    ///
    /// A refused file is shown to nobody, so this alone tells whether a refusal is about ours or still about the file before. Whoever
    /// writes a file remembers the name of the one before.
    pub file: Option<String>,
    revision: Option<String>,
    applied: Option<String>,
    /// Whether the file that it saw last is ours.
    is_ours: bool,
    /// At most 8 of at most 200 characters.
    issues: Vec<String>,
}

impl Answer {
    /// Where the gateway stands. `before`: what [`Answer::file`] said before ours was written, if that is known: a refusal of that one is
    /// not about ours.
    #[must_use]
    pub fn verdict(self, before: Option<&str>) -> Verdict {
        match self.valid {
            Some(true) if self.is_ours && self.is_in_force() => Verdict::Applied,
            Some(true) if self.is_ours => Verdict::Read,
            Some(false) if before.is_none() || before != self.file.as_deref() => {
                Verdict::Refused(Refusal { issues: self.issues, file: self.file })
            }
            _ => Verdict::Pending,
        }
    }

    fn is_in_force(&self) -> bool {
        self.revision.is_some() && self.revision == self.applied
    }
}

/// Reads the payload of `config.get` and compares the file that it shows with ours, without keeping it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(ours: &'a Value) -> Self {
        Self(ours)
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Answer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Answer, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[derive(Deserialize)]
struct Name(#[serde(deserialize_with = "answer::name")] Option<String>);

#[derive(Deserialize)]
struct Flag(#[serde(deserialize_with = "answer::flag")] Option<bool>);

#[derive(Deserialize)]
struct Issues(#[serde(deserialize_with = "answer::list")] Option<List<Issue>>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Issue {
    #[serde(deserialize_with = "answer::text")]
    path: Option<String>,
    #[serde(deserialize_with = "answer::text")]
    message: Option<String>,
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Answer;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what config.get says")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Answer, A::Error> {
        let mut read = Answer { issues: issues(Vec::new()), ..Answer::default() };
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "valid" => read.valid = members.next_value::<Flag>()?.0,
                "hash" => read.file = members.next_value::<Name>()?.0,
                "configRevisionHash" => read.revision = members.next_value::<Name>()?.0,
                "appliedConfigHash" => read.applied = members.next_value::<Name>()?.0,
                "issues" => {
                    let list = members.next_value::<Issues>()?.0;
                    read.issues = issues(list.map(|list| list.entries).unwrap_or_default());
                }
                "parsed" => {
                    let marker = marker::of(self.0);
                    read.is_ours = members.next_value_seed(Same { ours: self.0, marker })?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(read)
    }
}

fn issues(list: Vec<Issue>) -> Vec<String> {
    let mut issues: Vec<String> = list.into_iter().take(ISSUES_LIMIT).map(issue).collect();
    if issues.is_empty() {
        issues.push("the gateway gave no reason".to_owned());
    }
    issues
}

fn issue(Issue { path, message }: Issue) -> String {
    let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "openclaw.json".to_owned());
    format!("{path}: {}", message.unwrap_or_default())
        .chars()
        .filter(|letter| !letter.is_control())
        .take(ISSUE_LENGTH_LIMIT)
        .collect()
}

/// Whether the value that is read is ours: structural equality, where 1 equals 1.0, as JavaScript has it, and a redacted leaf equals
/// anything but the marker.
#[derive(Clone, Copy)]
struct Same<'a> {
    ours: &'a Value,
    marker: Option<&'a str>,
}

impl<'a> Same<'a> {
    fn below(self, ours: &'a Value) -> Self {
        Self { ours, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Same<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.ours.is_null())
    }

    fn visit_bool<E>(self, seen: bool) -> Result<bool, E> {
        Ok(self.ours.as_bool() == Some(seen))
    }

    fn visit_i64<E>(self, seen: i64) -> Result<bool, E> {
        Ok(same_number(self.ours, &seen.into()))
    }

    fn visit_u64<E>(self, seen: u64) -> Result<bool, E> {
        Ok(same_number(self.ours, &seen.into()))
    }

    fn visit_f64<E>(self, seen: f64) -> Result<bool, E> {
        Ok(same_number(self.ours, &seen.into()))
    }

    fn visit_str<E>(self, seen: &str) -> Result<bool, E> {
        let ours = self.ours.as_str();
        Ok(ours == Some(seen) || (seen == REDACTED && (ours.is_none() || ours != self.marker)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seen: A) -> Result<bool, A::Error> {
        let mut same = self.ours.is_array();
        for ours in self.ours.as_array().into_iter().flatten() {
            same = same && seen.next_element_seed(self.below(ours))? == Some(true);
        }
        while seen.next_element::<IgnoredAny>()?.is_some() {
            same = false;
        }
        Ok(same)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut seen: A) -> Result<bool, A::Error> {
        let ours = self.ours.as_object();
        let (mut same, mut count) = (ours.is_some(), 0);
        while let Some(name) = seen.next_key::<String>()? {
            count += 1;
            if let Some(ours) = ours.and_then(|ours| ours.get(&name)).filter(|_| same) {
                same = seen.next_value_seed(self.below(ours))?;
            } else {
                same = false;
                seen.next_value::<IgnoredAny>()?;
            }
        }
        Ok(same && ours.map(serde_json::Map::len) == Some(count))
    }
}

fn same_number(ours: &Value, seen: &Value) -> bool {
    ours == seen || (ours.is_number() && ours.as_f64() == seen.as_f64())
}

#[cfg(test)]
mod tests;
