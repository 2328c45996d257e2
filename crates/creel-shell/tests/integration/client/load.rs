//! Much data in both directions.

use std::io::{Read, copy, repeat, sink};
use std::process::Stdio;
use std::thread::scope;

use crate::fixtures::process::{finish, memory};
use crate::fixtures::sshd::Sandbox;
use crate::fixtures::{amount, text};

/// What the mux master may need in addition, and a client in all, in KiB. Far less than the data.
const MASTER_GROWTH: u64 = 4 * 1024;
const CLIENT: u64 = 10 * 1024;

#[test]
fn much_data_in_either_direction_takes_little_memory() {
    let length = amount(64 << 20, 1 << 30);
    let sandbox = Sandbox::running();
    sandbox.assert_works();
    let master = sandbox.master();
    let before = memory(master, "VmRSS");

    let mut child = sandbox.command("wc -c").stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    copy(&mut repeat(b'x').take(length as u64), &mut input).unwrap();
    let client = memory(child.id(), "VmHWM");
    drop(input);
    assert_eq!(text(&finish(child).stdout), format!("{length}\n"));

    let mut child = sandbox.command(&format!("head -c {length} /dev/zero")).spawn().unwrap();
    let received = copy(&mut child.stdout.take().unwrap(), &mut sink()).unwrap();
    assert_eq!(received, length as u64);
    assert!(finish(child).status.success());

    let most = memory(master, "VmHWM");
    assert!(most - before < MASTER_GROWTH, "mux master: {before} KiB before, {most} KiB at most");
    assert!(client < CLIENT, "client: {client} KiB");
}

#[test]
fn data_in_both_directions_at_once_does_not_block() {
    let length = amount(32 << 20, 1 << 30) as u64;
    let sandbox = Sandbox::running();
    let mut child = sandbox.command("cat").stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    scope(|threads| {
        threads.spawn(move || copy(&mut repeat(b'x').take(length), &mut input).unwrap());
        assert_eq!(copy(&mut output, &mut sink()).unwrap(), length);
    });
    assert!(finish(child).status.success());
}
