//! `creel-shell run --skills`: keeps the skills of agents in their workspaces. Touches the disk.
//!
//! The operator writes one file with all of them, which the kubelet refreshes; OpenClaw reads directories. So each skill is copied to
//! `skills/creel.dev/<skill>` in the workspace of its agent, where no other agent looks. Everything in `skills/creel.dev` belongs to the operator:
//! what an agent changes there is put back, what it adds is removed.

mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// After so many looks, what agents did to the copies is undone.
const REPAIR: u32 = 30;

/// By file name, its text.
pub type Skill = BTreeMap<String, String>;

/// By the path of a workspace from the root of the claim, its skills by name. A workspace that is not listed is left alone.
type Document = BTreeMap<PathBuf, BTreeMap<String, Skill>>;

/// Where the skills come from, and where they go.
#[derive(Debug)]
pub struct Skills {
    /// The file of the operator. It may be missing.
    pub file: PathBuf,
    /// Where the claim is mounted.
    pub claim: PathBuf,
}

/// Why a workspace does not have its skills.
#[derive(Debug, thiserror::Error)]
pub enum SkillsError {
    #[error("cannot read the skills in {file}: {source}")]
    Read { file: PathBuf, source: io::Error },
    #[error("cannot parse the skills in {file}: {source}")]
    Parse { file: PathBuf, source: serde_json::Error },
    #[error(
        "cannot write the skills to {workspace}: {source}; the volume must be writable for this user and must have space left"
    )]
    Write { workspace: PathBuf, source: io::Error },
}

impl Skills {
    /// Copies the skills, and goes on doing so for the life of this process. What fails is logged once and tried again.
    pub fn keep(self) -> io::Result<()> {
        let mut state = State::default();
        state.look(&self);
        let thread = thread::Builder::new().name("skills".to_owned());
        thread.spawn(move || {
            loop {
                thread::sleep(INTERVAL);
                state.look(&self);
            }
        })?;
        Ok(())
    }

    /// The text of the file; `None`: there is none.
    fn read(&self) -> Result<Option<Vec<u8>>, SkillsError> {
        match fs::read(&self.file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SkillsError::Read { file: self.file.clone(), source }),
        }
    }

    fn write(&self, text: &[u8]) -> Result<(), SkillsError> {
        let document: Document =
            serde_json::from_slice(text).map_err(|source| SkillsError::Parse { file: self.file.clone(), source })?;
        let mut first = Ok(());
        for (workspace, skills) in &document {
            first = first.and(write(&self.claim, workspace, skills));
        }
        first
    }
}

fn write(claim: &Path, workspace: &Path, skills: &BTreeMap<String, Skill>) -> Result<(), SkillsError> {
    tree::write(claim, workspace, skills)
        .map_err(|source| SkillsError::Write { workspace: workspace.to_owned(), source })
}

/// What the last looks found.
#[derive(Default)]
struct State {
    /// What was copied last.
    text: Vec<u8>,
    /// How many looks ago.
    age: u32,
    /// What was logged last.
    error: String,
}

impl State {
    fn look(&mut self, skills: &Skills) {
        self.age += 1;
        let error = match self.copy(skills) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        if error != self.error && !error.is_empty() {
            eprintln!("{error}");
        }
        self.error = error;
    }

    fn copy(&mut self, skills: &Skills) -> Result<(), SkillsError> {
        let Some(text) = skills.read()? else { return Ok(()) };
        if text == self.text && self.age < REPAIR {
            return Ok(());
        }
        skills.write(&text)?;
        (self.text, self.age) = (text, 0);
        Ok(())
    }
}
