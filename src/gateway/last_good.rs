//! What stays in force of an Agent that is at fault: feature by feature, the last good state, as the live configuration has it. Pure.
//!
//! Limits:
//! - An Agent that the live configuration does not hold has no last good state: one fault keeps it off the gateway.
//! - Where commands run is never taken from there, see [`sandbox`](super::contributions::sandbox).
//! - A section that Agents share has one state. Where the present spec of another Agent needs it as it is now, last good states have to
//!   do with that.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde_json::Value;

use super::contributions::{Attempt, Contribution, FEATURES};
use super::gather::Gathered;
use crate::api::Agent;
use crate::openclaw::config::sections::Sections;
use crate::openclaw::live;

/// An Agent whose present spec is at fault in some feature, or does not parse.
pub struct AtFault<'a> {
    pub name: String,
    /// `None`: it does not parse.
    pub agent: Option<&'a Agent>,
    /// Its entry in the live configuration.
    pub entry: Value,
}

/// What is kept for each Agent, by feature. A feature at fault that is not there cannot be kept. Of an Agent that does not parse, every
/// feature is.
#[must_use]
pub fn keep(gathered: &Gathered, attempts: &[Attempt<'_>]) -> BTreeMap<String, BTreeMap<&'static str, Contribution>> {
    let mut kept: BTreeMap<String, BTreeMap<&'static str, Contribution>> = BTreeMap::new();
    let Some(config) = gathered.live.config.as_ref().map(|config| config.value()) else { return kept };
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
            .filter(|attempt| attempt.results.get(position).is_some_and(Result::is_err))
            .filter_map(|attempt| {
                Some(AtFault { name: attempt.agent.name_any(), agent: Some(attempt.agent), entry: entry(attempt)? })
            })
            .chain(gathered.unparsable.iter().filter_map(|name| {
                Some(AtFault { name: name.clone(), agent: None, entry: live::agent(config, name)? })
            }))
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
