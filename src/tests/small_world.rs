//! Generated small worlds: a namespace with some Agents, Providers, Sandboxes and CronJobs that name each other, or what is not there,
//! and some children that are live.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::Event;
use proptest::option::weighted;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{Agent, CronJob, Provider, Sandbox};
use crate::kubernetes::observed::Observed;
use crate::naming::{GatewayNames, SandboxNames};
use crate::world::proxies::ProxyPod;
use crate::world::stores::Stores;

pub const NAMESPACE: &str = "assistants";

/// What the stores hold.
#[derive(Clone, Debug, Default)]
pub struct SmallWorld {
    pub agents: Vec<Agent>,
    pub providers: Vec<Provider>,
    pub sandboxes: Vec<Sandbox>,
    pub cron_jobs: Vec<CronJob>,
    pub deployments: Vec<Deployment>,
    pub replica_sets: Vec<PartialObjectMeta<ReplicaSet>>,
    pub services: Vec<Service>,
    pub claims: Vec<PersistentVolumeClaim>,
    pub network_policies: Vec<NetworkPolicy>,
    pub pods: Vec<Pod>,
    pub proxies: Vec<ProxyPod>,
}

impl SmallWorld {
    /// An Agent that the world does not have.
    pub fn agent(name: &str) -> Agent {
        object("Agent", name, &json!({"model": {"primary": {"provider": "other", "model": "m"}}}))
    }

    /// A Provider that the world does not have.
    pub fn provider(name: &str) -> Provider {
        let models = json!([{"id": "m"}]);
        object(
            "Provider",
            name,
            &json!({"api": "openai-completions", "baseURL": "https://models.example/v1", "models": models}),
        )
    }

    /// A Sandbox that the world does not have.
    pub fn sandbox(name: &str) -> Sandbox {
        object("Sandbox", name, &json!({"image": "debian:12"}))
    }

    pub fn stores(&self) -> Stores {
        let no_manager = "";
        Stores {
            agents: filled(self.agents.clone()),
            providers: filled(self.providers.clone()),
            sandboxes: filled(self.sandboxes.clone()),
            cron_jobs: filled(self.cron_jobs.clone()),
            secrets: filled(Vec::new()),
            config_map_metadata: filled(Vec::new()),
            deployments: filled(self.deployments.iter().map(|it| Observed::new(it.clone(), no_manager)).collect()),
            replica_sets: filled(self.replica_sets.clone()),
            config_maps: filled(Vec::new()),
            services: filled(self.services.iter().map(|it| Observed::new(it.clone(), no_manager)).collect()),
            service_accounts: filled(Vec::new()),
            network_policies: filled(
                self.network_policies.iter().map(|it| Observed::new(it.clone(), no_manager)).collect(),
            ),
            ingresses: filled(Vec::new()),
            http_routes: filled(Vec::new()),
            claims: filled(self.claims.iter().map(|it| Observed::new(it.clone(), no_manager)).collect()),
            pods: filled(self.pods.clone()),
            proxies: vec![filled(self.proxies.clone())],
            unparsable: Arc::default(),
            readers: Arc::default(),
        }
    }
}

/// A store that has seen one complete list.
pub fn filled<K: Lookup<DynamicType = ()> + Clone + 'static>(objects: Vec<K>) -> Store<K> {
    let mut writer = Writer::default();
    let events = objects.into_iter().map(Event::InitApply);
    let events = std::iter::once(Event::Init).chain(events).chain([Event::InitDone]);
    events.for_each(|event| writer.apply_watcher_event(&event));
    writer.as_reader()
}

fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> K {
    let metadata = json!({"name": name, "namespace": NAMESPACE, "uid": format!("uid-of-{name}"), "generation": 1});
    let api = "creel.dev/v1alpha1";
    serde_json::from_value(json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})).unwrap()
}

/// The value without members that are null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            members.map(|(key, value)| (key, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        value => value,
    }
}

/// A name out of a few, of which some are not there.
fn name(prefix: &'static str) -> impl Strategy<Value = String> {
    (0..3_u8).prop_map(move |number| format!("{prefix}{number}"))
}

/// `env` and `envFrom` that name a Secret and a ConfigMap.
fn environment() -> impl Strategy<Value = (Value, Value)> {
    (weighted(0.3, name("secret")), weighted(0.3, name("config"))).prop_map(|(secret, config)| {
        let variable = |name| json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": "a"}}});
        let env: Vec<_> = secret.map(variable).into_iter().collect();
        let env_from: Vec<_> = config.map(|name| json!({"configMapRef": {"name": name}})).into_iter().collect();
        (env.into(), env_from.into())
    })
}

fn model() -> impl Strategy<Value = Value> {
    (name("provider"), weighted(0.3, name("provider"))).prop_map(|(first, second)| {
        let reference = |provider| json!({"provider": provider, "model": "m"});
        let fallbacks: Vec<_> = second.map(reference).into_iter().collect();
        json!({"primary": reference(first), "fallbacks": fallbacks})
    })
}

fn agent(name_of_it: String) -> impl Strategy<Value = Agent> {
    let joins = weighted(0.5, name("agent"));
    let gateway = (environment(), weighted(0.2, name("secret")));
    let sandbox = weighted(0.5, name("sandbox"));
    let models = (model(), weighted(0.3, model()), weighted(0.3, name("provider")));
    (joins, models, gateway, sandbox, any::<bool>()).prop_map(move |(joins, models, gateway, sandbox, suspend)| {
        let (model, profile, limited) = models;
        let profiles = profile.map(|mut profile| {
            profile["name"] = json!("other");
            json!([profile])
        });
        let joins = joins.filter(|owner| *owner != name_of_it);
        let ((env, env_from), token) = gateway;
        let auth = token.map(|name| json!({"token": {"secretKeyRef": {"name": name, "key": "token"}}}));
        let gateway = joins.is_none().then(|| json!({"env": env, "envFrom": env_from, "auth": auth}));
        let spec = json!({
            "model": model, "modelProfiles": profiles, "suspend": suspend, "gateway": gateway,
            "tools": limited.map(|provider| json!({"byProvider": [{"provider": provider, "profile": "minimal"}]})),
            "gatewayRef": joins.map(|name| json!({"name": name})),
            "sandbox": sandbox.map(|name| json!({"ref": {"name": name}})),
        });
        object("Agent", &name_of_it, &without_nulls(spec))
    })
}

fn provider(name_of_it: String) -> impl Strategy<Value = Provider> {
    (weighted(0.5, name("secret")), weighted(0.3, name("secret"))).prop_map(move |(credentials, header)| {
        let from = |name: String| json!({"secretKeyRef": {"name": name, "key": "a"}});
        let headers: Vec<_> = header.map(|name| json!({"name": "X-A", "valueFrom": from(name)})).into_iter().collect();
        let spec = json!({
            "api": "openai-completions", "baseURL": "https://models.example/v1", "models": [{"id": "m"}],
            "credentials": credentials.map(from), "headers": headers,
        });
        object("Provider", &name_of_it, &without_nulls(spec))
    })
}

fn sandbox(name_of_it: String) -> impl Strategy<Value = Sandbox> {
    let files = (weighted(0.3, name("secret")), weighted(0.3, name("config")));
    let access = prop::sample::select(vec!["rw", "none"]);
    (environment(), files, access).prop_map(move |((env, env_from), (secret, map), access)| {
        let secret = secret.map(|name| json!({"mountPath": "/a", "secretRef": {"name": name}}));
        let map = map.map(|name| json!({"mountPath": "/b", "configMapRef": {"name": name}}));
        let files: Vec<_> = secret.into_iter().chain(map).collect();
        let spec =
            json!({"image": "debian:12", "env": env, "envFrom": env_from, "files": files, "workspaceAccess": access});
        object("Sandbox", &name_of_it, &spec)
    })
}

fn cron_job(name_of_it: String) -> impl Strategy<Value = CronJob> {
    (name("agent"), weighted(0.4, model())).prop_map(move |(agent, model)| {
        let spec = json!({"agentRef": {"name": agent}, "message": "m", "every": "10m", "model": model});
        object("CronJob", &name_of_it, &without_nulls(spec))
    })
}

/// Some objects with different names.
fn some<K: Clone + std::fmt::Debug, S: Strategy<Value = K>>(
    prefix: &str,
    make: impl Fn(String) -> S,
) -> impl Strategy<Value = Vec<K>> {
    let each = (0..3_u8).map(|number| weighted(0.8, make(format!("{prefix}{number}")))).collect::<Vec<_>>();
    each.prop_map(|objects| objects.into_iter().flatten().collect())
}

/// The live children of an Agent: of its gateway, which reads the Secret of an earlier spec, and of its sandbox.
pub fn live(world: &mut SmallWorld, agent: &Agent, last_good: Option<&String>) {
    let name = agent.metadata.name.clone().unwrap_or_default();
    let owner = json!([{"apiVersion": "creel.dev/v1alpha1", "kind": "Agent", "controller": true,
                        "name": name, "uid": agent.metadata.uid}]);
    let metadata = |child: &str, labels| {
        json!({"name": child, "namespace": NAMESPACE, "uid": format!("uid-of-{child}"), "labels": labels,
               "ownerReferences": owner})
    };
    if agent.spec.sandbox.is_some() {
        let names = SandboxNames::of(&name);
        let child = json!({"metadata": metadata(&names.sandbox, names.labels())});
        world.services.push(serde_json::from_value(child.clone()).unwrap());
        world.pods.push(serde_json::from_value(child).unwrap());
    }
    if agent.spec.gateway_ref.is_some() {
        return;
    }
    let names = GatewayNames::of(&name);
    let of_gateway = |child: &str| metadata(child, names.labels());
    let env: Vec<_> = last_good
        .map(|name| json!({"name": "B", "valueFrom": {"secretKeyRef": {"name": name, "key": "b"}}}))
        .into_iter()
        .collect();
    let template = json!({"spec": {"containers": [{"name": "gateway", "env": env}]}});
    let deployment = json!({"metadata": of_gateway(&names.gateway), "spec": {"selector": {}, "template": template}});
    world.deployments.push(serde_json::from_value(deployment).unwrap());
    let controlled_by = |mut child: Value, kind: &str, name: &str| {
        child["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": kind, "controller": true,
            "name": name, "uid": format!("uid-of-{name}")}]);
        json!({"metadata": child})
    };
    let set = format!("{}-set", names.gateway);
    let replica_set = controlled_by(of_gateway(&set), "Deployment", &names.gateway);
    world.replica_sets.push(serde_json::from_value(replica_set).unwrap());
    let pod = controlled_by(of_gateway(&format!("{}-pod", names.gateway)), "ReplicaSet", &set);
    world.pods.push(serde_json::from_value(pod).unwrap());
    let claim = json!({"metadata": of_gateway(&names.claim)});
    world.claims.push(serde_json::from_value(claim).unwrap());
}

/// Any small world.
pub fn small_world() -> impl Strategy<Value = SmallWorld> {
    let specs = (some("agent", agent), some("provider", provider), some("sandbox", sandbox), some("job", cron_job));
    (specs, weighted(0.7, name("secret"))).prop_map(|((agents, providers, sandboxes, cron_jobs), last_good)| {
        let mut world = SmallWorld { agents, providers, sandboxes, cron_jobs, ..SmallWorld::default() };
        for agent in world.agents.clone() {
            live(&mut world, &agent, last_good.as_ref());
        }
        world
    })
}
