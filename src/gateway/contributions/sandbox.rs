//! Where the commands of an Agent run: its Sandbox, and the way there, which is that of its own Service, Pod and Secret. Pure.
//!
//! The last good state is never read back: the address of an old sandbox may belong to another Pod by now. An Agent at fault keeps the sandbox
//! that it has at present, and has no shell without one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kube::ResourceExt;

use super::{Contribution, Feature};
use crate::api::Agent;
use crate::gateway::gather::{Gathered, OwnSandbox};
use crate::gateway::last_good::AtFault;
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::sandbox::{CONFINEMENT, Sandbox, confine};
use crate::openclaw::config::sections::Sections;
use crate::openclaw::live;
use crate::references::digests::Fault;
use crate::references::suggest;

pub const FEATURE: Feature = Feature { name: "sandbox", contribute, keep };

fn contribute(gathered: &Gathered, agent: &Agent) -> Result<Contribution, Fault> {
    let Some(uses) = &agent.spec.sandbox else { return Ok(current(gathered, agent)) };
    let name = &uses.reference.name;
    if gathered.sandboxes.contains_key(name) {
        return Ok(current(gathered, agent));
    }
    let meant = suggest::suggestion(name, gathered.sandboxes.keys().map(String::as_str));
    let message = format!(
        "Sandbox \"{name}\" does not exist (spec.sandbox.ref of Agent \"{}\"){meant}: create it, or use another name",
        agent.name_any()
    );
    Err(Fault { reason: reason::SANDBOX_NOT_FOUND, message, carried: false })
}

fn keep(gathered: &Gathered, at_fault: &[AtFault<'_>], _: &Sections) -> BTreeMap<String, Contribution> {
    let keep = |at_fault: &AtFault<'_>| match at_fault.agent {
        Some(agent) => current(gathered, agent),
        None => as_it_was(gathered, at_fault),
    };
    at_fault.iter().map(|at_fault| (at_fault.name.clone(), keep(at_fault))).collect()
}

/// The sandbox of an Agent that does not parse, while its Service is still where the entry says.
fn as_it_was(gathered: &Gathered, at_fault: &AtFault<'_>) -> Contribution {
    let address = gathered.own_sandboxes.get(&at_fault.name).and_then(address);
    if address.is_none() || address != live::sandbox_address(&at_fault.entry) {
        return Contribution { entry: confine(None), ..Contribution::default() };
    }
    Contribution { entry: live::fields(&at_fault.entry, &CONFINEMENT), ..Contribution::default() }
}

fn current(gathered: &Gathered, agent: &Agent) -> Contribution {
    Contribution { entry: confine(sandbox(gathered, agent).as_ref()), ..Contribution::default() }
}

/// The Agent's sandbox as it is now; `None`: it has none, or nothing is known of it. A Sandbox that was deleted leaves its Pods running,
/// so what is there of them still counts.
fn sandbox(gathered: &Gathered, agent: &Agent) -> Option<Sandbox> {
    let uses = agent.spec.sandbox.as_ref()?;
    let own = gathered.own_sandboxes.get(&agent.name_any());
    let template = gathered.sandboxes.get(&uses.reference.name).map(|sandbox| sandbox.spec.workspace_access);
    // The Pod that runs decides, not the one that is to come.
    let asked_for = || template.map(|template| uses.workspace_access.unwrap_or(template));
    Some(Sandbox {
        access: own.and_then(|own| own.access).or_else(asked_for)?,
        address: own.and_then(address),
        host_key: own.and_then(|own| own.host_key.clone()),
    })
}

fn address(own: &OwnSandbox) -> Option<IpAddr> {
    own.service.as_ref()?.object.spec.as_ref()?.cluster_ip.as_deref()?.parse().ok()
}
