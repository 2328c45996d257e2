//! Runs `creel-shell-ssh` against a server that does what no sshd does. Touches temporary directories and the loopback
//! network.
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_shell::client::NAME;
use russh::keys::PrivateKey;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::{Algorithm, LineEnding};
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_creel-shell");

/// Text that would colour a terminal, and more of it than anybody reads.
const SHOUT: &str = "\u{1b}[31mowned\u{7}";

/// The files of a call, gone at the end.
struct Caller(PathBuf);

impl Caller {
    fn new(test: &str, port: u16, host_key: &PrivateKey) -> Self {
        let directory = std::env::temp_dir().join(format!("creel-hostile-{}-{test}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let identity = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        fs::write(directory.join("identity"), identity.to_openssh(LineEnding::LF).unwrap()).unwrap();
        let known = format!("[127.0.0.1]:{port} {}\n", host_key.public_key().to_openssh().unwrap());
        fs::write(directory.join("known_hosts"), known).unwrap();
        let at = directory.display();
        let config = format!(
            "Host openclaw-sandbox\n HostName 127.0.0.1\n Port {port}\n ConnectTimeout 2\n User sandbox\n \
             UserKnownHostsFile {at}/known_hosts\n IdentityFile {at}/identity\n"
        );
        fs::write(directory.join("config"), config).unwrap();
        symlink(BINARY, directory.join(NAME)).unwrap();
        Self(directory)
    }

    async fn run(&self, command: &str) -> Output {
        let mut call = Command::new(self.0.join(NAME));
        call.arg("-F").arg(self.0.join("config")).args(["-T", "-o", "RequestTTY=no", "openclaw-sandbox", command]);
        call.env("TMPDIR", Path::new(&self.0)).stdin(Stdio::null());
        call.output().await.unwrap()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Does what the command says.
struct Hostile;

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(Some(SHOUT.repeat(10_000)))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        // Its queue would fill up; the callbacks are enough here.
        drop(channel);
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let command = String::from_utf8(command.to_vec()).unwrap();
        tokio::spawn(attack(session.handle(), id, command));
        Ok(())
    }
}

async fn attack(handle: Handle, id: ChannelId, command: String) {
    match command.as_str() {
        "open channels" => {
            handle.channel_success(id).await.unwrap();
            let opened = [
                handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_ok(),
                handle.channel_open_forwarded_streamlocal("/a").await.is_ok(),
                handle.channel_open_direct_tcpip("a", 1, "b", 2).await.is_ok(),
                handle.channel_open_direct_streamlocal("/a").await.is_ok(),
                handle.channel_open_x11("a", 1).await.is_ok(),
                handle.channel_open_agent().await.is_ok(),
                handle.channel_open_session().await.is_ok(),
            ];
            handle.data(id, format!("{opened:?}")).await.unwrap();
            handle.exit_status_request(id, 0).await.unwrap();
        }
        "status 256" => {
            handle.channel_success(id).await.unwrap();
            handle.exit_status_request(id, 256).await.unwrap();
        }
        "no status" => handle.channel_success(id).await.unwrap(),
        "refuse" => handle.channel_failure(id).await.unwrap(),
        "silence" => std::future::pending().await,
        "shout" => handle.disconnect(Disconnect::ByApplication, SHOUT.repeat(1_000), String::new()).await.unwrap(),
        _ => panic!("{command}"),
    }
    let _ = handle.close(id).await;
}

/// A server that lets everybody in, and a caller that believes it.
async fn hostile(test: &str) -> Caller {
    let host_key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let caller = Caller::new(test, listener.local_addr().unwrap().port(), &host_key);
    let config = Arc::new(server::Config { keys: vec![host_key], ..server::Config::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server::run_stream(Arc::clone(&config), stream, Hostile));
        }
    });
    caller
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn assert_fails(output: &Output, message: &str) {
    let error = text(&output.stderr);
    assert!(error.contains(message) && error.lines().count() == 1, "{error}");
    assert!(error.trim_end().chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{error:?}");
    assert!(error.len() < 500, "{error}");
    assert_eq!(output.status.code(), Some(255));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_channel_that_the_sandbox_opens_is_accepted() {
    let output = hostile("channels").await.run("open channels").await;
    assert_eq!(text(&output.stdout), format!("{:?}", [false; 7]));
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_status_of_the_sandbox_looks_like_success_unless_it_is() {
    let caller = hostile("status").await;
    let output = caller.run("status 256").await;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(255), ""));
    assert_fails(&caller.run("no status").await, "ended the command without an exit status");
    assert_fails(&caller.run("refuse").await, "refused to run the command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_does_not_answer_ends_the_call_and_not_others() {
    let caller = hostile("silence").await;
    let start = Instant::now();
    let (silent, other) = tokio::join!(caller.run("silence"), caller.run("status 256"));
    assert_fails(&silent, "did not answer within 20 s");
    assert!(start.elapsed() < Duration::from_secs(24));
    assert_eq!(other.status.code(), Some(255));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sandbox_says_is_quoted_short_and_without_controls() {
    let output = hostile("shout").await.run("shout").await;
    assert_fails(&output, "was lost: the sandbox said `?[31mowned?");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ssh_is_refused() {
    for (test, greeting) in
        [("garbage", SHOUT.repeat(100_000)), ("http", "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host_key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let caller = Caller::new(test, listener.local_addr().unwrap().port(), &host_key);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(greeting.as_bytes()).await;
        });
        assert_fails(&caller.run("true").await, "the SSH handshake with the sandbox 127.0.0.1:");
    }
}
