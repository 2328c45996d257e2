//! Sends a gateway's children in their order: what others mount comes before those that mount it. Touches the network.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::build::{self, Desired, DesiredConfig, Optional};
use super::gather::Gathered;
use super::revision::ConfigRevision;
use crate::api::agent::Rollout;
use crate::fence::fences::Fences;
use crate::kubernetes::apply::{Applier, ApplyError, Child};
use crate::kubernetes::conditions::reason;
use crate::kubernetes::errors::{is_not_found, is_refusal};
use crate::kubernetes::ledger::Disputed;
use crate::kubernetes::observed::Observed;
use crate::naming::{self, GatewayNames};
use crate::references::digests::Fault;

/// The children after the apply.
#[derive(Debug, Default)]
pub struct Applied {
    /// Whether anything was sent.
    pub sent: bool,
    /// The hash of the plan that the Deployment has.
    pub plan: Option<String>,
    /// The configuration that the Pod of that plan mounts.
    pub config: Option<ConfigRevision>,
    /// Whether the Service exists.
    pub service: bool,
    /// `None`: it does not exist.
    pub deployment: Option<AppliedDeployment>,
    /// Whether the ways from outside are as desired; `None`: that is not known.
    pub exposed: Option<Result<(), Fault>>,
    /// Why its Pod is stopped: somebody keeps changing what confines it.
    pub stopped: Option<Fault>,
    /// A child that the API server refuses, whose name is taken, or that somebody keeps changing without a need to stop the Pod.
    pub fault: Option<Fault>,
}

/// The Deployment after the apply.
#[derive(Debug, Default)]
pub struct AppliedDeployment {
    /// Whether it was sent.
    pub sent: bool,
    pub image: Option<String>,
    /// Why and when its Pod was last replaced.
    pub rollout: Option<Rollout>,
}

impl Applied {
    /// The children as the stores show them, nothing sent.
    #[must_use]
    pub fn unchanged(gathered: &Gathered) -> Self {
        let live = &gathered.live;
        Self {
            plan: live.annotation(naming::PLAN).map(str::to_owned),
            config: ConfigRevision::of_live(live, &GatewayNames::of(&gathered.owner.name_any())),
            service: live.service.is_some(),
            deployment: live.deployment.as_ref().map(|it| AppliedDeployment {
                image: live.image.clone(),
                ..AppliedDeployment::of(it.object.annotations(), false)
            }),
            ..Self::default()
        }
    }
}

impl AppliedDeployment {
    fn of(annotations: &BTreeMap<String, String>, sent: bool) -> Self {
        let rollout = annotations.get(naming::ROLLOUT).and_then(|text| serde_json::from_str(text).ok());
        Self { sent, image: None, rollout }
    }
}

/// Sends what differs and deletes what is obsolete. With what became of it, the error that ended it early: a refusal is a fault of the
/// user's and no error.
pub async fn apply(
    (sender, fences): (&Applier, &Fences),
    gathered: &Gathered,
    desired: &Desired,
) -> (Applied, Result<(), ApplyError>) {
    let mut applied = Applied::unchanged(gathered);
    let sent = send((sender, fences), gathered, desired, &mut applied).await;
    let mut stops = sent.as_ref().is_err_and(ApplyError::undermines_pods);
    let sent = match sent {
        Err(error) if let Some(fault) = fault(&error) => {
            applied.fault = Some(fault);
            Ok(())
        }
        sent => sent,
    };
    match fences.disputed(sender, &gathered.owner) {
        Some(disputed) if disputed.confines => {
            stops |= !applied.deployment.as_ref().is_some_and(|deployment| deployment.sent);
            applied.stopped = Some(contested(&disputed));
        }
        disputed => {
            applied.stopped = None;
            applied.fault = applied.fault.or_else(|| disputed.as_ref().map(contested));
        }
    }
    let stopped = if stops { stop(sender, gathered.live.deployment.as_deref()).await } else { Ok(()) };
    (applied, sent.and(stopped))
}

fn contested(disputed: &Disputed) -> Fault {
    Fault { reason: reason::CONTESTED, message: disputed.to_string(), carried: false }
}

/// The Deployment without a Pod. It is applied all the same: whoever keeps changing it is seen to go on.
fn without_pod(deployment: &Deployment) -> Deployment {
    let mut deployment = deployment.clone();
    deployment.spec.get_or_insert_default().replicas = Some(0);
    deployment
}

/// Stops the Pod of a gateway that would rest on what is somebody else's: its configuration, its token, its policy.
pub async fn stop(sender: &Applier, deployment: Option<&Observed<Deployment>>) -> Result<(), ApplyError> {
    match deployment {
        Some(deployment) => sender.stop(&deployment.object).await.map(drop),
        None => Ok(()),
    }
}

/// What the next try does not help: a child that the API server refuses, or whose name is taken.
#[must_use]
pub fn fault(error: &ApplyError) -> Option<Fault> {
    Some(Fault { reason: error.reason()?, message: error.to_string(), carried: false })
}

/// Named one by one, so that a child that nothing sends does not compile. The fence first: without it there is no Pod.
async fn send(
    (sender, fences): (&Applier, &Fences),
    gathered: &Gathered,
    desired: &Desired,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let Desired {
        service_account,
        network_policy,
        claim,
        service,
        ingress,
        http_route,
        clients,
        files,
        skills,
        config,
        deployment,
        obsolete,
    } = desired;
    let (live, uid) = (&gathered.live, gathered.owner.uid().unwrap_or_default());
    sender.ledger.is_at(&uid, gathered.owner.metadata.generation, live.pods.is_empty());
    applied.sent |= fences.ensure(&gathered.owner.namespace().unwrap_or_default()).await?;
    applied.sent |= sender.apply(service_account, live.service_account.as_deref(), &uid).await?;
    let confined = match sender.apply(network_policy, live.network_policy.as_deref(), &uid).await {
        // The peers that the user opens it for may be what is refused. The policy that exists stays, which is of Creel too.
        Err(error) if error.api().is_some_and(is_refusal) && live.network_policy.is_some() && is_opened(gathered) => {
            unexposed(&error)
        }
        sent => {
            applied.sent |= sent?;
            Ok(())
        }
    };
    if let Some(claim) = claim {
        match sender.apply(claim, live.claim.as_deref(), &uid).await {
            // The claim that exists stays in use; only the change to it is refused.
            Err(error) if error.api().is_some_and(is_refusal) && live.claim.is_some() => {
                let message = error.to_string();
                applied.fault = Some(Fault { reason: reason::CLAIM_CHANGE_REJECTED, message, carried: false });
            }
            sent => applied.sent |= sent?,
        }
    }
    applied.sent |= sender.apply(service, live.service.as_deref(), &uid).await?;
    applied.service = true;
    let ingress = expose(sender, ingress, live.ingress.as_deref(), &uid, applied).await;
    let http_route = expose(sender, http_route, live.http_route.as_deref(), &uid, applied).await;
    applied.exposed = Some(confined.and(ingress).and(http_route));
    if let Some(map) = clients {
        let cached = live.config_maps.get(&map.name_any()).map(AsRef::as_ref);
        applied.sent |= sender.apply(map, cached, &uid).await?;
    }
    // The gateway works without them, and with all that follows.
    for map in files.iter().chain(skills) {
        let cached = live.config_maps.get(&map.name_any()).map(AsRef::as_ref);
        match sender.apply(map, cached, &uid).await {
            Err(error) if let Some(fault) = fault(&error) => applied.fault = Some(fault),
            sent => applied.sent |= sent?,
        }
    }
    if let Some(DesiredConfig { plan, revision, map }) = config {
        (applied.plan, applied.config) = (Some(plan.clone()), Some(revision.clone()));
        let cached = live.config_maps.get(&revision.name).map(AsRef::as_ref);
        applied.sent |= sender.apply(map, cached, &uid).await?;
    }
    if let Some(deployment) = deployment {
        let confining = fences.disputed(sender, &gathered.owner).filter(|disputed| disputed.confines);
        // On the heap: it is large.
        let stopped = confining.is_some().then(|| Box::new(without_pod(deployment)));
        let deployment = stopped.as_deref().unwrap_or(deployment);
        let sent = sender.apply(deployment, live.deployment.as_deref(), &uid).await?;
        applied.stopped = confining.as_ref().map(contested);
        applied.sent |= sent;
        let image = build::deployment::image(deployment);
        applied.deployment = Some(AppliedDeployment { image, ..AppliedDeployment::of(deployment.annotations(), sent) });
    }
    for map in obsolete {
        sender.delete(&map.object).await?;
    }
    Ok(())
}

/// Whether the user lets others in than the namespace's own.
fn is_opened(gathered: &Gathered) -> bool {
    gathered.owner.spec.exposure().is_some_and(|exposure| !exposure.from.is_empty())
}

/// A way from outside that is not there, whosever fault that is.
fn unexposed(error: &ApplyError) -> Result<(), Fault> {
    let other = || Fault { reason: reason::CHILD_REJECTED, message: error.to_string(), carried: false };
    Err(fault(error).unwrap_or_else(other))
}

/// Brings a way from outside about, or takes it away. Whatever is wrong with it stands in the way of nothing else: the gateway works inside
/// the cluster, and it is tried again.
async fn expose<K: Child>(
    sender: &Applier,
    route: &Optional<K>,
    live: Option<&Observed<K>>,
    uid: &str,
    applied: &mut Applied,
) -> Result<(), Fault> {
    let sent = match route {
        Optional::Wanted(route) => sender.apply(route, live, uid).await,
        Optional::Obsolete(route) => sender.delete(&route.object).await.map(|()| true),
        Optional::Absent => Ok(false),
    };
    match sent {
        Err(error) if error.api().is_some_and(is_not_found) => {
            let (kind, version) = (K::kind(&()), K::api_version(&()));
            let message = format!(
                "The cluster does not have the kind {kind} of {version}: install it, or expose the gateway otherwise"
            );
            Err(Fault { reason: reason::ROUTE_KIND_NOT_SERVED, message, carried: false })
        }
        Err(error) => unexposed(&error),
        Ok(sent) => {
            applied.sent |= sent;
            Ok(())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
