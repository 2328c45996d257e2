//! How fast and how small Creel is, as one table: ours, a stand-in measured in the same run, and the goal. A ratio tells more than
//! a time, because the machine is never the same. It measures and ends: nothing is asserted, and no test depends on it.
//!
//! | room       | does                                                                | touches                |
//! |------------|---------------------------------------------------------------------|------------------------|
//! | `run`      | the steps, and the rows that they make                              | the disk, the network  |
//! | `stage`    | the namespace of the benchmark                                      | the network            |
//! | `size`     | bytes of the binaries                                               | the disk               |
//! | `creation` | from an Agent's creation to its gateway's Pod                       | the network            |
//! | `live`     | from an edit of a model to the gateway that runs with it            | the network            |
//! | `sandbox`  | commands and files through a sandbox, and how soon its Pod is there    | the network            |
//! | `cron`     | calls for many CronJobs, and how soon a run is told of               | the network            |
//! | `memory`   | what the idle operator holds                                        | the network, `/proc`   |
//! | `neighbour` | the same edits, and the operator, beside a namespace that does its worst | the network |
//! | `sample`   | percentiles                                                         | nothing                |
//! | `table`    | rows as text                                                        | nothing                |

mod creation;
mod cron;
mod error;
mod live;
mod memory;
mod neighbour;
mod run;
mod sample;
mod sandbox;
mod size;
mod stage;
mod table;

pub use error::Error;
pub use run::{Wanted, benchmark};
pub use table::Table;
