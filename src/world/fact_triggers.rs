//! Whom a published fact concerns. Pure: looks only at the fact, what was known before, and the stores.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::channels_found::ChannelsFound;
use super::devices_found::DevicesFound;
use super::facts::{Concerns, Fact, RefreshRequests};
use super::gateway_state::GatewayFound;
use super::gateways::Gateway;
use super::jobs_found::JobsFound;
use super::queues::{Controller, Trigger};
use super::sandbox_states::SandboxState;
use super::stores::Stores;
use super::triggers::{agents_on_gateway, cron_jobs_on_gateway};

impl Concerns for Option<Arc<Gateway>> {
    /// The jobs, the devices and the channels of the gateway, and its CronJobs, which tell whether it answers.
    fn concerns(
        namespace: &str,
        owner: &str,
        _before: &Fact<Self>,
        _after: &Self,
        stores: &Stores,
    ) -> BTreeSet<Trigger> {
        let mut triggers = cron_jobs_on_gateway(stores, namespace, owner);
        triggers.insert(Trigger::new(Controller::Jobs, namespace, owner));
        triggers.insert(Trigger::new(Controller::Devices, namespace, owner));
        triggers.insert(Trigger::new(Controller::Channels, namespace, owner));
        triggers
    }
}

impl Concerns for GatewayFound {
    /// The status of each Agent on the gateway.
    fn concerns(
        namespace: &str,
        owner: &str,
        _before: &Fact<Self>,
        _after: &Self,
        stores: &Stores,
    ) -> BTreeSet<Trigger> {
        agents_on_gateway(stores, namespace, owner)
            .iter()
            .map(|agent| Trigger::new(Controller::Agent, namespace, agent.name_any()))
            .collect()
    }
}

impl Concerns for Option<Arc<SandboxState>> {
    /// The status of the Agent, and of the Sandbox that it was and is created from.
    fn concerns(
        namespace: &str,
        agent: &str,
        before: &Fact<Self>,
        after: &Self,
        _stores: &Stores,
    ) -> BTreeSet<Trigger> {
        let states = before.as_ref().known().into_iter().chain([after]).flatten();
        states
            .map(|state| Trigger::new(Controller::SandboxTemplate, namespace, &state.sandbox))
            .chain([Trigger::new(Controller::Agent, namespace, agent)])
            .collect()
    }
}

impl Concerns for Arc<JobsFound> {
    /// The CronJobs and the heartbeats of which it says something new.
    fn concerns(
        namespace: &str,
        _owner: &str,
        before: &Fact<Self>,
        after: &Self,
        _stores: &Stores,
    ) -> BTreeSet<Trigger> {
        let empty = JobsFound::default();
        let before = before.as_ref().known().map_or(&empty, AsRef::as_ref);
        let names = before.jobs.keys().chain(after.jobs.keys());
        let cron_jobs = names.filter(|name| before.jobs.get(*name) != after.jobs.get(*name));
        let names = before.heartbeats.keys().chain(after.heartbeats.keys());
        let agents = names.filter(|name| before.heartbeats.get(*name) != after.heartbeats.get(*name));
        cron_jobs
            .map(|name| Trigger::new(Controller::CronJob, namespace, name))
            .chain(agents.map(|name| Trigger::new(Controller::Agent, namespace, name)))
            .collect()
    }
}

impl Concerns for Option<Arc<DevicesFound>> {
    /// The status of the Agent that owns the gateway.
    fn concerns(
        namespace: &str,
        owner: &str,
        _before: &Fact<Self>,
        _after: &Self,
        _stores: &Stores,
    ) -> BTreeSet<Trigger> {
        BTreeSet::from([Trigger::new(Controller::Agent, namespace, owner)])
    }
}

impl Concerns for Option<Arc<ChannelsFound>> {
    /// The status of each Agent on the gateway that has channels.
    fn concerns(
        namespace: &str,
        owner: &str,
        _before: &Fact<Self>,
        _after: &Self,
        stores: &Stores,
    ) -> BTreeSet<Trigger> {
        let agents = agents_on_gateway(stores, namespace, owner).into_iter();
        let talking = agents.filter(|agent| !agent.spec.channels.is_empty());
        talking.map(|agent| Trigger::new(Controller::Agent, namespace, agent.name_any())).collect()
    }
}

impl Concerns for RefreshRequests {
    fn concerns(
        namespace: &str,
        owner: &str,
        _before: &Fact<Self>,
        _after: &Self,
        _stores: &Stores,
    ) -> BTreeSet<Trigger> {
        BTreeSet::from([Trigger::new(Controller::Jobs, namespace, owner)])
    }
}
