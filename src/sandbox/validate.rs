//! Agent, Sandbox and what was gathered → the plan, or what stands in its way. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::gather::{Found, Gathered, digests};
use super::plan::{Claim, PodPlan};
use crate::api::agent::AccessMode;
use crate::api::sandbox::WorkspaceAccess;
use crate::kubernetes::conditions::{Status, reason};
use crate::references::digests::{Fault, resolve};
use crate::references::reserved;
use crate::references::sources;
use crate::world::triggers::gateway_owner;

/// The access mode that lets one Pod alone mount a claim.
const ONE_POD: &str = "ReadWriteOncePod";

/// What should be, as far as it can be said now.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub plan: Result<PodPlan, Blocked>,
    /// What is missing and yet disturbs nothing that runs.
    pub warnings: Vec<Fault>,
}

/// Why no Pod can be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Of condition `SandboxReady`: Unknown while it only waits.
    pub status: Status,
    pub reason: &'static str,
    pub message: String,
    /// Whether a Pod that runs is stopped; else it goes on as it is.
    pub stops: bool,
}

impl Blocked {
    fn fault(reason: &'static str, message: String) -> Self {
        Self { status: Status::False, reason, message, stops: false }
    }

    fn waits(reason: &'static str, message: String) -> Self {
        Self { status: Status::Unknown, reason, message, stops: false }
    }
}

/// The plan of the sandbox.
#[must_use]
pub fn validate(gathered: &Gathered) -> Verdict {
    let sources = gathered.sandbox.as_ref().map(|sandbox| sources::of_sandbox(sandbox)).unwrap_or_default();
    let previous = gathered.live.pod.as_deref().map(digests).unwrap_or_default();
    let resolved = resolve(&sources, &gathered.reads, &previous);
    let plan = stopped(gathered).and_then(|()| {
        let sandbox = gathered.sandbox.as_ref().ok_or_else(|| no_sandbox(gathered))?;
        if let Some(fault) = resolved.blocking() {
            return Err(Blocked::fault(fault.reason, fault.message.clone()));
        }
        not_mountable(gathered)?;
        Ok(PodPlan {
            agent: gathered.agent.name_any(),
            gateway: gateway_owner(&gathered.agent),
            sandbox: sandbox.name_any(),
            spec: sandbox.spec.clone(),
            access: gathered.access(),
            layout: gathered.owner.as_deref().map(sources::layout).unwrap_or_default(),
            claim: claim(gathered)?,
            client_key: client_key(gathered)?,
            host_key: gathered.keys.host_key.clone(),
            digests: resolved.digests.clone(),
            files_version: gathered.mounted.version.clone(),
            parts: BTreeMap::new(),
        }
        .with_parts())
    });
    let ignored = plan.as_ref().ok().and_then(|plan: &PodPlan| {
        reserved::ignored(&plan.overridden(), &format!("spec.envFrom of Sandbox \"{}\"", plan.sandbox))
    });
    let carried = resolved.faults.into_iter().filter(|fault| fault.carried);
    let warnings = carried.chain(gathered.mounted.faults.iter().cloned()).chain(ignored).collect();
    Verdict { plan, warnings }
}

/// A sandbox without a gateway serves no one.
fn stopped(gathered: &Gathered) -> Result<(), Blocked> {
    let agent = gathered.agent.name_any();
    let stop = |status, reason, message| Err(Blocked { status, reason, message, stops: true });
    let owner_name = gateway_owner(&gathered.agent);
    if gathered.owner_unparsable {
        let message =
            format!("Agent \"{owner_name}\" does not parse (spec.gatewayRef of Agent \"{agent}\"): see the log");
        return Err(Blocked::fault(reason::REFERENCE_UNREADABLE, message));
    }
    let Some(owner) = &gathered.owner else {
        let message = format!(
            "Agent \"{owner_name}\" does not exist (spec.gatewayRef of Agent \"{agent}\"): create it, or use another name"
        );
        return stop(Status::False, reason::GATEWAY_NOT_FOUND, message);
    };
    if owner.spec.gateway_ref.is_some() {
        let message = format!(
            "Agent \"{owner_name}\" has no gateway of its own (spec.gatewayRef of Agent \"{agent}\"): use \"{}\", whose gateway it joined",
            gateway_owner(owner)
        );
        return stop(Status::False, reason::GATEWAY_NOT_OWNED, message);
    }
    match [&gathered.agent, owner].into_iter().find(|agent| agent.spec.suspend) {
        Some(suspended) => {
            let message =
                format!("spec.suspend of Agent \"{}\" is true; the sandbox is stopped.", suspended.name_any());
            stop(Status::Unknown, reason::SUSPENDED, message)
        }
        None => Ok(()),
    }
}

fn no_sandbox(gathered: &Gathered) -> Blocked {
    let (name, agent) = (&gathered.used.reference.name, gathered.agent.name_any());
    let field = format!("spec.sandbox.ref of Agent \"{agent}\"");
    let goes_on = if gathered.live.pod.is_some() { "; its Pod keeps running" } else { "" };
    Blocked::fault(
        reason::SANDBOX_NOT_FOUND,
        format!("Sandbox \"{name}\" does not exist ({field}): create it, or use another name{goes_on}"),
    )
}

/// A first Pod would only wait for what it mounts. One that runs has it.
fn not_mountable(gathered: &Gathered) -> Result<(), Blocked> {
    match gathered.mounted.faults.first() {
        Some(fault) if gathered.live.pod.is_none() => {
            let unread = fault.reason == reason::REFERENCE_UNREADABLE;
            let blocked = if unread { Blocked::waits } else { Blocked::fault };
            Err(blocked(fault.reason, fault.message.clone()))
        }
        _ => Ok(()),
    }
}

/// The claim to mount; access `none` mounts none.
fn claim(gathered: &Gathered) -> Result<Option<Claim>, Blocked> {
    let (Some(owner), true) = (&gathered.owner, gathered.access() != WorkspaceAccess::None) else { return Ok(None) };
    let name = sources::claim(owner);
    let modes = match &gathered.access_modes {
        Found::Here(modes) => modes,
        Found::Missing => {
            let message = format!("PersistentVolumeClaim \"{name}\" of the gateway does not exist yet");
            return Err(Blocked::waits(reason::WAITING_FOR_GATEWAY, message));
        }
        Found::Unreadable(why) => {
            let message = format!("PersistentVolumeClaim \"{name}\" of the gateway cannot be read: {why}");
            return Err(Blocked::waits(reason::REFERENCE_UNREADABLE, message));
        }
    };
    let has = |mode: &str| modes.iter().any(|of| of == mode);
    if has(ONE_POD) {
        return Err(Blocked::fault(
            reason::CLAIM_NOT_SHAREABLE,
            format!(
                "PersistentVolumeClaim \"{name}\" has access mode ReadWriteOncePod (spec.gateway.storage of Agent \"{}\"), so a sandbox cannot mount it together with the gateway: use a claim with ReadWriteOnce or ReadWriteMany, or set spec.sandbox.workspaceAccess of Agent \"{}\" to none",
                owner.name_any(),
                gathered.agent.name_any()
            ),
        ));
    }
    let existing = owner.spec.gateway.as_ref().is_some_and(|gateway| gateway.storage.existing_claim.is_some());
    Ok(Some(Claim { name, existing, one_node: !has(AccessMode::ReadWriteMany.as_str()) }))
}

fn client_key(gathered: &Gathered) -> Result<String, Blocked> {
    let owner = gateway_owner(&gathered.agent);
    match &gathered.client_key {
        Found::Here(key) => Ok(key.clone()),
        Found::Missing => Err(Blocked::waits(
            reason::WAITING_FOR_GATEWAY,
            format!("the gateway of Agent \"{owner}\" has no SSH key yet"),
        )),
        Found::Unreadable(why) => Err(Blocked::waits(reason::REFERENCE_UNREADABLE, why.clone())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{edit_agent, edit_owner, edit_sandbox, office, secret};
    use serde_json::json;

    fn blocked(gathered: &Gathered) -> Blocked {
        validate(gathered).plan.unwrap_err()
    }

    #[test]
    fn an_agent_overrides_the_access_of_its_sandbox() {
        let mut office = office();
        assert_eq!(validate(&office).plan.unwrap().access, WorkspaceAccess::Rw);
        office.used.workspace_access = Some(WorkspaceAccess::None);
        let plan = validate(&office).plan.unwrap();
        assert_eq!((plan.access, plan.claim), (WorkspaceAccess::None, None));
    }

    #[test]
    fn a_claim_for_many_nodes_sets_the_sandbox_free() {
        let mut office = office();
        assert!(validate(&office).plan.unwrap().follows());
        office.access_modes = Found::Here(vec!["ReadWriteMany".into()]);
        assert!(!validate(&office).plan.unwrap().follows());
    }

    #[test]
    fn a_claim_for_one_pod_is_refused_with_the_remedy_unless_the_access_is_none() {
        let mut office = office();
        office.access_modes = Found::Here(vec!["ReadWriteOncePod".into()]);
        let fault = blocked(&office);
        assert_eq!((fault.status, fault.reason, fault.stops), (Status::False, reason::CLAIM_NOT_SHAREABLE, false));
        for word in
            ["concierge-claim", "ReadWriteOnce or ReadWriteMany", "spec.sandbox.workspaceAccess of Agent \"writer\""]
        {
            assert!(fault.message.contains(word), "{}", fault.message);
        }
        office.used.workspace_access = Some(WorkspaceAccess::None);
        assert!(validate(&office).plan.is_ok());
    }

    #[test]
    fn the_users_own_claim_is_mounted() {
        let mut office = office();
        edit_owner(&mut office, |owner| {
            owner.spec.gateway = serde_json::from_value(json!({"storage": {"existingClaim": "mine"}})).unwrap();
        });
        assert_eq!(validate(&office).plan.unwrap().claim.unwrap().name, "mine");
    }

    #[test]
    fn a_gateway_without_a_key_is_waited_for() {
        let mut office = office();
        office.client_key = Found::Missing;
        let wait = blocked(&office);
        assert_eq!((wait.status, wait.reason, wait.stops), (Status::Unknown, reason::WAITING_FOR_GATEWAY, false));
    }

    #[test]
    fn a_deleted_sandbox_lets_the_pod_run_and_names_the_remedy() {
        let mut office = office();
        office.sandbox = None;
        let fault = blocked(&office);
        assert_eq!((fault.status, fault.reason, fault.stops), (Status::False, reason::SANDBOX_NOT_FOUND, false));
        assert!(
            fault
                .message
                .contains("Sandbox \"default\" does not exist (spec.sandbox.ref of Agent \"writer\"): create it")
        );
    }

    #[test]
    fn a_sandbox_stops_without_its_gateway() {
        let mut without = office();
        without.owner = None;
        let mut owner_rests = office();
        edit_owner(&mut owner_rests, |owner| owner.spec.suspend = true);
        let mut agent_rests = office();
        edit_agent(&mut agent_rests, |agent| agent.spec.suspend = true);
        for (gathered, reason) in
            [(without, reason::GATEWAY_NOT_FOUND), (owner_rests, reason::SUSPENDED), (agent_rests, reason::SUSPENDED)]
        {
            let blocked = blocked(&gathered);
            assert_eq!((blocked.reason, blocked.stops), (reason, true));
        }
    }

    #[test]
    fn a_sandbox_goes_on_while_the_owner_of_its_gateway_does_not_parse() {
        let mut office = office();
        (office.owner, office.owner_unparsable) = (None, true);
        let blocked = blocked(&office);
        assert_eq!((blocked.reason, blocked.stops), (reason::REFERENCE_UNREADABLE, false));
    }

    #[test]
    fn a_missing_secret_blocks_a_first_pod_only() {
        let mut office = office();
        crate::sandbox::fixtures::run(&mut office);
        let before = validate(&office).plan.unwrap().hash();
        office.reads.clear();
        let verdict = validate(&office);
        assert_eq!(verdict.plan.unwrap().hash(), before);
        assert_eq!(verdict.warnings[0].reason, reason::SECRET_NOT_FOUND);
        office.live.pod = None;
        assert_eq!(blocked(&office).reason, reason::SECRET_NOT_FOUND);
    }

    #[test]
    fn something_to_mount_that_is_missing_blocks_a_first_pod_only() {
        let mut office = office();
        let missing = Fault { reason: reason::CLAIM_NOT_FOUND, message: "create it".to_owned(), carried: true };
        office.mounted.faults = vec![missing.clone()];
        assert_eq!(blocked(&office), Blocked::fault(reason::CLAIM_NOT_FOUND, "create it".to_owned()));
        office.mounted.faults.clear();
        crate::sandbox::fixtures::run(&mut office);
        office.mounted.faults = vec![missing.clone()];
        let verdict = validate(&office);
        assert!(verdict.plan.is_ok() && verdict.warnings == [missing], "{verdict:?}");
    }

    #[test]
    fn only_a_value_that_the_environment_reads_changes_the_plan() {
        let mut office = office();
        let before = validate(&office).plan.unwrap().hash();
        secret(&mut office, "gitea", &[("token", "one"), ("other", "new")]);
        assert_eq!(validate(&office).plan.unwrap().hash(), before);
        secret(&mut office, "gitea", &[("token", "two")]);
        assert_ne!(validate(&office).plan.unwrap().hash(), before);
        edit_sandbox(&mut office, |sandbox| sandbox.spec.env.clear());
        assert!(validate(&office).plan.unwrap().digests.0.is_empty());
    }
}
