//! Much data, many calls, and programs that do not read: what the server needs for them is bounded.

use std::process::{Command, Stdio};

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, Error};
use rustix::process::Signal;
use tokio::time::timeout;

use crate::fixtures::process::{self, HANG, eventually, finish};
use crate::fixtures::russh_client::{Trusting, client, exec, output, rest};
use crate::fixtures::server::Server;
use crate::fixtures::{amount, text};

/// What the memory of the server may grow by, in KiB. Far less than the data.
const GROWTH: u64 = 10 * 1024;

fn assert_bounded(server: &Server, before: u64) {
    let most = server.memory("VmHWM");
    assert!(most < before + GROWTH, "{before} KiB before, {most} KiB at most");
}

#[test]
fn much_data_goes_through_input_and_output() {
    let length = amount(64 << 20, 1 << 30).to_string();
    let server = Server::start();
    server.run("true");
    let before = server.memory("VmRSS");
    let mut source = Command::new("head").args(["-c", &length, "/dev/zero"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ssh =
        server.ssh(&["-c", "aes256-gcm@openssh.com"], &["cat"]).stdin(source.stdout.take().unwrap()).spawn().unwrap();
    let count = Command::new("wc").arg("-c").stdin(ssh.stdout.take().unwrap()).output().unwrap();
    assert_eq!(text(&count.stdout).trim(), length);
    assert!(finish(ssh).status.success() && finish(source).status.success());
    assert_bounded(&server, before);
}

#[tokio::test]
async fn a_program_that_does_not_read_delays_only_its_own_input() {
    let server = Server::start();
    let client = client(&server).await;
    rest(&mut exec(&client, "true").await).await;
    let before = server.memory("VmRSS");
    let length = 50 * 1024 * 1024;
    let stalled = exec(&client, "read line; [ \"$line\" = first ] && kill -STOP $$; wc -c").await;
    let (mut answer, input) = stalled.split();
    let send = tokio::spawn(async move {
        input.data_bytes(&b"first\n"[..]).await.unwrap();
        input.data_bytes(vec![b'x'; length]).await.unwrap();
        input.eof().await.unwrap();
        input
    });
    for _ in 0..20 {
        let mut other = exec(&client, "cat; echo done").await;
        other.data_bytes(vec![b'y'; 64 * 1024]).await.unwrap();
        other.eof().await.unwrap();
        let text = output(&rest(&mut other).await);
        assert!(text.len() == 64 * 1024 + 5 && text.ends_with("done\n"));
    }
    assert!(!send.is_finished());
    assert_bounded(&server, before);

    process::signal_all(&server.programs(), Signal::CONT);
    let mut text = String::new();
    while let Some(message) = answer.wait().await {
        text.push_str(&output(&[message]));
    }
    send.await.unwrap();
    assert_eq!(text.trim(), length.to_string());
    assert_bounded(&server, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_programs_copy_data_in_both_directions_at_once() {
    let server = Server::start();
    let client = client(&server).await;
    let before = server.memory("VmRSS");
    let length = 10 * 1024 * 1024;
    let mut copies = Vec::new();
    for _ in 0..8 {
        let (mut answer, input) = exec(&client, "cat").await.split();
        copies.push(tokio::spawn(async move {
            let send = async {
                input.data_bytes(vec![b'x'; length]).await.unwrap();
                input.eof().await.unwrap();
            };
            let receive = async {
                let mut received = 0;
                while let Some(message) = answer.wait().await {
                    received += output(&[message]).len();
                }
                received
            };
            tokio::join!(send, receive).1
        }));
    }
    for copy in copies {
        assert_eq!(timeout(HANG, copy).await.expect("no copy hangs").unwrap(), length);
    }
    assert_bounded(&server, before);
}

#[tokio::test]
async fn the_client_of_a_program_that_stops_reading_can_send_all_its_input() {
    let server = Server::start();
    let client = client(&server).await;
    let mut channel = exec(&client, "exec <&-; echo closed; sleep 0.5; echo end").await;
    channel.data_bytes(vec![0; 4 * 1024 * 1024]).await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(output(&rest(&mut channel).await), "closed\nend\n");
}

#[test]
fn a_client_that_does_not_read_one_output_gets_the_others() {
    let server = Server::start();
    server.run("true");
    let before = server.memory("VmRSS");
    let socket = server.directory.path("socket").display().to_string();
    let master = server.ssh(&["-M", "-N", "-S", &socket], &[]).spawn().unwrap();
    eventually("the connection is open", || server.directory.path("socket").exists());
    let unread = server.ssh(&["-S", &socket], &["head -c 100M /dev/zero"]).spawn().unwrap();
    eventually("the call is running", || server.programs().len() == 1);
    for _ in 0..10 {
        assert_eq!(text(&server.run_with(&["-S", &socket], &["echo fine"]).stdout), "fine\n");
    }
    assert_eq!(server.programs().len(), 1);
    assert_bounded(&server, before);
    for mut ssh in [unread, master] {
        ssh.kill().unwrap();
        ssh.wait().unwrap();
    }
    server.leaves_no_program();
}

/// Opens a channel, on a new connection when the server refuses another one on this.
async fn open(server: &Server, client: &mut Handle<Trusting>) -> Channel<Msg> {
    match client.channel_open_session().await {
        Err(Error::ChannelOpenFailure(ChannelOpenFailure::ResourceShortage)) => {
            *client = crate::fixtures::russh_client::client(server).await;
            client.channel_open_session().await.unwrap()
        }
        channel => channel.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_short_calls_leave_nothing_behind() {
    let server = Server::start();
    let mut client = client(&server).await;
    rest(&mut exec(&client, "true").await).await;
    let (before, files) = (server.memory("VmRSS"), server.open_files());
    // More than one connection may have.
    for round in 0..amount(105, 500) {
        let mut calls = Vec::new();
        for call in 0..20 {
            let channel = open(&server, &mut client).await;
            channel.exec(true, format!("echo {round} {call}")).await.unwrap();
            calls.push((call, channel));
        }
        for (call, mut channel) in calls {
            let messages = rest(&mut channel).await;
            assert_eq!(output(&messages), format!("{round} {call}\n"));
            assert!(messages.iter().any(|message| matches!(message, ChannelMsg::ExitStatus { exit_status: 0 })));
        }
    }
    server.leaves_no_program();
    eventually("no file is left open", || server.open_files() <= files);
    assert_bounded(&server, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_64_calls_run_on_a_connection() {
    let server = Server::start();
    let client = client(&server).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(exec(&client, "sleep 1000").await);
    }
    let refused = client.channel_open_session().await;
    assert!(matches!(refused, Err(Error::ChannelOpenFailure(ChannelOpenFailure::ResourceShortage))));
    let last: Channel<_> = open.pop().unwrap();
    last.close().await.unwrap();
    eventually("one has ended", || server.programs().len() == 63);
    assert_eq!(output(&rest(&mut exec(&client, "echo room").await).await), "room\n");
}
