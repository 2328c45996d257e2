//! Every check and every test, in the order in which a failure is cheapest: format, dependencies, lints, unit tests, generated files,
//! the chart, then Creel on a real Kubernetes. Runs Cargo, Helm and kubectl; starts the cluster and takes it down.
//!
//! `programs` has the tests built and listed, `stages` says which run beside which, `run` runs one, `report` counts.

mod evidence;
mod programs;
mod report;
mod run;
mod stages;

use std::time::Instant;

use clap::ValueEnum;
use futures::{StreamExt as _, future, stream};
use tokio::process::Command;
use tokio::sync::mpsc;

use programs::{Test, cargo};
pub use report::Report;
use run::{Ended, Variable};
use stages::{CLUSTER, Machine, Stage};

use crate::chart;
use crate::cluster::{
    self, Cluster, KUBECONFIG_VARIABLE, Keep, Programs, TEST_CONFIG_OVERRIDE, kube_router, kwok, network_policies,
};
use crate::command::{CommandError, run as run_command};
use crate::dependencies;
use crate::images::{self, Images, Profile};
use crate::progress::Progress;
use crate::suite::{EDGE_NAMESPACE, SANDBOX_ACCOUNT};

/// A part of the verification that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// rustfmt finds nothing to change.
    Format,
    /// Licenses, sources and versions of all crates keep to deny.toml.
    Dependencies,
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
    /// Tests that restart the operator or replace it, one after another.
    Alone,
    /// Tests with a browser, in front of real proxies.
    Edge,
    /// What is left of the whole run: no secret in what Creel writes, every configuration valid for OpenClaw.
    WholeRun,
    /// What takes long on purpose. Only when it is asked for.
    Soak,
}

/// More tests that failed in one stage are not tried again.
const MOST_AGAIN: usize = 4;

/// The images of the tests, or why there are none.
type BuiltImages = Result<Images, cluster::Error>;

/// The parts that need a cluster.
const ON_CLUSTER: [Part; 6] = [Part::ApiServer, Part::RealPods, Part::Alone, Part::Edge, Part::WholeRun, Part::Soak];

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// All of them but `Soak` when empty.
    pub parts: Vec<Part>,
    /// Only tests whose name contains this, where tests are run.
    pub filter: Option<String>,
    /// Leave the cluster running.
    pub keep: bool,
}

impl Wanted {
    fn includes(&self, part: Part) -> bool {
        if self.parts.is_empty() { part != Part::Soak } else { self.parts.contains(&part) }
    }

    fn cluster(&self) -> bool {
        ON_CLUSTER.iter().any(|part| self.includes(*part))
    }

    fn fits(&self, test: &Test) -> bool {
        self.filter.as_deref().is_none_or(|part| test.name.contains(part))
    }
}

/// Runs what is wanted and counts.
pub async fn verify(wanted: &Wanted, progress: &Progress) -> Report {
    let mut report = Report::default();
    let report = &mut report;
    // Cargo compiles the images in a directory of their own, so nobody waits for the other: it uses the core that each leaves idle while
    // one large crate is looked at.
    let images = async { if wanted.cluster() { Some(images::build_all(Profile::E2e, progress).await) } else { None } };
    let tests = async {
        check_sources(wanted, progress, report).await;
        tests(wanted, progress, report).await
    };
    let ((on_cluster, unit), images) = Box::pin(future::join(tests, images)).await;
    if wanted.includes(Part::Unit) {
        report.step("programs of the unit tests", progress, Programs::ensure_ssh(progress)).await;
        let failed = run_stage(stages::unit(unit, Machine::this()), &[], progress, report).await;
        for (test, ended) in failed {
            report.test(&test, ended);
        }
    }
    check_chart(wanted, progress, report).await;
    if let Some(images) = images {
        Box::pin(test_on_cluster(wanted, &on_cluster, images, progress, report)).await;
        if !wanted.keep && std::env::var_os(KUBECONFIG_VARIABLE).is_none() {
            report.step("take the cluster down", progress, Cluster::down(Keep::Images, progress)).await;
        }
    }
    std::mem::take(report)
}

async fn check_sources(wanted: &Wanted, progress: &Progress, report: &mut Report) {
    if wanted.includes(Part::Format) {
        report.step("format", progress, run_command(&mut cargo(&["fmt", "--all", "--check"]))).await;
    }
    if wanted.includes(Part::Dependencies) {
        report.step("dependencies", progress, dependencies::check(&chart::workspace())).await;
    }
    if wanted.includes(Part::Clippy) {
        // The program of the tests that need a cluster is no default test target: it must be named.
        let targets: [&[&str]; 2] = [&["--workspace", "--all-targets"], &["--package", "e2e", "--test", CLUSTER]];
        let lint = async {
            for targets in targets {
                let mut clippy = cargo(&["clippy", "--quiet", "--locked", "--all-features"]);
                run_command(clippy.args(targets).args(["--", "-Dwarnings"])).await?;
            }
            Ok::<(), CommandError>(())
        };
        report.step("clippy", progress, lint).await;
    }
}

/// The tests that need a cluster, and the others; those that are wanted. Nothing is built when none is.
async fn tests(wanted: &Wanted, progress: &Progress, report: &mut Report) -> (Vec<Test>, Vec<Test>) {
    let targets: &[&str] = match (wanted.includes(Part::Unit), wanted.cluster()) {
        (true, _) => &["--lib", "--bins", "--test", "*"],
        (false, true) => &["--test", CLUSTER],
        (false, false) => return (Vec::new(), Vec::new()),
    };
    let built = async {
        let mut all = Vec::new();
        for program in programs::build(targets).await? {
            all.extend(program.tests().await?);
        }
        Ok::<_, CommandError>(all)
    };
    let all = report.step("build the tests", progress, built).await.unwrap_or_default();
    all.into_iter().filter(|test| wanted.fits(test)).partition(|test| test.program.name == CLUSTER)
}

async fn check_chart(wanted: &Wanted, progress: &Progress, report: &mut Report) {
    if !wanted.includes(Part::Generated) && !wanted.includes(Part::Chart) {
        return;
    }
    let ensured = report.step("programs of the cluster", progress, Programs::ensure(progress)).await;
    let Some(programs) = ensured else { return };
    if wanted.includes(Part::Generated) {
        let (root, helm) = (chart::workspace(), programs.helm());
        report.step("generated files are fresh", progress, chart::check(&root, &helm)).await;
    }
    if wanted.includes(Part::Chart) {
        let directory = chart::workspace().join("charts/creel");
        let mut helm = Command::new(programs.helm());
        helm.args(["lint", "--strict"]).arg(directory);
        report.step("helm lint", progress, run_command(&mut helm)).await;
    }
}

async fn test_on_cluster(
    wanted: &Wanted,
    tests: &[Test],
    images: BuiltImages,
    progress: &Progress,
    report: &mut Report,
) {
    let Some(cluster) = prepare(images, progress, report).await else {
        for part in ON_CLUSTER.into_iter().filter(|part| wanted.includes(*part)) {
            report.skip(&name(part), "the cluster was not prepared");
        }
        return;
    };
    let variables = [(KUBECONFIG_VARIABLE, cluster.kubeconfig().as_os_str().to_owned())];
    for stage in stages::on_cluster(tests, |part| wanted.includes(part), Machine::this()) {
        // A look back at what the others left does not depend on how busy the machine is.
        let most = if stage.iter().any(|group| group.part == Part::WholeRun) { 0 } else { MOST_AGAIN };
        let failed = run_stage(stage, &variables, progress, report).await;
        if !failed.is_empty() {
            evidence::print(&cluster).await;
        }
        let again = failed.len() <= most;
        for (test, first) in failed {
            if again {
                try_again(&test, first, &variables, progress, report).await;
            } else {
                report.test(&test, first);
            }
        }
    }
}

/// Runs a test that failed once more, beside nothing else: what passes then failed because the machine was busy, which says nothing of
/// Creel. It is told, with what it said at first. Many that failed are no accident.
async fn try_again(test: &Test, first: Ended, variables: &[Variable], progress: &Progress, report: &mut Report) {
    let second = progress.during(&test.name, run::run(test, variables, stages::limit(Part::Alone))).await;
    report.again(test, first, second);
}

/// Runs the tests of each group, so many at once, and all groups side by side. Those that failed are returned, and not counted yet.
async fn run_stage(
    stage: Stage,
    variables: &[Variable],
    progress: &Progress,
    report: &mut Report,
) -> Vec<(Test, Ended)> {
    let names: Vec<_> = stage.iter().map(|group| name(group.part)).collect();
    let what = format!("tests: {}", names.join(", "));
    let started = Instant::now();
    let (send, mut ended) = mpsc::unbounded_channel();
    let groups = stage.into_iter().map(|group| {
        let (send, limit) = (send.clone(), stages::limit(group.part));
        let (ignored, tests): (Vec<_>, _) =
            group.tests.into_iter().partition(|test| test.ignored && group.part != Part::Soak);
        for test in ignored {
            report.skip(&test.name, "it is ignored");
        }
        stream::iter(tests).for_each_concurrent(group.at_once, move |test| {
            let send = send.clone();
            async move {
                let ended = run::run(&test, variables, limit).await;
                // It is received until the last sender is gone.
                send.send((test, ended)).ok();
            }
        })
    });
    let groups: Vec<_> = groups.collect();
    drop(send);
    let mut failed = Vec::new();
    let count = async {
        while let Some((test, ended)) = ended.recv().await {
            if ended.failed.is_some() {
                println!("failed  {}", test.name);
                failed.push((test, ended));
            } else {
                report.test(&test, ended);
            }
        }
    };
    progress.during(&what, future::join(future::join_all(groups), count)).await;
    report.took(&what, started.elapsed());
    failed
}

/// Brings up the cluster with all images and Creel in it.
async fn prepare(images: BuiltImages, progress: &Progress, report: &mut Report) -> Option<Cluster> {
    // What an earlier run left for the look back is not of this one. Nothing there is well too.
    std::fs::remove_dir_all(chart::workspace().join("target/suite")).ok();
    let needed = async {
        // Built here, so that tests do not wait for it, or for each other.
        kwok(progress).await?;
        kube_router(progress).await?;
        network_policies(progress).await
    };
    report.step("programs of the tests", progress, needed).await?;
    let cluster = report.step("cluster", progress, Box::pin(Cluster::up(progress))).await?;
    let loaded = async {
        let images = images?;
        images.load(&cluster, progress).await.map(|()| images)
    };
    let images = report.step("images", progress, loaded).await?;
    // The tag stays the same while the image changes: the annotation makes the Deployment follow.
    let digest = ("operator.podAnnotations.image-digest", images.creel.digest.as_str());
    let proxies = ("network.proxyNamespaces[0]", EDGE_NAMESPACE);
    let accounts = ("admissionPolicies.serviceAccounts[0]", SANDBOX_ACCOUNT);
    let values = [TEST_CONFIG_OVERRIDE[0], TEST_CONFIG_OVERRIDE[1], digest, proxies, accounts];
    let installed = report.step("install the chart", progress, cluster.install_creel(&values, progress)).await;
    if installed.is_none() {
        evidence::print(&cluster).await;
    }
    report.step("the API server accepts install.yaml", progress, dry_run(&cluster)).await;
    installed.map(|()| cluster)
}

/// After the chart was installed: a dry run makes no namespace for what follows it. Helm then owns the same fields,
/// hence the force.
async fn dry_run(cluster: &Cluster) -> Result<(), CommandError> {
    let manifest = chart::workspace().join("manifests/install.yaml");
    let apply = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--filename"];
    run_command(cluster.kubectl().args(apply).arg(manifest)).await?;
    Ok(())
}

/// As it is written behind `--only`.
fn name(part: Part) -> String {
    part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
