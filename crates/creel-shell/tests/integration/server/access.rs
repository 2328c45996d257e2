//! Who may connect, what is refused, and what is logged.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::{err, out};
use crate::fixtures::process::eventually;
use crate::fixtures::server::Server;

#[test]
fn an_unknown_key_a_password_and_no_key_are_refused() {
    let server = Server::start();
    let config = fs::read_to_string(server.directory.path("config")).unwrap();
    let without_key: Vec<_> = config.lines().filter(|line| !line.starts_with("IdentityFile")).collect();
    fs::write(server.directory.path("config"), without_key.join("\n")).unwrap();
    let stranger = server.directory.path("stranger").display().to_string();
    for options in [
        ["-i", &stranger],
        ["-o", "PubkeyAuthentication=no"],
        ["-o", "PreferredAuthentications=password,keyboard-interactive"],
    ] {
        let output = server.run_with(&options, &["echo in"]);
        assert_eq!(output.status.code(), Some(255));
        assert!(out(&output).is_empty() && err(&output).contains("Permission denied (publickey)"), "{}", err(&output));
    }
    server.logs("rejected a key that is not authorized");
}

#[test]
fn forwarding_and_subsystems_are_refused() {
    let server = Server::start();
    let refused = |options: &[&str], command: &[&str]| {
        assert_ne!(server.run_with(options, command).status.code(), Some(0), "{options:?}");
    };
    refused(&["-W", &server.address.to_string()], &[]);
    refused(&["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"], &["true"]);
    let socket = server.directory.path("forwarded").display().to_string();
    refused(&["-o", "ExitOnForwardFailure=yes", "-R", &format!("{socket}:127.0.0.1:1")], &["true"]);
    refused(&["-s"], &["sftp"]);
    let agent = server.run_with(&["-A", "-X"], &["echo ${SSH_AUTH_SOCK-none} ${DISPLAY-none}"]);
    assert_eq!(out(&agent), "none none\n");
}

#[test]
fn connections_that_do_not_log_in_keep_nobody_out_who_does() {
    let server = Server::start();
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.logs("16 connections have not logged in: closing one");
    eventually("a client logs in", || server.run("true").status.success());
    drop(silent);
}

#[test]
fn a_probe_that_sends_nothing_is_not_logged() {
    let server = Server::start();
    for _ in 0..3 {
        let mut probe = TcpStream::connect(server.address).unwrap();
        let mut banner = [0; 8];
        probe.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"SSH-2.0-");
    }
    let mut noise = TcpStream::connect(server.address).unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(server.run("true").status.code(), Some(0));
    server.logs("disconnected");
    let log = server.log();
    assert_eq!(log.lines().filter(|line| !line.contains("call ")).count(), 3, "{log}");
}

#[test]
fn neither_commands_nor_variables_are_logged() {
    let server = Server::start();
    server.run_with(&["-o", "SetEnv=LC_X=whisper"], &["echo murmur; exit 4"]);
    server.logs("call ended: exit status: 4");
    server.logs("disconnected");
    let log = server.log();
    assert!(!log.contains("whisper") && !log.contains("murmur") && !log.contains("from the Pod"), "{log}");
}
