//! `creel-shell run`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;

use crate::fixtures::process::{self, children, eventually};
use crate::fixtures::{BINARY, text};

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(["run", "--"]).args(arguments).output().unwrap()
}

/// Runs a script whose first output is the line `running`.
fn start(script: &str) -> Child {
    let mut init = Command::new(BINARY)
        .args(["run", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(init.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    init
}

#[test]
fn the_status_of_the_program_is_passed_on() {
    assert_eq!(run(&["sh", "-c", "exit 78"]).status.code(), Some(78));
    assert_eq!(run(&["true"]).status.code(), Some(0));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).status.code(), Some(128 + 9));
}

#[test]
fn a_program_that_cannot_be_started_is_named_with_the_status_of_a_shell() {
    let missing = run(&["/nonexistent/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("cannot start /nonexistent/program"));
    assert_eq!(run(&["/etc/passwd"]).status.code(), Some(126));
}

#[test]
fn options_after_the_program_are_passed_to_it() {
    assert_eq!(text(&run(&["echo", "--help", "-n", "--"]).stdout), "--help -n --\n");
}

#[test]
fn signals_are_forwarded() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let mut init = start(&format!("trap 'exit 9' {name}; echo running; while :; do sleep 0.02; done"));
        process::signal(init.id(), signal);
        assert_eq!(init.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn orphans_are_reaped() {
    let mut init = start("for i in 1 2 3; do (sleep 1000 &); done; echo running; read line; exit 5");
    let id = init.id();
    eventually("the orphans are its children", || children(id).len() == 4);
    process::signal_all(&children(id)[1..], Signal::KILL);
    eventually("they were reaped", || children(id).len() == 1);
    init.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert_eq!(init.wait().unwrap().code(), Some(5));
}
