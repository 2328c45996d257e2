//! One line per event on standard error: never a command, never a variable. Touches standard error.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line. A log that cannot be written must not end the calls, so that is ignored.
pub fn event(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
