//! Keeps files in the workspaces of agents as the operator's document says, before the gateway starts and while it runs. Touches the disk,
//! and a port for the operator.
//!
//! | module     | does                                                             | touches                         |
//! |------------|------------------------------------------------------------------|---------------------------------|
//! | `document` | which files there should be                                      | nothing                         |
//! | `section`  | the part of a file that is Creel's                               | nothing                         |
//! | `place`    | reads and writes one file, whatever an agent put into its place  | disk, below a workspace         |
//! | `record`   | which contents are Creel's own, over restarts                    | disk                            |
//! | `keep`     | brings one file in line                                          | through `place` and `record`    |
//! | `keeper`   | all files, again and again                                       | disk                            |
//! | `report`   | tells the operator how they are                                  | a port                          |
//!
//! Agents can write to their workspaces while this runs. What is in the way of one file is told of that file, and disturbs no other.

pub mod document;
mod keep;
mod keeper;
mod place;
mod record;
pub mod report;
mod section;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use keeper::Keeper;
use report::Report;

/// Where the document is, and where the report is served.
#[derive(Debug, Clone)]
pub struct Settings {
    pub document: PathBuf,
    pub listen: SocketAddr,
}

/// The report, as JSON, between who writes and who serves it.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Arc<str>>>);

impl Shared {
    fn get(&self) -> Arc<str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, report: &Report) {
        let text = serde_json::to_string(report).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }
}

/// Brings all files on this claim in line once, then goes on with that in the background, and serves the report. `token`: that of the gateway.
pub fn start(settings: &Settings, claim: &Path, token: Option<String>) {
    let mut keeper = Keeper::new(&settings.document, claim);
    let shared = Shared::default();
    shared.set(&keeper.pass());
    let reported = shared.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(keeper::INTERVAL);
            shared.set(&keeper.pass());
        }
    });
    if let Some(token) = token.filter(|token| !token.is_empty()) {
        let listen = settings.listen;
        thread::spawn(move || report::serve(listen, &token, &reported));
    }
}
