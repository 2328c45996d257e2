//! What is wanted and what the gateway holds → what to send. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::declarations::wanted::Wanted;
use crate::openclaw::cron::declaration::{Declaration, Schedule};
use crate::openclaw::cron::job::Job;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Declare {
        declaration: Box<Declaration>,
        enabled: Option<bool>,
    },
    /// What a declaration does not reach; see [`Declaration::amendment`]. The rest is declared after it.
    Amend {
        id: String,
        patch: Value,
    },
    Disable {
        id: String,
    },
    Remove {
        id: String,
    },
}

impl Change {
    /// The call that it takes.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Declare { .. } => "cron.add",
            Self::Amend { .. } | Self::Disable { .. } => "cron.update",
            Self::Remove { .. } => "cron.remove",
        }
    }
}

/// What to send, with the key of each; first what goes. `wanted` is by key.
#[must_use]
pub fn changes(wanted: &BTreeMap<&str, &Wanted>, jobs: &[Job]) -> Vec<(String, Change)> {
    let ours = || jobs.iter().filter(|job| job.is_ours()).filter_map(|job| Some((job.key.as_ref()?, job)));
    let held: BTreeMap<&str, &Job> =
        wanted.iter().filter_map(|(key, wanted)| Some((*key, best(wanted, key, jobs)?))).collect();
    let kept: BTreeSet<&String> = held.values().map(|job| &job.id).collect();
    let gone = ours().filter(|(_, job)| !kept.contains(&job.id));
    let gone = gone.map(|(key, job)| (key.clone(), Change::Remove { id: job.id.clone() }));
    let changed = wanted.iter().filter_map(|(key, wanted)| {
        let change = match held.get(key) {
            Some(job) => edit(wanted, job),
            None => make(wanted),
        };
        change.map(|change| ((*key).to_owned(), change))
    });
    gone.chain(changed).collect()
}

/// The job of this key; of several, the one of the right agent. Declared for another agent, the gateway makes a second one.
#[must_use]
pub fn best<'a>(wanted: &Wanted, key: &str, jobs: &'a [Job]) -> Option<&'a Job> {
    let of_key = || jobs.iter().filter(|job| job.key.as_deref() == Some(key));
    let agent = wanted.declaration.as_ref().map(|declaration| &declaration.agent);
    of_key().find(|job| job.agent.as_ref() == agent).or_else(|| of_key().next())
}

fn make(wanted: &Wanted) -> Option<Change> {
    if wanted.paused || wanted.over || !wanted.agent_known {
        return None;
    }
    let declaration = Box::new(wanted.declaration.clone()?);
    Some(Change::Declare { declaration, enabled: Some(wanted.enabled) })
}

fn edit(wanted: &Wanted, job: &Job) -> Option<Change> {
    if wanted.paused {
        return None;
    }
    let must_stop = !wanted.enabled || !wanted.agent_known;
    // To disable a job cuts off its run, which then counts as failed: that waits for its end.
    let stops = job.enabled && must_stop;
    if stops && job.state.running_since().is_some() {
        return None;
    }
    let disable = || job.enabled.then(|| Change::Disable { id: job.id.clone() });
    // Its time has passed, and the gateway may still be about to make up for it; another time is of an earlier edit.
    let is_of_an_earlier_edit = || wanted.declaration.as_ref().is_some_and(|declaration| !declaration.is_due_with(job));
    if wanted.over {
        return if must_stop || is_of_an_earlier_edit() { disable() } else { None };
    }
    let Some(declaration) = wanted.declaration.as_ref().filter(|_| wanted.agent_known) else {
        return if must_stop { disable() } else { None };
    };
    if let Some(patch) = declaration.amendment(job) {
        return Some(Change::Amend { id: job.id.clone(), patch });
    }
    let edited = !job.is_of_same_edit(&declaration.display_name);
    // Said again, `enabled` starts the counters of failures over: only an edit of the CronJob does that.
    let stopped = !edited && !job.enabled && (job.state.auto_disabled.is_some() || is_done(declaration, job));
    let runs_as_wanted = stopped || job.enabled == wanted.enabled;
    if runs_as_wanted && declaration.is_held_by(job) {
        return None;
    }
    let enabled = (edited || !runs_as_wanted).then_some(wanted.enabled);
    Some(Change::Declare { declaration: Box::new(declaration.clone()), enabled })
}

/// The gateway stops a job of one time after it; an earlier run was of another time, or asked for.
fn is_done(declaration: &Declaration, job: &Job) -> bool {
    matches!(declaration.schedule, Schedule::At(at) if job.state.last_run() >= Some(at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
