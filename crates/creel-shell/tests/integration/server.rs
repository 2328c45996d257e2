//! `creel-shell serve` seen through OpenSSH's `ssh`: what calls can do, what is refused, and how the server ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox_server::speaking::{client, exec, output, rest};
use crate::sandbox_server::{Server, eventually, process};
use russh::{ChannelMsg, Sig};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_has_its_own_output_error_output_and_status() {
    let server = Server::start("exec");
    let output = server.run("echo to output; echo to errors >&2; exit 7");
    assert_eq!((out(&output).as_str(), err(&output).as_str()), ("to output\n", "to errors\n"));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn the_end_of_the_input_reaches_the_command_and_its_output_goes_on() {
    let server = Server::start("eof");
    let output = server.feed(&[], &["cat; sleep 0.1; echo after the end"], "input\n");
    assert_eq!(out(&output), "input\nafter the end\n");
}

#[test]
fn the_status_arrives_although_input_and_output_have_ended() {
    let server = Server::start("status");
    assert_eq!(server.run("exec >&- 2>&-; sleep 0.3; exit 3").status.code(), Some(3));
    let socket = server.path("socket").display().to_string();
    let mut master = server.ssh(&["-M", "-N", "-S", &socket], &[]).spawn().unwrap();
    eventually("the connection is there", || server.path("socket").exists());
    for _ in 0..100 {
        let status = server.ssh(&["-S", &socket], &["exit 3"]).status().unwrap();
        assert_eq!(status.code(), Some(3));
    }
    master.kill().unwrap();
    master.wait().unwrap();
}

#[test]
fn a_shell_runs_what_it_reads() {
    let server = Server::start("shell");
    let output = server.feed(&[], &[], "echo $((1 + 1)); exit 3\n");
    assert_eq!((out(&output).as_str(), output.status.code()), ("2\n", Some(3)));
}

#[test]
fn a_terminal_is_one_and_ends_its_input_like_one() {
    let server = Server::start("pty");
    let output = server.feed(&["-tt"], &["tty; stty -echo; echo $TERM; cat; echo end"], "typed\n");
    let text = out(&output);
    assert!(text.contains("/dev/pts/") && text.contains("typed") && text.contains("end\r\n"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_terminal_has_the_size_that_its_client_says() {
    let server = Server::start("size");
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
async fn a_signal_reaches_the_whole_command_and_is_told_as_its_end() {
    let server = Server::start("signal");
    let client = client(&server).await;
    let mut channel = exec(&client, "sleep 1000 & echo ready; wait").await;
    while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {}
    channel.signal(Sig::TERM).await.unwrap();
    let messages = rest(&mut channel).await;
    let ended = |message: &ChannelMsg| matches!(message, ChannelMsg::ExitSignal { signal_name: Sig::TERM, .. });
    assert!(messages.iter().any(ended), "{messages:?}");
    eventually("no program is left", || server.programs().is_empty() && server.orphans() == 0);
}

#[test]
fn calls_have_the_environment_of_the_pod_and_may_add_only_their_language() {
    let server = Server::start("environment");
    let options = ["-o", "SetEnv=LC_TEST=german LD_TEST=no"];
    let command = "echo $SECRET_OF_THE_POD, $LC_TEST, ${LD_TEST-nothing}";
    let output = server.ssh(&options, &[command]).output().unwrap();
    assert_eq!(out(&output), "from the Pod, german, nothing\n");
}

#[test]
fn another_key_a_password_and_no_key_at_all_are_refused() {
    let server = Server::start("keys");
    let config = fs::read_to_string(server.path("config")).unwrap();
    let without_key: Vec<_> = config.lines().filter(|line| !line.starts_with("IdentityFile")).collect();
    fs::write(server.path("config"), without_key.join("\n")).unwrap();
    let stranger = server.path("stranger").display().to_string();
    for options in [
        ["-i", &stranger],
        ["-o", "PubkeyAuthentication=no"],
        ["-o", "PreferredAuthentications=password,keyboard-interactive"],
    ] {
        let output = server.ssh(&options, &["echo in"]).output().unwrap();
        assert_eq!(output.status.code(), Some(255));
        assert!(out(&output).is_empty() && err(&output).contains("Permission denied (publickey)"), "{}", err(&output));
    }
    server.says("a key that is not authorized was refused");
}

#[test]
fn forwards_and_subsystems_are_refused() {
    let server = Server::start("forwards");
    let refused = |options: &[&str], command: &[&str]| {
        let output = server.ssh(options, command).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{options:?}");
    };
    refused(&["-W", &server.address.to_string()], &[]);
    refused(&["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"], &["true"]);
    let socket = server.path("forwarded").display().to_string();
    refused(&["-o", "ExitOnForwardFailure=yes", "-R", &format!("{socket}:127.0.0.1:1")], &["true"]);
    refused(&["-s"], &["sftp"]);
    let agent = server.ssh(&["-A", "-X"], &["echo ${SSH_AUTH_SOCK-none} ${DISPLAY-none}"]).output().unwrap();
    assert_eq!(out(&agent), "none none\n");
}

#[test]
fn a_client_that_is_killed_takes_its_whole_command_with_it() {
    let server = Server::start("killed");
    let (mut ssh, _output) = server.begin("trap '' HUP; sleep 1000 & echo running; sleep 1000");
    assert_eq!(server.programs().len(), 1);
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    eventually("no program is left", || server.programs().is_empty() && server.orphans() == 0);
    server.says("was left by its client");
}

#[test]
fn what_a_command_leaves_in_the_background_goes_on_without_holding_its_client_up() {
    let server = Server::start("background");
    let output = server.run("sleep 1000 >/dev/null 2>&1 </dev/null & echo $!");
    let left = process(out(&output).trim().parse().unwrap());
    assert_eq!(server.orphans(), 1);
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    eventually("it was waited for", || server.orphans() == 0);
}

#[test]
fn a_removal_by_openclaw_succeeds_and_leaves_a_mounted_workspace_whole() {
    let server = Server::start_with("removal", &["--keep-workspace", "/workspaces/x/workspace"]);
    let (output, file) = remove(&server);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("the workspace is mounted here and is kept"), "{}", err(&output));
    assert!(file.exists());
}

#[test]
fn a_removal_by_openclaw_removes_what_is_not_mounted() {
    let server = Server::start("scratch");
    let (output, file) = remove(&server);
    assert_eq!(output.status.code(), Some(0));
    assert!(!file.exists());
}

/// What OpenClaw 2026.9.6 sends for prune and `sandbox recreate`.
fn remove(server: &Server) -> (Output, std::path::PathBuf) {
    let root = server.path("openclaw-ssh-workspace");
    fs::create_dir_all(root.join("workspace")).unwrap();
    let file = root.join("workspace/file");
    fs::write(&file, "precious").unwrap();
    let command = format!(r#"'/bin/sh' '-c' 'rm -rf -- "$1"' 'openclaw-sandbox-remove' '{}'"#, root.display());
    (server.run(&command), file)
}

#[test]
fn a_command_that_linux_cannot_run_says_so() {
    let server = Server::start("long");
    let output = server.run(&format!("echo {}", "x".repeat(127 * 1024 - 200)));
    assert_eq!(output.status.code(), Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let messages = runtime.block_on(async {
        let client = client(&server).await;
        rest(&mut exec(&client, &format!("echo {}", "x".repeat(128 * 1024))).await).await
    });
    assert!(messages.iter().any(|message| matches!(message, ChannelMsg::ExitStatus { exit_status: 126 })));
}

#[test]
fn a_probe_that_says_nothing_leaves_no_line() {
    let server = Server::start("probe");
    for _ in 0..3 {
        let mut probe = TcpStream::connect(server.address).unwrap();
        let mut banner = [0; 8];
        probe.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"SSH-2.0-");
    }
    let mut noise = TcpStream::connect(server.address).unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(server.run("true").status.code(), Some(0));
    server.says("disconnected");
    let log = server.log();
    assert_eq!(log.lines().filter(|line| !line.contains("call ")).count(), 3, "{log}");
}

#[test]
fn neither_commands_nor_variables_are_logged() {
    let server = Server::start("discreet");
    server.ssh(&["-o", "SetEnv=LC_X=whisper"], &["echo murmur; exit 4"]).output().unwrap();
    server.says("call ended (exit status: 4)");
    server.says("disconnected");
    let log = server.log();
    assert!(!log.contains("whisper") && !log.contains("murmur") && !log.contains("from the Pod"), "{log}");
}

#[test]
fn a_drained_server_takes_calls_while_one_runs_and_then_ends_well() {
    let file = std::env::temp_dir().join(format!("creel-drain-{}", std::process::id()));
    fs::write(&file, "false").unwrap();
    let mut server = Server::start_with("drain", &["--drain-file", &file.display().to_string()]);
    let (mut ssh, _output) = server.begin("echo running; sleep 1000");
    fs::write(&file, "true\n").unwrap();
    server.says("draining: 1 calls run");
    assert_eq!(out(&server.run("echo another")), "another\n");
    assert!(!server.has_ended());
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    assert_eq!(server.status(), Some(0));
    server.says("drained: no call runs");
    fs::remove_file(file).unwrap();
}

#[test]
fn a_server_that_is_not_told_to_drain_stays() {
    let missing = "/nonexistent/drain";
    let mut server = Server::start_with("stays", &["--drain-file", missing]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        assert!(!server.has_ended());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_idle_server_ends_at_once_on_sigterm() {
    let mut server = Server::start("idle");
    let start = Instant::now();
    server.terminate();
    assert_eq!(server.status(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_running_call_may_finish_after_sigterm_and_none_begins() {
    let mut server = Server::start("finish");
    let mut ssh =
        server.ssh(&[], &["echo running; read line; echo finished $line"]).stdin(Stdio::piped()).spawn().unwrap();
    server.says("connected");
    eventually("the call runs", || server.programs().len() == 1);
    server.terminate();
    server.says("stopping: 1 calls run");
    assert_eq!(server.run("true").status.code(), Some(255));
    ssh.stdin.take().unwrap().write_all(b"well\n").unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert_eq!((out(&output).as_str(), output.status.code()), ("running\nfinished well\n", Some(0)));
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_call_that_outlives_the_grace_is_ended() {
    let mut server = Server::start_with("grace", &["--grace", "1"]);
    let (ssh, mut output) = server.begin("trap '' HUP; echo running; sleep 1000; echo not reached");
    server.terminate();
    assert_eq!(server.status(), Some(0));
    server.says("was ended with the server");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!(ssh.wait_with_output().unwrap().status.code(), Some(255));
}
