//! Stub: the client half of `creel-shell` comes from elsewhere and replaces this file.

use std::ffi::OsString;
use std::process::ExitCode;

/// What `creel-shell-ssh` does with its arguments.
#[must_use]
pub fn main(_arguments: Vec<OsString>) -> ExitCode {
    ExitCode::FAILURE
}
