//! What a sandbox must not be able to do, and what it reports of trying. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::api::SandboxSpec;
use crate::api::sandbox::{Allow, Egress};
use crate::kubernetes::conditions::{Desired, ISOLATION_VERIFIED, Status, reason};
use crate::kubernetes::pod_status::container;
use crate::sandbox::build::mounts::has_token;

/// The init container that tries.
pub const CONTAINER: &str = "isolation";
/// Before each address that it tries.
pub const UNREACHABLE: &str = "--unreachable";

/// Where clouds hand out the credentials of their machines and Pods: most of them; AWS ECS; EKS; Azure; Alibaba Cloud; AWS; EKS; Google
/// Cloud. All at port 80.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What `creel-shell isolation` found, in the termination message of its container.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    reachable: Vec<String>,
    writable: Vec<String>,
    #[serde(default)]
    refused: Vec<String>,
    /// `None`: of an earlier version, for which one attempt that failed was enough.
    timed_out: Option<Vec<String>>,
}

/// The addresses that commands of this Sandbox must not reach. What the user allows is left out.
#[must_use]
pub fn targets(spec: &SandboxSpec, api_server: Option<SocketAddr>) -> Vec<SocketAddr> {
    let network = &spec.network;
    // Behind its Service an API server may have a public address, which `Internet` reaches. Where commands have a token, they are meant to
    // reach it, and what the user allows for that are the addresses behind the Service.
    let api_server = api_server.filter(|_| network.egress == Egress::None && spec.service_account_name.is_none());
    let allowed = |target: &SocketAddr| network.allow.iter().any(|allow| covers(allow, target));
    let metadata = METADATA.map(|address| SocketAddr::new(address, 80));
    api_server.into_iter().chain(metadata).filter(|target| !allowed(target)).collect()
}

fn covers(allow: &Allow, target: &SocketAddr) -> bool {
    let range: Option<IpNet> = allow.cidr.as_ref().and_then(|cidr| cidr.parse().ok());
    let port = allow.ports.is_empty() || allow.ports.contains(&i32::from(target.port()));
    port && range.is_some_and(|range| range.contains(&target.ip()))
}

/// Condition `IsolationVerified` from what the Pod reported. `wanted`: what it should have tried under the present network.
/// `api_server`: of all that may be tried, the one address that is known to answer.
#[must_use]
pub fn verified(pod: Option<&Pod>, wanted: &[SocketAddr], api_server: Option<SocketAddr>) -> Desired {
    let unknown = |message: &str| Desired::new(ISOLATION_VERIFIED, Status::Unknown, reason::NOT_VERIFIED, message);
    let Some(pod) = pod else { return unknown("There is no Pod.") };
    let Some(report) = report(pod) else { return unknown("The Pod has not reported the result of its checks yet.") };
    if let Some(fault) = fault(&report) {
        return fault;
    }
    let Some(timed_out) = &report.timed_out else {
        return unknown(
            "An earlier version of Creel started the Pod, and its checks prove less; the next Pod is checked again.",
        );
    };
    let tried = tried(pod);
    if wanted.iter().any(|target| !tried.contains(&target.to_string())) {
        return unknown("The network of the Sandbox changed after the Pod started; its next Pod checks the new rules.");
    }
    let tells = |status, reason, message: String| Desired::new(ISOLATION_VERIFIED, status, reason, message);
    let known = api_server.filter(|target| wanted.contains(target)).map(|target| target.to_string());
    // Some plugins reject what others drop, k3s' for one: then what answers everybody else refuses, and so do all.
    let rejects = known.as_ref().is_some_and(|target| report.refused.contains(target));
    if !rejects && !report.refused.is_empty() {
        let message = format!(
            "The connection of the sandbox to {} was refused, so its packets may get there: the network plugin may reject connections, or may not enforce NetworkPolicy.",
            report.refused.join(", ")
        );
        return tells(Status::Unknown, reason::CONNECTION_REFUSED, message);
    }
    if !rejects && !known.is_some_and(|target| timed_out.contains(&target)) {
        let tried = if tried.is_empty() { "no address".to_owned() } else { tried.join(", ") };
        let meant = if has_token(pod) {
            " It may reach the Kubernetes API (spec.serviceAccountName of its Sandbox)."
        } else {
            ""
        };
        let message = format!(
            "The sandbox tried {tried} and reached nothing, but none of them is known to answer: this does not prove that the network plugin enforces NetworkPolicy.{meant}"
        );
        return tells(Status::Unknown, reason::UNPROVEN, message);
    }
    let message = format!("Isolation checks passed: the sandbox cannot reach {}.", tried.join(", "));
    tells(Status::True, reason::ISOLATED, message)
}

/// What the sandbox could do although it must not.
fn fault(report: &Report) -> Option<Desired> {
    let fault = |reason, message: String| Some(Desired::new(ISOLATION_VERIFIED, Status::False, reason, message));
    if !report.reachable.is_empty() {
        let message = format!(
            "The sandbox reached {}, which its NetworkPolicy forbids: install a network plugin that enforces NetworkPolicy.",
            report.reachable.join(", ")
        );
        return fault(reason::NETWORK_POLICY_NOT_ENFORCED, message);
    }
    if !report.writable.is_empty() {
        let message = format!(
            "The sandbox could write to {}, which is mounted read-only: check the volume driver and the container runtime of its node.",
            report.writable.join(", ")
        );
        return fault(reason::WORKSPACE_WRITABLE, message);
    }
    None
}

fn report(pod: &Pod) -> Option<Report> {
    let terminated = container(pod, CONTAINER)?.state.as_ref()?.terminated.as_ref()?;
    serde_json::from_str(terminated.message.as_ref()?).ok()
}

/// What the Pod's own arguments say that it tried.
fn tried(pod: &Pod) -> Vec<String> {
    let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
    let container = init.into_iter().flatten().find(|container| container.name == CONTAINER);
    let command = container.and_then(|container| container.command.clone()).unwrap_or_default();
    command.windows(2).filter(|pair| pair[0] == UNREACHABLE).map(|pair| pair[1].clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
