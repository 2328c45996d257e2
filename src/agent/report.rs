//! Writes the status of an Agent and tells of turns in it, if they differ. Touches the network.

use std::time::Duration;

use jiff::Timestamp;
use k8s_controller::events::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::status::{self, Place};
use crate::api::Agent;
use crate::api::agent::HeartbeatStatus;
use crate::gateway::context::Context;
use crate::kubernetes::conditions::whole_seconds;
use crate::kubernetes::events;
use crate::kubernetes::status::write_status;
use crate::naming::AGENT_MANAGER;
use crate::openclaw::cron::run::Run;
use crate::world::triggers::gateway_owner;

/// Writes the status if it differs; returns when time alone will change it.
pub async fn report(
    context: &Context,
    agent: &Agent,
    place: &Place<'_>,
    joined: Vec<String>,
) -> Result<Option<Duration>, kube::Error> {
    let namespace = agent.namespace().unwrap_or_default();
    let sandbox = context.stores.sandbox_states.of(&namespace, &agent.name_any());
    let (mut next, again) = status::status(agent, place, sandbox.as_deref(), joined, Timestamp::now());
    let schedule = context.stores.schedules.of(&namespace, &gateway_owner(agent));
    let last = schedule.as_ref().and_then(|schedule| schedule.heartbeats.get(&agent.name_any()));
    next.heartbeat = heartbeat(last).or(next.heartbeat).filter(|_| agent.spec.heartbeat.is_some());
    if agent.status.as_ref() == Some(&next) {
        return Ok(again);
    }
    if !write_status(&context.client, AGENT_MANAGER, agent, &next).await? {
        return Ok(None);
    }
    let before = agent.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if let Some(event) = events::of_ready(before, &next.conditions) {
        publish(context, agent, &event).await;
    }
    Ok(again)
}

/// The heartbeat that ended last.
fn heartbeat(last: Option<&Run>) -> Option<HeartbeatStatus> {
    let run = last?;
    Some(HeartbeatStatus { time: Time(whole_seconds(run.began()?)), status: run.result(), error: run.words() })
}

/// An event is informational: what can't be told is logged.
pub async fn publish(context: &Context, agent: &Agent, event: &Event) {
    if let Err(error) = context.events.publish(agent, event).await {
        tracing::debug!(agent = agent.name_any(), %error, "an event could not be published");
    }
}
