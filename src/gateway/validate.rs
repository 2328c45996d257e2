//! Spec and what was gathered → the plan, or what stands in its way. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::contributions::{self, ResolvedAgents};
use super::gather::{Gathered, Live};
use super::plan::{Plan, PodPlan, RESTART_PART, SecretVariable, hash};
use crate::kubernetes::conditions::reason;
use crate::naming;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::config::{self, Gateway};
use crate::openclaw::live;
use crate::openclaw::paths;
use crate::references::digests::{Digests, Fault, resolve};
use crate::references::sources;
use crate::settings::Settings;

/// The plan of the gateway.
#[must_use]
pub fn validate(gathered: &Gathered, settings: &Settings) -> Plan {
    let agents = contributions::resolve(gathered);
    let own = resolve(&sources::of_gateway(&gathered.owner), &gathered.reads, &gathered.live.digests);
    let missing = own.blocking().cloned().or_else(|| missing_claim(gathered));
    // A gateway that rests has no Pod that could lack anything, and must be able to come to rest.
    let rests = gathered.owner.spec.suspend && gathered.live.deployment.is_some();
    let (blocking, missing) = if rests { (None, missing) } else { (missing, None) };
    let carried = own.faults.iter().filter(|fault| fault.carried).cloned();
    let warnings = missing.into_iter().chain(carried).collect();
    let mut digests = own.digests;
    digests.0.extend(agents.digests.0.clone());
    let pod = match blocking {
        Some(fault) => Err(fault),
        None => Ok(pod_plan(gathered, settings, &agents, digests)),
    };
    let config = render(gathered, settings, &agents, pod.is_err()).map(Arc::new);
    Plan { pod, config, faults: agents.faults, warnings, agent_warnings: agents.warnings }
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

/// What the Pod is made of. Variables that nobody needs any more stay until something else recreates the Pod: an Agent that
/// leaves must not restart the others.
fn pod_plan(gathered: &Gathered, settings: &Settings, agents: &ResolvedAgents, digests: Digests) -> PodPlan {
    let needed = PodPlan {
        image: image(gathered, settings),
        gateway: gathered.owner.spec.gateway.clone().unwrap_or_default(),
        token: sources::token(&gathered.owner),
        ssh_key: sources::ssh_key(&gathered.owner),
        provider_env: agents.environment.iter().cloned().collect(),
        claim: sources::claim(&gathered.owner),
        restart: gathered.owner.annotations().get(naming::RESTART).cloned(),
        digests,
        parts: std::collections::BTreeMap::new(),
    };
    let with_leftovers = with_leftovers(&needed, &gathered.live);
    if gathered.live.annotation(naming::PLAN) == Some(with_leftovers.hash().as_str()) {
        return with_leftovers;
    }
    keep_restart(needed.with_parts(), &gathered.live)
}

/// An annotation that is taken away asks for nothing: what it brought about stays.
fn keep_restart(mut plan: PodPlan, live: &Live) -> PodPlan {
    if let (None, Some(before)) = (&plan.restart, live.parts.get(RESTART_PART)) {
        plan.parts.insert(RESTART_PART.to_owned(), before.clone());
    }
    plan
}

fn with_leftovers(needed: &PodPlan, live: &Live) -> PodPlan {
    let names: BTreeSet<&str> = needed.provider_env.iter().map(|variable| variable.variable.as_str()).collect();
    let leftovers: Vec<SecretVariable> = live
        .secret_variables()
        .filter(|live| live.variable.starts_with("CREEL_PROVIDER_") && !names.contains(live.variable.as_str()))
        .collect();
    let mut plan = needed.clone();
    for variable in leftovers {
        let id = format!("Secret/{}/{}", variable.secret, variable.key);
        if let Some(digest) = live.digests.0.get(&id) {
            plan.digests.0.entry(id).or_insert_with(|| digest.clone());
        }
        plan.provider_env.push(variable);
    }
    plan.provider_env.sort();
    keep_restart(plan.with_parts(), live)
}

/// The user's image; or the one that the gateway was made with, so that a new default rolls nothing; or the default. A new
/// value of the restart annotation brings the gateway up to date.
fn image(gathered: &Gathered, settings: &Settings) -> String {
    if let Some(image) = gathered.owner.spec.gateway.as_ref().and_then(|gateway| gateway.image.clone()) {
        return image;
    }
    let wanted = gathered.owner.annotations().get(naming::RESTART).map(hash);
    let restarts = wanted.is_some() && wanted.as_ref() != gathered.live.parts.get(RESTART_PART);
    let pinned = gathered.live.annotation(naming::IMAGE).map(str::to_owned);
    pinned.filter(|_| !restarts).unwrap_or_else(|| settings.gateway_image.clone())
}

/// openclaw.json, unless no agent can be rendered, or the Pod can't be made anew and lacks a variable that it would need.
fn render(gathered: &Gathered, settings: &Settings, agents: &ResolvedAgents, frozen: bool) -> Option<ConfigDocument> {
    let owner = gathered.owner.name_any();
    let system_agent = if agents.entries.contains_key(&owner) { owner } else { agents.entries.keys().next()?.clone() };
    let gateway = Gateway { system_agent, agents: agents.entries.clone(), sections: agents.sections.clone() };
    let document = config::render(&gateway);
    #[cfg(feature = "test-config-override")]
    let document = test_config::overridden(document, &gathered.owner, settings);
    let lacks = |name: &str| !gathered.live.environment.iter().any(|variable| variable.name == name);
    if frozen
        && live::variables(&document).iter().any(|name| name.as_str() != paths::TOKEN_VARIABLE && lacks(name.as_str()))
    {
        return None;
    }
    Some(ConfigDocument::new(document))
}

#[cfg(feature = "test-config-override")]
mod test_config;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
