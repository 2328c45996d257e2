//! Who an Agent is: what it is for, its name and its face. Pure.

use std::collections::BTreeMap;

use super::{Contribution, Feature, passthrough};
use crate::api::Agent;
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::{self, AtFault};
use crate::openclaw::config::agents::{self, IDENTITY};
use crate::openclaw::config::sections::Sections;
use crate::references::digests::Fault;

pub const FEATURE: Feature = Feature { name: "identity", contribute, keep };

fn contribute(_: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    passthrough::without(agent, &IDENTITY)?;
    let entry = agents::identity(agent.spec.description.as_deref(), agent.spec.identity.as_ref());
    Ok(Contribution { entry, ..Contribution::default() })
}

fn keep(_: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    last_good::fields(at_fault, &IDENTITY)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::fixtures::{company, edit, plan, settle};

    fn writer(gathered: &Gathered) -> (Value, String) {
        let plan = plan(gathered);
        assert!(plan.faults.is_empty(), "{:?}", plan.faults);
        let config = plan.config.unwrap();
        (config.value()["agents"]["entries"]["writer"].clone(), plan.pod.unwrap().hash())
    }

    #[test]
    fn who_an_agent_is_stands_in_its_entry_as_it_was_written_and_does_not_concern_the_pod() {
        let mut gathered = company();
        settle(&mut gathered);
        let (before, pod) = writer(&gathered);
        assert_eq!((before.get("description"), before.get("identity")), (None, None));
        let identity = json!({"name": "Ada ${HOME}", "emoji": "🛟", "avatar": "avatars/ada.png"});
        edit(&mut gathered, "writer", |agent| {
            agent.spec.description = Some("Writes.".into());
            agent.spec.identity = Some(serde_json::from_value(identity).unwrap());
        });
        let (after, same) = writer(&gathered);
        assert_eq!(after["description"], "Writes.");
        assert_eq!(after["identity"], json!({"name": "Ada $${HOME}", "emoji": "🛟", "avatar": "avatars/ada.png"}));
        assert_eq!(pod, same);
    }
}
