//! Every object that a reconcile reads queues the key that it is read for, whether it appears, changes or goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::core::{ObjectMeta, PartialObjectMeta, PartialObjectMetaExt};
use kube::{Resource, ResourceExt};
use proptest::prelude::*;

use super::small_world::{NAMESPACE, SmallWorld, live, small_world};
use crate::api::models::ModelSelection;
use crate::api::{Agent, CronJob};
use crate::kubernetes::observed::Observed;
use crate::naming::{GatewayNames, SandboxNames, controller_of};
use crate::references::digests::{Source, SourceKind, SourceName};
use crate::references::sources;
use crate::world::queues::{Controller, Trigger};
use crate::world::stores::{Stores, named};
use crate::world::triggers::{Watched, agents_on_gateway, gateway_owner, of_change, providers_of, sandbox_name};
use crate::{declarations, gateway, sandbox, sandbox_template};

/// An object that a reconcile looks at, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Agent(String),
    Provider(String),
    Sandbox(String),
    CronJob(String),
    Source(SourceName),
    Deployment(String),
    Service(String),
    Claim(String),
    Pod(String),
    ReplicaSet(String),
}

type Reads = BTreeSet<Seen>;

fn secret(name: String) -> Seen {
    Seen::Source((SourceKind::Secret, name))
}

fn agents(agents: impl IntoIterator<Item = Arc<Agent>>) -> impl Iterator<Item = Seen> {
    agents.into_iter().map(|agent| Seen::Agent(agent.name_any()))
}

/// A gateway's Pod, and what says that it is one.
fn of_pod(pod: &Arc<Pod>) -> Vec<Seen> {
    let controller = controller_of(&**pod).map(|set| Seen::ReplicaSet(set.name.clone()));
    controller.into_iter().chain([Seen::Pod(pod.name_any())]).collect()
}

fn gateway_reads(stores: &Stores, owner: &Agent) -> Reads {
    let look = gateway::gather::look(stores, owner);
    // Of the Providers and Sandboxes of the namespace those that no Agent here names are only suggested, by name.
    let gateway::gather::Look {
        joined,
        unparsable: _,
        providers: _,
        sandboxes: _,
        own_sandboxes,
        sources,
        proxies: _,
        live,
    } = look;
    let used = || std::iter::once(owner).chain(joined.iter().map(AsRef::as_ref));
    let mut reads = Reads::from([Seen::Agent(owner.name_any()), secret(GatewayNames::of(&owner.name_any()).secret)]);
    reads.extend(used().flat_map(providers_of).map(Seen::Provider));
    let limited = used().flat_map(|agent| &agent.spec.tools).flat_map(|tools| &tools.by_provider);
    reads.extend(limited.map(|of| Seen::Provider(of.provider.clone())));
    reads.extend(used().filter_map(sandbox_name).map(Seen::Sandbox));
    for (agent, own) in own_sandboxes {
        reads.extend(own.service.map(|service| Seen::Service(service.object.name_any())));
        reads.extend([Seen::Pod(SandboxNames::of(&agent).sandbox), secret(SandboxNames::of(&agent).sandbox)]);
    }
    reads.extend(sources.into_iter().map(Seen::Source));
    reads.extend(live.deployment.map(|deployment| Seen::Deployment(deployment.object.name_any())));
    reads.extend(live.service.map(|service| Seen::Service(service.object.name_any())));
    reads.extend(live.claim.map(|claim| Seen::Claim(claim.object.name_any())));
    reads.extend(live.pods.iter().flat_map(of_pod));
    reads.extend(agents(joined));
    reads
}

fn sandbox_reads(stores: &Stores, agent: &Agent, used: &str) -> Reads {
    let owner = gateway_owner(agent);
    let look = sandbox::gather::look(stores, agent, used);
    let sandbox::gather::Look { sandbox, owner: owner_object, owner_unparsable: _, gateway, sources, live } = look;
    let mut reads = Reads::from([
        Seen::Agent(agent.name_any()),
        Seen::Agent(owner.clone()),
        Seen::Sandbox(used.to_owned()),
        secret(SandboxNames::of(&agent.name_any()).sandbox),
        secret(GatewayNames::of(&owner).secret),
    ]);
    let files = sandbox.iter().flat_map(|sandbox| sources::of_files(sandbox));
    reads.extend(files.map(|source| Seen::Source((source.kind, source.name))));
    let claim = owner_object.map(|owner| sources::claim(&owner));
    reads.extend(claim.filter(|name| named(&stores.claims, NAMESPACE, name).is_some()).map(Seen::Claim));
    reads.extend(gateway.iter().flat_map(of_pod));
    reads.extend(sources.into_iter().map(Seen::Source));
    reads.extend(live.service.map(|service| Seen::Service(service.object.name_any())));
    reads.extend(live.pod.map(|pod| Seen::Pod(pod.name_any())));
    reads
}

/// What the CronJobs on one gateway depend on, beside themselves.
fn around_cron_jobs(stores: &Stores, owner: &str) -> Reads {
    let on_gateway = declarations::wanted::agents(stores, NAMESPACE, owner);
    let providers: BTreeSet<String> = on_gateway.iter().flat_map(|agent| providers_of(agent)).collect();
    agents(on_gateway).chain(providers.into_iter().map(Seen::Provider)).collect()
}

fn cron_job_reads(stores: &Stores, job: &CronJob) -> Reads {
    let mut reads = Reads::from([Seen::CronJob(job.name_any()), Seen::Agent(job.spec.agent_ref.name.clone())]);
    reads.extend(job.spec.model.iter().flat_map(ModelSelection::providers).map(Seen::Provider));
    if let Some(agent) = named(&stores.agents, NAMESPACE, &job.spec.agent_ref.name) {
        reads.insert(Seen::Agent(gateway_owner(&agent)));
        reads.extend(around_cron_jobs(stores, &gateway_owner(&agent)));
    }
    reads
}

fn jobs_reads(world: &SmallWorld, stores: &Stores, owner: &str) -> Reads {
    let on_gateway = declarations::wanted::agents(stores, NAMESPACE, owner);
    let is_here = |job: &&CronJob| on_gateway.iter().any(|agent| agent.name_any() == job.spec.agent_ref.name);
    let jobs: Vec<&CronJob> = world.cron_jobs.iter().filter(is_here).collect();
    let models = jobs.iter().filter_map(|job| job.spec.model.as_ref());
    let providers = models.flat_map(ModelSelection::providers).map(Seen::Provider);
    let jobs = jobs.iter().map(|job| Seen::CronJob(job.name_any()));
    jobs.chain(providers).chain(agents(on_gateway.clone())).collect()
}

/// Each key that is reconciled in this world, with what its reconcile reads.
fn all_reads(world: &SmallWorld, stores: &Stores) -> Vec<(Trigger, Reads)> {
    let key = |controller, name: String| Trigger::new(controller, NAMESPACE, name);
    let of = |source: Source| Seen::Source((source.kind, source.name));
    let mut all = Vec::new();
    for agent in &world.agents {
        let name = agent.name_any();
        let own = Reads::from([Seen::Agent(name.clone()), Seen::Agent(gateway_owner(agent))]);
        all.push((key(Controller::Agent, name.clone()), own));
        if let Some(used) = sandbox_name(agent) {
            all.push((key(Controller::Sandbox, name.clone()), sandbox_reads(stores, agent, &used)));
        }
        if agent.spec.gateway_ref.is_none() {
            all.push((key(Controller::Gateway, name.clone()), gateway_reads(stores, agent)));
            all.push((key(Controller::Jobs, name.clone()), jobs_reads(world, stores, &name)));
            all.push((key(Controller::Devices, name.clone()), Reads::from([Seen::Agent(name.clone())])));
            let on_gateway = agents(agents_on_gateway(stores, NAMESPACE, &name)).collect();
            all.push((key(Controller::Channels, name), on_gateway));
        }
    }
    let needing_the_fence = agents(stores.agents.state())
        .chain(world.pods.iter().map(|pod| Seen::Pod(pod.name_any())))
        .chain(world.deployments.iter().map(|deployment| Seen::Deployment(deployment.name_any())));
    all.push((Trigger::fence(NAMESPACE), needing_the_fence.collect()));
    for provider in &world.providers {
        let users = world.agents.iter().filter(|agent| providers_of(agent).contains(&provider.name_any()));
        let users = users.map(|agent| Seen::Agent(agent.name_any()));
        let sources = sources::of_provider(provider).into_iter().map(of);
        let reads = users.chain(sources).chain([Seen::Provider(provider.name_any())]).collect();
        all.push((key(Controller::Provider, provider.name_any()), reads));
    }
    for sandbox in &world.sandboxes {
        let users = sandbox_template::gather::users_of(sandbox, stores);
        let sources = sources::of_sandbox(sandbox).into_iter().chain(sources::of_files(sandbox)).map(of);
        let reads = agents(users).chain(sources).chain([Seen::Sandbox(sandbox.name_any())]).collect();
        all.push((key(Controller::SandboxTemplate, sandbox.name_any()), reads));
    }
    all.extend(
        world.cron_jobs.iter().map(|job| (key(Controller::CronJob, job.name_any()), cron_job_reads(stores, job))),
    );
    all
}

/// Whom it concerns that the object changes, appears or goes, where the stores show what is there afterwards.
fn triggers(world: &SmallWorld, seen: &Seen, stores: &Stores) -> BTreeSet<Trigger> {
    match seen {
        Seen::Agent(name) => found(&world.agents, name).unwrap_or_else(|| SmallWorld::agent(name)).concerns(stores),
        Seen::Provider(name) => {
            found(&world.providers, name).unwrap_or_else(|| SmallWorld::provider(name)).concerns(stores)
        }
        Seen::Sandbox(name) => {
            found(&world.sandboxes, name).unwrap_or_else(|| SmallWorld::sandbox(name)).concerns(stores)
        }
        Seen::CronJob(name) => found(&world.cron_jobs, name).unwrap().concerns(stores),
        // Whatever labels it has.
        Seen::Source((SourceKind::Secret, name)) => metadata::<Secret>(name).concerns(stores),
        Seen::Source((SourceKind::ConfigMap, name)) => metadata::<ConfigMap>(name).concerns(stores),
        Seen::Deployment(name) => Observed::new(found(&world.deployments, name).unwrap(), "").concerns(stores),
        Seen::Service(name) => Observed::new(found(&world.services, name).unwrap(), "").concerns(stores),
        Seen::Claim(name) => Observed::new(found(&world.claims, name).unwrap(), "").concerns(stores),
        Seen::Pod(name) => found(&world.pods, name).unwrap().concerns(stores),
        Seen::ReplicaSet(name) => found(&world.replica_sets, name).unwrap().concerns(stores),
    }
}

fn found<K: Resource + Clone>(objects: &[K], name: &str) -> Option<K> {
    objects.iter().find(|object| object.name_any() == name).cloned()
}

fn metadata<K: Resource<DynamicType = ()>>(name: &str) -> PartialObjectMeta<K> {
    let metadata = ObjectMeta { name: Some(name.into()), namespace: Some(NAMESPACE.into()), ..ObjectMeta::default() };
    metadata.into_response_partial()
}

/// The world without this object.
fn without(world: &SmallWorld, seen: &Seen) -> SmallWorld {
    fn remove<K: Resource>(objects: &mut Vec<K>, name: &str) {
        objects.retain(|object| object.name_any() != name);
    }
    let mut world = world.clone();
    match seen {
        Seen::Agent(name) => remove(&mut world.agents, name),
        Seen::Provider(name) => remove(&mut world.providers, name),
        Seen::Sandbox(name) => remove(&mut world.sandboxes, name),
        Seen::CronJob(name) => remove(&mut world.cron_jobs, name),
        Seen::Source(_) => {}
        Seen::Deployment(name) => remove(&mut world.deployments, name),
        Seen::Service(name) => remove(&mut world.services, name),
        Seen::Claim(name) => remove(&mut world.claims, name),
        Seen::Pod(name) => remove(&mut world.pods, name),
        Seen::ReplicaSet(name) => remove(&mut world.replica_sets, name),
    }
    world
}

proptest! {
    #[test]
    fn every_object_that_a_reconcile_reads_queues_it(world in small_world()) {
        let stores = world.stores();
        for (key, reads) in all_reads(&world, &stores) {
            for seen in reads {
                let queued = triggers(&world, &seen, &stores);
                prop_assert!(queued.contains(&key), "{seen:?} changes or appears, and {key:?} is not queued");
                let queued = triggers(&world, &seen, &without(&world, &seen).stores());
                prop_assert!(queued.contains(&key), "{seen:?} goes, and {key:?} is not queued");
            }
        }
    }
}

/// The keys of a controller in what is queued.
fn of(controller: Controller, queued: &BTreeSet<Trigger>) -> Vec<&str> {
    queued.iter().filter(|trigger| trigger.controller == controller).map(|trigger| trigger.name.as_str()).collect()
}

#[test]
fn a_secret_that_only_the_running_gateway_still_reads_queues_it() {
    let agent = SmallWorld::agent("concierge");
    let mut world = SmallWorld { agents: vec![agent.clone()], ..SmallWorld::default() };
    let revoked = secret("revoked".to_owned());
    assert!(triggers(&world, &revoked, &world.stores()).is_empty());
    live(&mut world, &agent, Some(&"revoked".to_owned()));
    assert_eq!(of(Controller::Gateway, &triggers(&world, &revoked, &world.stores())), ["concierge"]);
}

#[test]
fn who_reads_a_secret_is_looked_up_again_after_a_change() {
    let mut world = SmallWorld::default();
    let stores = world.stores();
    let token = secret(GatewayNames::of("concierge").secret);
    assert!(triggers(&world, &token, &stores).is_empty());
    world.agents.push(SmallWorld::agent("concierge"));
    let stores = Stores { readers: stores.readers, ..world.stores() };
    assert!(triggers(&world, &token, &stores).is_empty(), "what was found is kept");
    stores.readers.changed(NAMESPACE);
    assert_eq!(of(Controller::Gateway, &triggers(&world, &token, &stores)), ["concierge"]);
}

#[test]
fn who_reads_a_secret_is_not_looked_up_again_after_a_change_of_a_status() {
    let mut world = SmallWorld::default();
    let stores = world.stores();
    let token = secret(GatewayNames::of("concierge").secret);
    assert!(triggers(&world, &token, &stores).is_empty());
    let before = SmallWorld::agent("concierge");
    world.agents.push(before.clone());
    let stores = Stores { readers: stores.readers, ..world.stores() };
    of_change(Some(&before), &before, &stores);
    assert!(triggers(&world, &token, &stores).is_empty(), "it was looked up again");
    let mut edited = before.clone();
    edited.metadata.generation = Some(2);
    of_change(Some(&before), &edited, &stores);
    assert_eq!(of(Controller::Gateway, &triggers(&world, &token, &stores)), ["concierge"]);
}
