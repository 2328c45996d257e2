//! Spec and what was gathered → the plan, or what prevents it. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use serde_json::Value;

use super::build::{self, document::Mounted};
use super::contributions::{self, ResolvedAgents, access, clients, files};
use super::credentials;
use super::gather::{Gathered, Live};
use super::plan::{COLD_PART, FILES_PART, Plan, PodPlan, RESTART_PART, SKILLS_PART, SecretVariable, hash};
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::naming::{self, GatewayNames};
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::config::sections::Sections;
use crate::openclaw::config::{self, Gateway, passthrough};
use crate::openclaw::live;
use crate::openclaw::names::{is_of_agents, is_of_channel, is_of_config, is_text};
use crate::openclaw::paths;
use crate::references::digests::{Digests, Fault, resolve};
use crate::references::reserved;
use crate::references::sources;
use crate::settings::Settings;

/// The plan of the gateway.
#[must_use]
pub fn validate(gathered: &Gathered, settings: &Settings) -> Plan {
    let mut agents = contributions::resolve(gathered);
    let skills = contributions::skills::document(gathered, &mut agents);
    let own = resolve(&sources::of_gateway(&gathered.owner), &gathered.reads, &gathered.live.digests);
    let missing = own.blocking().cloned().or_else(|| missing_claim(gathered));
    // A suspended gateway has no Pod that could lack anything, and what is missing must not prevent its suspension.
    let suspended = gathered.owner.spec.suspend && gathered.live.deployment.is_some();
    let (blocking, missing) = if suspended { (None, missing) } else { (missing, None) };
    let carried = own.faults.iter().filter(|fault| fault.carried).cloned();
    let ignored = ignored_variables(&gathered.owner, &own.digests);
    let access = access::resolve(gathered, settings);
    let clients = clients::resolve(gathered);
    let files = files::resolve(gathered);
    let memory = low_memory(&gathered.owner);
    let of_ways_in = access.warnings.into_iter().chain(clients.warnings);
    let warnings = missing.into_iter().chain(carried).chain(ignored).chain(memory).chain(of_ways_in).collect();
    let mut digests = own.digests;
    digests.0.extend(agents.digests.0.clone());
    let planned = pod_plan(gathered, settings, &agents, digests);
    let document = render(gathered, &agents, access.sections);
    #[cfg(feature = "test-config-override")]
    let document = document.map(|document| test_config::overridden(document, &gathered.owner, settings));
    // A Pod that cannot be replaced now has to do with the variables that it has.
    let config = document.filter(|document| blocking.is_none() || suits_live_pod(&gathered.live, document, &planned));
    let pod = blocking.map_or(Ok(planned), Err);
    let of_users = agents.of_users;
    let config = config.map(|document| Arc::new(ConfigDocument::new(document).written_by(of_users)));
    let ResolvedAgents { faults, rejections, digests, warnings: mut agent_warnings, channel_faults, .. } = agents;
    for (agent, warnings) in files.warnings {
        agent_warnings.entry(agent).or_default().extend(warnings);
    }
    let (clients, files) = (clients.list, files.document);
    Plan { pod, config, clients, files, skills, faults, rejections, digests, channel_faults, warnings, agent_warnings }
}

/// What `envFrom` loads and Creel alone sets.
fn ignored_variables(owner: &Agent, digests: &Digests) -> Option<Fault> {
    let loaded = reserved::loaded(&owner.spec.gateway.as_ref()?.env_from, digests);
    reserved::ignored(&loaded, &format!("spec.gateway.envFrom of Agent \"{}\"", owner.name_any()))
}

/// A memory limit with which the gateway will not start, or not for long.
fn low_memory(owner: &Agent) -> Option<Fault> {
    let limit = owner.spec.gateway.as_ref()?.resources.as_ref()?.limits.get("memory")?;
    let bytes = limit.bytes()?;
    (bytes < paths::LEAST_MEMORY).then(|| Fault {
        reason: reason::MEMORY_LIMIT_LOW,
        message: format!(
            "spec.gateway.resources.limits.memory of Agent \"{}\" is {} MiB: OpenClaw needs about 1 GiB and will run out of memory; raise it, or remove it to use the default",
            owner.name_any(),
            bytes / (1024 * 1024),
        ),
        carried: true,
    })
}

fn missing_claim(gathered: &Gathered) -> Option<Fault> {
    if gathered.existing_claim != Some(false) {
        return None;
    }
    let (owner, spec) = (gathered.owner.name_any(), gathered.owner.spec.gateway.as_ref()?);
    let claim = spec.storage.existing_claim.as_ref()?;
    Some(Fault {
        reason: reason::CLAIM_NOT_FOUND,
        message: format!(
            "PersistentVolumeClaim \"{claim}\" does not exist (spec.gateway.storage.existingClaim of Agent \"{owner}\"): create it"
        ),
        carried: false,
    })
}

/// What the Pod consists of. Variables that are no longer needed stay until something else recreates the Pod: an Agent that
/// leaves must not restart the others.
fn pod_plan(gathered: &Gathered, settings: &Settings, agents: &ResolvedAgents, digests: Digests) -> PodPlan {
    let (config_env, others): (_, Vec<_>) =
        agents.environment.iter().cloned().partition(|variable| is_of_config(&variable.variable));
    let (channel_env, provider_env) = others.into_iter().partition(|variable| is_of_channel(&variable.variable));
    let needed = PodPlan {
        image: image(gathered, settings),
        gateway: gathered.owner.spec.gateway.clone().unwrap_or_default(),
        token: sources::token(&gathered.owner),
        ssh_key: sources::ssh_key(&gathered.owner),
        provider_env,
        config_env,
        channel_env,
        cold: passthrough::reload::cold(&agents.of_users.gateway),
        claim: sources::claim(&gathered.owner),
        layout: sources::layout(&gathered.owner),
        restart: gathered.owner.annotations().get(naming::RESTART).cloned(),
        digests,
        parts: std::collections::BTreeMap::new(),
    };
    let with_leftovers = with_leftovers(&needed, gathered);
    if gathered.live.annotation(naming::PLAN) == Some(with_leftovers.hash().as_str()) {
        return with_leftovers;
    }
    with_kept_parts(with_accepted(needed, gathered), gathered)
}

/// The plan with the variables of the keys that the gateway accepted last: if it rejects the new ones, these are in force again. Without
/// those that a Pod waits for if their Secret is gone.
fn with_accepted(mut plan: PodPlan, gathered: &Gathered) -> PodPlan {
    let live = &gathered.live;
    let accepted = live.last_good(&GatewayNames::of(&gathered.owner.name_any()));
    let read = accepted.map(|accepted| live::variables(accepted.value())).unwrap_or_default();
    let is_read = |variable: &SecretVariable| read.iter().any(|name| name.as_str() == variable.variable);
    let known: BTreeSet<String> = plan.of_agents().map(|variable| variable.variable.clone()).collect();
    let missing = |variable: &SecretVariable| {
        let name = &variable.variable;
        (is_of_config(name) || is_of_channel(name)) && !is_text(name) && !known.contains(name) && is_read(variable)
    };
    add(&mut plan, live, live.secret_variables().filter(missing));
    plan
}

/// Adds variables of the live Pod, with the values that it has.
fn add(plan: &mut PodPlan, live: &Live, variables: impl Iterator<Item = SecretVariable>) {
    for variable in variables {
        let id = variable.id();
        if let Some(digest) = live.digests.0.get(&id) {
            plan.digests.0.entry(id).or_insert_with(|| digest.clone());
        }
        let list = match variable.variable.as_str() {
            name if is_of_config(name) => &mut plan.config_env,
            name if is_of_channel(name) => &mut plan.channel_env,
            _ => &mut plan.provider_env,
        };
        list.push(variable);
    }
    plan.provider_env.sort();
    plan.config_env.sort();
    plan.channel_env.sort();
}

/// The parts of the spec, and those that outlive what brought them about: removing the annotation restarts nothing, nor does a Secret that
/// stays.
fn with_kept_parts(plan: PodPlan, gathered: &Gathered) -> PodPlan {
    let mut plan = plan.with_parts();
    if let (None, Some(before)) = (&plan.restart, gathered.live.parts.get(RESTART_PART)) {
        plan.parts.insert(RESTART_PART.to_owned(), before.clone());
    }
    plan.parts.extend(credentials::parts(gathered));
    let has_files = |agent: &Agent| files::has_files(gathered, agent);
    plan.parts.extend(first_part(gathered, (FILES_PART, build::files::MOUNTED), has_files));
    let has_skills = |agent: &Agent| agent.spec.skill_maps().next().is_some();
    plan.parts.extend(first_part(gathered, (SKILLS_PART, build::skills::MOUNTED), has_skills));
    plan
}

/// The first document of its kind recreates a Pod that an earlier version of Creel rendered without its volume, once.
fn first_part(
    gathered: &Gathered,
    (part, document): (&str, Mounted),
    is_wanted: impl Fn(&Agent) -> bool,
) -> Option<(String, String)> {
    let live = &gathered.live;
    let is_first = || live.lacks(document) && gathered.active_agents().any(|agent| is_wanted(agent));
    let value = live.parts.get(part).cloned().or_else(|| is_first().then(|| hash(&true)));
    value.map(|value| (part.to_owned(), value))
}

fn with_leftovers(needed: &PodPlan, gathered: &Gathered) -> PodPlan {
    let live = &gathered.live;
    let names: BTreeSet<&str> = needed.of_agents().map(|variable| variable.variable.as_str()).collect();
    let leftovers =
        live.secret_variables().filter(|live| is_of_agents(&live.variable) && !names.contains(live.variable.as_str()));
    let mut plan = needed.clone();
    add(&mut plan, live, leftovers);
    with_kept_parts(plan, gathered)
}

/// The user's image; or the one that the gateway was created with, so that a new default rolls nothing; or the default. A new
/// value of the restart annotation brings the gateway up to date.
fn image(gathered: &Gathered, settings: &Settings) -> String {
    if let Some(image) = gathered.owner.spec.gateway.as_ref().and_then(|gateway| gateway.image.clone()) {
        return image;
    }
    let wanted = gathered.owner.annotations().get(naming::RESTART).map(hash);
    let restarts = wanted.is_some() && wanted.as_ref() != gathered.live.parts.get(RESTART_PART);
    gathered.live.image.clone().filter(|_| !restarts).unwrap_or_else(|| settings.gateway_image.clone())
}

/// openclaw.json; `None`: no agent can be rendered.
fn render(gathered: &Gathered, agents: &ResolvedAgents, access: Sections) -> Option<Value> {
    let owner = gathered.owner.name_any();
    let system_agent = if agents.entries.contains_key(&owner) { owner } else { agents.entries.keys().next()?.clone() };
    let mut sections = agents.sections.clone();
    sections.extend(access);
    let (layout, of_users) = (sources::layout(&gathered.owner), agents.of_users.clone());
    let (entries, accounts) = (agents.entries.clone(), agents.accounts.clone());
    let gateway = Gateway { system_agent, layout, agents: entries, sections, accounts, of_users };
    Some(config::render(&gateway))
}

/// Whether the live Pod can take up the document as it runs: it has every variable that the document reads, from the same key of the same
/// Secret, and no other value than the one that a Provider with another endpoint is to get; and no key changes that is read only at the
/// start. Each Pod has the token.
#[must_use]
pub fn suits_live_pod(live: &Live, document: &Value, planned: &PodPlan) -> bool {
    let wanted = |name: &str| planned.of_agents().find(|wanted| wanted.variable == name);
    let has = |name: &str| match wanted(name) {
        Some(wanted) => live.secret_variables().any(|live| live == *wanted),
        None => live.environment.iter().any(|variable| variable.name == name),
    };
    let is_current = |name: &str| {
        let id = wanted(name).map(SecretVariable::id);
        id.is_none_or(|id| live.digests.0.get(&id) == planned.digests.0.get(&id))
    };
    let is_cold = |(part, _): &(&String, &String)| part.starts_with(COLD_PART);
    let before = live.config.as_ref().map(|config| config.value());
    let moved = before.map(|before| live::moved_providers(before, document)).unwrap_or_default();
    let moved = moved.into_iter().flat_map(live::variables);
    live.parts.iter().filter(is_cold).eq(planned.parts.iter().filter(is_cold))
        && live::variables(document).iter().all(|name| name.as_str() == paths::TOKEN_VARIABLE || has(name.as_str()))
        && moved.into_iter().all(|name| is_current(name.as_str()))
}

#[cfg(feature = "test-config-override")]
mod test_config;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
