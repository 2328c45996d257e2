//! The turns that an Agent takes at regular times. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::{Contribution, Feature};
use crate::api::Agent;
use crate::api::{duration, heartbeat};
use crate::gateway::gather::Gathered;
use crate::gateway::last_good::{self, AtFault};
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::agents::{self, ActiveHours, HEARTBEAT, Heartbeat};
use crate::openclaw::config::sections::Sections;
use crate::references::digests::Fault;
use crate::references::time_zone;

pub const FEATURE: Feature = Feature { name: HEARTBEAT, contribute, keep };

fn contribute(_: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let Some(heartbeat) = &agent.spec.heartbeat else { return Ok(Contribution::default()) };
    let name = agent.name_any();
    let fault = |reason, message| Fault { reason, message, carried: false };
    // An object may be older than its schema.
    let every = duration::parse(&heartbeat.every).ok_or_else(|| {
        let message = format!(
            "\"{}\" is not a valid duration (spec.heartbeat.every of Agent \"{name}\"), for example 30m or 1h30m",
            heartbeat.every
        );
        fault(reason::INVALID_SCHEDULE, message)
    })?;
    if let Some(zone) = heartbeat.active_hours.as_ref().and_then(|hours| hours.time_zone.as_ref()) {
        let place = format!("spec.heartbeat.activeHours.timeZone of Agent \"{name}\"");
        time_zone::check(zone, &place).map_err(|message| fault(reason::TIME_ZONE_NOT_FOUND, message))?;
    }
    let active_hours = heartbeat.active_hours.as_ref().map(active_hours);
    let rendered = Heartbeat { every, active_hours, prompt: heartbeat.prompt.clone() };
    Ok(Contribution { entry: agents::heartbeat(&rendered), ..Contribution::default() })
}

fn keep(_: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    last_good::fields(at_fault, &[HEARTBEAT])
}

fn active_hours(hours: &heartbeat::ActiveHours) -> ActiveHours {
    ActiveHours {
        start: hours.start.clone(),
        end: hours.end.clone(),
        time_zone: hours.time_zone.clone().unwrap_or_else(|| time_zone::DEFAULT.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::fixtures::{company, edit, plan, settle};
    use crate::gateway::gather::Gathered;

    fn set(gathered: &mut Gathered, heartbeat: Value) {
        let heartbeat = serde_json::from_value(heartbeat).unwrap();
        edit(gathered, "writer", |agent| agent.spec.heartbeat = Some(heartbeat));
    }

    /// The entry of `writer`, and the hash of the Pod.
    fn planned(gathered: &Gathered) -> (Value, String) {
        let plan = plan(gathered);
        let config = plan.config.unwrap();
        (config.value()["agents"]["entries"]["writer"].clone(), plan.pod.unwrap().hash())
    }

    #[test]
    fn a_heartbeat_goes_into_the_configuration_and_not_into_the_pod() {
        let mut gathered = company();
        settle(&mut gathered);
        let (without, pod) = planned(&gathered);
        assert_eq!(without.get("heartbeat"), None);
        set(&mut gathered, json!({"every": "1h30m", "activeHours": {"start": "22:00", "end": "06:00"}}));
        let (with, same) = planned(&gathered);
        assert_eq!(
            with["heartbeat"],
            json!({
                "every": "5400000ms",
                "target": "none",
                "activeHours": {"start": "22:00", "end": "06:00", "timezone": "Etc/UTC"},
            })
        );
        assert_eq!(pod, same);
    }

    #[test]
    fn a_time_zone_that_does_not_exist_leaves_the_agent_as_it_was() {
        let mut gathered = company();
        set(&mut gathered, json!({"every": "30m"}));
        settle(&mut gathered);
        let before = planned(&gathered);
        let hours = json!({"start": "08:00", "end": "22:00", "timeZone": "Europe/Pari"});
        set(&mut gathered, json!({"every": "10m", "activeHours": hours}));
        assert_eq!(planned(&gathered), before);
        let fault = &plan(&gathered).faults["writer"];
        assert!(fault.last_good_kept());
        assert_eq!(fault.reason, reason::TIME_ZONE_NOT_FOUND);
        let message = "Time zone \"Europe/Pari\" does not exist (spec.heartbeat.activeHours.timeZone of Agent \"writer\") \
                       (did you mean \"Europe/Paris\"?)";
        assert!(fault.message.starts_with(message), "{}", fault.message);
    }
}
