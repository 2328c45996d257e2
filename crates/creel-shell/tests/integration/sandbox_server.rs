//! A running `creel-shell serve` with keys of its own, and two clients: OpenSSH's `ssh`, and russh where `ssh` cannot say
//! what is to be tested. Touches a temporary directory, 127.0.0.1 and processes.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub const BINARY: &str = env!("CARGO_BIN_EXE_creel-shell");

/// Waits until `condition` holds; fails the test if it does not within ten seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn process(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// The children of a process, also ended ones that nobody has waited for.
pub fn children(id: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// A server that runs under `creel-shell run`, as in a sandbox, so that nothing it leaves behind goes unnoticed.
pub struct Server {
    init: Child,
    pub directory: PathBuf,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Server {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub fn start_with(name: &str, arguments: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("creel-server-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for key in ["host", "client", "stranger"] {
            generate(&directory.join(key));
        }
        let (init, log) = launch(&directory, "127.0.0.1:0", arguments);
        let address = address(&log.lock().unwrap());
        let server = Self { init, directory, address, log };
        server.configure();
        server
    }

    /// Another server in place of one that has ended: the same keys and address, no arguments.
    pub fn start_again(&mut self) {
        assert!(self.has_ended());
        (self.init, self.log) = launch(&self.directory, &self.address.to_string(), &[]);
    }

    /// Ends the server without a word to anybody.
    pub fn kill(&mut self) {
        kill_process(process(self.id()), Signal::KILL).unwrap();
        self.init.wait().unwrap();
    }

    fn configure(&self) {
        let host = fs::read_to_string(self.path("host.pub")).unwrap();
        let (ip, port) = (self.address.ip(), self.address.port());
        fs::write(self.path("known_hosts"), format!("[{ip}]:{port} {host}")).unwrap();
        let config = format!(
            "Host sandbox\nHostName {ip}\nPort {port}\nUser sandbox\nBatchMode yes\nStrictHostKeyChecking yes\n\
             UserKnownHostsFile {}\nIdentityFile {}\nIdentitiesOnly yes\nLogLevel ERROR\n",
            self.path("known_hosts").display(),
            self.path("client").display()
        );
        fs::write(self.path("config"), config).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What the server has said since its start.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn says(&self, text: &str) {
        eventually(text, || self.log().contains(text));
    }

    /// The process of the server itself.
    pub fn id(&self) -> u32 {
        children(self.init.id()).first().unwrap().parse().unwrap()
    }

    /// The programs of its calls.
    pub fn programs(&self) -> Vec<String> {
        children(self.id())
    }

    /// Everything that its init would have to wait for but the server.
    pub fn orphans(&self) -> usize {
        children(self.init.id()).len() - 1
    }

    /// `ssh` with options before and a command after the host.
    pub fn ssh(&self, options: &[&str], command: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.path("config")).args(options).arg("sandbox").args(command);
        ssh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh
    }

    pub fn run(&self, command: &str) -> Output {
        self.ssh(&[], &[command]).output().unwrap()
    }

    /// Runs a command with this input.
    pub fn feed(&self, options: &[&str], command: &[&str], input: &str) -> Output {
        let mut ssh = self.ssh(options, command).stdin(Stdio::piped()).spawn().unwrap();
        ssh.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ssh.wait_with_output().unwrap()
    }

    /// Starts a command that says when it runs.
    pub fn begin(&self, command: &str) -> (Child, BufReader<std::process::ChildStdout>) {
        let mut ssh = self.ssh(&[], &[command]).spawn().unwrap();
        let mut output = BufReader::new(ssh.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "running\n");
        (ssh, output)
    }

    /// A number of kB from the status of the server's process.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    pub fn terminate(&self) {
        kill_process(process(self.init.id()), Signal::TERM).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.init.try_wait().unwrap().is_some()
    }

    pub fn status(&mut self) -> Option<i32> {
        eventually("the server ends", || self.init.try_wait().unwrap().is_some());
        self.init.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.has_ended() {
            for id in children(self.init.id()) {
                let _ = kill_process(process(id.parse().unwrap()), Signal::KILL);
            }
            let _ = self.init.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn launch(directory: &Path, listen: &str, arguments: &[&str]) -> (Child, Arc<Mutex<String>>) {
    let mut init = Command::new(BINARY)
        .args(["run", "--", BINARY, "serve", "--listen", listen, "--host-key"])
        .arg(directory.join("host"))
        .arg("--authorized-key")
        .arg(fs::read_to_string(directory.join("client.pub")).unwrap())
        .args(arguments)
        .env("SECRET_OF_THE_POD", "from the Pod")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = follow(BufReader::new(init.stderr.take().unwrap()));
    eventually("the server listens", || log.lock().unwrap().contains("listening on"));
    (init, log)
}

fn generate(path: &Path) {
    let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(status.expect("OpenSSH's client is installed").success());
}

fn follow(mut from: impl BufRead + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::<Mutex<String>>::default();
    let copy = log.clone();
    thread::spawn(move || {
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|length| length > 0) {
            copy.lock().unwrap().push_str(&line);
            line.clear();
        }
    });
    log
}

fn address(log: &str) -> SocketAddr {
    log.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap().parse().unwrap()
}

/// A client that can say everything that SSH has words for.
pub mod speaking {
    use std::sync::Arc;
    use std::time::Duration;

    use russh::client::{Config, Handle, Handler, Msg, connect};
    use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
    use russh::{Channel, ChannelMsg};

    use super::Server;

    pub struct Trusting;

    impl Handler for Trusting {
        type Error = russh::Error;

        async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
            Ok(true)
        }
    }

    pub async fn client(server: &Server) -> Handle<Trusting> {
        let text = std::fs::read_to_string(server.path("client")).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(PrivateKey::from_openssh(text).unwrap()), None);
        let config = Arc::new(Config { nodelay: true, ..Config::default() });
        let mut client = connect(config, server.address, Trusting).await.unwrap();
        assert!(client.authenticate_publickey("anybody", key).await.unwrap().success());
        client
    }

    pub async fn exec(client: &Handle<Trusting>, command: &str) -> Channel<Msg> {
        let channel = client.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        channel
    }

    /// Everything until the channel is closed, in the order it came.
    pub async fn rest(channel: &mut Channel<Msg>) -> Vec<ChannelMsg> {
        let all = async {
            let mut messages = Vec::new();
            while let Some(message) = channel.wait().await {
                messages.push(message);
            }
            messages
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("the channel is closed")
    }

    /// What a program wrote to its standard output.
    pub fn output(messages: &[ChannelMsg]) -> String {
        let data = messages.iter().filter_map(|message| match message {
            ChannelMsg::Data { data } => Some(String::from_utf8_lossy(data).into_owned()),
            _ => None,
        });
        data.collect()
    }
}
