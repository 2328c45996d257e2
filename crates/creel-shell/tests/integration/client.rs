//! Runs `creel-shell-ssh` as OpenClaw does, against a real sshd on 127.0.0.1. Touches temporary directories and the
//! loopback network; needs the Debian package openssh-server.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::sshd::{BINARY, HOST, Sandbox, assert_fails, id, memory, text, until};
use creel_shell::client::NAME;
use creel_shell::client::rendezvous::{Rendezvous, holder};
use creel_shell::client::target::Target;
use rustix::process::{Signal, kill_process};

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
fn a_signal_that_ends_the_remote_command_is_told_as_a_shell_does() {
    let sandbox = Sandbox::running();
    assert_eq!(sandbox.run("kill -TERM $$").status.code(), Some(128 + 15));
    assert_eq!(sandbox.run("kill -KILL $$").status.code(), Some(128 + 9));
}

#[test]
fn input_reaches_the_command_and_ends_there() {
    let sandbox = Sandbox::running();
    let mut child = sandbox.command("wc -c; echo over").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&b"x".repeat(300_000)).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "300000\nover\n");
}

#[test]
fn files_sockets_and_devices_serve_as_streams() {
    let sandbox = Sandbox::running();
    let data: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(sandbox.path("data"), &data).unwrap();
    let input = fs::File::open(sandbox.path("data")).unwrap();
    let output = fs::File::create(sandbox.path("copy")).unwrap();
    assert!(sandbox.command("cat").stdin(input).stdout(output).status().unwrap().success());
    assert!(fs::read(sandbox.path("copy")).unwrap() == data);

    // As Node.js does: a pair of sockets for each stream.
    let (ours_in, theirs_in) = std::os::unix::net::UnixStream::pair().unwrap();
    let (mut ours_out, theirs_out) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = sandbox.command("cat");
    command.stdin(OwnedFd::from(theirs_in)).stdout(OwnedFd::from(theirs_out));
    let mut child = command.spawn().unwrap();
    drop(command);
    scope(|threads| {
        threads.spawn(|| {
            let mut ours_in = ours_in;
            ours_in.write_all(&data).unwrap();
        });
        let mut received = Vec::new();
        ours_out.read_to_end(&mut received).unwrap();
        assert!(received == data);
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_end_of_the_output_is_seen_before_the_command_ends() {
    let sandbox = Sandbox::running();
    let mut command = sandbox.command("echo last; exec >&- 2>&-; read line; test \"$line\" = go");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, "last\n");
    assert!(child.try_wait().unwrap().is_none());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_terminal_has_the_size_of_the_callers() {
    let sandbox = Sandbox::running();
    let terminal = |command| sandbox.call(&["-tt", "-o", "RequestTTY=force", HOST, command]);
    let output = terminal("tty; stty size").output().unwrap();
    let lines = text(&output.stdout);
    assert!(lines.starts_with("/dev/pts/") && lines.ends_with("\r\n24 80\r\n"), "{lines}");

    let call = format!(
        "stty rows 33 cols 99; {} -F {} -tt -o RequestTTY=force {HOST} 'stty size; exit 5'; echo \"status $?\"; stty -a",
        sandbox.path(NAME).display(),
        sandbox.path("config").display()
    );
    let output = Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .env("TMPDIR", &sandbox.directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let lines = text(&output.stdout);
    assert!(lines.contains("33 99\r\n") && lines.contains("status 5\r\n"), "{lines}");
    assert!(lines.contains(" icanon") && lines.contains(" echo "), "the terminal is what it was: {lines}");
}

#[test]
fn two_hundred_calls_share_one_connection() {
    let sandbox = Sandbox::running();
    for _ in 0..200 {
        assert!(sandbox.run("true").status.success());
    }
    assert_eq!(sandbox.connections(), 1);
    assert_eq!(sandbox.holders().len(), 1);
}

#[test]
fn twenty_first_calls_at_once_share_one_connection() {
    let sandbox = Sandbox::running();
    scope(|threads| {
        let calls: Vec<_> = (0..20)
            .map(|n| (n, sandbox.command(&format!("echo {n}"))))
            .map(|(n, mut call)| threads.spawn(move || (n, call.output().unwrap())))
            .collect();
        for call in calls {
            let (n, output) = call.join().unwrap();
            assert_eq!((text(&output.stdout), text(&output.stderr)), (format!("{n}\n").as_str(), ""));
        }
    });
    assert_eq!(sandbox.connections(), 1);
    assert_eq!(sandbox.holders().len(), 1);
}

#[test]
fn the_holder_keeps_nothing_of_the_call_that_started_it() {
    let sandbox = Sandbox::running();
    let child = sandbox.command("true").spawn().unwrap();
    let caller = child.id();
    // Ends only when nobody holds the other end of the pipes.
    assert!(child.wait_with_output().unwrap().status.success());
    let holder = sandbox.holder();
    let link = |name: &str| fs::read_link(format!("/proc/{holder}/{name}")).unwrap();
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream), Path::new("/dev/null"));
    }
    assert_eq!(link("cwd"), Path::new("/"));
    assert_eq!(fs::read(format!("/proc/{holder}/environ")).unwrap(), b"");
    let stat = fs::read_to_string(format!("/proc/{holder}/stat")).unwrap();
    let numbers: Vec<u32> =
        stat.rsplit(") ").next().unwrap().split(' ').skip(1).map_while(|n| n.parse().ok()).collect();
    let [parent, group, session] = numbers[..3] else { panic!("{stat}") };
    assert!(![caller, std::process::id()].contains(&parent), "it is no child of the call's");
    assert!(![caller, std::process::id()].contains(&group) && group == session);
}

#[test]
fn another_host_key_is_refused_whatever_the_configuration_says() {
    let sandbox = Sandbox::running();
    sandbox.make_key("other");
    sandbox.believe("other.pub");
    for strict in ["yes", "no"] {
        sandbox.configure("ConnectTimeout 5", strict);
        assert_fails(&sandbox.run("true"), "host key verification failed: 127.0.0.1:");
    }
    fs::write(sandbox.path("known_hosts"), "").unwrap();
    assert_fails(&sandbox.run("true"), "known_hosts has no ssh-ed25519 key for [127.0.0.1]:");
    assert_eq!(sandbox.connections(), 0);
}

#[test]
fn another_key_never_gets_the_connection_of_the_first() {
    let sandbox = Sandbox::running();
    assert!(sandbox.run("true").status.success());
    sandbox.make_key("identity");
    assert_fails(&sandbox.run("true"), "refused the client key of user");
    assert_eq!(sandbox.connections(), 1);
}

#[test]
fn a_name_instead_of_an_address_is_refused() {
    let sandbox = Sandbox::absent();
    let config = fs::read_to_string(sandbox.path("config")).unwrap().replace("HostName 127.0.0.1", "HostName sandbox");
    fs::write(sandbox.path("config"), config).unwrap();
    assert_fails(&sandbox.run("true"), "the target's host `sandbox` is not an IP address");
}

#[test]
fn a_sandbox_that_is_not_there_is_waited_for_a_moment_and_then_missed() {
    let mut sandbox = Sandbox::absent();
    let start = Instant::now();
    assert_fails(&sandbox.run("true"), "cannot be reached: Connection refused");
    assert!(start.elapsed() < Duration::from_secs(6), "longer than the configuration's ConnectTimeout");
    let call = sandbox.command("true").spawn().unwrap();
    sandbox.start();
    assert!(call.wait_with_output().unwrap().status.success(), "it came back while the call waited for it");
}

#[test]
fn a_sandbox_that_says_nothing_fails_after_the_connect_timeout_for_all_who_wait() {
    let sandbox = Sandbox::absent();
    sandbox.configure("ConnectTimeout 1", "yes");
    let _silent = TcpListener::bind(("127.0.0.1", sandbox.port)).unwrap();
    let start = Instant::now();
    scope(|threads| {
        for call in [threads.spawn(|| sandbox.run("true")), threads.spawn(|| sandbox.run("true"))] {
            assert_fails(&call.join().unwrap(), "did not complete the SSH handshake within 1 s");
        }
    });
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_lost_connection_ends_the_call_and_the_next_one_connects_anew() {
    let mut sandbox = Sandbox::running();
    let mut child = sandbox.command("echo begun; cat").stdin(Stdio::piped()).spawn().unwrap();
    let _input = child.stdin.take();
    let mut begun = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    let start = Instant::now();
    sandbox.stop();
    let message = format!("creel-shell: the connection to the sandbox 127.0.0.1:{} was lost: ", sandbox.port);
    assert_fails(&child.wait_with_output().unwrap(), &message);
    assert!(start.elapsed() < Duration::from_secs(3));
    until("the holder ends", || sandbox.holders().is_empty());
    sandbox.start();
    assert_eq!(text(&sandbox.run("echo again").stdout), "again\n");
}

#[test]
fn a_connection_that_was_lost_between_calls_is_not_noticed() {
    let mut sandbox = Sandbox::running();
    for _ in 0..3 {
        assert!(sandbox.run("true").status.success());
        sandbox.stop();
        sandbox.start();
    }
}

#[test]
fn a_frozen_sandbox_does_not_hold_up_the_next_call_for_long() {
    let sandbox = Sandbox::running();
    sandbox.configure("ConnectTimeout 1", "yes");
    assert!(sandbox.run("true").status.success());
    sandbox.signal(Signal::STOP);
    let start = Instant::now();
    let output = sandbox.run("true");
    sandbox.signal(Signal::CONT);
    assert_fails(&output, "did not complete the SSH handshake within 1 s");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(sandbox.run("true").status.success());
}

#[test]
fn a_sandbox_that_freezes_in_the_middle_of_a_call_ends_it() {
    for uploads in [false, true] {
        let sandbox = Sandbox::running();
        let config = fs::read_to_string(sandbox.path("config")).unwrap();
        fs::write(sandbox.path("config"), config.replace("AliveInterval 15", "AliveInterval 1")).unwrap();
        let mut child = sandbox.command("echo begun; cat > /dev/null").stdin(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let mut input = child.stdin.take().unwrap();
        scope(|threads| {
            let writer = uploads.then(|| threads.spawn(|| std::io::copy(&mut std::io::repeat(b'x'), &mut input)));
            sandbox.signal(Signal::STOP);
            let start = Instant::now();
            let output = child.wait_with_output().unwrap();
            sandbox.signal(Signal::CONT);
            assert!(start.elapsed() < Duration::from_secs(10));
            assert_fails(&output, "answered none of 3 keepalives");
            assert!(writer.is_none_or(|writer| writer.join().unwrap().is_err()));
        });
    }
}

#[test]
fn a_killed_caller_ends_its_remote_command_and_no_other() {
    let sandbox = Sandbox::running();
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let ended = sandbox.path("ended");
        let mut other = sandbox.command("echo begun; read line; echo done").stdin(Stdio::piped()).spawn().unwrap();
        let script = format!("trap '' TERM; echo begun; cat > /dev/null; touch {}", ended.display());
        let mut child = sandbox.command(&script).stdin(Stdio::piped()).spawn().unwrap();
        for call in [&mut other, &mut child] {
            call.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        }
        kill_process(id(child.id()), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
        until("the remote command ends", || ended.exists());
        fs::remove_file(ended).unwrap();
        other.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(text(&other.wait_with_output().unwrap().stdout), "done\n");
    }
    assert_eq!(sandbox.connections(), 1);
}

#[test]
fn the_holder_ends_when_it_is_idle() {
    let sandbox = Sandbox::running();
    let target = Target::read(&sandbox.path("config"), HOST).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let directory = sandbox.path(&format!("creel-shell-{uid}"));
    let listener = Rendezvous::open(&directory).unwrap().listen(&target.key()).unwrap();
    let mut command = Command::new(BINARY);
    command.args(holder(&directory, &target.key()).unwrap().get_args());
    command.args(["--resident", "--idle", "1"]).stdin(OwnedFd::from(listener));
    let mut holder = command.spawn().unwrap();
    drop(command);
    assert!(sandbox.run("sleep 1.5").status.success(), "a call that lasts is not idleness");
    assert_eq!(sandbox.holder(), holder.id());
    assert!(holder.wait().unwrap().success());
    assert_eq!(fs::read_dir(&directory).unwrap().filter(|e| e.as_ref().unwrap().file_name() != "lock").count(), 0);
    assert!(sandbox.run("true").status.success());
    assert_eq!(sandbox.connections(), 2);
}

#[test]
fn calls_while_holders_come_and_go_do_not_fail() {
    let sandbox = Sandbox::running();
    let target = Target::read(&sandbox.path("config"), HOST).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let rendezvous = Rendezvous::open(&sandbox.path(&format!("creel-shell-{uid}"))).unwrap();
    scope(|threads| {
        let calls: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| (0..20).for_each(|_| assert_eq!(text(&sandbox.run("true").stderr), ""))))
            .collect();
        // What is seen of a holder that ends: its socket is gone before it is.
        while calls.iter().any(|call| !call.is_finished()) {
            rendezvous.remove(&target.key()).unwrap();
            sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn what_a_killed_holder_leaves_behind_is_replaced() {
    let sandbox = Sandbox::running();
    let mut child = sandbox.command("echo begun; cat").stdin(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    kill_process(id(sandbox.holder()), Signal::KILL).unwrap();
    assert_fails(&child.wait_with_output().unwrap(), "ended in the middle of the call");
    assert!(sandbox.run("true").status.success());
}

#[test]
fn a_directory_that_others_could_use_is_refused() {
    let sandbox = Sandbox::running();
    let directory = sandbox.path(&format!("creel-shell-{}", rustix::process::geteuid().as_raw()));
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    assert_fails(&sandbox.run("true"), "is not this user's alone (owner");
    fs::remove_dir(&directory).unwrap();
    symlink("/tmp", &directory).unwrap();
    assert_fails(&sandbox.run("true"), "cannot be used: Not a directory");
}

#[test]
fn a_gigabyte_each_way_takes_little_memory() {
    const MUCH: u64 = 1 << 30;
    let sandbox = Sandbox::running();
    assert!(sandbox.run("true").status.success());
    let holder = sandbox.holder();
    let before = memory(holder, "VmRSS");

    let mut child = sandbox.command("wc -c").stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::copy(&mut std::io::repeat(b'x').take(MUCH), &mut input).unwrap();
    let caller = memory(child.id(), "VmHWM");
    drop(input);
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), format!("{MUCH}\n"));

    let mut child = sandbox.command(&format!("head -c {MUCH} /dev/zero")).spawn().unwrap();
    let received = std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert_eq!(received, MUCH);
    assert!(child.wait().unwrap().success());

    let peak = memory(holder, "VmHWM");
    eprintln!("holder: {before} KiB before, {peak} KiB at most; caller {caller} KiB");
    assert!(peak - before < 4 * 1024, "{before} KiB before, {peak} KiB at most");
    assert!(caller < 10 * 1024, "{caller} KiB");
}

#[test]
fn both_ways_at_once_neither_side_waits_for_ever() {
    const MUCH: usize = 100 << 20;
    let sandbox = Sandbox::running();
    let mut child = sandbox.command("cat").stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    scope(|threads| {
        threads.spawn(move || std::io::copy(&mut std::io::repeat(b'x').take(MUCH as u64), &mut input).unwrap());
        assert_eq!(std::io::copy(&mut output, &mut std::io::sink()).unwrap(), MUCH as u64);
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn output_that_nobody_reads_does_not_hold_up_other_calls_for_ever() {
    let sandbox = Sandbox::running();
    sandbox.configure("ConnectTimeout 1", "yes");
    let unread = sandbox.command("yes").spawn().unwrap();
    let holder = loop {
        match sandbox.holders()[..] {
            [holder] => break holder,
            _ => sleep(Duration::from_millis(20)),
        }
    };
    // Its queues are full when it takes no more time.
    let busy = || fs::read_to_string(format!("/proc/{holder}/stat")).unwrap().split(' ').nth(13).unwrap().to_owned();
    until("the holder waits", || {
        let before = busy();
        sleep(Duration::from_millis(300));
        before == busy()
    });
    let start = Instant::now();
    let waiting = sandbox.command("sleep 14").spawn().unwrap();
    assert!(sandbox.run("true").status.success());
    assert!(start.elapsed() < Duration::from_secs(4), "a new call gets a new connection");
    let mut unread = unread;
    let status = unread.wait().unwrap();
    let mut error = String::new();
    unread.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(error.contains("nobody read the output for 10 s"), "{error}");
    assert_eq!(status.code(), Some(255));
    assert!(waiting.wait_with_output().unwrap().status.success());
}
