//! How Agents belong together: by the gateway, the Providers and the Sandbox that they name. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::stores::{Stores, named, within};
use crate::api::Agent;
use crate::naming::{GatewayNames, controller_of, is_child_of};

/// The Agent whose gateway this Agent lives on.
#[must_use]
pub fn gateway_owner(agent: &Agent) -> String {
    agent.spec.gateway_ref.as_ref().map_or_else(|| agent.name_any(), |reference| reference.name.clone())
}

/// The names of the Providers that an Agent uses, sorted.
#[must_use]
pub fn providers_of(agent: &Agent) -> BTreeSet<String> {
    agent.spec.providers()
}

/// Whether the Agent names this Provider, to use it or to limit its tools there.
#[must_use]
pub fn names_provider(agent: &Agent, provider: &str) -> bool {
    let limits = agent.spec.tools.iter().flat_map(|tools| &tools.by_provider);
    providers_of(agent).contains(provider) || limits.map(|of| &of.provider).any(|name| name == provider)
}

/// The name of the Sandbox that an Agent uses.
#[must_use]
pub fn sandbox_name(agent: &Agent) -> Option<String> {
    agent.spec.sandbox.as_ref().map(|sandbox| sandbox.reference.name.clone())
}

/// The Agents on the gateway of `owner`, its own included, whether they are about to go or not.
#[must_use]
pub fn agents_on_gateway(stores: &Stores, namespace: &str, owner: &str) -> Vec<Arc<Agent>> {
    within(&stores.agents, namespace, |agent| gateway_owner(agent) == owner)
}

/// The Pods of the gateway of `owner`: those that its Deployment controls, through a `ReplicaSet`. Labels and annotations are quickly
/// copied, and such a Pod gets the token of the gateway.
#[must_use]
pub fn pods_of_gateway(stores: &Stores, namespace: &str, owner: &Agent) -> Vec<Arc<Pod>> {
    let deployment = named(&stores.deployments, namespace, &GatewayNames::of(&owner.name_any()).gateway);
    let Some(deployment) = deployment.filter(|deployment| is_child_of(&deployment.object, owner)) else {
        return Vec::new();
    };
    let deployment = deployment.object.uid();
    let sets = within(&stores.replica_sets, namespace, |set| {
        controller_of(set).is_some_and(|controller| Some(&controller.uid) == deployment.as_ref())
    });
    let sets: BTreeSet<&str> = sets.iter().filter_map(|set| set.metadata.uid.as_deref()).collect();
    within(&stores.pods, namespace, |pod| {
        controller_of(pod).is_some_and(|controller| sets.contains(controller.uid.as_str()))
    })
}

/// Whether the Pod is one of a gateway, by the chain of its controllers.
#[must_use]
pub fn is_pod_of_gateway(stores: &Stores, pod: &Pod) -> bool {
    let chain = || {
        let set = controller_of(pod)?;
        let set = stores.replica_sets.find(|it| it.metadata.uid.as_ref() == Some(&set.uid))?;
        let deployment = controller_of(&*set)?;
        let deployment = stores.deployments.find(|it| it.object.metadata.uid.as_ref() == Some(&deployment.uid))?;
        let owner = controller_of(&deployment.object)?;
        stores.agents.find(|agent| agent.metadata.uid.as_ref() == Some(&owner.uid))
    };
    chain().is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::small_world::{NAMESPACE, SmallWorld, live};

    #[test]
    fn a_pod_that_only_looks_like_one_of_the_gateway_is_none_of_it() {
        let agent = SmallWorld::agent("concierge");
        let mut world = SmallWorld { agents: vec![agent.clone()], ..SmallWorld::default() };
        live(&mut world, &agent, None);
        let real = world.pods[0].clone();
        let controlled_by = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "concierge-gateway-1", "uid": uid, "controller": true}]);
        let stranger = controlled_by("Deployment", "uid-of-mine");
        let set = json!({"metadata": {"name": "mine-1", "namespace": NAMESPACE, "uid": "uid-of-mine-1",
            "labels": real.metadata.labels, "ownerReferences": stranger}});
        world.replica_sets.push(serde_json::from_value(set).unwrap());
        for (name, owners) in [
            ("copied", json!(null)),
            ("of-the-deployment-itself", controlled_by("Deployment", "uid-of-concierge-gateway")),
            ("of-another-deployment", controlled_by("ReplicaSet", "uid-of-mine-1")),
            ("of-nothing", controlled_by("ReplicaSet", "uid-of-nothing")),
        ] {
            let mut pod = real.clone();
            (pod.metadata.name, pod.metadata.uid) = (Some(name.to_owned()), Some(format!("uid-of-{name}")));
            pod.metadata.owner_references = serde_json::from_value(owners).unwrap();
            world.pods.push(pod);
        }
        let names = |world: &SmallWorld, owner| {
            let pods = pods_of_gateway(&world.stores(), NAMESPACE, owner);
            pods.iter().map(|pod| pod.name_any()).collect::<Vec<_>>()
        };
        assert_eq!(names(&world, &agent), ["concierge-gateway-pod"]);
        let mut successor = agent.clone();
        successor.metadata.uid = Some("another".to_owned());
        assert_eq!(names(&world, &successor), [""; 0]);
    }
}
