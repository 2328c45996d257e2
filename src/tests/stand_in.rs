//! A gateway that stands in for the real one: what the operator knows of it, and a namespace around it. Touches the network: the loopback
//! address.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_stand_in::StandIn;
use serde_json::{Value, json};

use super::small_world::{NAMESPACE, SmallWorld};
use crate::declarations::fixtures::agent;
use crate::openclaw::rpc::{AdminClient, Endpoint};
use crate::world::facts::Facts;
use crate::world::gateways::Gateway;
use crate::world::queues::queues;
use crate::world::stores::Stores;

/// The Agent that owns the gateway, and one that has joined it.
pub const OWNER: &str = "writer";
pub const JOINED: &str = "other";

const POD: &str = "gateway-pod";
const TOKEN: &str = "a-token";

/// The configuration of a gateway with these agents.
pub fn document(agents: &[&str]) -> Value {
    let entries: serde_json::Map<_, _> = agents.iter().map(|agent| ((*agent).to_owned(), json!({}))).collect();
    json!({"agents": {"entries": entries}})
}

/// A gateway with both Agents.
pub async fn start() -> StandIn {
    StandIn::start(TOKEN, &document(&[OWNER, JOINED]).to_string()).await
}

pub fn admin() -> AdminClient {
    AdminClient::on_loopback()
}

pub fn endpoint(gateway: &StandIn) -> Endpoint {
    let token = gateway.token().into();
    Endpoint { address: gateway.address(), token, namespace: NAMESPACE.into(), run: "uid-of-the-pod/0".into() }
}

/// A namespace with both Agents, their Provider, and the Pod of their gateway.
pub fn world() -> SmallWorld {
    let pod = json!({"metadata": {"name": POD, "namespace": NAMESPACE, "uid": "uid-of-the-pod"}});
    SmallWorld {
        agents: vec![agent(OWNER, "{}"), agent(JOINED, &format!("gatewayRef: {{name: {OWNER}}}"))],
        providers: vec![SmallWorld::provider("openai")],
        pods: vec![serde_json::from_value(pod).unwrap()],
        ..SmallWorld::default()
    }
}

/// What the operator sees of the world, and knows of the gateway of this owner, which has confirmed these agents.
pub fn seen(world: &SmallWorld, endpoint: Endpoint, owner: &str, agents: &[&str]) -> (Arc<Stores>, Arc<Facts>) {
    let stores = Arc::new(world.stores());
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues().0));
    let agents: BTreeSet<String> = agents.iter().map(|agent| (*agent).to_owned()).collect();
    let gateway = Gateway { endpoint, pod: POD.into(), run: "uid-of-the-pod/0".into(), agents };
    facts.gateways.publish(NAMESPACE, owner, Some(Arc::new(gateway)));
    (stores, facts)
}
