//! What is to be done with a sandbox's Pod now. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::build::mounts;
use super::build::pod::SHELL_CONTAINER;
use super::gather::{Gathered, digests, parts};
use super::plan::{CLIENT_KEY_PART, HOST_KEY_PART};
use super::validate::Blocked;
use crate::api::sandbox::Rotation;
use crate::kubernetes::managed_fields;
use crate::kubernetes::pod_status::{container, has_ended, node};
use crate::naming::{DRAIN, DRAIN_SINCE, FILES, LABEL_GATEWAY, PLAN, RENDERING, SANDBOX_MANAGER};
use crate::pods::fingerprint::changed;
use crate::pods::workspace;
use crate::references::digests::{Fault, SourceKind, changes};
use crate::world::triggers::gateway_owner;

/// So long a Pod whose replacement waits for its commands may run them.
pub const DRAIN_LIMIT: SignedDuration = SignedDuration::from_hours(1);

/// One step towards the Pod that should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do, or nothing that can be done now.
    Stay,
    Create,
    /// The gateway has no node yet, and the sandbox has to be on the same.
    AwaitGateway,
    /// At once, with whatever runs in it.
    Delete(Why),
    /// Tell it to end as soon as no command runs.
    Drain,
    /// Take that back: nothing is to be replaced any more, or only when somebody deletes the Pod.
    Undrain,
    /// Put our labels and annotations back that somebody edited.
    Restore {
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    },
}

/// Why a Pod is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its gateway is gone or suspended.
    Stopped,
    /// It has ended on its own or was evicted.
    Ended,
    /// Its gateway is on another node, and the claim can't be on both.
    GatewayMoved,
    /// What it is made of changed.
    Changed,
    /// It may see less of the workspace than it does, or has a value of a Secret that it may not have any more.
    Narrowed,
    /// Somebody edited what runs in it.
    Edited,
}

/// The step, and what a replacement of the Pod will bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub step: Step,
    /// In words, at most four; empty: the Pod is as it should be.
    pub changes: Vec<String>,
    /// The Pod that runs gives way to another, so it does only if the API server would take that one.
    pub gives_way: bool,
    /// Why the Pod that runs does not give way, though it should: the next one could not mount something.
    pub held: Option<Fault>,
}

/// What to do. `wanted`: the Pod of the plan, or why there can be none.
#[must_use]
pub fn decide(gathered: &Gathered, wanted: Result<&Pod, &Blocked>, now: Timestamp) -> Decision {
    let only = |step| Decision { gives_way: step == Step::Delete(Why::Edited), step, changes: Vec::new(), held: None };
    let Some(pod) = gathered.live.pod.as_deref() else {
        return only(match wanted {
            Ok(wanted) if follows(wanted, gathered) && gathered.gateway_node().is_none() => Step::AwaitGateway,
            Ok(_) => Step::Create,
            Err(_) => Step::Stay,
        });
    };
    if pod.metadata.deletion_timestamp.is_some() {
        return only(Step::Stay);
    }
    match wanted {
        Err(blocked) if blocked.stops => only(Step::Delete(Why::Stopped)),
        // Nothing could take its place: it stays as a witness.
        Err(_) if has_ended(pod) => only(Step::Stay),
        Ok(_) if has_ended(pod) => only(Step::Delete(Why::Ended)),
        _ if gateway_moved(gathered, pod) => only(Step::Delete(Why::GatewayMoved)),
        Err(_) => only(Step::Stay),
        Ok(wanted) if pod.annotations().get(PLAN) != wanted.annotations().get(PLAN) => {
            replace(gathered, pod, wanted, now)
        }
        Ok(wanted) if is_edited(pod, wanted) => only(Step::Delete(Why::Edited)),
        Ok(_) if drains(pod) => only(Step::Undrain),
        Ok(wanted) => only(restore(pod, wanted)),
    }
}

fn drains(pod: &Pod) -> bool {
    pod.annotations().get(DRAIN).is_some_and(|value| value == "true")
}

/// Instead of a step that gives up a Pod which runs: it goes on as it is, and can be reached.
#[must_use]
pub fn keep(pod: &Pod, wanted: &Pod) -> Step {
    if drains(pod) { Step::Undrain } else { restore_labels(pod, wanted) }
}

/// How long until a Pod that drains is replaced whatever runs in it.
#[must_use]
pub fn time_until_forced(pod: &Pod, now: Timestamp) -> Option<SignedDuration> {
    Some(DRAIN_LIMIT - now.duration_since(draining_since(pod, now)?))
}

/// A time that is still to come is none of ours.
fn draining_since(pod: &Pod, now: Timestamp) -> Option<Timestamp> {
    let since = pod.annotations().get(DRAIN_SINCE).filter(|_| drains(pod))?.parse().ok()?;
    (since <= now).then_some(since)
}

/// Only a shell that runs can tell when it is idle.
fn runs(pod: &Pod) -> bool {
    container(pod, SHELL_CONTAINER)
        .is_some_and(|shell| shell.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// A volume that is bound to one node can't follow while the sandbox holds it.
fn gateway_moved(gathered: &Gathered, pod: &Pod) -> bool {
    follows(pod, gathered) && node(pod).zip(gathered.gateway_node()).is_some_and(|(own, of_gateway)| own != of_gateway)
}

/// Whether the Pod has to be on the node of its gateway.
fn follows(pod: &Pod, gathered: &Gathered) -> bool {
    beside(pod).any(|gateway| *gateway == gateway_owner(&gathered.agent))
}

/// The gateways beside which the Pod has to be.
fn beside(pod: &Pod) -> impl Iterator<Item = &String> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_affinity.as_ref());
    let terms = affinity.and_then(|pods| pods.required_during_scheduling_ignored_during_execution.as_ref());
    terms
        .into_iter()
        .flatten()
        .filter_map(|term| term.label_selector.as_ref()?.match_labels.as_ref()?.get(LABEL_GATEWAY))
}

fn replace(gathered: &Gathered, pod: &Pod, wanted: &Pod, now: Timestamp) -> Decision {
    let (before, after) = (parts(pod), parts(wanted));
    let locked_out = [CLIENT_KEY_PART, HOST_KEY_PART].iter().any(|part| before.get(*part) != after.get(*part));
    let mut all = changes(&digests(pod), &digests(wanted));
    all.extend(changed(&before, &after));
    if all.is_empty() {
        all.push("the sandbox's Pod template changed".to_owned());
    }
    all.truncate(4);
    let rotation = gathered.sandbox.as_ref().map(|sandbox| sandbox.spec.rotation).unwrap_or_default();
    let step = match rotation {
        // A Pod that its gateway can't enter any more has nothing to wait for.
        _ if narrows(pod, wanted) => Step::Delete(Why::Narrowed),
        _ if locked_out => Step::Delete(Why::Changed),
        Rotation::Recreate => Step::Delete(Why::Changed),
        Rotation::WhenIdle if !runs(pod) => Step::Delete(Why::Changed),
        Rotation::WhenIdle => match time_until_forced(pod, now) {
            None => Step::Drain,
            Some(left) if left <= SignedDuration::ZERO => Step::Delete(Why::Changed),
            Some(_) => restore_labels(pod, wanted),
        },
        Rotation::OnDelete if drains(pod) => Step::Undrain,
        Rotation::OnDelete => restore_labels(pod, wanted),
    };
    // What is withdrawn is withdrawn, whether a Pod with less can start or not.
    let gives_way = match step {
        Step::Delete(why) => why == Why::Changed,
        _ => rotation == Rotation::WhenIdle,
    };
    match gathered.mounted.faults.first().filter(|_| gives_way) {
        Some(fault) => Decision { step: keep(pod, wanted), changes: all, gives_way: false, held: Some(fault.clone()) },
        None => Decision { step, changes: all, gives_way, held: None },
    }
}

/// Whether the Pod has more than it may have now: of the workspace, of the values of Secrets, or of what it mounts.
fn narrows(pod: &Pod, wanted: &Pod) -> bool {
    let of_secret = format!("{}/", SourceKind::Secret.as_str());
    let (has, may_have) = (digests(pod), digests(wanted));
    workspace::access(pod) > workspace::access(wanted)
        || mounts::withdraws(pod, wanted)
        || has.0.keys().any(|value| value.starts_with(&of_secret) && !may_have.0.contains_key(value))
}

/// Whether somebody set another image than the one that the Pod was made with. What admission made of ours at its creation (a mirror, a
/// digest for a tag) is still ours by managedFields. Of creel-shell's own containers it can be told only while this version of Creel
/// would render them the same.
fn is_edited(pod: &Pod, wanted: &Pod) -> bool {
    let same_rendering = pod.annotations().get(RENDERING) == wanted.annotations().get(RENDERING);
    let (live, wanted) = (images(pod), images(wanted));
    let compared = |name: &&String| same_rendering || name.as_str() == SHELL_CONTAINER;
    let is_ours = |name: &str| managed_fields::owns_image(pod.managed_fields(), SANDBOX_MANAGER, name);
    wanted.keys().filter(compared).any(|name| live.get(name) != wanted.get(name) && !is_ours(name))
}

fn images(pod: &Pod) -> BTreeMap<String, Option<String>> {
    let Some(spec) = &pod.spec else { return BTreeMap::new() };
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.map(|container| (container.name.clone(), container.image.clone())).collect()
}

fn restore(pod: &Pod, wanted: &Pod) -> Step {
    let mut annotations = lost(pod.annotations(), wanted.annotations());
    // It tells how the Pod was rendered, maybe by another version.
    annotations.remove(RENDERING);
    restore_step(lost(pod.labels(), wanted.labels()), annotations)
}

/// Of a Pod that waits for its replacement: what selects it, and the version of the files that it mounts. Its other annotations tell of the
/// plan before.
fn restore_labels(pod: &Pod, wanted: &Pod) -> Step {
    let ours: BTreeMap<_, _> = wanted.labels().iter().filter(|(key, _)| is_ours(key)).collect();
    let labels = lost(pod.labels(), &ours.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect());
    let files = wanted.annotations().get_key_value(FILES).filter(|_| pod.annotations().contains_key(FILES));
    let files = files.filter(|(_, version)| pod.annotations().get(FILES) != Some(version));
    restore_step(labels, files.map(|(key, version)| (key.clone(), version.clone())).into_iter().collect())
}

fn is_ours(label: &str) -> bool {
    label.starts_with("creel.dev/") || label.starts_with("app.kubernetes.io/")
}

fn restore_step(labels: BTreeMap<String, String>, annotations: BTreeMap<String, String>) -> Step {
    if labels.is_empty() && annotations.is_empty() { Step::Stay } else { Step::Restore { labels, annotations } }
}

/// What of `wanted` is missing or another.
#[must_use]
pub fn lost(live: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    wanted
        .iter()
        .filter(|(key, value)| live.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
