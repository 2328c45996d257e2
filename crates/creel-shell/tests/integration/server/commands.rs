//! What commands can do, and how they end.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use russh::{ChannelMsg, Sig};
use rustix::process::Signal;

use super::{err, out};
use crate::fixtures::amount;
use crate::fixtures::process::{self, eventually, finish};
use crate::fixtures::russh_client::{client, exec, output, rest};
use crate::fixtures::server::Server;

#[test]
fn a_command_has_its_own_output_error_output_and_status() {
    let server = Server::start();
    let output = server.run("echo to output; echo to errors >&2; exit 7");
    assert_eq!((out(&output), err(&output)), ("to output\n", "to errors\n"));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn output_continues_after_the_end_of_the_input() {
    let server = Server::start();
    let output = server.feed(&[], &["cat; sleep 0.1; echo after the end"], "input\n");
    assert_eq!(out(&output), "input\nafter the end\n");
}

#[test]
fn the_status_arrives_after_input_and_output_have_ended() {
    let server = Server::start();
    assert_eq!(server.run("exec >&- 2>&-; sleep 0.3; exit 3").status.code(), Some(3));
    let socket = server.directory.path("socket").display().to_string();
    let mut master = server.ssh(&["-M", "-N", "-S", &socket], &[]).spawn().unwrap();
    eventually("the connection is open", || server.directory.path("socket").exists());
    for _ in 0..amount(30, 1000) {
        assert_eq!(server.run_with(&["-S", &socket], &["exit 3"]).status.code(), Some(3));
    }
    master.kill().unwrap();
    master.wait().unwrap();
}

#[test]
fn a_shell_runs_what_it_reads() {
    let server = Server::start();
    let output = server.feed(&[], &[], "echo $((1 + 1)); exit 3\n");
    assert_eq!((out(&output), output.status.code()), ("2\n", Some(3)));
}

#[test]
fn the_end_of_the_input_reaches_a_program_on_a_terminal() {
    let server = Server::start();
    let output = server.feed(&["-tt"], &["tty; stty -echo; echo $TERM; cat; echo end"], "typed\n");
    let text = out(&output);
    assert!(text.contains("/dev/pts/") && text.contains("typed") && text.contains("end\r\n"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_terminal_has_the_size_that_its_client_requests() {
    let server = Server::start();
    let client = client(&server).await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "vt100", 80, 24, 0, 0, &[]).await.unwrap();
    let command = "stty size; echo $TERM; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done";
    channel.exec(true, command).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("ready") {
        if let Some(ChannelMsg::Data { data }) = channel.wait().await {
            seen.push_str(&String::from_utf8_lossy(&data));
        }
    }
    channel.window_change(132, 50, 0, 0).await.unwrap();
    seen.push_str(&output(&rest(&mut channel).await));
    assert_eq!(seen.replace('\r', ""), "24 80\nvt100\nready\n50 132\n");
}

#[tokio::test]
async fn a_signal_reaches_the_whole_command_and_is_reported_as_its_end() {
    let server = Server::start();
    let client = client(&server).await;
    let mut channel = exec(&client, "sleep 1000 & echo ready; wait").await;
    while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {}
    channel.signal(Sig::TERM).await.unwrap();
    let messages = rest(&mut channel).await;
    let ended = |message: &ChannelMsg| matches!(message, ChannelMsg::ExitSignal { signal_name: Sig::TERM, .. });
    assert!(messages.iter().any(ended), "{messages:?}");
    server.leaves_no_program();
}

#[test]
fn a_command_gets_the_environment_of_the_pod_and_only_the_language_of_its_client() {
    let server = Server::start();
    let options = ["-o", "SetEnv=LC_TEST=german LD_TEST=no"];
    let output = server.run_with(&options, &["echo $SECRET_OF_THE_POD, $LC_TEST, ${LD_TEST-nothing}"]);
    assert_eq!(out(&output), "from the Pod, german, nothing\n");
}

#[test]
fn the_whole_command_of_a_killed_client_ends() {
    let server = Server::start();
    let (mut ssh, _output) = server.begin("trap '' HUP; sleep 1000 & echo running; sleep 1000");
    assert_eq!(server.programs().len(), 1);
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    server.leaves_no_program();
    server.logs("call ended: the client has gone away");
}

#[test]
fn a_background_process_continues_and_its_client_does_not_wait_for_it() {
    let server = Server::start();
    let output = server.run("sleep 1000 >/dev/null 2>&1 </dev/null & echo $!");
    assert_eq!(server.orphans(), 1);
    process::signal(out(&output).trim().parse().unwrap(), Signal::KILL);
    eventually("it was reaped", || server.orphans() == 0);
}

#[test]
fn openclaws_removal_succeeds_and_keeps_a_mounted_workspace() {
    let server = Server::start_with(&["--keep-workspace", "/workspaces/x/workspace"]);
    let (output, file) = remove(&server);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("the workspace is a mounted volume"), "{}", err(&output));
    assert!(file.exists());
}

#[test]
fn openclaws_removal_removes_what_is_not_mounted() {
    let server = Server::start();
    let (output, file) = remove(&server);
    assert_eq!(output.status.code(), Some(0));
    assert!(!file.exists());
}

/// Runs the command that OpenClaw 2026.9.6 sends for pruning and `sandbox recreate`.
fn remove(server: &Server) -> (Output, PathBuf) {
    let root = server.directory.path("openclaw-ssh-workspace");
    fs::create_dir_all(root.join("workspace")).unwrap();
    let file = root.join("workspace/file");
    fs::write(&file, "precious").unwrap();
    let command = format!(r#"'/bin/sh' '-c' 'rm -rf -- "$1"' 'openclaw-sandbox-remove' '{}'"#, root.display());
    (server.run(&command), file)
}

#[tokio::test]
async fn a_command_that_is_too_long_for_linux_is_refused() {
    let server = Server::start();
    let longest = finish(server.ssh(&[], &[&format!("echo {}", "x".repeat(127 * 1024 - 200))]).spawn().unwrap());
    assert_eq!(longest.status.code(), Some(0));
    let client = client(&server).await;
    let messages = rest(&mut exec(&client, &format!("echo {}", "x".repeat(128 * 1024))).await).await;
    assert!(messages.iter().any(|message| matches!(message, ChannelMsg::ExitStatus { exit_status: 126 })));
}
