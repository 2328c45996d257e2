//! What a look at the running gateway calls for. Pure.

use super::state::ConfigState;
use crate::gateway::gather::Live;
use crate::gateway::pod::PodState;
use crate::gateway::revision::{ConfigRevision, Rejection, Ruling};
use crate::naming::GatewayNames;

/// What is said of a configuration that the gateway holds valid and does not apply.
const NOT_APPLIED: &str = "the gateway read it and did not apply it; its log says why";

/// The next step with the configuration and the Pod that mounts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Everything is as desired, or only time can tell.
    Wait,
    /// The gateway runs the desired configuration: it is saved, to be written back over a later one that the gateway rejects.
    SaveLastGood,
    /// The gateway rejects what is mounted, with this message: the last good configuration is written back. With `replace_pod` its Pod is
    /// then replaced, if there was one to write back. `failed_start`: it rejects it by not starting.
    RollBack { message: &'a str, replace_pod: bool, failed_start: bool },
    /// The gateway does not start, with this message, and has nothing to go back to, or does not start with that either: the desired
    /// configuration is written back, and not suspected any more. The next plan does without the keys that are to blame, if any are.
    Acquit { message: &'a str },
    /// The gateway started with the last good configuration: the suspected one is to blame, or who wrote in it, whatever happens later.
    Convict,
    /// The Pod is replaced.
    ReplacePod,
}

impl Step<'_> {
    /// What the Pod mounts after it.
    #[must_use]
    pub fn revision(self, config: &ConfigRevision, live: &Live, names: &GatewayNames) -> ConfigRevision {
        match self {
            Step::Wait | Step::ReplacePod => config.clone(),
            Step::SaveLastGood => {
                ConfigRevision { ruling: None, rejections: config.rejections.confirmed(), ..config.clone() }
            }
            Step::RollBack { message, failed_start, .. } => config.rolled_back(live, names, message, failed_start),
            Step::Acquit { message } => config.acquitted(live, names, message),
            Step::Convict => config.convicted(live, names),
        }
    }

    /// Whether the Pod is replaced, which mounts this after the step.
    #[must_use]
    pub fn replaces_pod(self, mounted: &ConfigRevision) -> bool {
        match self {
            Step::ReplacePod => true,
            Step::RollBack { replace_pod, .. } => replace_pod && !mounted.is_desired(),
            Step::Wait | Step::SaveLastGood | Step::Acquit { .. } | Step::Convict => false,
        }
    }
}

/// The gateway as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub pod: &'a PodState,
    /// What it says of its configuration; `None`: it can't be asked.
    pub state: Option<&'a ConfigState>,
    /// Why it can't start; see [`failed_starts`](super::failed_starts).
    pub failed_start: Option<&'a str>,
}

/// What happened before this look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// The Pod is older than the configuration that it mounts: how it ended may concern the one before.
    pub predates: bool,
    /// A Pod was replaced already because it did not take up this very configuration: another one would do no better.
    pub replaced: bool,
    /// The gateway has accepted another configuration than the mounted one, which can be written back.
    pub has_fallback: bool,
}

#[must_use]
pub fn decide<'a>(look: Look<'a>, config: &ConfigRevision, before: Before) -> Step<'a> {
    match (look.pod, look.state) {
        // The kubelet would wait up to five minutes before it tries again.
        (PodState::ConfigurationRejected { .. }, _) if before.predates => Step::ReplacePod,
        // Once: if the last good one is rejected too, the retries are left to the kubelet.
        (PodState::ConfigurationRejected { message }, _) => {
            Step::RollBack { message, replace_pod: config.rejection().is_none(), failed_start: false }
        }
        // What it runs, it has accepted, whatever it said before.
        (_, Some(ConfigState::Applied)) if config.is_desired() => Step::SaveLastGood,
        (_, Some(ConfigState::Applied)) if config.rejection().is_some_and(|it| it.failed_start) => Step::Convict,
        (_, Some(ConfigState::Rejected(message))) if config.rejection().is_none() => {
            Step::RollBack { message, replace_pod: false, failed_start: false }
        }
        // Before any Pod starts with it: it may not.
        (_, Some(ConfigState::NotApplied)) if config.rejection().is_none() && before.has_fallback => {
            Step::RollBack { message: NOT_APPLIED, replace_pod: false, failed_start: false }
        }
        (_, Some(ConfigState::Stalled | ConfigState::NotApplied)) if !before.replaced => Step::ReplacePod,
        (PodState::Broken { .. }, _) => look.failed_start.map_or(Step::Wait, |why| failed_start(why, config, before)),
        _ => Step::Wait,
    }
}

/// Only a configuration that the gateway has never accepted can be why it does not start, and it is only if the gateway does start with
/// the last good one; or without keys that its message names.
fn failed_start<'a>(message: &'a str, config: &ConfigRevision, before: Before) -> Step<'a> {
    match &config.ruling {
        None if before.predates => Step::ReplacePod,
        None if before.has_fallback => Step::RollBack { message, replace_pod: true, failed_start: true },
        None => Step::Acquit { message },
        Some(Ruling::Rejected(Rejection { failed_start: true, .. })) if config.desired.is_some() => {
            if before.predates {
                Step::ReplacePod
            } else {
                Step::Acquit { message }
            }
        }
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests;
