//! What stays in force of an Agent that is at fault: feature by feature, the last good state, as the live configuration has it; or the last
//! accepted one, where the gateway rejected what is live. Pure.
//!
//! Limits:
//! - An Agent that the live configuration does not hold has no last good state: one fault keeps it off the gateway.
//! - Where commands run is never taken from there, see [`sandbox`](super::contributions::sandbox).
//! - A section that Agents share has one state. Where the present spec of another Agent needs it as it is now, last good states have to
//!   do with that.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use serde_json::Value;

use super::contributions::{Attempt, Contribution, FEATURES};
use super::gather::Gathered;
use crate::api::Agent;
use crate::kubernetes::conditions::reason;
use crate::naming::GatewayNames;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::config::sections::Sections;
use crate::openclaw::live;
use crate::references::digests::Fault;

/// An Agent whose present spec is at fault in some feature, or does not parse.
pub struct AtFault<'a> {
    pub name: String,
    /// `None`: it does not parse.
    pub agent: Option<&'a Agent>,
    /// The configuration with its last good state.
    pub config: &'a Value,
    /// Its entry there.
    pub entry: Value,
    /// Whether the gateway accepted this configuration for certain.
    pub is_accepted: bool,
}

impl<'a> AtFault<'a> {
    /// `None`: the configuration does not hold the Agent.
    fn read_back(config: &'a Value, name: String, agent: Option<&'a Agent>, is_accepted: bool) -> Option<Self> {
        Some(Self { entry: live::agent(config, &name)?, name, agent, config, is_accepted })
    }
}

/// The last accepted configuration, if it is needed: the live one may still hold what the gateway rejected, and goes with the Deployment.
fn accepted(gathered: &Gathered, attempts: &[Attempt<'_>]) -> Option<Arc<ConfigDocument>> {
    let is_rejected = |result: &Result<_, Fault>| result.as_ref().is_err_and(|fault| fault.reason == reason::REJECTED);
    let is_needed =
        gathered.live.config.is_none() || attempts.iter().flat_map(|attempt| &attempt.results).any(is_rejected);
    is_needed.then(|| gathered.live.last_good(&GatewayNames::of(&gathered.owner.name_any())))?
}

/// What is kept for each Agent, by feature. A feature at fault that is not there cannot be kept. Of an Agent that does not parse, every
/// feature is.
#[must_use]
pub fn keep(gathered: &Gathered, attempts: &[Attempt<'_>]) -> BTreeMap<String, BTreeMap<&'static str, Contribution>> {
    let mut kept: BTreeMap<String, BTreeMap<&'static str, Contribution>> = BTreeMap::new();
    let (live, accepted) = (gathered.live.config.as_ref(), accepted(gathered, attempts));
    // Either may have been deleted by hand.
    let Some(config) = live.or(accepted.as_ref()).map(|config| config.value()) else { return kept };
    let accepted = accepted.as_ref().map(|accepted| accepted.value());
    let entry = |attempt: &Attempt<'_>| live::agent(config, &attempt.agent.name_any());
    let mut needed = Sections::default();
    for attempt in attempts.iter().filter(|attempt| attempt.fault().is_none() || entry(attempt).is_some()) {
        for contribution in attempt.results.iter().flatten() {
            needed.extend(contribution.sections.clone());
        }
    }
    for (position, feature) in FEATURES.iter().enumerate() {
        let at_fault: Vec<AtFault<'_>> = attempts
            .iter()
            .filter_map(|attempt| Some((attempt.agent, attempt.results.get(position)?.as_ref().err()?)))
            .filter_map(|(agent, fault)| {
                let accepted = accepted.filter(|_| fault.reason == reason::REJECTED);
                AtFault::read_back(accepted.unwrap_or(config), agent.name_any(), Some(agent), accepted.is_some())
            })
            .chain(gathered.unparsable.iter().filter_map(|name| AtFault::read_back(config, name.clone(), None, false)))
            .collect();
        for (agent, contribution) in (feature.keep)(gathered, &at_fault, &needed) {
            kept.entry(agent).or_default().insert(feature.name, contribution);
        }
    }
    kept
}

/// For a feature that needs nothing but its own fields of the entry: these fields as they were, also where there were none.
#[must_use]
pub fn fields(at_fault: &[AtFault<'_>], names: &[&str]) -> BTreeMap<String, Contribution> {
    at_fault
        .iter()
        .map(|at_fault| {
            let entry = live::fields(&at_fault.entry, names);
            (at_fault.name.clone(), Contribution { entry, ..Contribution::default() })
        })
        .collect()
}
