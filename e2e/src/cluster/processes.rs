//! Starts the cluster's processes so that they outlive us, and recognises and stops them later: by recorded process
//! id and start time, never by name, so that nothing else is ever hit. Touches processes and the disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::{At as _, Error};
use super::layout::Layout;
use super::plan::Component;

/// After this a process that was asked to end is killed.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// A process, told apart from a later one with the same id by its start time (clock ticks since boot, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    started: u64,
}

/// What the shell does before it becomes the component: it records its own `/proc/<pid>/stat`, whose id and start time
/// stay the same, so there is no moment in which a component runs unrecorded.
const RECORD_AND_EXEC: &str = r#"read -r stat </proc/$$/stat && echo "$stat" >"$0" && exec "$@""#;

/// Starts a component in a session of its own, with output to its log.
pub fn start(layout: &Layout, component: &Component) -> Result<(), Error> {
    let record = layout.record(component.name);
    if record.exists() {
        // Until the new process has recorded itself, none must seem to have ended.
        std::fs::remove_file(&record).at("remove", &record)?;
    }
    let log = layout.log(component.name);
    let output = File::options().create(true).append(true).open(&log).at("make the log", &log)?;
    let errors = output.try_clone().at("make the log", &log)?;
    Command::new("/usr/bin/setsid")
        .args(["/bin/sh", "-c", RECORD_AND_EXEC])
        .arg(record)
        .arg(&component.program)
        .args(&component.arguments)
        .current_dir(layout.run())
        // Components read settings from their environment (ETCD_*, GODEBUG, …); the caller's are not theirs.
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", layout.run())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map(drop)
        .at("start", &component.program)
}

/// The process that runs a component, as recorded at its start. `None` when there is no record, or none that can be
/// read: an interrupted start.
pub fn recorded(layout: &Layout, component: &str) -> Option<Process> {
    parse_stat(&std::fs::read_to_string(layout.record(component)).ok()?).map(|(process, _)| process)
}

/// Every recorded process of the run.
pub fn all_recorded(layout: &Layout) -> Vec<Process> {
    components(layout).iter().filter_map(|component| recorded(layout, component)).collect()
}

/// The components that were started and run no more, each with its log.
pub fn ended(layout: &Layout) -> Vec<(String, PathBuf)> {
    components(layout)
        .into_iter()
        .filter(|component| !recorded(layout, component).is_some_and(is_running))
        .map(|component| (component.clone(), layout.log(&component)))
        .collect()
}

/// The components that have a record.
fn components(layout: &Layout) -> Vec<String> {
    let records = std::fs::read_dir(layout.records()).into_iter().flatten().flatten();
    records.map(|record| record.file_name().to_string_lossy().into_owned()).collect()
}

/// Whether the very process still runs; a zombie does not.
pub fn is_running(process: Process) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid));
    matches!(stat.ok().as_deref().and_then(parse_stat), Some((now, state)) if now == process && state != 'Z')
}

/// The running process with this id, if there is one.
pub fn with_pid(pid: i32) -> Option<Process> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?).map(|(process, _)| process)
}

/// The processes whose working directory is `directory` or below: containerd's shims, each of which works in the
/// directory of its container and outlives containerd.
pub fn working_below(directory: &Path) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let works_in = std::fs::read_link(entry.path().join("cwd")).ok()?;
            works_in.starts_with(directory).then(|| with_pid(pid))?
        })
        .collect()
}

/// Asks the processes to end, kills after 5 s those that did not, and returns when all are gone.
pub async fn stop(processes: &[Process]) -> Result<(), Error> {
    signal(processes, Signal::TERM);
    if wait_until_gone(processes, GRACE).await {
        return Ok(());
    }
    kill(processes).await
}

/// Kills the processes and returns when all are gone.
pub async fn kill(processes: &[Process]) -> Result<(), Error> {
    signal(processes, Signal::KILL);
    if wait_until_gone(processes, GRACE).await {
        return Ok(());
    }
    Err(Error::Unstoppable { pids: processes.iter().filter(|process| is_running(**process)).map(|p| p.pid).collect() })
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes.iter().filter(|process| is_running(**process)) {
        if let Some(pid) = Pid::from_raw(process.pid) {
            // It may have ended since it was looked at; whether all are gone is checked afterwards.
            kill_process(pid, signal).ok();
        }
    }
}

async fn wait_until_gone(processes: &[Process], limit: Duration) -> bool {
    let gone = async {
        while processes.iter().any(|process| is_running(*process)) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(limit, gone).await.is_ok()
}

/// Id, start time and state from a line of `/proc/<pid>/stat`. The second field is the program's name in parentheses
/// and may hold anything, so counting begins behind the last parenthesis.
fn parse_stat(line: &str) -> Option<(Process, char)> {
    let pid = line.split(' ').next()?.parse().ok()?;
    let (_, rest) = line.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // starttime is field 22, the state was field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some((Process { pid, started }, state))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const STAT: &str = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 2711552 208";

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        assert_eq!(parse_stat(STAT), Some((Process { pid: 42, started: 98765 }, 'S')));
    }

    #[test]
    fn a_half_written_record_is_no_process() {
        assert_eq!(parse_stat("42 (sh) S 1 42"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn we_run_and_one_with_our_id_but_another_start_does_not() {
        let me = with_pid(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(is_running(me));
        assert!(!is_running(Process { started: me.started + 1, ..me }));
    }

    #[tokio::test]
    async fn a_killed_process_is_gone_even_before_its_parent_has_noticed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = with_pid(i32::try_from(child.id()).unwrap()).unwrap();
        kill(&[process]).await.unwrap();
        assert!(!is_running(process));
        child.wait().unwrap();
    }
}
