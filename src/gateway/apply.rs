//! Sends a gateway's children in their order: what others mount comes before those that mount it. Touches the network.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::build::config_map::{self, Refusal};
use super::build::{claim, deployment, network_policy, pod_spec, service, service_account};
use super::context::Context;
use super::gather::{Gathered, Live, config_text};
use super::plan::{Plan, PodPlan, changed_parts, hash};
use crate::api::agent::Rollout;
use crate::kubernetes::apply::ApplyError;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::kubernetes::errors::is_refusal;
use crate::naming::{self, GatewayNames};
use crate::references::digests::{Fault, changes};

/// What became of the children.
#[derive(Debug, Default)]
pub struct Applied {
    /// Whether anything was sent.
    pub sent: bool,
    /// A change of the Pod waits so long, until a burst of changes has settled.
    pub settles_in: Option<Duration>,
    /// Whether a newer rendering of the Pod is held back.
    pub outdated: bool,
    /// A rollout that this pass began.
    pub rollout: Option<Rollout>,
    /// The configuration that the Pod of the present plan mounts.
    pub config: Option<Mounted>,
    /// The hash of the plan that the Deployment has.
    pub plan: Option<String>,
    /// A child that the API server or a stranger stands in the way of.
    pub fault: Option<Fault>,
}

/// The configuration in the ConfigMap that the gateway's Pod mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// The name of the ConfigMap.
    pub name: String,
    /// The text in it.
    pub text: String,
    /// The text that the plan wants.
    pub wanted: String,
    /// Set while another text stands in for the wanted one.
    pub refusal: Option<Refusal>,
}

/// Sends what differs.
pub async fn apply(context: &Context, gathered: &Gathered, plan: &Plan, now: Timestamp) -> Result<Applied, ApplyError> {
    let present = gathered.live.annotation(naming::PLAN);
    let names = GatewayNames::of(&gathered.owner.name_any());
    let mut applied = Applied {
        plan: present.map(str::to_owned),
        config: present.and_then(|plan| mounted(&gathered.live, &names, plan)),
        ..Applied::default()
    };
    let sent = match children(context, gathered, plan, now, &mut applied).await {
        Err(error @ ApplyError::NotOurs { .. }) => {
            Err(Fault { reason: reason::NAME_CONFLICT, message: error.to_string(), carried: false })
        }
        Err(error) if error.api().is_some_and(is_refusal) => {
            Err(Fault { reason: reason::CHILD_REJECTED, message: error.to_string(), carried: false })
        }
        other => Ok(other?),
    };
    if let Err(fault) = sent {
        applied.fault = Some(fault);
    }
    Ok(applied)
}

async fn children(
    context: &Context,
    gathered: &Gathered,
    plan: &Plan,
    now: Timestamp,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let (owner, live, sender) = (&gathered.owner, &gathered.live, &context.applier);
    let names = GatewayNames::of(&owner.name_any());
    let uid = owner.uid().unwrap_or_default();
    let account = service_account::build(owner, &names);
    applied.sent |= sender.apply(&account, live.service_account.as_deref(), &uid).await?;
    let policy = network_policy::build(owner, &names, &context.settings.namespace);
    applied.sent |= sender.apply(&policy, live.network_policy.as_deref(), &uid).await?;
    if let Some(claim) = claim::build(owner, &names) {
        match sender.apply(&claim, live.claim.as_deref(), &uid).await {
            // The claim that is there goes on to serve; the change is what can't be had.
            Err(error) if error.api().is_some_and(is_refusal) && live.claim.is_some() => {
                applied.fault =
                    Some(Fault { reason: reason::CLAIM_CHANGE_REJECTED, message: error.to_string(), carried: false });
            }
            sent => applied.sent |= sent?,
        }
    }
    let service = service::build(owner, &names);
    applied.sent |= sender.apply(&service, live.service.as_deref(), &uid).await?;
    match &plan.pod {
        Ok(pod) => gateway(context, gathered, plan, pod, &names, now, applied).await?,
        Err(_) => frozen(context, gathered, plan, &names, applied).await?,
    }
    prune(context, live, &names, applied.plan.as_deref(), &uid).await
}

/// ConfigMap, then Deployment. A Pod that has to be recreated waits for a burst of changes to settle.
async fn gateway(
    context: &Context,
    gathered: &Gathered,
    plan: &Plan,
    pod: &PodPlan,
    names: &GatewayNames,
    now: Timestamp,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let (owner, live) = (&gathered.owner, &gathered.live);
    let uid = owner.uid().unwrap_or_default();
    let (present, wanted) = (live.annotation(naming::PLAN), pod.hash());
    let changes = live.deployment.is_some() && present != Some(wanted.as_str());
    let begun = context.begun(&uid, &wanted);
    if changes && begun.is_none() {
        if let Some(wait) = context.debounce.wait(&uid, &wanted, Instant::now()) {
            applied.settles_in = Some(wait);
            return Ok(());
        }
    } else {
        context.debounce.settled(&uid);
    }
    let Some(text) = plan.config.clone().or_else(|| live_text(live, names)) else { return Ok(()) };
    applied.config = Some(choose(live, names, &wanted, &pod.image, text));
    applied.plan = Some(wanted.clone());
    send_config(context, gathered, names, applied).await?;
    let rendering = hash(&pod_spec::build(names, pod, &context.settings.shell_image));
    let runs = live.replicas() == Some(1) && !owner.spec.suspend;
    let newer = live.annotation(naming::RENDERING).is_some_and(|present| present != rendering);
    // An edit by hand has to be undone, which recreates the Pod anyway.
    let unedited = || live.deployment.as_ref().is_some_and(|deployment| context.is_unedited(&uid, deployment));
    let held_back = !changes && runs && newer && unedited();
    applied.outdated = held_back;
    if held_back {
        return Ok(());
    }
    let before: Option<Rollout> = live.annotation(naming::ROLLOUT).and_then(|text| serde_json::from_str(text).ok());
    // While the cache is late it still shows the plan from before: the same rollout, not another one.
    let rollout = if changes { Some(begun.unwrap_or_else(|| why(live, pod, now))) } else { before };
    let deployment = deployment::build(owner, names, pod, &context.settings.shell_image, rollout.as_ref());
    let sent = context.applier.apply(&deployment, live.deployment.as_deref(), &uid).await?;
    applied.sent |= sent;
    if changes && let Some(rollout) = &rollout {
        context.begin(&uid, &wanted, rollout);
    }
    applied.rollout = rollout.filter(|_| changes && sent);
    Ok(())
}

/// The Pod can't be made anew now: it stays as it is, and only its configuration follows.
async fn frozen(
    context: &Context,
    gathered: &Gathered,
    plan: &Plan,
    names: &GatewayNames,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let live = &gathered.live;
    let Some(present) = live.annotation(naming::PLAN) else { return Ok(()) };
    let Some(text) = plan.config.clone().or_else(|| live_text(live, names)) else { return Ok(()) };
    applied.config = Some(choose(live, names, present, image(live), text));
    send_config(context, gathered, names, applied).await
}

async fn send_config(
    context: &Context,
    gathered: &Gathered,
    names: &GatewayNames,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let Some(config) = &applied.config else { return Ok(()) };
    let map = config_map::build(&gathered.owner, names, &config.name, &config.text, config.refusal.as_ref());
    let cached = gathered.live.config_maps.get(&config.name).map(AsRef::as_ref);
    let uid = gathered.owner.uid().unwrap_or_default();
    applied.sent |= context.applier.apply(&map, cached, &uid).await?;
    Ok(())
}

/// Writes the last accepted configuration back in place of one that the gateway refused, with its words.
pub async fn refuse(
    context: &Context,
    gathered: &Gathered,
    config: &Mounted,
    message: &str,
) -> Result<Mounted, ApplyError> {
    let names = GatewayNames::of(&gathered.owner.name_any());
    let accepted = config_text(&gathered.live, &names.accepted).unwrap_or(&config.wanted);
    let refusal =
        Refusal { hash: refused(&config.wanted, image(&gathered.live)), message: message.chars().take(900).collect() };
    let refused = Mounted { text: accepted.to_owned(), refusal: Some(refusal), ..config.clone() };
    let mut applied = Applied { config: Some(refused.clone()), ..Applied::default() };
    send_config(context, gathered, &names, &mut applied).await?;
    Ok(refused)
}

/// Keeps a configuration that the gateway accepted beside the mounted one.
pub async fn accept(context: &Context, gathered: &Gathered, config: &Mounted) -> Result<(), ApplyError> {
    let names = GatewayNames::of(&gathered.owner.name_any());
    let map = config_map::build(&gathered.owner, &names, &names.accepted, &config.text, None);
    let cached = gathered.live.config_maps.get(&names.accepted).map(AsRef::as_ref);
    context.applier.apply(&map, cached, &gathered.owner.uid().unwrap_or_default()).await?;
    Ok(())
}

/// The text for the ConfigMap of this plan: the wanted one, unless the gateway has refused exactly that.
fn choose(live: &Live, names: &GatewayNames, plan: &str, image: &str, wanted: String) -> Mounted {
    let refusal = refusal(live, names).filter(|refusal| refusal.hash == refused(&wanted, image));
    let accepted = config_text(live, &names.accepted).filter(|_| refusal.is_some());
    Mounted { name: names.config(plan), text: accepted.unwrap_or(&wanted).to_owned(), wanted, refusal }
}

/// What a refusal is about: this text, by this version of OpenClaw. Another image may accept it.
fn refused(text: &str, image: &str) -> String {
    hash(&(text, image))
}

/// The image of the live gateway.
fn image(live: &Live) -> &str {
    live.annotation(naming::IMAGE).unwrap_or_default()
}

/// What is mounted now, wanted or not.
fn mounted(live: &Live, names: &GatewayNames, plan: &str) -> Option<Mounted> {
    let name = names.config(plan);
    let text = config_text(live, &name)?.to_owned();
    Some(Mounted { wanted: text.clone(), text, name, refusal: refusal(live, names) })
}

fn live_text(live: &Live, names: &GatewayNames) -> Option<String> {
    let present = live.annotation(naming::PLAN)?;
    config_text(live, &names.config(present)).map(str::to_owned)
}

fn refusal(live: &Live, names: &GatewayNames) -> Option<Refusal> {
    let map = live.config_maps.get(&names.config(live.annotation(naming::PLAN)?))?;
    let annotations = map.object.annotations();
    Some(Refusal {
        hash: annotations.get(naming::REFUSED_HASH)?.clone(),
        message: annotations.get(naming::REFUSED_MESSAGE).cloned().unwrap_or_default(),
    })
}

/// Why the Pod is recreated: the values that changed, else the parts of the spec.
fn why(live: &Live, pod: &PodPlan, now: Timestamp) -> Rollout {
    let mut reasons = changes(&live.digests, &pod.digests);
    reasons.extend(changed_parts(&live.parts, &pod.parts));
    if reasons.is_empty() {
        reasons.push("the gateway's Pod template changed".to_owned());
    }
    let reason = reasons.into_iter().take(4).collect::<Vec<_>>().join("; ");
    Rollout { reason, time: Time(whole_seconds(now)) }
}

/// Deletes the ConfigMaps of earlier plans that no Pod mounts any more. Our labels alone make none of them ours.
async fn prune(
    context: &Context,
    live: &Live,
    names: &GatewayNames,
    plan: Option<&str>,
    owner: &str,
) -> Result<(), ApplyError> {
    let Some(plan) = plan else { return Ok(()) };
    let ours = |map: &ConfigMap| map.owner_references().iter().any(|reference| reference.uid == owner);
    let mut keep: BTreeSet<String> = live.pods.iter().filter_map(|pod| mounted_config(pod)).collect();
    keep.extend([names.config(plan), names.accepted.clone()]);
    keep.extend(live.annotation(naming::PLAN).map(|present| names.config(present)));
    for map in live.config_maps.values().filter(|map| ours(&map.object) && !keep.contains(&map.object.name_any())) {
        context.applier.delete(&map.object).await?;
    }
    Ok(())
}

fn mounted_config(pod: &Pod) -> Option<String> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    volumes.iter().find_map(|volume| Some(volume.config_map.as_ref()?.name.clone()))
}
