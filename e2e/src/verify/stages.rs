//! Which tests run beside which, and in what order. Pure.

use std::time::Duration;

use super::Part;
use super::programs::Test;

/// Tests of one part that run side by side.
#[derive(Debug)]
pub struct Group {
    pub part: Part,
    pub at_once: usize,
    pub tests: Vec<Test>,
}

/// Groups that run side by side; the next stage begins when all of them have ended.
pub type Stage = Vec<Group>;

/// The program of all tests that need a cluster.
pub const CLUSTER: &str = "cluster";

/// Those tests by the modules that they are in, as they may run beside each other. Real gateways are as many as the machine holds.
const STAGES: [&[(Part, &str)]; 4] = [
    &[(Part::RealPods, "real_pods"), (Part::ApiServer, "api_server")],
    &[(Part::Alone, "alone"), (Part::Edge, "edge"), (Part::RealPods, "contract")],
    &[(Part::WholeRun, "whole_run")],
    &[(Part::Soak, "soak")],
];

/// Tests of the API server mostly wait for it.
const API_SERVER_AT_ONCE: usize = 4;
const WHOLE_RUN_AT_ONCE: usize = 3;
/// Many tests that need no cluster wait for a time to pass.
const UNIT_OF_A_CORE: usize = 2;

/// Memory of a test with a real gateway: its own and its sandboxes', a second one now and then, and what Kubernetes needs for them.
const MIB_OF_A_GATEWAY: usize = 1536;
/// More of them only wait for each other: each start of a gateway takes ten seconds of a core.
const GATEWAYS_OF_A_CORE: usize = 2;

/// What begins first, because it takes longest: what is left for the end of a stage is then short, and no core waits for it.
const LONGEST_FIRST: [&str; 20] = [
    "rollout",
    "cron::failures",
    "cron::run_now",
    "sandbox::removal",
    // Most of it is two quiet minutes.
    "settled",
    "passthrough",
    "sandbox::neighbours",
    "sandbox::rotation",
    "cron::schedule",
    "cron::leaving",
    "cron::recovery",
    "sandbox::changes",
    "sandbox::faults",
    "sandbox::workspace",
    "refusal",
    // Beside a browser and another gateway, because these do not count what the operator needs.
    "alone::away",
    "alone::upgrade",
    "alone::enforced",
    "alone::max_egress",
    "alone::poisoned",
];

/// What the machine has for tests.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub cores: usize,
    pub memory_mib: usize,
}

impl Machine {
    /// This one, as it is now. What it does not tell counts as little.
    #[must_use]
    pub fn this() -> Self {
        let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores, memory_mib: available_mib(&told).unwrap_or_default() }
    }

    fn at_once(self, part: Part) -> usize {
        let gateways = (self.memory_mib / MIB_OF_A_GATEWAY).min(GATEWAYS_OF_A_CORE * self.cores).max(1);
        match part {
            Part::RealPods => gateways,
            Part::ApiServer => API_SERVER_AT_ONCE,
            Part::WholeRun => WHOLE_RUN_AT_ONCE,
            Part::Unit => UNIT_OF_A_CORE * self.cores,
            _ => 1,
        }
    }
}

/// How long a test may take before it counts as one that hangs. It says so earlier if it only waits for something.
#[must_use]
pub fn limit(part: Part) -> Duration {
    match part {
        Part::Soak => Duration::from_hours(12),
        _ => Duration::from_hours(1),
    }
}

/// The tests that need no cluster.
#[must_use]
pub fn unit(tests: Vec<Test>, machine: Machine) -> Stage {
    vec![Group { part: Part::Unit, at_once: machine.at_once(Part::Unit), tests }]
}

/// The stages of the wanted parts. An empty group is left out.
#[must_use]
pub fn on_cluster(tests: &[Test], wanted: impl Fn(Part) -> bool, machine: Machine) -> Vec<Stage> {
    let group = |(part, module): &(Part, &str)| {
        let mut tests: Vec<_> =
            tests.iter().filter(|test| test.name.starts_with(&format!("{module}::"))).cloned().collect();
        tests.sort_by_key(|test| (place(&test.name), test.name.clone()));
        let (part, at_once) = (*part, machine.at_once(*part));
        Some(Group { part, at_once, tests }).filter(|group| wanted(group.part) && !group.tests.is_empty())
    };
    let stages = STAGES.iter().map(|stage| stage.iter().filter_map(group).collect::<Stage>());
    stages.filter(|stage| !stage.is_empty()).collect()
}

/// Where a test stands among those that begin first.
fn place(test: &str) -> usize {
    LONGEST_FIRST.iter().position(|long| test.contains(long)).unwrap_or(LONGEST_FIRST.len())
}

/// What the kernel thinks can be used without swapping.
fn available_mib(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::super::programs::Program;
    use super::*;

    const MACHINE: Machine = Machine { cores: 2, memory_mib: 20_000 };

    fn tests(names: &[&str]) -> Vec<Test> {
        let program = Arc::new(Program { name: CLUSTER.into(), path: "/".into(), directory: "/".into() });
        let test = |name: &&str| Test { program: Arc::clone(&program), name: (*name).into(), ignored: false };
        names.iter().map(test).collect()
    }

    fn parts(stages: &[Stage]) -> Vec<Vec<Part>> {
        stages.iter().map(|stage| stage.iter().map(|group| group.part).collect()).collect()
    }

    #[test]
    fn what_restarts_the_operator_comes_second_and_the_look_back_last() {
        let all = tests(&[
            "whole_run::a",
            "contract::a",
            "edge::a",
            "alone::a",
            "api_server::a",
            "real_pods::a",
            "real_pods::b",
        ]);
        let stages = on_cluster(&all, |_| true, MACHINE);
        assert_eq!(
            parts(&stages),
            [
                vec![Part::RealPods, Part::ApiServer],
                vec![Part::Alone, Part::Edge, Part::RealPods],
                vec![Part::WholeRun]
            ]
        );
        assert_eq!(stages[0].iter().map(|group| group.tests.len()).sum::<usize>(), 3);
        let wanted = on_cluster(&all, |part| part == Part::ApiServer, MACHINE);
        assert_eq!(parts(&wanted), [[Part::ApiServer]]);
    }

    #[test]
    fn there_are_as_many_gateways_as_cores_and_memory_allow_and_at_least_one() {
        let gateways = |cores, memory_mib| Machine { cores, memory_mib }.at_once(Part::RealPods);
        assert_eq!((gateways(2, 20_000), gateways(8, 20_000), gateways(2, 4_000), gateways(2, 500)), (4, 13, 2, 1));
    }

    #[test]
    fn the_memory_that_can_be_used_is_read_from_what_the_kernel_tells() {
        let told = "MemTotal:       24603212 kB\nMemFree:         1234 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(available_mib(told), Some(20_000));
        assert_eq!(available_mib(""), None);
    }
}
