//! A sandbox for tests: a real sshd on 127.0.0.1, and calls to it as OpenClaw makes them. Touches temporary directories and
//! the loopback network; needs the Debian packages openssh-server and openssh-client.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use creel_shell::client::NAME;
use rustix::process::{Pid, Signal, kill_process};

pub const BINARY: &str = env!("CARGO_BIN_EXE_creel-shell");
const SSHD: &str = "/usr/sbin/sshd";
pub const HOST: &str = "openclaw-sandbox";

/// A sandbox's place: keys, configuration, and a directory for the sockets, all of its own and gone at the end.
pub struct Sandbox {
    pub directory: PathBuf,
    pub port: u16,
    server: Option<Child>,
}

impl Sandbox {
    /// With keys, but nobody listening.
    pub fn absent() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        assert!(Path::new(SSHD).exists(), "{SSHD} is not there: apt-get install openssh-server");
        let name = format!("creel-client-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sandbox = Self { directory, port, server: None };
        sandbox.make_key("host");
        sandbox.make_key("identity");
        fs::copy(sandbox.path("identity.pub"), sandbox.path("authorized_keys")).unwrap();
        sandbox.believe("host.pub");
        sandbox.configure("ConnectTimeout 5", "yes");
        symlink(BINARY, sandbox.path(NAME)).unwrap();
        sandbox
    }

    /// With an sshd that listens.
    pub fn running() -> Self {
        let mut sandbox = Self::absent();
        sandbox.start();
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn make_key(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
        let status =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name)).status();
        assert!(status.expect("apt-get install openssh-client").success());
    }

    pub fn believe(&self, public_key: &str) {
        let key = fs::read_to_string(self.path(public_key)).unwrap();
        let mut words = key.split(' ');
        let line = format!("[127.0.0.1]:{} {} {}\n", self.port, words.next().unwrap(), words.next().unwrap());
        fs::write(self.path("known_hosts"), line).unwrap();
    }

    /// Writes the configuration as OpenClaw does.
    pub fn configure(&self, connect_timeout: &str, strict: &str) {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let text = format!(
            "Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  BatchMode yes\n  {connect_timeout}\n  \
             ServerAliveInterval 15\n  ServerAliveCountMax 3\n  StrictHostKeyChecking {strict}\n  UpdateHostKeys no\n  \
             User {user}\n  UserKnownHostsFile {known_hosts}\n  IdentityFile {identity}\n  IdentitiesOnly yes\n",
            port = self.port,
            user = String::from_utf8(user).unwrap().trim(),
            known_hosts = self.path("known_hosts").display(),
            identity = self.path("identity").display(),
        );
        fs::write(self.path("config"), text).unwrap();
    }

    pub fn start(&mut self) {
        fs::create_dir_all("/run/sshd").unwrap();
        let text = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {keys}\nPidFile none\nStrictModes no\n\
             UsePAM no\nMaxSessions 200\nMaxStartups 100\nLogLevel VERBOSE\n\
             # Otherwise bash reads the machine's own .bashrc before each command.\nSetEnv SHLVL=2\n",
            port = self.port,
            host = self.path("host").display(),
            keys = self.path("authorized_keys").display(),
        );
        fs::write(self.path("sshd_config"), text).unwrap();
        let mut command = Command::new(SSHD);
        command.args(["-D", "-f"]).arg(self.path("sshd_config")).arg("-E").arg(self.path("log"));
        self.server = Some(command.spawn().unwrap());
        let port = self.port;
        until("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Kills sshd and the processes of its connections, but not what those have started.
    pub fn stop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut server) = self.server.take() {
            server.wait().unwrap();
        }
    }

    /// To sshd and to its children, one for each connection.
    pub fn signal(&self, signal: Signal) {
        if let Some(server) = self.server.as_ref().map(Child::id) {
            let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
            let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
            for pid in std::iter::once(server).chain(children) {
                let _ = kill_process(id(pid), signal);
            }
        }
    }

    pub fn command(&self, command: &str) -> Command {
        self.call(&["-T", "-o", "RequestTTY=no", HOST, command])
    }

    pub fn call(&self, arguments: &[&str]) -> Command {
        let mut call = Command::new(self.path(NAME));
        call.arg("-F").arg(self.path("config")).args(arguments).env("TMPDIR", &self.directory);
        call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        call
    }

    pub fn run(&self, command: &str) -> Output {
        self.command(command).output().unwrap()
    }

    /// How many connections were let in.
    pub fn connections(&self) -> usize {
        fs::read_to_string(self.path("log")).unwrap().matches("Accepted publickey").count()
    }

    /// The processes that hold a connection for calls from here.
    pub fn holders(&self) -> Vec<u32> {
        let directory = self.directory.to_str().unwrap();
        let is_ours = |pid: &u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("\0hold\0") && line.contains("\0--resident\0") && line.contains(directory)
        };
        let processes = fs::read_dir("/proc").unwrap();
        processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).filter(is_ours).collect()
    }

    pub fn holder(&self) -> u32 {
        let holders = self.holders();
        assert_eq!(holders.len(), 1);
        holders[0]
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
        for holder in self.holders() {
            let _ = kill_process(id(holder), Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub fn id(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        sleep(Duration::from_millis(20));
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Status and message of a call that failed before or beside its command.
pub fn assert_fails(output: &Output, message: &str) {
    let error = text(&output.stderr);
    assert!(error.contains(message) && error.lines().count() == 1, "{error}");
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(text(&output.stdout), "");
}

/// A line of `/proc/<pid>/status` in KiB.
pub fn memory(pid: u32, line: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
