//! `creel-shell isolation`: tries what a sandbox must not be able to do. Touches the network and the disk.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// One attempt to connect.
const ATTEMPT: Duration = Duration::from_secs(1);

/// A network plugin may apply a policy a moment after the Pod's start: what still connects then is reachable.
const SETTLED: Duration = Duration::from_secs(3);

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// What a sandbox can do although it must not. Both lists are sorted; empty ones prove the isolation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Addresses that took a connection, as they were given.
    pub reachable: Vec<String>,
    /// Directories in which a file could be created.
    pub writable: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    #[error("the report cannot be made: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("--report {path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// Tries all of it and writes the report.
pub fn isolation(unreachable: &[SocketAddr], read_only: &[PathBuf], report: &Path) -> Result<Report, IsolationError> {
    let found = Report { reachable: reachable(unreachable), writable: writable(read_only) };
    let text = serde_json::to_string(&found)?;
    fs::write(report, text).map_err(|source| IsolationError::Write { path: report.to_owned(), source })?;
    Ok(found)
}

fn reachable(addresses: &[SocketAddr]) -> Vec<String> {
    let attempts: Vec<_> =
        addresses.iter().map(|&address| (address, thread::spawn(move || stays_reachable(address)))).collect();
    // An attempt that failed for a reason of its own proves nothing, so it counts against the isolation.
    let reached =
        attempts.into_iter().filter_map(|(address, attempt)| attempt.join().unwrap_or(true).then_some(address));
    sorted(reached.map(|address| address.to_string()))
}

fn stays_reachable(address: SocketAddr) -> bool {
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, ATTEMPT).is_ok() {
        if start.elapsed() >= SETTLED {
            return true;
        }
        thread::sleep(AGAIN);
    }
    false
}

fn writable(directories: &[PathBuf]) -> Vec<String> {
    sorted(
        directories.iter().filter(|directory| takes_a_file(directory)).map(|directory| directory.display().to_string()),
    )
}

fn takes_a_file(directory: &Path) -> bool {
    let path = directory.join(format!(".creel-isolation-{}", std::process::id()));
    let created = OpenOptions::new().write(true).create_new(true).open(&path).is_ok();
    if created {
        let _ = fs::remove_file(&path);
    }
    created
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_always_has_both_lists() {
        let text = serde_json::to_string(&Report::default()).unwrap();
        assert_eq!(text, r#"{"reachable":[],"writable":[]}"#);
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), Report::default());
    }

    #[test]
    fn the_lists_are_sorted_and_name_each_thing_once() {
        let names = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(sorted(names.into_iter()), ["a", "b"]);
    }
}
