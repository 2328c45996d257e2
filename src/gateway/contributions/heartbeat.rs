//! The turns that an Agent takes by itself. Pure.

use kube::ResourceExt;

use crate::api::Agent;
use crate::api::duration;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::{ActiveHours, Heartbeat};
use crate::references::digests::Fault;
use crate::references::time_zone;

/// Whether the time zone of the Agent's active hours exists.
pub fn check(agent: &Agent) -> Result<(), Fault> {
    let hours = agent.spec.heartbeat.as_ref().and_then(|heartbeat| heartbeat.active_hours.as_ref());
    let Some(zone) = hours.and_then(|hours| hours.time_zone.as_ref()) else { return Ok(()) };
    let place = format!("spec.heartbeat.activeHours.timeZone of Agent \"{}\"", agent.name_any());
    time_zone::check(zone, &place).map(drop).map_err(|message| Fault {
        reason: reason::TIME_ZONE_NOT_FOUND,
        message,
        carried: false,
    })
}

/// The Agent's heartbeat as OpenClaw shall have it; `None`: it has none.
#[must_use]
pub fn entry(agent: &Agent) -> Option<Heartbeat> {
    let heartbeat = agent.spec.heartbeat.as_ref()?;
    Some(Heartbeat {
        every: duration::parse(&heartbeat.every)?,
        active_hours: heartbeat.active_hours.as_ref().map(|hours| ActiveHours {
            start: hours.start.clone(),
            end: hours.end.clone(),
            time_zone: hours.time_zone.clone().unwrap_or_else(|| time_zone::DEFAULT.to_owned()),
        }),
        prompt: heartbeat.prompt.clone(),
    })
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
        assert!(fault.last_good_kept);
        assert_eq!(fault.reason, reason::TIME_ZONE_NOT_FOUND);
        let message = "Time zone \"Europe/Pari\" does not exist (spec.heartbeat.activeHours.timeZone of Agent \"writer\") \
                       (did you mean \"Europe/Paris\"?)";
        assert!(fault.message.starts_with(message), "{}", fault.message);
    }
}
