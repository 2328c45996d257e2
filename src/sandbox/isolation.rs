//! What a sandbox must not be able to do, and what it reports of trying. Pure.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::api::sandbox::{Allow, Egress, Network};
use crate::kubernetes::conditions::{Desired, ISOLATION_VERIFIED, Status, reason};
use crate::kubernetes::pod_status::container;

/// The init container that tries.
pub const CONTAINER: &str = "isolation";
/// Before each address that it tries.
pub const UNREACHABLE: &str = "--unreachable";

/// Where clouds hand out the credentials of their machines.
const METADATA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

/// What `creel-shell isolation` found that a sandbox can do although it must not, in the termination message of its container.
#[derive(Deserialize)]
struct Report {
    reachable: Vec<String>,
    writable: Vec<String>,
}

/// The addresses that commands must not reach under this network. What the user allows is left out.
#[must_use]
pub fn targets(network: &Network, api_server: Option<SocketAddr>) -> Vec<SocketAddr> {
    // Behind its Service an API server may have a public address, which `Internet` reaches.
    let api_server = api_server.filter(|_| network.egress == Egress::None);
    let allowed = |target: &SocketAddr| network.allow.iter().any(|allow| covers(allow, target));
    api_server.into_iter().chain([METADATA]).filter(|target| !allowed(target)).collect()
}

fn covers(allow: &Allow, target: &SocketAddr) -> bool {
    let range: Option<IpNet> = allow.cidr.as_ref().and_then(|cidr| cidr.parse().ok());
    let port = allow.ports.is_empty() || allow.ports.contains(&i32::from(target.port()));
    port && range.is_some_and(|range| range.contains(&target.ip()))
}

/// Condition `IsolationVerified` from what the Pod reported. `wanted`: what it should have tried under the present network.
#[must_use]
pub fn verified(pod: Option<&Pod>, wanted: &[SocketAddr]) -> Desired {
    let unknown = |message: &str| Desired::new(ISOLATION_VERIFIED, Status::Unknown, reason::NOT_VERIFIED, message);
    let Some(pod) = pod else { return unknown("There is no Pod.") };
    let Some(report) = report(pod) else { return unknown("The Pod has not reported the result of its checks yet.") };
    if !report.reachable.is_empty() {
        let message = format!(
            "The sandbox reached {}, which its NetworkPolicy forbids: install a network plugin that enforces NetworkPolicy.",
            report.reachable.join(", ")
        );
        return Desired::new(ISOLATION_VERIFIED, Status::False, reason::NETWORK_POLICY_NOT_ENFORCED, message);
    }
    if !report.writable.is_empty() {
        let message = format!(
            "The sandbox could write to {}, which is mounted read-only: check the volume driver and the container runtime of its node.",
            report.writable.join(", ")
        );
        return Desired::new(ISOLATION_VERIFIED, Status::False, reason::WORKSPACE_WRITABLE, message);
    }
    let tried = tried(pod);
    if wanted.iter().any(|target| !tried.contains(&target.to_string())) {
        return unknown("The network of the Sandbox changed after the Pod started; its next Pod checks the new rules.");
    }
    let message = if tried.is_empty() {
        "Isolation checks passed.".to_owned()
    } else {
        format!("Isolation checks passed: the sandbox cannot reach {}.", tried.join(", "))
    };
    Desired::new(ISOLATION_VERIFIED, Status::True, reason::ISOLATED, message)
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
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const API_SERVER: &str = "10.96.0.1:443";

    fn network(value: Value) -> Network {
        serde_json::from_value(value).unwrap()
    }

    fn wanted(value: Value) -> Vec<String> {
        targets(&network(value), API_SERVER.parse().ok()).iter().map(ToString::to_string).collect()
    }

    fn pod(message: &str) -> Pod {
        let status = json!({"name": "isolation", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                            "state": {"terminated": {"exitCode": 0, "message": message}}});
        let command = ["/creel-shell", "isolation", "--unreachable", API_SERVER, "--unreachable", "169.254.169.254:80"];
        serde_json::from_value(json!({
            "spec": {"containers": [], "initContainers": [{"name": "isolation", "command": command}]},
            "status": {"initContainerStatuses": [status]}
        }))
        .unwrap()
    }

    /// As `creel-shell isolation` writes it.
    fn report(reachable: &[&str], writable: &[&str]) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let report = creel_shell::isolation::Report { reachable: owned(reachable), writable: owned(writable) };
        serde_json::to_string(&report).unwrap()
    }

    #[test]
    fn the_api_server_is_tried_where_nothing_is_allowed_and_the_metadata_address_always() {
        assert_eq!(wanted(json!({})), [API_SERVER, "169.254.169.254:80"]);
        assert_eq!(wanted(json!({"egress": "Internet"})), ["169.254.169.254:80"]);
        assert_eq!(wanted(json!({"egress": "All"})), ["169.254.169.254:80"]);
    }

    #[test]
    fn what_the_user_allows_is_not_tried() {
        assert_eq!(wanted(json!({"allow": [{"cidr": "10.0.0.0/8", "ports": [443]}]})), ["169.254.169.254:80"]);
        assert_eq!(wanted(json!({"allow": [{"cidr": "10.0.0.0/8", "ports": [80]}]})).len(), 2);
        assert_eq!(wanted(json!({"allow": [{"cidr": "169.254.169.254/32"}]})), [API_SERVER]);
    }

    #[test]
    fn a_sandbox_that_reached_nothing_is_isolated() {
        let pod = pod(&report(&[], &[]));
        let verdict = verified(Some(&pod), &targets(&Network::default(), API_SERVER.parse().ok()));
        assert_eq!((verdict.status, verdict.reason), (Status::True, reason::ISOLATED));
        assert!(verdict.message.contains(API_SERVER), "{}", verdict.message);
    }

    #[test]
    fn what_a_sandbox_reached_is_named() {
        let verdict = verified(Some(&pod(&report(&[API_SERVER], &[]))), &[]);
        assert_eq!((verdict.status, verdict.reason), (Status::False, reason::NETWORK_POLICY_NOT_ENFORCED));
        assert!(verdict.message.contains(API_SERVER), "{}", verdict.message);
    }

    #[test]
    fn a_read_only_workspace_that_could_be_written_is_named() {
        let verdict = verified(Some(&pod(&report(&[], &["/workspaces/a/agent"]))), &[]);
        assert_eq!((verdict.status, verdict.reason), (Status::False, reason::WORKSPACE_WRITABLE));
        assert!(verdict.message.contains("/workspaces/a/agent"), "{}", verdict.message);
    }

    #[test]
    fn no_pod_no_report_and_a_report_on_another_network_prove_nothing() {
        let more: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let whole = pod(&report(&[], &[]));
        for verdict in [verified(None, &[]), verified(Some(&pod("no JSON")), &[]), verified(Some(&whole), &[more])] {
            assert_eq!((verdict.status, verdict.reason), (Status::Unknown, reason::NOT_VERIFIED));
        }
    }
}
