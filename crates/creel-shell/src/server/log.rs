//! One line per event on standard error: never a command, never a variable. Touches standard error.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line, at once: each piece would wake the container runtime, which takes the machine from the call that has just
/// ended. A log that cannot be written must not end the calls, so that is ignored.
pub fn event(line: Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
