//! `creel-shell-ssh` and `creel-shell serve` together, as they are between a gateway and its sandbox.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::thread::scope;
use std::time::{Duration, Instant};

use crate::pair::{Pair, assert_fails, gone, memory, open_files, text};
use crate::sandbox_server::{children, eventually, process};
use rustix::process::{Signal, kill_process};

/// What the memory of either side may grow by, in kB.
const GROWTH: u64 = 10 * 1024;

/// Long enough for two seconds of patience with a program that does not want to end, on a busy machine.
const SECONDS: Duration = Duration::from_secs(8);

fn signal(call: &Child, signal: Signal) {
    kill_process(process(call.id()), signal).unwrap();
}

#[test]
fn more_calls_at_once_than_a_connection_takes_run_on_another_one() {
    let pair = Pair::start("another");
    let begin = || pair.begin_call("echo running; read line; echo $line");
    let end = |(mut call, mut output): (Child, std::io::BufReader<std::process::ChildStdout>)| {
        call.stdin.take().unwrap().write_all(b"done\n").unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), call.wait().unwrap().code()), ("done\n", Some(0)));
    };
    let first = begin();
    let others: Vec<_> = (1..70).map(|_| begin()).collect();
    assert_eq!(pair.connections(), (2, 2));
    others.into_iter().for_each(end);
    assert_eq!(pair.connections(), (2, 2), "a call still runs on the first");
    end(first);
    eventually("the first has ended", || pair.connections() == (2, 1));
    pair.assert_works();
    assert_eq!(pair.connections(), (2, 1));
}

#[test]
fn thousands_of_short_calls_leave_nothing_behind_on_either_side() {
    let pair = Pair::start("many");
    let call = |number: usize| {
        let output = pair.call(&format!("echo {number}; exit {}", number % 5));
        assert_eq!((text(&output.stdout).trim(), text(&output.stderr)), (number.to_string().as_str(), ""));
        assert_eq!(output.status.code(), i32::try_from(number % 5).ok());
    };
    call(0);
    let holder = pair.holder();
    let before = (pair.memory("VmRSS:"), memory(holder, "VmRSS:"), pair.open_files(), open_files(holder));
    // Two at a time, as many as processors: the end of one overlaps with the beginning of the next.
    scope(|threads| (0..2).for_each(|first| drop(threads.spawn(move || (first..2500).step_by(2).for_each(call)))));

    assert_eq!(pair.holder(), holder);
    eventually("no process is left", || {
        pair.programs().is_empty() && pair.orphans() == 0 && children(holder).is_empty()
    });
    eventually("no connection is left but one", || pair.connections() == (2, 1));
    eventually("no file is left open", || pair.open_files() <= before.2 && open_files(holder) <= before.3);
    let most = (pair.memory("VmHWM:"), memory(holder, "VmHWM:"));
    eprintln!("before, at most (kB): server {}, {}; holder {}, {}", before.0, most.0, before.1, most.1);
    assert!(most.0 < before.0 + GROWTH && most.1 < before.1 + GROWTH);
}

/// A megabyte that no part of the way could make up.
fn megabyte() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..1 << 20).map(|_| next()).collect()
}

/// Writes so many megabytes, and ends.
fn write(mut to: impl Write, megabytes: usize) {
    let megabyte = megabyte();
    (0..megabytes).for_each(|_| to.write_all(&megabyte).unwrap());
}

/// Asserts that exactly these megabytes come.
fn read(mut from: impl Read, megabytes: usize) {
    let (expected, mut piece) = (megabyte(), vec![0; 1 << 20]);
    for number in 0..megabytes {
        from.read_exact(&mut piece).unwrap();
        assert!(piece == expected, "megabyte {number} is another one");
    }
    assert_eq!(from.read(&mut piece).unwrap(), 0);
}

#[test]
fn much_data_arrives_whole_either_way_and_both_ways_at_once() {
    const MUCH: usize = 256;
    let pair = Pair::start("much");
    pair.assert_works();
    let holder = pair.holder();
    let before = (pair.memory("VmRSS:"), memory(holder, "VmRSS:"));
    let file = pair.path("much");

    let mut call = pair.command(&format!("cat > {}", file.display())).stdin(Stdio::piped()).spawn().unwrap();
    write(call.stdin.take().unwrap(), MUCH);
    assert!(call.wait().unwrap().success());
    read(fs::File::open(&file).unwrap(), MUCH);

    let mut call = pair.command(&format!("cat {}", file.display())).spawn().unwrap();
    read(call.stdout.take().unwrap(), MUCH);
    assert!(call.wait().unwrap().success());
    fs::remove_file(&file).unwrap();

    let mut call = pair.command("cat").stdin(Stdio::piped()).spawn().unwrap();
    let input = call.stdin.take().unwrap();
    scope(|threads| {
        threads.spawn(|| write(input, MUCH));
        read(call.stdout.take().unwrap(), MUCH);
    });
    assert!(call.wait().unwrap().success());

    let most = (pair.memory("VmHWM:"), memory(holder, "VmHWM:"));
    eprintln!("before, at most (kB): server {}, {}; holder {}, {}", before.0, most.0, before.1, most.1);
    assert!(most.0 < before.0 + GROWTH && most.1 < before.1 + GROWTH);
}

#[test]
fn the_remote_group_ends_with_the_client() {
    let pair = Pair::start("killed");
    for (number, with) in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP].into_iter().enumerate() {
        let seconds = format!("{}{number}", 100_000 + std::process::id());
        // A shell that does not want to end, one that it started, and a program in the background of that one.
        let script = format!("trap '' TERM HUP INT; (sleep {seconds} & wait) & echo running; wait; sleep {seconds}");
        let (mut call, _output) = pair.begin_call(&script);
        let start = Instant::now();
        signal(&call, with);
        call.wait().unwrap();
        gone(&seconds);
        eventually("no program is left", || pair.programs().is_empty());
        assert!(start.elapsed() < SECONDS, "{with:?}: {:?}", start.elapsed());
        pair.assert_works();
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_call_ends_it_and_the_next_one_works() {
    let mut pair = Pair::start("restarted");
    for _ in 0..3 {
        let (call, _output) = pair.begin_call("echo running; cat");
        let start = Instant::now();
        pair.kill();
        assert_fails(&call.wait_with_output().unwrap(), "was lost: the sandbox closed it");
        assert_fails(&pair.call("true"), "cannot be reached: Connection refused");
        assert!(start.elapsed() < SECONDS, "{:?}", start.elapsed());
        pair.start_again();
        pair.assert_works();
    }
}

#[test]
fn a_server_that_stops_ends_the_calls_that_do_not_end_and_the_next_one_works() {
    let mut pair = Pair::start_with("stopped", &["--grace", "0"]);
    let (call, _output) = pair.begin_call("echo running; exec sleep 1000");
    let start = Instant::now();
    pair.terminate();
    assert_fails(&call.wait_with_output().unwrap(), "ended the command without an exit status");
    assert_eq!(pair.status(), Some(0));
    assert!(start.elapsed() < SECONDS, "{:?}", start.elapsed());
    pair.start_again();
    pair.assert_works();
}

#[test]
fn a_server_that_drains_lets_a_call_end_as_it_would() {
    let drain = std::env::temp_dir().join(format!("creel-pair-drain-{}", std::process::id()));
    let mut pair = Pair::start_with("drained", &["--drain-file", drain.to_str().unwrap()]);
    let (mut call, mut output) = pair.begin_call("echo running; read line; echo $line; exit 6");
    fs::write(&drain, "true\n").unwrap();
    pair.says("draining: 1 calls run");
    pair.assert_works();
    call.stdin.take().unwrap().write_all(b"last\n").unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), call.wait().unwrap().code()), ("last\n", Some(6)));
    assert_eq!(pair.status(), Some(0));
    fs::remove_file(&drain).unwrap();
    pair.start_again();
    pair.assert_works();
}

#[test]
fn another_key_on_either_side_is_refused() {
    let pair = Pair::start("keys");
    let stranger = fs::read_to_string(pair.path("stranger.pub")).unwrap();
    let line = format!("[{}]:{} {stranger}", pair.address.ip(), pair.address.port());
    fs::write(pair.path("known_strangers"), line).unwrap();
    pair.configure_calls("known_strangers", "client");
    assert_fails(&pair.call("true"), "host key verification failed");
    pair.configure_calls("known_hosts", "stranger");
    assert_fails(&pair.call("true"), "refused the client key of user `sandbox`");
    pair.says("a key that is not authorized was refused");
    pair.configure_calls("known_hosts", "client");
    pair.assert_works();
}

#[test]
fn either_side_may_end_its_stream_before_the_other() {
    let pair = Pair::start("half");
    let (mut call, mut output) =
        pair.begin_call("echo running; cat; for n in 1 2 3; do sleep 0.2; echo $n; done; exit 4");
    drop(call.stdin.take());
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), call.wait().unwrap().code()), ("1\n2\n3\n", Some(4)));

    let copy = pair.path("copy");
    let (mut call, _output) =
        pair.begin_call(&format!("echo running; exec >&- 2>&-; cat > {}; exit 5", copy.display()));
    let mut input = call.stdin.take().unwrap();
    for _ in 0..100 {
        input.write_all(&[b'x'; 10_000]).unwrap();
    }
    drop(input);
    assert_eq!(call.wait().unwrap().code(), Some(5));
    assert_eq!(fs::metadata(copy).unwrap().len(), 1_000_000);
    pair.assert_works();
}

#[test]
fn a_full_disk_is_the_commands_own_error() {
    let pair = Pair::start("full");
    let mut call = pair.command("cat > /dev/full").stdin(Stdio::piped()).spawn().unwrap();
    // More than fits into all that lies between: the client may not hang on what nobody reads any more.
    let mut input = call.stdin.take().unwrap();
    let _ = std::io::copy(&mut std::io::repeat(b'x').take(20 << 20), &mut input);
    drop(input);
    let output = call.wait_with_output().unwrap();
    assert!(text(&output.stderr).contains("No space left on device"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    pair.assert_works();
}

#[test]
fn openclaws_removal_of_a_sandbox_leaves_a_mounted_workspace_alone() {
    let pair = Pair::start_with("removal", &["--keep-workspace", "/workspaces/root/workspace"]);
    let root = pair.path("root");
    fs::create_dir_all(root.join("workspace")).unwrap();
    let removal = format!("'/bin/sh' '-c' 'rm -rf -- \"$1\"' 'openclaw-sandbox-remove' '{}'", root.display());
    let output = pair.call(&removal);
    assert_eq!(
        (text(&output.stderr), output.status.code()),
        ("creel-shell: the workspace is mounted here and is kept; nothing was removed\n", Some(0))
    );
    assert!(root.join("workspace").exists());
    pair.assert_works();
}

#[test]
fn a_terminal_is_one_on_the_other_side() {
    let pair = Pair::start("terminal");
    let output = pair.terminal("tty; stty size; exit 3").output().unwrap();
    let lines = text(&output.stdout);
    assert!(lines.starts_with("/dev/pts/") && lines.ends_with("\r\n24 80\r\n"), "{lines}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_command_that_never_reads_its_input_holds_up_no_other() {
    let pair = Pair::start("unread-input");
    let (mut call, _output) = pair.begin_call("echo running; exec sleep 1000");
    let mut input = call.stdin.take().unwrap();
    scope(|threads| {
        let writer = threads.spawn(move || std::io::copy(&mut std::io::repeat(b'x').take(50 << 20), &mut input));
        for _ in 0..10 {
            let start = Instant::now();
            pair.assert_works();
            assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        }
        assert!(!writer.is_finished());
        signal(&call, Signal::KILL);
        call.wait().unwrap();
        assert!(writer.join().unwrap().is_err());
    });
    eventually("no program is left", || pair.programs().is_empty());
    pair.assert_works();
}

#[test]
fn a_call_whose_output_nobody_reads_does_not_hold_up_others_for_ever() {
    let pair = Pair::start("unread-output");
    let mut unread = pair.command("exec yes").spawn().unwrap();
    eventually("the flood has begun", || pair.programs().len() == 1);
    let start = Instant::now();
    let waiting = pair.command("sleep 14").spawn().unwrap();
    for _ in 0..3 {
        pair.assert_works();
    }
    // A call that began before the way was full waits until the other one is ended; a later one gets a new connection.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(unread.wait().unwrap().code(), Some(255));
    let mut error = String::new();
    unread.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(error.contains("nobody read the output for 10 s"), "{error}");
    assert!(waiting.wait_with_output().unwrap().status.success());
    eventually("no program is left", || pair.programs().is_empty());
    pair.assert_works();
}

#[test]
fn calls_that_begin_while_another_fills_the_way_wait_and_do_not_fail() {
    let pair = Pair::start("filled");
    pair.assert_works();
    let mut unread = pair.command("sleep 0.2; exec yes").spawn().unwrap();
    // Some before it is full, some just then, some after.
    let start = Instant::now();
    let mut calls = Vec::new();
    while calls.len() < 60 && start.elapsed() < Duration::from_secs(1) {
        calls.push(pair.command("echo fine").spawn().unwrap());
    }
    for call in calls {
        let output = call.wait_with_output().unwrap();
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("fine\n", ""), "after {:?}", start.elapsed());
    }
    unread.kill().unwrap();
    unread.wait().unwrap();
}
