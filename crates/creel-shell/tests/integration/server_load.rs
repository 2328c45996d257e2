//! `creel-shell serve` under load: much data, many calls, programs that do not read. What the server needs for it is bounded.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox_server::speaking::{Trusting, client, exec, output, rest};
use crate::sandbox_server::{Server, eventually};
use russh::client::Handle;
use russh::{Channel, ChannelMsg, ChannelOpenFailure, Error};

/// What the server's memory may grow by, in kB.
const GROWTH: u64 = 10 * 1024;

/// Asserts that the server's memory has never been much more than at the beginning.
fn assert_bounded(server: &Server, before: u64) {
    let most = server.memory("VmHWM:");
    assert!(most < before + GROWTH, "{before} kB at the beginning, {most} kB at most");
}

#[test]
fn a_gigabyte_goes_through_input_and_output() {
    let server = Server::start("gigabyte");
    server.run("true");
    let before = server.memory("VmRSS:");
    let mut source = Command::new("head").args(["-c", "1G", "/dev/zero"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ssh =
        server.ssh(&["-c", "aes256-gcm@openssh.com"], &["cat"]).stdin(source.stdout.take().unwrap()).spawn().unwrap();
    let count = Command::new("wc").arg("-c").stdin(ssh.stdout.take().unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&count.stdout).trim(), (1024 * 1024 * 1024).to_string());
    assert!(ssh.wait().unwrap().success() && source.wait().unwrap().success());
    assert_bounded(&server, before);
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_up_only_its_own_input() {
    let server = Server::start("stalled");
    let client = client(&server).await;
    rest(&mut exec(&client, "true").await).await;
    let before = server.memory("VmRSS:");
    let megabytes = 50;
    let stalled = exec(&client, "read line; [ \"$line\" = first ] && kill -STOP $$; wc -c").await;
    let (mut answer, input) = stalled.split();
    let send = tokio::spawn(async move {
        input.data_bytes(&b"first\n"[..]).await.unwrap();
        input.data_bytes(vec![b'x'; megabytes * 1024 * 1024]).await.unwrap();
        input.eof().await.unwrap();
        input
    });
    for _ in 0..20 {
        let start = Instant::now();
        let mut other = exec(&client, "cat; echo done").await;
        other.data_bytes(vec![b'y'; 64 * 1024]).await.unwrap();
        other.eof().await.unwrap();
        let text = output(&rest(&mut other).await);
        assert!(text.len() == 64 * 1024 + 5 && text.ends_with("done\n"));
        assert!(start.elapsed() < Duration::from_secs(2), "another call took {:?}", start.elapsed());
    }
    assert!(!send.is_finished());
    assert_bounded(&server, before);

    let stopped = server.programs();
    Command::new("kill").arg("-CONT").args(stopped).status().unwrap();
    let mut text = String::new();
    while let Some(message) = answer.wait().await {
        text.push_str(&output(&[message]));
    }
    send.await.unwrap();
    assert_eq!(text.trim(), (megabytes * 1024 * 1024).to_string());
    assert_bounded(&server, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_programs_move_data_both_ways_at_once() {
    let server = Server::start("both");
    let client = client(&server).await;
    let before = server.memory("VmRSS:");
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
        let received = tokio::time::timeout(Duration::from_mins(1), copy).await.expect("no copy hangs").unwrap();
        assert_eq!(received, length);
    }
    assert_bounded(&server, before);
}

#[tokio::test]
async fn a_program_that_stops_reading_lets_its_client_finish() {
    let server = Server::start("closed");
    let client = client(&server).await;
    let mut channel = exec(&client, "exec <&-; echo closed; sleep 0.5; echo end").await;
    channel.data_bytes(vec![0; 4 * 1024 * 1024]).await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(output(&rest(&mut channel).await), "closed\nend\n");
}

#[test]
fn a_client_that_does_not_read_one_output_gets_the_others() {
    let server = Server::start("unread");
    server.run("true");
    let before = server.memory("VmRSS:");
    let socket = server.path("socket").display().to_string();
    let master = server.ssh(&["-M", "-N", "-S", &socket], &[]).spawn().unwrap();
    eventually("the connection is there", || server.path("socket").exists());
    let flood = server.ssh(&["-S", &socket], &["head -c 100M /dev/zero"]).spawn().unwrap();
    eventually("the flood has begun", || server.programs().len() == 1);
    for _ in 0..10 {
        let other = server.ssh(&["-S", &socket], &["echo fine"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&other.stdout), "fine\n");
    }
    assert_eq!(server.programs().len(), 1);
    assert_bounded(&server, before);
    for mut ssh in [flood, master] {
        ssh.kill().unwrap();
        ssh.wait().unwrap();
    }
    eventually("no program is left", || server.programs().is_empty());
}

/// Opens a channel, on a connection anew when the server has had enough of this one.
async fn open(server: &Server, client: &mut Handle<Trusting>) -> Channel<russh::client::Msg> {
    match client.channel_open_session().await {
        Err(Error::ChannelOpenFailure(ChannelOpenFailure::ResourceShortage)) => {
            *client = crate::sandbox_server::speaking::client(server).await;
            client.channel_open_session().await.unwrap()
        }
        channel => channel.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_short_calls_leave_nothing_behind() {
    let server = Server::start("many");
    let mut client = client(&server).await;
    rest(&mut exec(&client, "true").await).await;
    let (before, files) = (server.memory("VmRSS:"), server.open_files());
    for round in 0..150 {
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
    eventually("no program and no file is left", || {
        server.programs().is_empty() && server.orphans() == 0 && server.open_files() <= files
    });
    assert_bounded(&server, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_64_calls_run_on_a_connection() {
    let server = Server::start("channels");
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

#[test]
fn no_more_than_64_connections_are_served() {
    let server = Server::start("connections");
    let probes: Vec<_> = (0..64).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    assert_eq!(server.run("true").status.code(), Some(255));
    server.says("was refused: there are 64 connections");
    drop(probes);
    eventually("there is room again", || server.run("true").status.success());
}
