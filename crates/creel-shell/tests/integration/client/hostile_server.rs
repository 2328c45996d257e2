//! A server that does what no sshd does.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::fixtures::client::{Client, assert_fails};
use crate::fixtures::directory::Directory;
use crate::fixtures::process::finish;
use crate::fixtures::{keys, text};

/// Colours a terminal.
const COLOUR: &str = "\u{1b}[31mowned\u{7}";

/// Does what the command says.
struct Hostile;

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(Some(COLOUR.repeat(10_000)))
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
        "no reply" => std::future::pending().await,
        "colour" => handle.disconnect(Disconnect::ByApplication, COLOUR.repeat(1_000), String::new()).await.unwrap(),
        _ => panic!("{command}"),
    }
    let _ = handle.close(id).await;
}

/// A client that trusts the host key, and its directory.
struct Victim {
    client: Client,
    _directory: Directory,
}

impl Victim {
    fn new(address: SocketAddr, host_key: &PrivateKey) -> Self {
        let directory = Directory::new();
        keys::write_new(&directory.path("identity"));
        let line = format!("[{}]:{} {}\n", address.ip(), address.port(), host_key.public_key().to_openssh().unwrap());
        fs::write(directory.path("known_hosts"), line).unwrap();
        Self { client: Client::new(&directory, address, "sandbox", "identity"), _directory: directory }
    }
}

/// Starts a server that accepts every client.
async fn hostile() -> Victim {
    let host_key = keys::generate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let victim = Victim::new(listener.local_addr().unwrap(), &host_key);
    let config = Arc::new(server::Config { keys: vec![host_key], ..server::Config::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server::run_stream(Arc::clone(&config), stream, Hostile));
        }
    });
    victim
}

#[tokio::test(flavor = "multi_thread")]
async fn no_channel_that_the_sandbox_opens_is_accepted() {
    let output = hostile().await.client.run("open channels");
    assert_eq!(text(&output.stdout), format!("{:?}", [false; 7]));
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reply_of_the_sandbox_looks_like_success_unless_it_is() {
    let victim = hostile().await;
    let output = victim.client.run("status 256");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(255), ""));
    assert_fails(&victim.client.run("no status"), "ended the command without an exit status");
    assert_fails(&victim.client.run("refuse"), "refused to run the command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_does_not_reply_ends_the_call_and_no_other() {
    let victim = hostile().await;
    let _master = victim.client.start_mux_master(&["--stall-timeout", "3"]);
    let silent = victim.client.command("no reply").spawn().unwrap();
    assert_eq!(victim.client.run("status 256").status.code(), Some(255));
    assert_fails(&finish(silent), "did not reply within 6 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_the_sandbox_is_cut_and_has_no_control_characters() {
    let output = hostile().await.client.run("colour");
    assert_fails(&output, "was lost: the sandbox said `?[31mowned?");
    let error = text(&output.stderr).trim_end();
    assert!(error.len() < 500 && error.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ssh_is_refused() {
    for greeting in [COLOUR.repeat(100_000), "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let victim = Victim::new(listener.local_addr().unwrap(), &keys::generate());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(greeting.as_bytes()).await;
        });
        assert_fails(&victim.client.run("true"), "the SSH handshake with the sandbox 127.0.0.1:");
    }
}
