//! The skills that an Agent has. Pure.
//!
//! Their files are copied to the Agent's own workspace, where no other agent looks. Their variables are the gateway's: OpenClaw has one set
//! for all skills of a name.
//!
//! One skill at fault does not hold up the others: its last good state stays.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Contribution, Feature, ResolvedAgents, passthrough};
use crate::api::Agent;
use crate::api::skills::Skill;
use crate::gateway::build::skills::{Document, MOUNTED};
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::gateway::plan::SecretVariable;
use crate::kubernetes::conditions::reason;
use crate::naming::GatewayNames;
use crate::openclaw::config::sections::{self, Fields, Sections};
use crate::openclaw::live;
use crate::openclaw::names::EnvName;
use crate::openclaw::skill::{self, Files, SKILLS};
use crate::references::digests::{Fault, resolve};
use crate::references::sources;

pub const FEATURE: Feature = Feature { name: SKILLS, contribute, keep };

/// Bytes of the files of all Agents of a gateway, as JSON: a ConfigMap holds a mebibyte.
const MOST_BYTES: usize = 768 << 10;

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    passthrough::without(agent, &[SKILLS])?;
    let Some(skills) = &agent.spec.skills else { return Ok(Contribution::default()) };
    let mut contribution = listing(Vec::new());
    for skill in skills {
        if let Some(fault) = other_variables(gathered, agent, skill) {
            contribution.warnings.push(fault);
            continue;
        }
        let added = one(gathered, agent, skill).or_else(|fault| {
            contribution.warnings.push(fault);
            last_good(gathered, &agent.name_any(), &skill.name).ok_or(())
        });
        if let Ok(added) = added {
            add(&mut contribution, added);
        }
    }
    Ok(contribution)
}

fn listing(names: Vec<Value>) -> Contribution {
    Contribution { entry: Fields::from_iter([(SKILLS.to_owned(), names.into())]), ..Contribution::default() }
}

fn add(contribution: &mut Contribution, added: Contribution) {
    sections::add(&mut contribution.entry, added.entry);
    contribution.sections.extend(added.sections);
    contribution.skills.extend(added.skills);
    contribution.environment.extend(added.environment);
    contribution.sources.extend(added.sources);
    contribution.warnings.extend(added.warnings);
}

/// What one skill adds.
fn one(gathered: &Gathered, agent: &Agent, skill: &Skill) -> Result<Contribution, Fault> {
    let files = files(gathered, agent, skill)?;
    let sources: Vec<_> = sources::of_skill(agent, skill).collect();
    let resolved = resolve(&sources, &gathered.reads, &gathered.live.digests);
    if let Some(blocking) = resolved.blocking() {
        return Err(Fault { carried: true, ..blocking.clone() });
    }
    let selectors = skill.env.iter().map(|variable| (&variable.name, &variable.value_from.secret_key_ref));
    let variables = selectors.map(|(name, selector)| {
        let variable = EnvName::config_text(&selector.name, &selector.key);
        (name.clone(), json!(format!("${{{variable}}}")), SecretVariable::new(&variable, &selector.name, &selector.key))
    });
    let (mut env, mut environment) = (Fields::new(), Vec::new());
    for (name, text, variable) in variables {
        env.insert(name, text);
        environment.push(variable);
    }
    let contribution = with_variables(&skill.name, env);
    let skills = files.map(|files| (skill.name.clone(), files)).into_iter().collect();
    Ok(Contribution { skills, environment, sources, warnings: resolved.faults, ..contribution })
}

fn with_variables(name: &str, env: Fields) -> Contribution {
    let mut sections = Sections::default();
    if !env.is_empty() {
        let path = [SKILLS, "entries", name, "env"];
        sections.insert(path.map(str::to_owned).to_vec(), Value::Object(env));
    }
    Contribution { sections, ..listing(vec![json!(name)]) }
}

/// The files of the skill; `None`: OpenClaw has it itself.
fn files(gathered: &Gathered, agent: &Agent, skill: &Skill) -> Result<Option<Files>, Fault> {
    let Some(source) = sources::of_skill_map(agent, skill) else { return Ok(None) };
    let texts = gathered.keys_of(&source)?.iter().filter_map(|(key, value)| Some((key.as_str(), value.text.as_ref()?)));
    let values = texts.map(|(key, text)| (key, skill::Value { bytes: text.bytes(), text: text.usable() }));
    skill::read(&skill.name, &values.collect()).map(Some).map_err(|why| Fault {
        reason: reason::SKILL_INVALID,
        message: format!("ConfigMap \"{}\" {why} ({}): correct it", source.name, source.field),
        carried: true,
    })
}

/// An older Agent has a skill of this name with other variables: this one would get them.
fn other_variables(gathered: &Gathered, agent: &Agent, skill: &Skill) -> Option<Fault> {
    let name = agent.name_any();
    let differs = |other: &Skill| other.name == skill.name && other.env != skill.env;
    let other = gathered.older_agents(agent).find(|other| other.spec.skills().iter().any(differs))?;
    let message = format!(
        "Skill \"{}\" has other variables in spec.skills of Agent \"{}\", and a gateway has one set for all skills of a name: use the same env in spec.skills of Agent \"{name}\", or another name",
        skill.name,
        other.name_any()
    );
    Some(Fault { reason: reason::SKILL_VARIABLES_DIFFER, message, carried: true })
}

/// The skill as the live gateway has it for this Agent, while the live Pod has its variables.
fn last_good(gathered: &Gathered, agent: &str, name: &str) -> Option<Contribution> {
    let config = gathered.live.config.as_ref()?.value();
    let listed = live::agent(config, agent)?.get(SKILLS)?.as_array()?.contains(&json!(name));
    if !listed {
        return None;
    }
    let env = config.pointer(&format!("/skills/entries/{name}/env")).and_then(Value::as_object);
    let env = env.cloned().unwrap_or_default();
    let variables = live::variables(&Value::Object(env.clone()));
    let is = |known: &SecretVariable, variable: &EnvName| known.variable == variable.as_str();
    let found = |variable| gathered.live.secret_variables().find(|known| is(known, variable));
    let environment: Vec<SecretVariable> = variables.iter().map(found).collect::<Option<_>>()?;
    let of = format!("the last good skill \"{name}\" of Agent \"{agent}\"");
    let sources = environment.iter().map(|variable| sources::of_live(&variable.secret, &variable.key, &of)).collect();
    let files = live_files(gathered, agent).remove(name);
    let skills = files.map(|files| (name.to_owned(), files)).into_iter().collect();
    Some(Contribution { skills, environment, sources, ..with_variables(name, env) })
}

/// The files that the live gateway has for this Agent.
fn live_files(gathered: &Gathered, agent: &str) -> BTreeMap<String, Files> {
    let workspace = sources::layout(&gathered.owner).workspace(agent);
    let live: Option<Document> = live_map(gathered).and_then(|map| MOUNTED.read_back(map));
    live.and_then(|mut document| document.remove(&workspace)).unwrap_or_default()
}

fn live_map(gathered: &Gathered) -> Option<&ConfigMap> {
    let name = GatewayNames::of(&gathered.owner.name_any()).skills;
    gathered.live.config_map(&name)
}

fn keep(gathered: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let kept = |at_fault: &AtFault<'_>| {
        let listed = at_fault.entry.get(SKILLS).and_then(Value::as_array);
        let mut contribution = listed.map(|_| listing(Vec::new())).unwrap_or_default();
        for name in listed.into_iter().flatten().filter_map(Value::as_str) {
            let skill = last_good(gathered, &at_fault.name, name);
            add(&mut contribution, skill.unwrap_or_else(|| listing(vec![json!(name)])));
        }
        (at_fault.name.clone(), contribution)
    };
    at_fault.iter().map(kept).collect()
}

/// The skills of all workspaces; `None`: no Agent of the gateway ever had any. What does not fit is left out, with a warning.
pub fn document(gathered: &Gathered, agents: &mut ResolvedAgents) -> Option<Document> {
    if agents.skills.values().all(BTreeMap::is_empty) && live_map(gathered).is_none() {
        return None;
    }
    let layout = sources::layout(&gathered.owner);
    let (mut document, mut room) = (Document::new(), MOST_BYTES);
    for agent in agents.entries.keys() {
        let mut fitting = BTreeMap::new();
        for (name, files) in agents.skills.remove(agent).unwrap_or_default() {
            let bytes = serde_json::to_string(&files).map_or(usize::MAX, |text| text.len());
            match room.checked_sub(bytes) {
                Some(left) => {
                    room = left;
                    fitting.insert(name, files);
                }
                None => agents.warnings.entry(agent.clone()).or_default().push(does_not_fit(agent, &name)),
            }
        }
        document.insert(layout.workspace(agent), fitting);
    }
    Some(document)
}

fn does_not_fit(agent: &str, skill: &str) -> Fault {
    let message = format!(
        "Skill \"{skill}\" does not fit (spec.skills[{skill}] of Agent \"{agent}\"): the skills of all Agents of a gateway have at most {} KiB; shorten them",
        MOST_BYTES >> 10
    );
    Fault { reason: reason::SKILL_INVALID, message, carried: true }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
