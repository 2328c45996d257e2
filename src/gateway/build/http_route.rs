//! The gateway's HTTPRoute: one host, one backend.

use serde_json::json;

use super::metadata;
use crate::api::Agent;
use crate::api::exposure::Exposure;
use crate::kubernetes::http_route::{HttpRoute, HttpRouteSpec};
use crate::naming::GatewayNames;
use crate::openclaw::paths;

/// `None`: the gateway is not exposed by an HTTPRoute.
#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames, exposure: &Exposure) -> Option<HttpRoute> {
    let route = exposure.http_route.as_ref()?;
    let backend = json!({"name": names.gateway, "port": paths::PORT});
    let spec = HttpRouteSpec {
        parent_refs: route.parent_refs.iter().map(|parent| json!(parent)).collect(),
        hostnames: vec![exposure.host.clone()],
        rules: vec![json!({"backendRefs": [backend]})],
        ..HttpRouteSpec::default()
    };
    Some(HttpRoute { metadata: metadata(owner, names, &names.gateway), spec })
}
