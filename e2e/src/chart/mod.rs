//! The files that are generated for the chart and from it. Runs `cargo` and `helm`; touches the disk.

mod files;
#[cfg(test)]
mod tests;

pub use files::{FilesError, check, namespace_yaml, workspace, write};
