//! All files of all agents, again and again. What did not change is not read again. Touches the disk.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::document::{Document, File};
use super::keep::keep;
use super::place::{Place, Stamp};
use super::record::Record;
use super::report::{FileReport, Report, State};
use crate::log;

/// How soon a change of the document or of a file is seen.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// When a file is tried again that could not be brought in line.
const RETRY: Duration = Duration::from_secs(10);

/// All files of a claim.
#[derive(Debug)]
pub struct Keeper {
    source: PathBuf,
    claim: PathBuf,
    /// The text of the document, and what it says.
    text: Vec<u8>,
    document: Document,
    record: Record,
    /// By workspace and path.
    seen: HashMap<(String, String), Seen>,
}

/// One file as it was last brought in line.
#[derive(Debug)]
struct Seen {
    /// `None`: it could not be, was not there, or the document changed.
    stamp: Option<Stamp>,
    /// Without a stamp: when it is tried again.
    due: Instant,
    state: State,
}

impl Seen {
    /// Whether nothing happened to the file since.
    fn holds(&self, place: &Place<'_>) -> bool {
        let is_same = self.stamp.is_some() && place.stamp().is_ok_and(|stamp| stamp == self.stamp);
        is_same && !self.state.is_outdated(place)
    }
}

impl Keeper {
    pub fn new(source: &Path, claim: &Path) -> Self {
        Self {
            source: source.to_owned(),
            claim: claim.to_owned(),
            text: Vec::new(),
            document: Document::default(),
            record: Record::load(claim),
            seen: HashMap::new(),
        }
    }

    /// Brings what changed in line, and tells how all files are.
    pub fn pass(&mut self) -> Report {
        self.read_document();
        let mut before = std::mem::take(&mut self.seen);
        let mut report = Report { revision: self.document.revision.clone(), agents: HashMap::new() };
        for agent in &self.document.agents {
            let files = report.agents.entry(agent.name.clone()).or_default();
            for file in &agent.files {
                let key = (agent.directory.clone(), file.path.clone());
                let before = before.remove(&key);
                let known = before.as_ref().map(|before| before.state.clone());
                let now = look(&self.claim, &agent.directory, file, &mut self.record, before);
                if known.as_ref() != Some(&now.state) {
                    log::event(format_args!("{}/{}: {}", agent.directory, file.path.escape_debug(), now.state));
                }
                files.push(FileReport { path: file.path.clone(), state: now.state.clone() });
                self.seen.insert(key, now);
            }
        }
        report
    }

    /// A document that is not there, or cannot be read, changes nothing.
    fn read_document(&mut self) {
        let Ok(text) = fs::read(&self.source) else { return };
        if text == self.text {
            return;
        }
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) => {
                for agent in &document.agents {
                    self.record.retain(&agent.directory, |path| agent.files.iter().any(|file| file.path == path));
                }
                for seen in self.seen.values_mut() {
                    (seen.stamp, seen.due) = (None, Instant::now());
                }
                self.document = document;
            }
            Err(error) => log::event(format_args!("the files stay as they are: cannot read the document: {error}")),
        }
        self.text = text;
    }
}

/// The file as it was, if nothing happened to it; else as it is after it was brought in line.
fn look(claim: &Path, directory: &str, file: &File, record: &mut Record, before: Option<Seen>) -> Seen {
    let place = match before {
        Some(before) if before.stamp.is_none() && Instant::now() < before.due => return before,
        before => match Place::open(claim, directory, &file.path) {
            Ok(place) => match before {
                Some(before) if before.holds(&place) => return before,
                _ => Ok(place),
            },
            Err(error) => Err(error),
        },
    };
    let brought = place.and_then(|place| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // From before it was read: whatever happens to it from here on is seen by the next pass.
        let stamp = place.stamp()?;
        let state = keep(&place, directory, file, record, i64::try_from(now).unwrap_or_default())?;
        Ok(Seen { stamp, due: Instant::now(), state })
    });
    brought.unwrap_or_else(|error| {
        let state = State::Fault { message: error.to_string() };
        Seen { stamp: None, due: Instant::now() + RETRY, state }
    })
}
