//! One reconcile of the channels of one gateway. Touches the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::{Context, Inputs};
use crate::api::Agent;
use crate::kubernetes::backoff::resync;
use crate::kubernetes::reconciler::ReconcileError;
use crate::kubernetes::spec_version::SpecVersion;
use crate::openclaw::channels::State;
use crate::openclaw::rpc::{Endpoint, RpcError};
use crate::world::channels_found::ChannelsFound;
use crate::world::queues::Controller;
use crate::world::runtime::{Gone, Reconciler};
use crate::world::triggers::agents_on_gateway;

/// After an edit, and while a channel is not connected.
const SOON: Duration = Duration::from_secs(15);
/// How soon it is seen that a channel is no longer connected.
const IDLE: Duration = Duration::from_mins(1);

impl Reconciler for Context {
    type Object = Agent;
    const CONTROLLER: Controller = Controller::Channels;

    async fn reconcile(&self, owner: Arc<Agent>) -> Result<Action, ReconcileError> {
        Ok(Action::requeue(reconcile(&owner, self).await))
    }

    fn forget(&self, gone: &Gone<'_>) {
        self.facts.channels.forget(gone.namespace, gone.name);
        self.asked.take(gone.namespace, gone.name);
    }
}

/// One reconcile; returns when to look again.
async fn reconcile(owner: &Agent, context: &Context) -> Duration {
    let (namespace, name) = (owner.namespace().unwrap_or_default(), owner.name_any());
    let publish = |found: Option<ChannelsFound>| context.facts.channels.publish(&namespace, &name, found.map(Arc::new));
    let agents = match owner.spec.gateway_ref {
        None => with_channels(context, &namespace, &name),
        Some(_) => BTreeMap::new(),
    };
    if agents.is_empty() {
        context.asked.take(&namespace, &name);
        publish(None);
        return resync();
    }
    // After a restart of the operator, what was known before holds until the gateway was asked.
    let Some(gateway) = context.facts.gateway(&namespace, &name) else {
        context.asked.take(&namespace, &name);
        if !context.facts.gateways.of(&namespace, &name).is_unknown() {
            publish(Some(unknown(context, &namespace, &name, "Waiting for the gateway to answer.".to_owned())));
        }
        return resync();
    };
    let inputs = Inputs { run: gateway.run.clone(), agents };
    let before = context.asked.get(&namespace, &name);
    let is_new = before.as_ref().is_none_or(|(before, _)| *before != inputs);
    if let Some((_, until)) = before.filter(|_| !is_new)
        && let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        return left;
    }
    let (found, is_well) = match ask(context, &name, &gateway.endpoint).await {
        Ok(found) => found,
        Err(error) if error.is_unasked() => return SOON,
        Err(error) => {
            tracing::info!(gateway = name, namespace, %error, "cannot ask a gateway about its channels");
            (unknown(context, &namespace, &name, format!("Cannot ask the gateway: {error}")), false)
        }
    };
    publish(Some(found));
    let again = if is_well && !is_new { IDLE } else { SOON };
    context.asked.put(&namespace, &name, (inputs, Instant::now() + again));
    again
}

/// The Agents on the gateway that have channels.
fn with_channels(context: &Context, namespace: &str, owner: &str) -> BTreeMap<String, SpecVersion> {
    let agents = agents_on_gateway(&context.stores, namespace, owner).into_iter();
    let talking = agents.filter(|agent| !agent.spec.channels.is_empty() && !agent.spec.suspend);
    talking.map(|agent| (agent.name_any(), SpecVersion::of(&*agent))).collect()
}

/// What is known of the channels of a gateway that cannot be asked now.
fn unknown(context: &Context, namespace: &str, owner: &str, why: String) -> ChannelsFound {
    ChannelsFound { unknown: Some(why), ..before(context, namespace, owner) }
}

fn before(context: &Context, namespace: &str, owner: &str) -> ChannelsFound {
    let before = context.facts.channels.of(namespace, owner).known().flatten();
    before.map(|found| (*found).clone()).unwrap_or_default()
}

/// What the gateway tells, and whether nothing of it is about to change. One that does not connect is probed: the gateway tells no error of
/// its own while the vendor cannot be reached.
async fn ask(context: &Context, owner: &str, gateway: &Endpoint) -> Result<(ChannelsFound, bool), RpcError> {
    let before = before(context, &gateway.namespace, owner);
    let probe = before.accounts.values().any(|account| account.state == State::Connecting);
    let accounts = context.admin.channels(gateway, probe).await?;
    let is_well = accounts.iter().all(|account| matches!(account.state, State::Connected | State::Disabled));
    let accounts = accounts.into_iter().map(|account| (account.id.clone(), account)).collect();
    Ok((ChannelsFound { accounts, unknown: None }, is_well))
}
