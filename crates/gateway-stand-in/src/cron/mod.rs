//! The gateway's scheduler: its jobs, its runs, and the calls for them.
//!
//! | module       | does                                                                 |
//! |--------------|----------------------------------------------------------------------|
//! | `definition` | what a call says of a job: read, checked, taken over                 |
//! | `job`        | one job, and how it is shown                                         |
//! | `schedule`   | when a job runs                                                      |
//! | `run`        | a run, and what the job remembers of it                              |
//! | `calls`      | the methods `cron.*`                                                 |
//! | `scheduler`  | begins, holds, ends and cuts off runs                                |

mod calls;
mod definition;
mod job;
mod run;
mod schedule;
mod scheduler;

pub use calls::Authority;
pub use run::Outcome;
pub use schedule::iso;
pub use scheduler::{Scheduler, Turns};

use crate::config::Configuration;

/// What the scheduler is told with each call.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub configuration: &'a Configuration,
    pub now_ms: i64,
}

impl Surroundings<'_> {
    fn has_agent(&self, agent: &str) -> bool {
        self.configuration.agents().contains_key(agent)
    }

    /// Whose a job is that names no agent.
    fn fallback_agent(&self) -> Option<String> {
        self.configuration.system_agent()
    }
}
