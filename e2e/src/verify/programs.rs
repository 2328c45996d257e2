//! The test programs of the workspace: has Cargo build them, and asks each what it holds. Starts processes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tokio::process::Command;

use super::run::environment;
use crate::chart::workspace;
use crate::command::{CommandError, run};

/// A program of tests that Cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The target: the name of a library or a binary, or of a directory in `tests`.
    pub name: String,
    pub path: PathBuf,
    /// Where Cargo would start it: the directory of its package.
    pub directory: PathBuf,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    pub program: Arc<Program>,
    /// Its path in the program: `module::function`.
    pub name: String,
    /// Marked with `#[ignore]`.
    pub ignored: bool,
}

/// Cargo with these arguments, in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(workspace());
    command
}

/// Builds the programs of these targets, chosen as for `cargo test`. Always of the whole workspace, so that each dependency is
/// compiled with the same features and only once.
pub async fn build(targets: &[&str]) -> Result<Vec<Arc<Program>>, CommandError> {
    let mut test = cargo(&["test", "--quiet", "--locked", "--workspace", "--no-run"]);
    let said = run(test.args(["--message-format", "json-render-diagnostics"]).args(targets)).await?;
    Ok(said.lines().filter_map(Program::parse).map(Arc::new).collect())
}

/// What Cargo says of each thing that it has built, or found built.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Program {
    /// `None`: a line about something else.
    fn parse(line: &str) -> Option<Self> {
        let artifact: Artifact = serde_json::from_str(line).ok()?;
        let path = artifact.executable.filter(|_| artifact.profile.test)?;
        let directory = artifact.manifest_path.parent().unwrap_or(Path::new("/")).to_owned();
        Some(Self { name: artifact.target.name, path, directory })
    }

    /// The tests that it holds, in the order of their names.
    pub async fn tests(self: &Arc<Self>) -> Result<Vec<Test>, CommandError> {
        let list = async |more: &[&str]| {
            let mut command = Command::new(&self.path);
            environment(&mut command, &self.directory, &[]);
            run(command.args(["--list", "--format", "terse"]).args(more)).await
        };
        let (all, ignored) = (list(&[]).await?, list(&["--ignored"]).await?);
        let ignored: Vec<_> = names(&ignored).collect();
        let test =
            |name: &str| Test { program: Arc::clone(self), name: name.to_owned(), ignored: ignored.contains(&name) };
        Ok(names(&all).map(test).collect())
    }
}

/// The names in `<name>: test`.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.strip_suffix(": test"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_programs_of_tests_are_taken_from_what_cargo_says() {
        let line = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/e2e#0.1.0","manifest_path":"/w/e2e/Cargo.toml","target":{{"kind":["test"],"name":"cluster","test":false}},"profile":{{"opt_level":"0","test":{test}}},"executable":{executable}}}"#
            )
        };
        let program = Program::parse(&line(true, r#""/w/target/debug/deps/cluster-1""#)).unwrap();
        assert_eq!(program.name, "cluster");
        assert_eq!((program.path, program.directory), ("/w/target/debug/deps/cluster-1".into(), "/w/e2e".into()));
        assert_eq!(Program::parse(&line(false, r#""/w/target/debug/demo""#)), None);
        assert_eq!(Program::parse(&line(true, "null")), None);
        assert_eq!(Program::parse(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn benchmarks_and_other_lines_are_no_tests() {
        assert_eq!(names("a::b: test\nc: benchmark\n\n").collect::<Vec<_>>(), ["a::b"]);
    }
}
