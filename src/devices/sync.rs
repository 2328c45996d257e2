//! One reconcile of the devices of one gateway. Touches the network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::changes::{Cause, Change, changes};
use super::context::Context;
use super::found::{Look, Sent};
use super::wishes::Wishes;
use crate::api::Agent;
use crate::api::devices::DevicesStatus;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::conditions::{DEVICES_READY, Desired, Status, reason};
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::pairing::{Devices, Paired, Pending};
use crate::openclaw::rpc::{Endpoint, RpcError};
use crate::world::devices_found::DevicesFound;
use crate::world::facts::Fact;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};

/// While a device waits for approval, or one of the list is not paired.
const SOON: Duration = Duration::from_secs(15);
/// How soon what people do at the gateway is seen.
const IDLE: Duration = Duration::from_mins(1);
/// A gateway that could not be asked is left alone for this time.
const UNREACHABLE: Duration = Duration::from_secs(15);
/// Calls of one reconcile that change something: the gateway takes thirty a minute.
const MOST_CHANGES: usize = 20;
/// No call begins later than this after the first one: a reconcile has half a minute, and what was sent must be told.
const SENDING: Duration = Duration::from_secs(8);

/// What a look depends on, besides what the gateway lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The run of the gateway's process.
    pub(super) run: String,
    pub(super) agent: SpecVersion,
    wishes: Wishes,
    /// The id of the operator's own device.
    own: Option<String>,
}

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Devices;

    async fn reconcile(&self, owner: Arc<Agent>) -> Result<Action, ReconcileError> {
        reconcile(&owner, self).await.map(Action::requeue)
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.facts.devices.forget(gone.namespace, gone.name);
        self.is_gone(gone.namespace, gone.name);
    }
}

/// One reconcile; returns when to look again.
async fn reconcile(owner: &Agent, context: &Context) -> Result<Duration, ReconcileError> {
    let (namespace, name) = (owner.namespace().unwrap_or_default(), owner.name_any());
    let publish = |found: Option<DevicesFound>| context.facts.devices.publish(&namespace, &name, found.map(Arc::new));
    let (wishes, before) = (Wishes::of(owner), before(owner, context));
    let is_owner = owner.spec.gateway_ref.is_none();
    // What the list let in goes with the list.
    if !is_owner || !wishes.any && before.paired_devices.is_empty() {
        publish(None);
        return Ok(resync());
    }
    let failed = |reason, message: &str| DevicesFound {
        agent: SpecVersion::of(owner),
        status: before.clone(),
        ready: Desired::new(DEVICES_READY, Status::Unknown, reason, message),
    };
    let Some(gateway) = context.facts.gateway(&namespace, &name) else {
        // After a restart of the operator, what was known before holds until the gateway was looked at.
        if !context.facts.gateways.of(&namespace, &name).is_unknown() {
            publish(Some(failed(reason::PENDING, "Waiting for the gateway to answer.")));
        }
        return Ok(resync());
    };
    let own = context.own.id(&*context.stores, owner).await?;
    let inputs = Inputs { run: gateway.run.clone(), agent: SpecVersion::of(owner), wishes, own };
    if let Some(left) = context.idle_for(&namespace, &name, &inputs, Instant::now()) {
        return Ok(left);
    }
    context.forget(&namespace, &name);
    match look(context, (&name, &gateway.endpoint), &inputs, &before).await {
        Ok((found, again)) => {
            let is_over = !inputs.wishes.any && found.status.paired_devices.is_empty();
            publish((!is_over).then_some(found));
            context.idle_until(&namespace, &name, inputs, Instant::now() + again);
            Ok(again)
        }
        Err(error) if error.is_unasked() => Ok(UNREACHABLE),
        Err(error) => {
            tracing::info!(gateway = name, namespace, %error, "cannot look at the devices of a gateway");
            publish(Some(failed(reason::ADMIN_UNREACHABLE, &format!("Cannot ask the gateway: {error}"))));
            Ok(UNREACHABLE)
        }
    }
}

/// What the look before found, or, after a restart of the operator, the status.
fn before(owner: &Agent, context: &Context) -> DevicesStatus {
    match context.facts.devices.of(&owner.namespace().unwrap_or_default(), &owner.name_any()) {
        Fact::Known(found) => found.map(|found| found.status.clone()).unwrap_or_default(),
        Fact::Unknown => {
            let gateway = owner.status.as_ref().and_then(|status| status.gateway.as_ref());
            gateway.map(|gateway| gateway.devices.clone()).unwrap_or_default()
        }
    }
}

/// Looks at the gateway's devices and changes what has to change; what was found, and when to look again.
async fn look(
    context: &Context,
    (owner, gateway): (&str, &Endpoint),
    inputs: &Inputs,
    before: &DevicesStatus,
) -> Result<(DevicesFound, Duration), RpcError> {
    let Inputs { agent, wishes, own, .. } = inputs;
    let mut listed = list(context, gateway, own.as_deref()).await?;
    let unanswered = context.take_unanswered(&gateway.namespace, owner);
    let mut changes = changes(wishes, before, &listed);
    let wanted = changes.len();
    changes.truncate(MOST_CHANGES);
    let sent = send(context, (owner, gateway), changes).await?;
    let unfinished = sent.len() < wanted;
    if !sent.is_empty() {
        // What was sent must be told, with a new list or without one.
        match list(context, gateway, own.as_deref()).await {
            Ok(again) => listed = again,
            Err(_) => sent.iter().for_each(|(_, change, answer)| done(&mut listed, change, answer)),
        }
    }
    let refusal = context.last_refusal(owner, inputs, gateway).await;
    let refusal = refusal.as_ref();
    let (unanswered, now) = (&unanswered, Timestamp::now());
    let look = Look { wishes, before, sent: &sent, unanswered, unfinished, listed: &listed, refusal, now };
    let status = look.status();
    let ready = look.ready(&status);
    let again = if look.is_in_motion() { SOON } else { IDLE };
    Ok((DevicesFound { agent: agent.clone(), status, ready }, again))
}

/// Takes a change that the gateway made into the list.
fn done(listed: &mut Devices, change: &Change, answer: &Result<(), String>) {
    match change {
        _ if answer.is_err() => {}
        Change::Remove { device_id } => listed.paired.retain(|paired| paired.device_id != *device_id),
        Change::Reject { request_id } => listed.pending.retain(|pending| pending.request_id != *request_id),
        Change::Approve { request_id } => {
            let is_it = |pending: &mut Pending| pending.request_id == *request_id;
            for Pending { device_id, access, .. } in listed.pending.extract_if(.., is_it) {
                if !listed.paired.iter().any(|paired| paired.device_id == device_id) {
                    listed.paired.push(Paired { device_id, access });
                }
            }
        }
    }
}

/// The devices without the operator's own one.
async fn list(context: &Context, gateway: &Endpoint, own: Option<&str>) -> Result<Devices, RpcError> {
    let Devices { mut pending, mut paired } = context.admin.devices(gateway).await?;
    pending.retain(|one| Some(one.device_id.as_str()) != own);
    paired.retain(|one| Some(one.device_id.as_str()) != own);
    Ok(Devices { pending, paired })
}

/// Makes the calls, until the gateway does not answer one. What it refuses ends none of the others.
async fn send(
    context: &Context,
    (owner, gateway): (&str, &Endpoint),
    changes: Vec<(Cause, Change)>,
) -> Result<Vec<Sent>, RpcError> {
    let (mut sent, began) = (Vec::new(), Instant::now());
    for (cause, change) in changes {
        if began.elapsed() > SENDING {
            break;
        }
        let answer = match &change {
            Change::Approve { request_id } => context.admin.approve_device(gateway, request_id).await,
            Change::Reject { request_id } => context.admin.reject_device(gateway, request_id).await,
            Change::Remove { device_id } => context.admin.remove_device(gateway, device_id).await,
        };
        let answer = match answer {
            Ok(()) => {
                tracing::info!(namespace = gateway.namespace, ?cause, ?change, "changed a device of a gateway");
                Ok(())
            }
            Err(RpcError::Refused { status, message, .. }) if (400..500).contains(&status) && status != 429 => {
                Err(message)
            }
            // It takes so many a minute: the rest waits.
            Err(RpcError::Refused { status: 429, .. }) => break,
            Err(error) => {
                if matches!(error, RpcError::Silent | RpcError::Unreachable(_)) {
                    context.was_not_answered(&gateway.namespace, owner, change);
                }
                if sent.is_empty() {
                    return Err(error);
                }
                break;
            }
        };
        sent.push((cause, change, answer));
    }
    Ok(sent)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
