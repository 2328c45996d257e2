//! How a gateway is reached from outside of the cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A way to the gateway from outside of the cluster, through a proxy that is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ingress) != has(self.httpRoute)").message("set exactly one of ingress and httpRoute"))]
pub struct Exposure {
    /// The host name under which the gateway is reached. A page at `https://<host>` may connect, without being listed in
    /// `controlUI.allowedOrigins`. Example: `claw.example.com`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub host: String,
    /// Exposes the gateway by an Ingress, named `<agent>-gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressRoute>,
    /// Exposes the gateway by an HTTPRoute of the Gateway API, named `<agent>-gateway`. The cluster must have the Gateway API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<GatewayRoute>,
    /// Who may connect to the gateway's port 18789, and with clients in `auth` to port 18790, besides its own namespace: the Pods of the
    /// proxy, at most 16 entries. Those in the namespaces of proxies that the operator knows (`network.proxyNamespaces` of the chart) become
    /// trusted proxies of the gateway. Default: nothing more, for a proxy in the namespace of the Agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub from: Vec<Peer>,
}

impl Exposure {
    /// The address of the gateway, which is the origin of its pages: `https://claw.example.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.host)
    }
}

/// An Ingress for the host, which leads to the gateway. With clients in `auth`, the path `/v1` leads to their relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressRoute {
    /// The `IngressClass`. Default: the cluster's default class. Example: `nginx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// The Secret with the certificate of the host, in the namespace of the Agent. Creel does not read it. Default: the proxy's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, at most 32. `creel.dev/*` is reserved for Creel.
    /// Example: `{nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && !key.startsWith('creel.dev/'))").message("annotations under creel.dev/ are reserved for Creel"))]
    pub annotations: BTreeMap<String, String>,
}

/// An HTTPRoute for the host, which leads to the gateway. With clients in `auth`, the path `/v1` leads to their relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRoute {
    /// The Gateways that the route attaches to, at least one, at most 8.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub parent_refs: Vec<ParentReference>,
}

/// A Gateway of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// The name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the Gateway. Default: that of the Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The listener of the Gateway. Default: every listener that fits. Example: `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// Who may connect: Pods, or a range of addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))").message("set either ipBlock, or podSelector and/or namespaceSelector"))]
pub struct Peer {
    /// Pods by label, in the Agent's namespace unless `namespaceSelector` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces by label, with all their Pods unless `podSelector` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// A range of addresses, for a proxy that is not a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
}

/// A range of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.except) || !isCIDR(self.cidr) || self.except.all(range, !isCIDR(range) || (range != self.cidr && cidr(self.cidr).containsCIDR(range)))").message("except lists ranges inside cidr"))]
pub struct IpBlock {
    /// The range. Example: `192.0.2.0/28`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("cidr must be a range of addresses, for example 192.0.2.0/28 or fd00::/64"))]
    pub cidr: String,
    /// Ranges inside it that may not connect, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(range, isCIDR(range))").message("except lists ranges of addresses, for example 192.0.2.0/30"))]
    pub except: Vec<String>,
}
