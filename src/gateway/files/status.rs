//! What the status of an Agent says of the files in its workspace. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::Found;
use super::document::{AgentFiles, Document, File};
use super::report::{FileReport, State};
use crate::api::Agent;
use crate::api::workspace::{FilePolicy, FileState, FileStatus};
use crate::kubernetes::printable::printable;

/// Characters of a message.
const MESSAGE: usize = 400;
/// Characters of a hash.
const HASH: usize = 16;

/// The files of the Agent's spec, and others of its workspace that something is wrong with.
#[must_use]
pub fn of(agent: &Agent, document: Option<&Document>, found: &Found) -> Vec<FileStatus> {
    let name = agent.name_any();
    let wanted = document.and_then(|document| document.of(&name));
    let reported = found.report.as_ref().and_then(|report| report.agents.get(&name)).map(Vec::as_slice);
    let report = |path: &str| reported.unwrap_or_default().iter().find(|file| file.path == path);
    let of_spec = agent.spec.files().iter().map(|file| match wanted.and_then(|wanted| wanted.at(&file.path)) {
        None => without_text(&file.path),
        Some(file) => report(&file.path).map_or_else(|| unseen(agent, file, found), status),
    });
    let is_in_spec = |path: &str| agent.spec.files().iter().any(|file| file.path == path);
    let is_at_fault = |file: &&FileReport| matches!(file.state, State::Fault { .. });
    let is_own = |file: &&FileReport| is_listed(wanted, &file.path) && !is_in_spec(&file.path);
    let others = reported.unwrap_or_default().iter().filter(is_at_fault).filter(is_own).map(status);
    of_spec.chain(others).collect()
}

fn is_listed(wanted: Option<&AgentFiles>, path: &str) -> bool {
    wanted.is_some_and(|wanted| wanted.at(path).is_some())
}

/// A file that nothing is known of: its source is missing, and always was.
fn without_text(path: &str) -> FileStatus {
    let message = "Its text is missing: see the condition ReferencesResolved.";
    FileStatus { message: Some(message.to_owned()), ..bare(path, FileState::Fault) }
}

/// Until the sidecar has spoken, a file is as it was, unless it has to change.
fn unseen(agent: &Agent, file: &File, found: &Found) -> FileStatus {
    if found.is_outdated {
        let message = "The gateway's Pod is of an earlier version of Creel: it is replaced.";
        return FileStatus { message: Some(message.to_owned()), ..bare(&file.path, FileState::Pending) };
    }
    let before = agent.status.as_ref().and_then(|status| status.workspace.as_ref());
    let before = before.and_then(|before| before.files.iter().find(|before| before.path == file.path));
    let changes = |before: &&FileStatus| {
        file.policy == FilePolicy::Managed && before.state == FileState::InStep && before.hash != Some(hash(file))
    };
    before.filter(|before| !changes(before)).cloned().unwrap_or_else(|| bare(&file.path, FileState::Pending))
}

/// As creel-shell names a content.
fn hash(file: &File) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(&Sha256::digest(file.content.as_bytes())[..HASH / 2])
}

fn status(file: &FileReport) -> FileStatus {
    let (state, hash, since, message) = match &file.state {
        State::InStep { hash } => (FileState::InStep, Some(hash), None, None),
        State::Evolved { hash, since } => (FileState::Evolved, Some(hash), Some(*since), None),
        State::Conflict { hash, since, kept } => {
            let message = format!(
                "The agent changed the file, and it was put back. The agent's version is in {kept}: move what you want of it into the source, then delete it."
            );
            (FileState::Conflict, Some(hash), Some(*since), Some(message))
        }
        State::Fault { message } => (FileState::Fault, None, None, Some(message.clone())),
    };
    FileStatus {
        hash: hash.map(|hash| hash.chars().take(HASH).collect()),
        since: since.and_then(|since| Timestamp::from_second(since.max(0)).ok()).map(Time),
        message: message.map(|message| printable(&message).chars().take(MESSAGE).collect()),
        ..bare(&file.path, state)
    }
}

fn bare(path: &str, state: FileState) -> FileStatus {
    FileStatus { path: path.to_owned(), state, hash: None, since: None, message: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
