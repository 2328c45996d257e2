//! The files of the Agents' workspaces. A file whose text is missing stays as it was, and disturbs nothing else. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::delegates;
use crate::api::Agent;
use crate::api::workspace::{FilePolicy, WorkspaceFile};
use crate::gateway::build;
use crate::gateway::files::document::{AgentFiles, Document, File};
use crate::gateway::gather::Gathered;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::printable::excerpt;
use crate::naming::GatewayNames;
use crate::openclaw::bootstrap;
use crate::references::digests::Fault;
use crate::references::sources;

/// Bytes of all files of a gateway, as they are written into one ConfigMap, which may have a mebibyte.
const MOST: usize = 768 * 1024;

/// Bytes of one file, as of those in the spec.
const MOST_OF_FILE: usize = 64 * 1024;

/// What the Agents' `spec.workspace` and `spec.delegates` say.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// `None`: no Agent ever had files. The sidecar does what it was told last, so it is told of none.
    pub document: Option<Document>,
    /// By Agent.
    pub warnings: BTreeMap<String, Vec<Fault>>,
}

/// Which files the workspaces should have, and what is wrong with them.
#[must_use]
pub fn resolve(gathered: &Gathered) -> Resolved {
    let before = before(gathered);
    let mut resolved = Resolved::default();
    let (mut agents, mut room) = (Vec::new(), MOST);
    for agent in gathered.active_agents() {
        let name = agent.name_any();
        let known = before.as_ref().and_then(|before| before.of(&name));
        if !has_files(gathered, agent) && known.is_none() {
            continue;
        }
        let (wanted, mut warnings) = files(gathered, agent, known);
        let fits = |files: &AgentFiles| files.size() <= room;
        let files = if fits(&wanted) {
            Some(wanted)
        } else {
            warnings.push(too_large(&name));
            known.filter(|known| fits(known)).cloned()
        };
        if let Some(files) = files {
            room -= files.size();
            agents.push(files);
        }
        if !warnings.is_empty() {
            resolved.warnings.insert(name, warnings);
        }
    }
    let unparsable = before.iter().flat_map(|before| &before.agents);
    agents.extend(unparsable.filter(|files| gathered.unparsable.contains(&files.name)).cloned());
    resolved.document = (!agents.is_empty() || before.is_some()).then(|| Document::new(agents));
    resolved
}

/// Whether Creel looks after files in the Agent's workspace.
#[must_use]
pub fn has_files(gathered: &Gathered, agent: &Agent) -> bool {
    agent.spec.workspace.is_some() || !delegates::routing_table(gathered, agent).is_empty()
}

/// What the keeper was told last.
fn before(gathered: &Gathered) -> Option<Document> {
    let name = GatewayNames::of(&gathered.owner.name_any()).files;
    build::files::MOUNTED.read_back(gathered.live.config_map(&name)?)
}

/// The files of the Agent: those of its spec, and those without which OpenClaw complains in the prompt.
fn files(gathered: &Gathered, agent: &Agent, known: Option<&AgentFiles>) -> (AgentFiles, Vec<Fault>) {
    let name = agent.name_any();
    let (mut files, mut warnings) = (Vec::new(), Vec::new());
    for file in agent.spec.files() {
        let content = content(gathered, agent, file).or_else(|fault| {
            warnings.push(fault);
            known.and_then(|known| known.at(&file.path)).map(|file| file.content.clone()).ok_or(())
        });
        if let Ok(content) = content {
            let (path, policy) = (file.path.clone(), file.policy.unwrap_or_default());
            files.push(File { path, policy, content, section: None });
        }
    }
    let is_in_spec = |path: &str| agent.spec.files().iter().any(|file| file.path == path);
    let seeds = bootstrap::SEEDS.iter().filter(|(path, _)| !is_in_spec(path));
    files.extend(seeds.map(|(path, content)| File {
        path: (*path).to_owned(),
        policy: FilePolicy::SeedOnce,
        content: (*content).to_owned(),
        section: None,
    }));
    if let Some(instructions) = files.iter_mut().find(|file| file.path == bootstrap::INSTRUCTIONS) {
        instructions.section = Some(delegates::routing_table(gathered, agent));
    }
    warnings.extend(unread(agent));
    warnings.extend(truncated(agent, &files));
    let directory = sources::layout(&gathered.owner).workspace(&name);
    (AgentFiles { name, directory, files }, warnings)
}

/// The text of the file.
fn content(gathered: &Gathered, agent: &Agent, file: &WorkspaceFile) -> Result<String, Fault> {
    let Some(source) = sources::of_file(agent, file) else { return Ok(file.content.clone().unwrap_or_default()) };
    let keys = gathered.keys_of(&source)?;
    let key = source.key.unwrap_or_default();
    let text = keys.get(&key).and_then(|value| value.text.as_ref()?.usable());
    match text.filter(|text| text.len() <= MOST_OF_FILE) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Fault {
            reason: reason::WORKSPACE_FILE_INVALID,
            message: format!(
                "Key \"{key}\" of ConfigMap \"{}\" is not a text of at most {} bytes ({}): shorten it, or remove the file",
                source.name, MOST_OF_FILE, source.field
            ),
            carried: true,
        }),
    }
}

fn too_large(agent: &str) -> Fault {
    Fault {
        reason: reason::WORKSPACE_FILES_TOO_LARGE,
        message: format!(
            "The files of all Agents of the gateway have more than {} KiB with those of Agent \"{agent}\", which stay as they were: shorten spec.workspace.files",
            MOST / 1024
        ),
        carried: true,
    }
}

/// Files that OpenClaw does not read as their authors expect.
fn unread(agent: &Agent) -> Option<Fault> {
    let file = agent.spec.files().iter().find_map(|file| Some((file, bootstrap::instead(&file.path)?)));
    file.map(|(file, instead)| Fault {
        reason: reason::WORKSPACE_FILE_NOT_USED,
        message: format!(
            "OpenClaw does not use {} as before (spec.workspace.files of Agent \"{}\"): {instead}",
            file.path,
            agent.name_any()
        ),
        carried: true,
    })
}

/// Files of which OpenClaw puts only a part into the prompt.
fn truncated(agent: &Agent, files: &[File]) -> Option<Fault> {
    let texts = files.iter().map(|file| (file.path.as_str(), file.content.as_str()));
    let what = bootstrap::Limits::of(&agent.spec.config).exceeded(texts)?;
    Some(Fault {
        reason: reason::WORKSPACE_FILE_TRUNCATED,
        message: excerpt(&format!("{what} (spec.workspace.files of Agent \"{}\")", agent.name_any())),
        carried: true,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
