//! The gateway's HTTPRoute: one host, which leads to the gateway, and the paths of clients to their relay.

use serde_json::json;

use super::{metadata, relay};
use crate::api::Agent;
use crate::api::exposure::Exposure;
use crate::kubernetes::http_route::{HttpRoute, HttpRouteSpec};
use crate::naming::GatewayNames;
use crate::openclaw::paths;

/// `None`: the gateway is not exposed by an HTTPRoute.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, exposure: &Exposure) -> Option<HttpRoute> {
    let route = exposure.http_route.as_ref()?;
    let backend = |port: u16| json!([{"name": names.gateway, "port": port}]);
    let prefix = json!({"path": {"type": "PathPrefix", "value": relay::PATH}});
    let clients = json!({"matches": [prefix], "backendRefs": backend(relay::PORT)});
    let rules = relay::is_wanted(owner).then_some(clients).into_iter();
    let spec = HttpRouteSpec {
        parent_refs: route.parent_refs.iter().map(|parent| json!(parent)).collect(),
        hostnames: vec![exposure.host.clone()],
        rules: rules.chain([json!({"backendRefs": backend(paths::PORT)})]).collect(),
        ..HttpRouteSpec::default()
    };
    Some(HttpRoute { metadata: metadata(owner, names, &names.gateway), spec })
}
