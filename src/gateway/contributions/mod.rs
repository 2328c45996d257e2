//! What each feature of an Agent adds to its gateway, one file each. Pure.
//!
//! `access` and `clients` are of the gateway itself, so they depend on no Agent but its owner; `files` are on its claim, and no part of
//! openclaw.json. A new feature is a file with a [`Feature`], and a line in [`FEATURES`]. A Secret or ConfigMap that it reads also belongs
//! into [`of_agent`](crate::references::agents::of_agent): what is not named there is neither read nor watched.

pub mod access;
pub mod channels;
pub mod clients;
pub mod delegates;
pub mod files;
pub mod heartbeat;
pub mod identity;
pub mod models;
pub mod passthrough;
pub mod sandbox;
pub mod skills;
pub mod tools;

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::gather::Gathered;
use super::last_good::{self, AtFault};
use super::plan::{AgentFault, SecretVariable};
use super::rejections::Rejections;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::OfUsers;
use crate::openclaw::config::channels::Accounts;
use crate::openclaw::config::passthrough::author::Author;
use crate::openclaw::config::sections::{self, Fields, Sections};
use crate::openclaw::skill::Files;
use crate::references::digests::{self, Digests, Fault, Source};

/// What one feature adds for one Agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// Its part of the agent's entry in openclaw.json.
    pub entry: Fields,
    /// What it needs elsewhere in openclaw.json.
    pub sections: Sections,
    /// Keys of that entry that the user wrote.
    pub config: Fields,
    /// Keys of the gateway that the user wrote.
    pub gateway_config: Fields,
    /// The files of skills, by the name of the skill.
    pub skills: BTreeMap<String, Files>,
    /// Accounts of its channels by id.
    pub accounts: Accounts,
    /// Keys of these accounts that the user wrote, by account.
    pub channel_config: Fields,
    /// What keeps channels off the gateway, by the name of the channel.
    pub channel_faults: BTreeMap<String, Fault>,
    /// Variables of the gateway's Pod that these refer to.
    pub environment: Vec<SecretVariable>,
    /// The values behind the variables.
    pub sources: Vec<Source>,
    /// What is wrong and yet blocks nothing.
    pub warnings: Vec<Fault>,
}

/// A feature of Agents.
pub struct Feature {
    /// What people call it: `model`.
    pub name: &'static str,
    /// What the feature adds for the Agent by its present spec.
    pub contribute: fn(&Gathered, &Agent) -> Result<Contribution, Fault>,
    /// What it adds instead for Agents whose present spec is at fault in it, by Agent. One that is left out cannot stay on the gateway.
    /// The sections are those that the present specs of Agents need: where one is needed, it stays as it is there.
    pub keep: fn(&Gathered, &[AtFault<'_>], &Sections) -> BTreeMap<String, Contribution>,
}

/// Every feature. Of several faults of an Agent its status reports the first in this order.
pub const FEATURES: [Feature; 10] = [
    models::FEATURE,
    sandbox::FEATURE,
    tools::FEATURE,
    identity::FEATURE,
    delegates::FEATURE,
    skills::FEATURE,
    heartbeat::FEATURE,
    channels::FEATURE,
    passthrough::AGENT,
    passthrough::GATEWAY,
];

/// What the agents of a gateway add up to.
#[derive(Debug, Default)]
pub struct ResolvedAgents {
    /// The fields of each agent's entry.
    pub entries: BTreeMap<String, Fields>,
    pub sections: Sections,
    pub accounts: Accounts,
    pub of_users: OfUsers,
    /// The files of the skills of each agent.
    pub skills: BTreeMap<String, BTreeMap<String, Files>>,
    pub faults: BTreeMap<String, AgentFault>,
    /// What the gateway rejected of what the Agents want now.
    pub rejections: Rejections,
    /// What is wrong and yet blocks nothing, by Agent.
    pub warnings: BTreeMap<String, Vec<Fault>>,
    /// What keeps channels off the gateway, by Agent and channel.
    pub channel_faults: BTreeMap<String, BTreeMap<String, Fault>>,
    /// Variables that the Pod's environment needs for them.
    pub environment: BTreeSet<SecretVariable>,
    /// The digests behind the variables.
    pub digests: Digests,
}

/// What every Agent adds that is on the gateway and not suspended. One that does not parse adds what it added last.
#[must_use]
pub fn resolve(gathered: &Gathered) -> ResolvedAgents {
    let attempts: Vec<Attempt<'_>> = gathered.active_agents().map(|agent| Attempt::new(gathered, agent)).collect();
    let mut kept = last_good::keep(gathered, &attempts);
    let rejected = attempts.iter().flat_map(Attempt::rejected).collect();
    let mut resolved =
        ResolvedAgents { rejections: gathered.live.rejections.of(&rejected), ..ResolvedAgents::default() };
    for attempt in attempts {
        let name = attempt.agent.name_any();
        let fault = attempt.fault().cloned();
        match attempt.complete(kept.remove(&name).unwrap_or_default()) {
            Some((contributions, kept)) => {
                resolved.add(gathered, &name, contributions);
                resolved.faults.extend(fault.map(|fault| (name, AgentFault::new(fault, kept))));
            }
            None => resolved.faults.extend(fault.map(|fault| (name, AgentFault::new(fault, Vec::new())))),
        }
    }
    for (name, mut kept) in kept {
        let contributions: Option<Vec<_>> = FEATURES.iter().map(|feature| kept.remove(feature.name)).collect();
        if let Some(contributions) = contributions {
            resolved.add(gathered, &name, contributions);
        }
    }
    resolved
}

/// What the features make of an Agent's present spec, in the order of [`FEATURES`].
pub struct Attempt<'a> {
    pub agent: &'a Agent,
    pub results: Vec<Result<Contribution, Fault>>,
}

impl<'a> Attempt<'a> {
    fn new(gathered: &Gathered, agent: &'a Agent) -> Self {
        Self { agent, results: FEATURES.iter().map(|feature| (feature.contribute)(gathered, agent)).collect() }
    }

    /// The first fault of the Agent.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.results.iter().find_map(|result| result.as_ref().err())
    }

    /// Whose keys, of those that the Agent wrote, the gateway rejected.
    fn rejected(&self) -> impl Iterator<Item = Author> {
        let agent = self.agent.name_any();
        let results = self.results.iter().zip(&FEATURES);
        let rejected =
            results.filter(|(result, _)| result.as_ref().is_err_and(|fault| fault.reason == reason::REJECTED));
        rejected.filter_map(move |(_, feature)| passthrough::author(feature, &agent))
    }

    /// The contributions of all features, with what is `kept` (by feature) in place of those at fault, and the names of these.
    /// `None`: one is at fault and cannot be kept, so the Agent is left out as a whole.
    fn complete(
        self,
        mut kept: BTreeMap<&'static str, Contribution>,
    ) -> Option<(Vec<Contribution>, Vec<&'static str>)> {
        let mut names = Vec::new();
        let contributions = self.results.into_iter().zip(&FEATURES).map(|(result, feature)| {
            result.ok().or_else(|| {
                names.push(feature.name);
                kept.remove(feature.name)
            })
        });
        Some((contributions.collect::<Option<_>>()?, names))
    }
}

impl ResolvedAgents {
    fn add(&mut self, gathered: &Gathered, agent: &str, contributions: Vec<Contribution>) {
        let (entry, warnings) =
            (self.entries.entry(agent.to_owned()).or_default(), self.warnings.entry(agent.to_owned()).or_default());
        for contribution in contributions {
            sections::add(entry, contribution.entry);
            warnings.extend(contribution.warnings);
            self.sections.extend(contribution.sections);
            self.skills.entry(agent.to_owned()).or_default().extend(contribution.skills);
            self.accounts.extend(contribution.accounts);
            if !contribution.channel_config.is_empty() {
                self.of_users.channels.insert(agent.to_owned(), contribution.channel_config);
            }
            if !contribution.channel_faults.is_empty() {
                self.channel_faults.insert(agent.to_owned(), contribution.channel_faults);
            }
            self.of_users.gateway.extend(contribution.gateway_config);
            self.of_users.agents.entry(agent.to_owned()).or_default().extend(contribution.config);
            self.environment.extend(contribution.environment);
            let resolved = digests::resolve(&contribution.sources, &gathered.reads, &gathered.live.digests);
            self.digests.0.extend(resolved.digests.0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
