//! Where the commands of an Agent run: its Sandbox, and the way there, which its sandbox's Service tells. Pure.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::api::Agent;
use crate::api::sandbox::WorkspaceAccess;
use crate::gateway::gather::Gathered;
use crate::kubernetes::conditions::reason;
use crate::naming::{HOST_KEY, WORKSPACE_ACCESS};
use crate::openclaw::sandbox::Sandbox;
use crate::references::digests::Fault;
use crate::references::ssh_keys;
use crate::references::suggest;

/// Whether the Sandbox that the Agent names exists.
pub fn check(gathered: &Gathered, agent: &Agent) -> Result<(), Fault> {
    let Some(name) = agent.spec.sandbox.as_ref().map(|sandbox| &sandbox.reference.name) else { return Ok(()) };
    if gathered.sandboxes.contains_key(name) {
        return Ok(());
    }
    let meant = suggest::suggestion(name, gathered.sandboxes.keys().map(String::as_str));
    let message = format!(
        "Sandbox \"{name}\" does not exist (spec.sandbox.ref of Agent \"{}\"){meant}: create it, or name another",
        agent.name_any()
    );
    Err(Fault { reason: reason::SANDBOX_NOT_FOUND, message, carried: false })
}

/// The Agent's sandbox as it is now; `None`: it shall have none, or nothing is known of it. A Sandbox that was deleted leaves its
/// Pods running, so what their Services tell still counts.
pub fn entry(gathered: &Gathered, agent: &Agent) -> Option<Sandbox> {
    let uses = agent.spec.sandbox.as_ref()?;
    let service = gathered.sandbox_services.get(&agent.name_any()).map(|service| &service.object);
    let annotation = |key| service?.annotations().get(key).map(String::as_str);
    let template = gathered.sandboxes.get(&uses.reference.name).map(|sandbox| sandbox.spec.workspace_access);
    // The Pod that runs decides, not the one that is to come.
    let access = annotation(WORKSPACE_ACCESS).and_then(WorkspaceAccess::parse);
    let asked_for = || template.map(|template| uses.workspace_access.unwrap_or(template));
    Some(Sandbox {
        access: access.or_else(asked_for)?,
        address: service.and_then(cluster_ip).and_then(|address| address.parse().ok()),
        host_key: annotation(HOST_KEY).and_then(ssh_keys::public),
    })
}

fn cluster_ip(service: &Service) -> Option<&str> {
    service.spec.as_ref()?.cluster_ip.as_deref()
}
