//! Every check and every test, in the order in which a failure is cheapest: format, lints, unit tests, generated files,
//! the chart, then Creel on a real Kubernetes. Runs Cargo, Helm and kubectl; starts the cluster and takes it down.

mod evidence;
mod libtest;
mod report;

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueEnum;
use tokio::process::Command;

pub use report::Report;

use crate::chart;
use crate::cluster::{Cluster, KUBECONFIG_VARIABLE, Keep, Programs, TEST_CONFIG_OVERRIDE};
use crate::command::run;
use crate::images::{self, Profile};
use crate::progress::Progress;

/// Ten times what it takes, compiling included: only a hang takes so long.
const UNIT_TESTS_LIMIT: Duration = Duration::from_hours(1);

/// A part of the verification that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// rustfmt finds nothing to change.
    Format,
    /// clippy finds nothing, in any target of the workspace.
    Clippy,
    /// Tests that need no cluster.
    Unit,
    /// CRDs, chart and manifests are what the types generate.
    Generated,
    /// `helm lint`.
    Chart,
    /// Tests against the API server: the schema and its rules.
    ApiServer,
    /// Tests with real gateways in real Pods.
    RealPods,
    /// Tests that nothing may run beside: they restart the operator or measure it.
    Alone,
    /// What is left of the whole run: no secret in what Creel writes, every configuration valid for OpenClaw.
    WholeRun,
}

/// Tests on a real cluster: a test target of this package.
struct Phase {
    part: Part,
    target: &'static str,
    threads: &'static str,
    /// Only a hang takes so long.
    limit: Duration,
}

const PHASES: [Phase; 4] = [
    Phase { part: Part::ApiServer, target: "api_server", threads: "4", limit: Duration::from_mins(30) },
    Phase { part: Part::RealPods, target: "real_pods", threads: "3", limit: Duration::from_hours(2) },
    Phase { part: Part::Alone, target: "alone", threads: "1", limit: Duration::from_hours(1) },
    Phase { part: Part::WholeRun, target: "whole_run", threads: "1", limit: Duration::from_hours(1) },
];

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// All of them when empty.
    pub parts: Vec<Part>,
    /// Only tests whose name contains this, where tests are run.
    pub filter: Option<String>,
    /// Leave the cluster running.
    pub keep: bool,
}

impl Wanted {
    fn includes(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// Runs what is wanted and counts.
pub async fn verify(wanted: &Wanted, progress: &Progress) -> Report {
    let mut report = Report::default();
    check_sources(wanted, progress, &mut report).await;
    check_chart(wanted, progress, &mut report).await;
    let phases: Vec<&Phase> = PHASES.iter().filter(|phase| wanted.includes(phase.part)).collect();
    if !phases.is_empty() {
        test_on_cluster(wanted, &phases, progress, &mut report).await;
        if !wanted.keep && std::env::var_os(KUBECONFIG_VARIABLE).is_none() {
            report.step("take the cluster down", Cluster::down(Keep::Images, progress).await);
        }
    }
    report
}

async fn check_sources(wanted: &Wanted, progress: &Progress, report: &mut Report) {
    if wanted.includes(Part::Format) {
        let result = progress.during("format", run(&mut cargo(&["fmt", "--all", "--check"]))).await;
        report.step("format", result);
    }
    if wanted.includes(Part::Clippy) {
        let lint =
            ["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"];
        report.step("clippy", progress.during("clippy", run(&mut cargo(&lint))).await);
    }
    if wanted.includes(Part::Unit) {
        report.step("programs of the unit tests", Programs::ensure_ssh(progress).await);
        let mut creel =
            cargo(&["test", "--locked", "-p", "creel", "-p", "creel-shell", "--all-features", "--no-fail-fast"]);
        let tests = libtest::run("unit", filtered(&mut creel, wanted, &[]), UNIT_TESTS_LIMIT);
        report.add(progress.during("unit tests of creel", tests).await);
        let mut e2e = cargo(&["test", "--locked", "--package", "e2e", "--lib", "--bins", "--no-fail-fast"]);
        let tests = libtest::run("unit", filtered(&mut e2e, wanted, &[]), UNIT_TESTS_LIMIT);
        report.add(progress.during("unit tests of e2e", tests).await);
    }
}

async fn check_chart(wanted: &Wanted, progress: &Progress, report: &mut Report) {
    if !wanted.includes(Part::Generated) && !wanted.includes(Part::Chart) {
        return;
    }
    let Some(programs) = report.step("programs of the cluster", Programs::ensure(progress).await) else { return };
    if wanted.includes(Part::Generated) {
        let (root, helm) = (chart::workspace(), programs.helm());
        let check = chart::check(&root, &helm);
        report.step("generated files are fresh", progress.during("generated files", check).await);
    }
    if wanted.includes(Part::Chart) {
        let directory = chart::workspace().join("charts/creel");
        let lint = run(Command::new(programs.helm()).args(["lint", "--strict"]).arg(directory)).await;
        report.step("helm lint", lint);
    }
}

async fn test_on_cluster(wanted: &Wanted, phases: &[&Phase], progress: &Progress, report: &mut Report) {
    let Some(cluster) = prepare(progress, report).await else {
        for phase in phases {
            report.skip(phase.target, "the cluster was not prepared");
        }
        return;
    };
    for phase in phases {
        let mut cargo = cargo(&["test", "--locked", "--package", "e2e", "--no-fail-fast", "--test", phase.target]);
        cargo.env(KUBECONFIG_VARIABLE, cluster.kubeconfig());
        let threads = format!("--test-threads={}", phase.threads);
        let command = filtered(&mut cargo, wanted, &[&threads]);
        let tests = libtest::run(phase.target, command, phase.limit);
        let result = progress.during(&format!("tests: {}", phase.target), tests).await;
        if !result.failed.is_empty() {
            evidence::print(&cluster).await;
        }
        report.add(result);
    }
}

/// Brings up the cluster with all images and Creel in it.
async fn prepare(progress: &Progress, report: &mut Report) -> Option<Cluster> {
    // What an earlier run left for the look back is not of this one. Nothing there is well too.
    std::fs::remove_dir_all(chart::workspace().join("target/suite")).ok();
    let cluster = report.step("cluster", Cluster::up(progress).await)?;
    let images = report.step("images", images::load_all(&cluster, Profile::E2e, progress).await)?;
    // The tag stays the same while the image changes: the annotation makes the Deployment follow.
    let digest = ("operator.podAnnotations.image-digest", images.creel.digest.as_str());
    let installed = cluster.install_creel(&[TEST_CONFIG_OVERRIDE[0], TEST_CONFIG_OVERRIDE[1], digest], progress).await;
    let failed = installed.is_err();
    let installed = report.step("install the chart", installed);
    if failed {
        evidence::print(&cluster).await;
    }
    report.step("the API server accepts install.yaml", dry_run(&cluster).await);
    installed.map(|()| cluster)
}

/// After the chart was installed: a dry run makes no namespace for what follows it. Helm then owns the same fields,
/// hence the force.
async fn dry_run(cluster: &Cluster) -> Result<(), crate::command::CommandError> {
    let manifest = chart::workspace().join("manifests/install.yaml");
    let apply = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--filename"];
    run(cluster.kubectl().args(apply).arg(manifest)).await?;
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // Where a test failed says its message; a page of frames for each would bury it.
    command.args(arguments).current_dir(chart::workspace()).env("RUST_BACKTRACE", "0");
    command
}

/// Adds what comes behind `--`: the filter by name and libtest's own arguments.
fn filtered<'a>(command: &'a mut Command, wanted: &Wanted, arguments: &[&str]) -> &'a mut Command {
    command.arg("--").args(arguments).args(&wanted.filter)
}
