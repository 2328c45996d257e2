//! `creel-shell isolation`: tests what a sandbox must not be able to do. Touches the network and the disk.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The time-out of one connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A network plugin may need a moment after the Pod's start to apply a policy: an address that still accepts connections after this
/// time is reachable.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// What a sandbox can do although it must not. Both lists are sorted; if they are empty, the sandbox is isolated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Addresses that accepted a connection.
    pub reachable: Vec<String>,
    /// Directories in which a file could be created.
    pub writable: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    #[error("cannot encode the report: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("cannot write --report {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// Tests all addresses and directories and writes the report.
pub fn isolation(unreachable: &[SocketAddr], read_only: &[PathBuf], report: &Path) -> Result<Report, IsolationError> {
    let found = Report { reachable: reachable(unreachable, SETTLE_TIME), writable: writable(read_only) };
    let text = serde_json::to_string(&found)?;
    fs::write(report, text).map_err(|source| IsolationError::Write { path: report.to_owned(), source })?;
    Ok(found)
}

/// The addresses that accept connections for all of `settle_time`, tested at the same time.
fn reachable(addresses: &[SocketAddr], settle_time: Duration) -> Vec<String> {
    let tests: Vec<_> = addresses
        .iter()
        .map(|&address| (address, thread::spawn(move || stays_reachable(address, settle_time))))
        .collect();
    // A test that did not finish proves nothing, so it counts against the isolation.
    let reached = tests.into_iter().filter_map(|(address, test)| test.join().unwrap_or(true).then_some(address));
    sorted(reached.map(|address| address.to_string()))
}

fn stays_reachable(address: SocketAddr, settle_time: Duration) -> bool {
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok() {
        if start.elapsed() >= settle_time {
            return true;
        }
        thread::sleep(RETRY_INTERVAL);
    }
    false
}

fn writable(directories: &[PathBuf]) -> Vec<String> {
    let writable = directories.iter().filter(|directory| can_create_a_file(directory));
    sorted(writable.map(|directory| directory.display().to_string()))
}

fn can_create_a_file(directory: &Path) -> bool {
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
    use std::net::TcpListener;

    /// More than one attempt, so that the later ones count.
    const SETTLE: Duration = Duration::from_millis(250);

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn an_address_that_always_accepts_is_reachable() {
        let (listener, address) = listener();
        assert!(stays_reachable(address, SETTLE));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.incoming().take_while(Result::is_ok).count() > 1, "one attempt is not enough");
    }

    #[test]
    fn an_address_where_no_one_listens_is_not_reachable() {
        let (listener, address) = listener();
        drop(listener);
        assert!(!stays_reachable(address, SETTLE));
    }

    #[test]
    fn an_address_that_stops_accepting_before_the_network_has_settled_is_not_reachable() {
        let (listener, address) = listener();
        let policy = thread::spawn(move || drop(listener.accept().map(|_| listener)));
        // Far more than a policy takes: only a hang would meet it.
        assert!(!stays_reachable(address, Duration::from_mins(2)));
        policy.join().unwrap();
    }

    #[test]
    fn only_the_addresses_that_can_be_reached_are_listed_sorted_and_once() {
        let ((_first, first), (_second, second), (closed, unused)) = (listener(), listener(), listener());
        drop(closed);
        let mut expected = [first, second].map(|address| address.to_string());
        expected.sort();
        assert_eq!(reachable(&[second, unused, first, second], Duration::ZERO), expected);
    }

    #[test]
    fn only_the_directories_that_take_a_file_are_listed_and_nothing_is_left_in_them() {
        let directory = std::env::temp_dir().join(format!("creel-isolation-test-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        // Not even root can create a file in /proc.
        let directories = ["/proc/self", "/nonexistent"].map(PathBuf::from);
        let found = writable(&[&directories[..], &[directory.clone(), directory.clone()]].concat());
        assert_eq!(found, [directory.display().to_string()]);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn an_empty_report_has_both_lists() {
        let text = serde_json::to_string(&Report::default()).unwrap();
        assert_eq!(text, r#"{"reachable":[],"writable":[]}"#);
    }
}
