//! Writes the status of an Agent and tells of turns in it, if they differ. Touches the network.

use std::time::Duration;

use jiff::Timestamp;
use k8s_controller::events::{Event, EventType};
use kube::ResourceExt;

use super::context::Context;
use super::status::{self, Place};
use crate::api::{Agent, AgentStatus};
use crate::cluster::conditions::{READY, find};
use crate::cluster::names::AGENT_MANAGER;
use crate::cluster::status_writer;

/// Writes the status if it differs; returns when time alone will change it.
pub async fn report(
    context: &Context,
    agent: &Agent,
    place: &Place<'_>,
    joined: Vec<String>,
) -> Result<Option<Duration>, kube::Error> {
    let namespace = agent.namespace().unwrap_or_default();
    let sandbox = context.stores.sandbox_states.of(&namespace, &agent.name_any());
    let (next, again) = status::status(agent, place, sandbox.as_deref(), joined, Timestamp::now());
    if agent.status.as_ref() == Some(&next) {
        return Ok(again);
    }
    if !status_writer::write(&context.client, AGENT_MANAGER, agent, &next).await? {
        return Ok(None);
    }
    if let Some(event) = turn(agent.status.as_ref(), &next) {
        publish(context, agent, &event).await;
    }
    Ok(again)
}

/// An event when `Ready` turns true, or false, or false for another reason.
fn turn(before: Option<&AgentStatus>, after: &AgentStatus) -> Option<Event> {
    let now = find(&after.conditions, READY)?;
    let before = before.and_then(|status| find(&status.conditions, READY));
    if before.is_some_and(|before| before.status == now.status && before.reason == now.reason)
        || now.status == "Unknown"
    {
        return None;
    }
    let type_ = if now.status == "True" { EventType::Normal } else { EventType::Warning };
    Some(Event {
        type_,
        reason: now.reason.clone(),
        action: "Reconcile".to_owned(),
        note: Some(now.message.clone()),
        related: None,
    })
}

/// An event is informational: what can't be told is logged.
pub async fn publish(context: &Context, agent: &Agent, event: &Event) {
    if let Err(error) = context.events.publish(agent, event).await {
        tracing::debug!(agent = agent.name_any(), %error, "an event could not be published");
    }
}
