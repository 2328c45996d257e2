//! What `creel-shell keep` says of the files. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How all files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// That of the document which the sidecar has brought the files in line with.
    pub revision: String,
    pub agents: BTreeMap<String, Vec<FileReport>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FileReport {
    pub path: String,
    #[serde(flatten)]
    pub state: State,
}

/// How one file is. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state")]
pub enum State {
    InStep { hash: String },
    Evolved { hash: String, since: i64 },
    Conflict { hash: String, since: i64, kept: String },
    Fault { message: String },
}
