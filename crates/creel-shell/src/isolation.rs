//! `creel-shell isolation`: tests what a sandbox must not be able to do. Touches the network and the disk.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The time-out of one connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A network plugin may need a moment after the Pod's start to apply a policy: an answer counts only after this time.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// So many attempts in a row have to time out: a packet may get lost.
const ATTEMPTS: u32 = 3;

/// Linux sends six rejections at once to one address, then one a second (`net.ipv4.icmp_ratelimit`): whoever is asked after such a
/// pause, with nobody else, hears that he was rejected.
const REJECTION_INTERVAL: Duration = Duration::from_millis(1_100);

/// What a sandbox can do although it must not, and how the addresses answered that it can't reach. All lists are sorted. An address that
/// is in none of them has no route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Addresses that accepted a connection.
    pub reachable: Vec<String>,
    /// Directories in which a file could be created.
    pub writable: Vec<String>,
    /// Addresses from where an error came back: packets may get there.
    pub refused: Vec<String>,
    /// Addresses with a route, at which every one of several attempts timed out.
    pub timed_out: Vec<String>,
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
    let answers = answers(unreachable);
    let that =
        |wanted| answers.iter().filter(move |(_, answer)| *answer == wanted).map(|(address, _)| address.to_string());
    let found = Report {
        reachable: sorted(that(Answer::Accepted)),
        writable: writable(read_only),
        refused: sorted(that(Answer::Refused)),
        timed_out: sorted(that(Answer::TimedOut)),
    };
    let text = serde_json::to_string(&found)?;
    fs::write(report, text).map_err(|source| IsolationError::Write { path: report.to_owned(), source })?;
    Ok(found)
}

/// How an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    /// With any error.
    Refused,
    TimedOut,
    /// Nothing can be sent there.
    NoRoute,
}

/// How each address answers, tested at the same time.
fn answers(addresses: &[SocketAddr]) -> Vec<(SocketAddr, Answer)> {
    let test = |address| move || settled(|| attempt(address), SETTLE_TIME);
    let tests: Vec<_> = addresses.iter().map(|&address| (address, thread::spawn(test(address)))).collect();
    // A test that did not finish proves nothing, so it counts against the isolation.
    let answers = tests.into_iter().map(|(address, test)| (address, test.join().unwrap_or(Answer::Accepted))).collect();
    silent_again(answers, |address| {
        thread::sleep(REJECTION_INTERVAL);
        attempt(address)
    })
}

/// Where some addresses refuse, those that stay silent are asked again, one after the other: their rejections may be what the node did not
/// send, because it limits how many there are.
fn silent_again(
    answers: Vec<(SocketAddr, Answer)>,
    mut attempt: impl FnMut(SocketAddr) -> Answer,
) -> Vec<(SocketAddr, Answer)> {
    let some_refuse = answers.iter().any(|(_, answer)| *answer == Answer::Refused);
    let again = |(address, answer)| match answer {
        Answer::TimedOut if some_refuse => (address, attempt(address)),
        _ => (address, answer),
    };
    answers.into_iter().map(again).collect()
}

/// The answer once the network has settled: several attempts in a row that timed out, or any other answer after this time.
fn settled(mut attempt: impl FnMut() -> Answer, settle_time: Duration) -> Answer {
    let (start, mut timed_out) = (Instant::now(), 0);
    loop {
        let answer = attempt();
        timed_out = if answer == Answer::TimedOut { timed_out + 1 } else { 0 };
        if timed_out == ATTEMPTS || (answer != Answer::TimedOut && start.elapsed() >= settle_time) {
            return answer;
        }
        if answer != Answer::TimedOut {
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

fn attempt(address: SocketAddr) -> Answer {
    if !has_route(address) {
        return Answer::NoRoute;
    }
    match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
        Ok(_) => Answer::Accepted,
        Err(error) => of_error(&error),
    }
}

fn of_error(error: &io::Error) -> Answer {
    if error.kind() == io::ErrorKind::TimedOut { Answer::TimedOut } else { Answer::Refused }
}

/// Whether the network of the Pod is up and leads there: silence without a route is nobody's policy. Sends nothing.
fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
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

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// What these answers, one after the other, come to, and how many of them it took. After the last one the address is silent.
    fn of_answers(answers: &[Answer], settle_time: Duration) -> (Answer, usize) {
        let mut attempts = 0;
        let next = || {
            attempts += 1;
            answers.get(attempts - 1).copied().unwrap_or(Answer::TimedOut)
        };
        let answer = settled(next, settle_time);
        (answer, attempts)
    }

    #[test]
    fn one_attempt_that_timed_out_proves_nothing() {
        use Answer::{Accepted, Refused, TimedOut};
        for answer in [Accepted, Refused] {
            assert_eq!(of_answers(&[TimedOut, answer], Duration::ZERO), (answer, 2));
            assert_eq!(of_answers(&[TimedOut, TimedOut, answer], Duration::ZERO), (answer, 3));
        }
        assert_eq!(of_answers(&[TimedOut; 9], Duration::ZERO), (TimedOut, 3));
    }

    #[test]
    fn an_address_that_falls_silent_before_the_network_has_settled_timed_out() {
        use Answer::{Accepted, NoRoute, Refused, TimedOut};
        for answer in [Accepted, Refused, NoRoute] {
            assert_eq!(of_answers(&[answer, TimedOut, answer], Duration::MAX), (TimedOut, 6));
        }
    }

    #[test]
    fn where_some_addresses_refuse_the_silent_ones_are_asked_again() {
        use Answer::{Accepted, NoRoute, Refused, TimedOut};
        let address = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let of = |answers: &[Answer]| (1..).map(address).zip(answers.iter().copied()).collect::<Vec<_>>();
        let asked = |answers: &[Answer]| {
            let mut asked = Vec::new();
            let then = silent_again(of(answers), |address| {
                asked.push(address.port());
                Refused
            });
            (asked, then.into_iter().map(|(_, answer)| answer).collect::<Vec<_>>())
        };
        let mixed = [TimedOut, Refused, NoRoute, TimedOut, Accepted];
        assert_eq!(asked(&mixed), (vec![1, 4], vec![Refused, Refused, NoRoute, Refused, Accepted]));
        let silent = [TimedOut, TimedOut, Accepted];
        assert_eq!(asked(&silent), (vec![], silent.to_vec()));
    }

    #[test]
    fn an_address_that_accepts_connections_and_one_that_does_not_are_told_apart() {
        let ((_open, open), (closed, unused)) = (listener(), listener());
        drop(closed);
        assert_eq!((attempt(open), attempt(unused)), (Answer::Accepted, Answer::Refused));
    }

    #[test]
    fn only_silence_is_a_time_out() {
        assert_eq!(of_error(&io::ErrorKind::TimedOut.into()), Answer::TimedOut);
        for kind in [io::ErrorKind::ConnectionRefused, io::ErrorKind::HostUnreachable, io::ErrorKind::PermissionDenied]
        {
            assert_eq!(of_error(&kind.into()), Answer::Refused, "{kind}");
        }
    }

    #[test]
    fn an_address_to_which_nothing_leads_has_no_route() {
        assert!(has_route("127.0.0.1:1".parse().unwrap()));
        // A link-local address says nothing of the link.
        let nowhere = "[fe80::1]:80".parse().unwrap();
        assert_eq!((has_route(nowhere), attempt(nowhere)), (false, Answer::NoRoute));
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
    fn an_empty_report_has_all_lists() {
        let text = serde_json::to_string(&Report::default()).unwrap();
        assert_eq!(text, r#"{"reachable":[],"writable":[],"refused":[],"timedOut":[]}"#);
    }
}
