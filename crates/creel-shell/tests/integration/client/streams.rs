//! Input, output, status and terminal of a call are those of its command.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::scope;

use crate::fixtures::client::HOST;
use crate::fixtures::process::finish;
use crate::fixtures::sshd::Sandbox;
use crate::fixtures::text;

#[test]
fn status_output_and_errors_are_those_of_the_remote_command() {
    let sandbox = Sandbox::running();
    let output = sandbox.run("echo out; echo error >&2; exit 7");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "error\n"));
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(sandbox.run("true").status.code(), Some(0));
    assert_eq!(sandbox.run("exit 255").status.code(), Some(255));
}

#[test]
fn a_signal_that_ends_the_remote_command_is_reported_as_by_a_shell() {
    let sandbox = Sandbox::running();
    assert_eq!(sandbox.run("kill -TERM $$").status.code(), Some(128 + 15));
    assert_eq!(sandbox.run("kill -KILL $$").status.code(), Some(128 + 9));
}

#[test]
fn the_command_gets_the_input_and_its_end() {
    let sandbox = Sandbox::running();
    let mut child = sandbox.command("wc -c; echo over").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&b"x".repeat(300_000)).unwrap();
    assert_eq!(text(&finish(child).stdout), "300000\nover\n");
}

#[test]
fn files_sockets_and_devices_can_be_the_standard_streams() {
    let sandbox = Sandbox::running();
    let (original, copy) = (sandbox.directory.path("original"), sandbox.directory.path("copy"));
    let data: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(&original, &data).unwrap();
    let (input, output) = (File::open(&original).unwrap(), File::create(&copy).unwrap());
    assert!(sandbox.command("cat").stdin(input).stdout(output).status().unwrap().success());
    assert!(fs::read(&copy).unwrap() == data);

    // Node.js uses a pair of sockets for each stream.
    let (mut input, their_input) = UnixStream::pair().unwrap();
    let (mut output, their_output) = UnixStream::pair().unwrap();
    let mut command = sandbox.command("cat");
    command.stdin(OwnedFd::from(their_input)).stdout(OwnedFd::from(their_output));
    let child = command.spawn().unwrap();
    drop(command);
    scope(|threads| {
        let expected = &data;
        threads.spawn(move || {
            input.write_all(expected).unwrap();
            drop(input);
        });
        let mut received = Vec::new();
        output.read_to_end(&mut received).unwrap();
        assert!(received == data);
    });
    assert!(finish(child).status.success());
}

#[test]
fn the_end_of_the_output_is_seen_before_the_command_ends() {
    let sandbox = Sandbox::running();
    let mut call = sandbox.start("echo running; echo last; exec >&- 2>&-; read line; test \"$line\" = go");
    assert_eq!(call.rest(), "last\n");
    call.write(b"go\n");
    assert!(call.finish().status.success());
}

#[test]
fn a_terminal_has_the_size_of_the_clients_terminal() {
    let sandbox = Sandbox::running();
    let output = sandbox.terminal("tty; stty size").output().unwrap();
    let lines = text(&output.stdout);
    assert!(lines.starts_with("/dev/pts/") && lines.ends_with("\r\n24 80\r\n"), "{lines}");

    let call = format!(
        "stty rows 33 cols 99; {} -F {} -tt -o RequestTTY=force {HOST} 'stty size; exit 5'; echo \"status $?\"; stty -a",
        sandbox.program().display(),
        sandbox.config_file().display()
    );
    let output = Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .env("TMPDIR", &*sandbox.directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let lines = text(&output.stdout);
    assert!(lines.contains("33 99\r\n") && lines.contains("status 5\r\n"), "{lines}");
    assert!(lines.contains(" icanon") && lines.contains(" echo "), "the terminal is restored: {lines}");
}
