//! One line per event on standard error, never with a command or a variable. Touches standard error.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line with a single system call: each one wakes the container runtime, which slows down the call that has just ended. Errors
/// are ignored, because a log that cannot be written must not end calls.
pub fn event(line: Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
