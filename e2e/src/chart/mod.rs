//! The generated files: CRDs, install manifest, reference of reasons. Runs `cargo` and `helm`; touches the disk.

mod files;
#[cfg(test)]
mod tests;

pub use files::{FilesError, check, namespace_yaml, workspace, write};
