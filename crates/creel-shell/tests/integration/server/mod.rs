//! `creel-shell serve`.

mod access;
mod commands;
mod load;
mod shutdown;

use std::process::Output;

use crate::fixtures::text;

fn out(output: &Output) -> &str {
    text(&output.stdout)
}

fn err(output: &Output) -> &str {
    text(&output.stderr)
}
