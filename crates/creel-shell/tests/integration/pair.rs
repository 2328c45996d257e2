//! Our client and our server as the processes that they are in a gateway's Pod and a sandbox's: calls by `creel-shell-ssh`
//! with a configuration as OpenClaw writes it, to `creel-shell serve` under `creel-shell run`. Touches a temporary
//! directory, 127.0.0.1 and processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use creel_shell::client::NAME;
use rustix::process::{Signal, kill_process};

use crate::sandbox_server::{BINARY, Server, eventually, process};

const HOST: &str = "openclaw-sandbox";

/// A server and what calls to it need.
pub struct Pair(Server);

impl Deref for Pair {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Pair {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

impl Pair {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub fn start_with(name: &str, arguments: &[&str]) -> Self {
        let server = Server::start_with(&format!("pair-{name}"), arguments);
        symlink(BINARY, server.path(NAME)).unwrap();
        let pair = Self(server);
        pair.configure_calls("known_hosts", "client");
        pair
    }

    /// Writes the configuration as OpenClaw does.
    pub fn configure_calls(&self, known_hosts: &str, identity: &str) {
        let text = format!(
            "Host {HOST}\n  HostName {ip}\n  Port {port}\n  BatchMode yes\n  ConnectTimeout 5\n  \
             ServerAliveInterval 15\n  ServerAliveCountMax 3\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  \
             User sandbox\n  UserKnownHostsFile {known_hosts}\n  IdentityFile {identity}\n  IdentitiesOnly yes\n",
            ip = self.address.ip(),
            port = self.address.port(),
            known_hosts = self.path(known_hosts).display(),
            identity = self.path(identity).display(),
        );
        fs::write(self.path("calls-config"), text).unwrap();
    }

    pub fn command(&self, command: &str) -> Command {
        self.arguments(&["-T", "-o", "RequestTTY=no", HOST, command])
    }

    pub fn terminal(&self, command: &str) -> Command {
        self.arguments(&["-tt", "-o", "RequestTTY=force", HOST, command])
    }

    fn arguments(&self, arguments: &[&str]) -> Command {
        let mut call = Command::new(self.path(NAME));
        call.arg("-F").arg(self.path("calls-config")).args(arguments).env("TMPDIR", &self.directory);
        call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        call
    }

    pub fn call(&self, command: &str) -> Output {
        self.command(command).output().unwrap()
    }

    /// Starts a command that says when it runs, and gives it an input that stays open.
    pub fn begin_call(&self, command: &str) -> (Child, BufReader<ChildStdout>) {
        let mut call = self.command(command).stdin(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(call.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "running\n");
        (call, output)
    }

    /// The process that holds the connection.
    pub fn holder(&self) -> u32 {
        let holders = self.holders();
        assert_eq!(holders.len(), 1);
        holders[0]
    }

    fn holders(&self) -> Vec<u32> {
        processes(|line| line.contains("\0--resident\0") && line.contains(self.directory.to_str().unwrap()))
    }

    /// How many connections there have been, and how many there are.
    pub fn connections(&self) -> (usize, usize) {
        let log = self.log();
        let count = |word| log.lines().filter(|line| line.ends_with(word)).count();
        (count(" connected"), count(" connected") - count(" disconnected"))
    }

    /// Asserts that another call works.
    pub fn assert_works(&self) {
        let output = self.call("echo fine");
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("fine\n", ""));
        assert!(output.status.success());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for holder in self.holders() {
            let _ = kill_process(process(holder), Signal::KILL);
        }
    }
}

/// The processes whose command line fits.
pub fn processes(fits: impl Fn(&str) -> bool) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|id: &u32| fits(&fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default())).collect()
}

/// Waits until no process has this among its arguments.
pub fn gone(argument: &str) {
    eventually(&format!("`{argument}` is gone"), || {
        processes(|line| line.split('\0').any(|word| word == argument)).is_empty()
    });
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Status and message of a call that failed before or beside its command.
pub fn assert_fails(output: &Output, message: &str) {
    let error = text(&output.stderr);
    assert!(error.starts_with("creel-shell: ") && error.contains(message) && error.lines().count() == 1, "{output:?}");
    assert_eq!(output.status.code(), Some(255));
}

/// What a process has taken of memory at most, or takes now, in kB.
pub fn memory(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub fn open_files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}
