//! Writes the status of an Agent and Events about it. Touches the network.

use kube::ResourceExt;

use super::context::Context;
use super::{channels, devices};
use crate::api::Agent;
use crate::api::agent::AgentStatus;
use crate::kubernetes::events;
use crate::kubernetes::status::write_status;
use crate::naming::AGENT_MANAGER;

/// Writes the status. An event is informational: what can't be told is logged.
pub async fn report(context: &Context, agent: &Agent, next: &AgentStatus) -> Result<(), kube::Error> {
    if !write_status(&context.client, AGENT_MANAGER, agent, next).await? {
        return Ok(());
    }
    let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let of_devices = devices::events(agent.status.as_ref(), next);
    let of_channels = channels::event_of(agent.status.as_ref(), next);
    for event in events::of_ready(before, &next.conditions).into_iter().chain(of_devices).chain(of_channels) {
        if let Err(error) = context.events.publish(agent, &event).await {
            tracing::debug!(agent = agent.name_any(), %error, "cannot publish an Event");
        }
    }
    Ok(())
}
