//! Many calls and much data.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread::scope;

use crate::fixtures::pair::Pair;
use crate::fixtures::process::{children, eventually, finish, memory, open_files};
use crate::fixtures::{amount, text};

/// What the memory of either side may grow by, in KiB. Far less than the data.
const GROWTH: u64 = 10 * 1024;

/// The memory of the server and of the mux master, in KiB.
fn both(pair: &Pair, name: &str) -> [u64; 2] {
    [pair.memory(name), memory(pair.client.master(), name)]
}

fn assert_bounded(pair: &Pair, before: [u64; 2]) {
    let most = both(pair, "VmHWM");
    let is_bounded = most.iter().zip(before).all(|(most, before)| *most < before + GROWTH);
    assert!(is_bounded, "server and mux master, KiB: {before:?} before, {most:?} at most");
}

#[test]
fn many_short_calls_leave_nothing_behind_on_either_side() {
    let pair = Pair::start();
    let call = |number: usize| {
        let output = pair.client.run(&format!("echo {number}; exit {}", number % 5));
        assert_eq!((text(&output.stdout).trim(), text(&output.stderr)), (number.to_string().as_str(), ""));
        assert_eq!(output.status.code(), i32::try_from(number % 5).ok());
    };
    call(0);
    let master = pair.client.master();
    let (before, files) = (both(&pair, "VmRSS"), [pair.open_files(), open_files(master)]);
    // Two at a time, so that the end of one overlaps with the start of the next.
    let count = amount(300, 10_000);
    scope(|threads| (0..2).for_each(|first| drop(threads.spawn(move || (first..count).step_by(2).for_each(call)))));

    assert_eq!(pair.client.master(), master);
    pair.leaves_no_program();
    eventually("the mux master has no child", || children(master).is_empty());
    eventually("no file is left open", || pair.open_files() <= files[0] && open_files(master) <= files[1]);
    eventually("one connection is left", || {
        let (all, now) = pair.connections();
        // The server closes a connection after 2000 calls.
        now == 1 && all == 1 + count / 2000
    });
    assert_bounded(&pair, before);
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

/// Writes so many megabytes, then the end.
fn write(mut to: impl Write, megabytes: usize) {
    let megabyte = megabyte();
    (0..megabytes).for_each(|_| to.write_all(&megabyte).unwrap());
}

/// Asserts that exactly these megabytes arrive.
fn read(mut from: impl Read, megabytes: usize) {
    let (expected, mut actual) = (megabyte(), vec![0; 1 << 20]);
    for number in 0..megabytes {
        from.read_exact(&mut actual).unwrap();
        assert!(actual == expected, "megabyte {number} has changed");
    }
    assert_eq!(from.read(&mut actual).unwrap(), 0);
}

#[test]
fn much_data_arrives_unchanged_in_either_direction_and_in_both_at_once() {
    let megabytes = amount(32, 1024);
    let pair = Pair::start();
    pair.client.assert_works();
    let before = both(&pair, "VmRSS");
    let file = pair.directory.path("data");

    let mut call = pair.client.command(&format!("cat > {}", file.display())).stdin(Stdio::piped()).spawn().unwrap();
    write(call.stdin.take().unwrap(), megabytes);
    assert!(finish(call).status.success());
    read(fs::File::open(&file).unwrap(), megabytes);

    let mut call = pair.client.command(&format!("cat {}", file.display())).spawn().unwrap();
    read(call.stdout.take().unwrap(), megabytes);
    assert!(finish(call).status.success());

    let mut call = pair.client.command("cat").stdin(Stdio::piped()).spawn().unwrap();
    let input = call.stdin.take().unwrap();
    scope(|threads| {
        threads.spawn(|| write(input, megabytes));
        read(call.stdout.take().unwrap(), megabytes);
    });
    assert!(finish(call).status.success());
    assert_bounded(&pair, before);
}
