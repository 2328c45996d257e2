//! To whom an Agent hands work: the agents that it may start as its sub-agents. Pure.
//!
//! All are allowed as they are listed. OpenClaw refuses one that the gateway does not have, until it has it.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{Contribution, Feature, passthrough};
use crate::api::Agent;
use crate::api::delegates::Delegate;
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::AtFault;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::agents::{self, SUBAGENTS};
use crate::openclaw::config::sections::Sections;
use crate::openclaw::live;
use crate::references::digests::Fault;
use crate::references::suggest::suggestion;

/// How the routing table begins.
const TABLE: &str =
    "## Delegates\n\nHand work to these agents with the tool `sessions_spawn` (`agentId`, then when to use it):\n\n";

pub const FEATURE: Feature = Feature { name: "delegates", contribute, keep };

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    passthrough::without(agent, &[&SUBAGENTS.join(".")])?;
    let delegates = &agent.spec.delegates;
    if delegates.is_empty() {
        return Ok(Contribution::default());
    }
    let entry = agents::subagents(delegates.iter().map(|delegate| delegate.agent.as_str()));
    let warnings = delegates.iter().filter_map(|delegate| fault(gathered, agent, &delegate.agent)).collect();
    Ok(Contribution { entry, warnings, ..Contribution::default() })
}

/// What the Agent is told of its delegates that can be started now; empty: nothing.
#[must_use]
pub fn routing_table(gathered: &Gathered, agent: &Agent) -> String {
    let active: BTreeSet<String> = gathered.active_agents().map(|agent| agent.name_any()).collect();
    let row = |delegate: &Delegate| {
        let when = delegate.when.as_ref().filter(|_| active.contains(&delegate.agent))?;
        Some(format!("- `{}`: {when}\n", delegate.agent))
    };
    let rows: String = agent.spec.delegates.iter().filter_map(row).collect();
    if rows.is_empty() { rows } else { format!("{TABLE}{rows}") }
}

/// Why OpenClaw refuses to start this one.
fn fault(gathered: &Gathered, agent: &Agent, name: &str) -> Option<Fault> {
    let place = format!("spec.delegates[{name}] of Agent \"{}\"", agent.name_any());
    let on_gateway = || std::iter::once(&gathered.owner).chain(&gathered.joined);
    let fault = |reason, message| Some(Fault { reason, message, carried: true });
    match on_gateway().find(|other| other.name_any() == name) {
        None if gathered.unparsable.contains(name) => None,
        None => {
            let names: Vec<String> = on_gateway().map(|other| other.name_any()).collect();
            let meant = suggestion(name, names.iter().map(String::as_str));
            let message = format!("Agent \"{name}\" is not on this gateway ({place}){meant}");
            fault(reason::AGENT_NOT_FOUND, message)
        }
        Some(other) if agent.spec.sandbox.is_some() && other.spec.sandbox.is_none() => {
            let message = format!(
                "Agent \"{name}\" has no sandbox ({place}): OpenClaw does not let an Agent in a sandbox start one without; set spec.sandbox of \"{name}\""
            );
            fault(reason::DELEGATE_NOT_IN_SANDBOX, message)
        }
        Some(_) => None,
    }
}

fn keep(_: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let [subagents, allowed] = SUBAGENTS;
    let kept = |at_fault: &AtFault<'_>| {
        let fields = at_fault.entry.get(subagents).map(|there| live::fields(there, &[allowed])).unwrap_or_default();
        let entry = live::below(subagents, fields);
        (at_fault.name.clone(), Contribution { entry, ..Contribution::default() })
    };
    at_fault.iter().map(kept).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::sandbox::WorkspaceAccess;
    use crate::gateway::fixtures::{company, edit, plan, sandbox, settle};

    fn delegate(gathered: &mut Gathered, agent: &str, delegates: &[&str]) {
        let delegates: Value = delegates.iter().map(|name| json!({"agent": name})).collect();
        edit(gathered, agent, |agent| agent.spec.delegates = serde_json::from_value(delegates).unwrap());
    }

    fn allowed(gathered: &Gathered, agent: &str) -> Value {
        let plan = plan(gathered);
        assert!(plan.faults.is_empty(), "{:?}", plan.faults);
        plan.config.unwrap().value()["agents"]["entries"][agent]["subagents"].clone()
    }

    #[test]
    fn agents_may_hand_work_to_each_other_and_to_none_that_is_not_listed() {
        let mut gathered = company();
        settle(&mut gathered);
        assert_eq!(allowed(&gathered, "writer"), Value::Null);
        let pod = plan(&gathered).pod.unwrap().hash();
        delegate(&mut gathered, "writer", &["concierge"]);
        delegate(&mut gathered, "concierge", &["writer"]);
        assert_eq!(allowed(&gathered, "writer"), json!({"allowAgents": ["concierge"]}));
        assert_eq!(allowed(&gathered, "concierge"), json!({"allowAgents": ["writer"]}));
        let plan = plan(&gathered);
        assert!(plan.agent_warnings.values().all(Vec::is_empty), "{:?}", plan.agent_warnings);
        assert_eq!(plan.pod.unwrap().hash(), pod);
    }

    #[test]
    fn one_that_is_not_on_the_gateway_is_reported_and_the_others_are_allowed() {
        let mut gathered = company();
        delegate(&mut gathered, "concierge", &["writer", "writr"]);
        assert_eq!(allowed(&gathered, "concierge"), json!({"allowAgents": ["writer", "writr"]}));
        let warning = plan(&gathered).agent_warnings["concierge"][0].clone();
        assert_eq!(warning.reason, reason::AGENT_NOT_FOUND);
        let expected = "Agent \"writr\" is not on this gateway (spec.delegates[writr] of Agent \"concierge\") (did you mean \"writer\"?)";
        assert_eq!(warning.message, expected);
    }

    #[test]
    fn an_agent_in_a_sandbox_is_told_that_it_cannot_hand_work_to_one_without() {
        let mut gathered = company();
        gathered.sandboxes.insert("default".into(), sandbox("default", WorkspaceAccess::None));
        delegate(&mut gathered, "writer", &["concierge"]);
        let uses = json!({"ref": {"name": "default"}});
        edit(&mut gathered, "writer", |agent| agent.spec.sandbox = Some(serde_json::from_value(uses).unwrap()));
        let warning = plan(&gathered).agent_warnings["writer"][0].clone();
        assert_eq!(warning.reason, reason::DELEGATE_NOT_IN_SANDBOX);
        assert!(warning.message.contains("set spec.sandbox of \"concierge\""), "{}", warning.message);
    }
}
