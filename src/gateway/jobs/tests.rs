use std::sync::Arc;
use std::time::Duration;

use gateway_stand_in::StandIn;
use serde_json::{Value, json};

use super::*;
use crate::fence::fences::Fences;
use crate::gateway::fixtures::{company, edit, plan, settings};
use crate::gateway::rejections::Rejections;
use crate::gateway::revision::ConfigRevision;
use crate::kubernetes::recording_api::RecordingApi;
use crate::openclaw::config::document::ConfigDocument;
use crate::openclaw::cron::key;
use crate::references::digests::Digests;
use crate::tests::small_world::{NAMESPACE, SmallWorld};
use crate::tests::stand_in;
use crate::world::facts::Facts;

fn endpoint() -> Endpoint {
    Endpoint {
        address: ([127, 0, 0, 1], 18_789).into(),
        token: "token".into(),
        namespace: "assistants".into(),
        run: "pod/0".into(),
    }
}

/// A gateway whose process is this run, with this answer to a configuration that holds `concierge` and `writer`.
fn synced(run: &str, state: Option<ConfigState>) -> Synced {
    let document = Arc::new(ConfigDocument::new(json!({"agents": {"entries": {"concierge": {}, "writer": {}}}})));
    let desired = Some(document.clone());
    let config = ConfigRevision {
        name: "a".into(),
        current: document,
        desired,
        image: "image".into(),
        ruling: None,
        rejections: Rejections::default(),
        digests: Digests::default(),
    };
    let process = Process { pod: "pod".into(), run: run.into(), endpoint: Ok(endpoint()) };
    Synced { process: Some(process), state, config: Some(config), ..Synced::default() }
}

fn known(run: &str) -> Fact<Option<Arc<Gateway>>> {
    let agents = ["concierge".to_owned()].into();
    Fact::Known(Some(Arc::new(Gateway { endpoint: endpoint(), pod: "pod".into(), run: run.into(), agents })))
}

/// The agents of the gateway that was found.
fn agents(found: Fact<Option<Arc<Gateway>>>) -> Fact<Option<Vec<String>>> {
    found.map(|gateway| gateway.map(|gateway| gateway.agents.iter().cloned().collect()))
}

#[test]
fn a_gateway_that_confirmed_its_configuration_has_the_agents_in_it() {
    let found = found(&synced("1", Some(ConfigState::Applied)), Fact::Unknown);
    assert_eq!(agents(found), Fact::Known(Some(vec!["concierge".into(), "writer".into()])));
}

#[test]
fn while_an_edit_is_on_its_way_the_agents_stay_those_that_this_process_confirmed() {
    let pending = || Some(ConfigState::Pending);
    let same = found(&synced("1", pending()), known("1"));
    assert_eq!(agents(same), Fact::Known(Some(vec!["concierge".into()])));
    assert_eq!(agents(found(&synced("2", pending()), known("1"))), Fact::Known(None), "another process");
}

#[test]
fn after_a_restart_of_the_operator_nothing_is_known_until_the_gateway_has_answered() {
    assert_eq!(agents(found(&synced("1", Some(ConfigState::Pending)), Fact::Unknown)), Fact::Unknown);
    assert_eq!(
        agents(found(&synced("1", Some(ConfigState::Unreachable("no".into()))), Fact::Unknown)),
        Fact::Known(None)
    );
}

#[test]
fn a_gateway_without_a_ready_pod_does_not_answer() {
    assert_eq!(agents(found(&Synced::default(), known("1"))), Fact::Known(None));
}

/// A gateway of `concierge` and `writer`, with these jobs: the name and the agent of each.
struct Bench {
    gateway: StandIn,
    gathered: Gathered,
}

impl Bench {
    async fn new(jobs: &[(&str, &str)]) -> Self {
        Self::with_many(jobs.iter().map(|(name, agent)| ((*name).to_owned(), *agent))).await
    }

    async fn with_many(jobs: impl Iterator<Item = (String, &str)>) -> Self {
        let gathered = company();
        let gateway = StandIn::start("a-token", plan(&gathered).config.unwrap().text()).await;
        for (number, (name, agent)) in jobs.enumerate() {
            if number > 0 && number % 30 == 0 {
                gateway.pass(Duration::from_mins(1));
            }
            let job = json!({
                "declarationKey": key(NAMESPACE, &name), "name": name, "agentId": agent, "sessionTarget": "isolated",
                "schedule": {"kind": "every", "everyMs": 60_000}, "payload": {"kind": "agentTurn", "message": "Look."},
            });
            assert_eq!(gateway.ask("cron.add", &job)["created"], true, "{name}");
        }
        Self { gateway, gathered }
    }

    /// Before the configuration of what is gathered now goes to the gateway.
    async fn stop_leaving(&self) -> Arc<Facts> {
        self.begin_to_stop().await.0.facts
    }

    /// The same, and how long the configuration has to wait.
    async fn begin_to_stop(&self) -> (Context, Option<Duration>) {
        let context = self.context();
        let wait = super::stop_leaving(&context, &self.gathered, &plan(&self.gathered)).await;
        (context, wait)
    }

    /// The operator, which knows that the gateway has both agents.
    fn context(&self) -> Context {
        let agents = std::iter::once(&self.gathered.owner).chain(&self.gathered.joined);
        let world = SmallWorld { agents: agents.map(|agent| (**agent).clone()).collect(), ..stand_in::world() };
        let confirmed = ["concierge", "writer"];
        let seen = stand_in::seen(&world, stand_in::endpoint(&self.gateway), "concierge", &confirmed);
        let client = RecordingApi::default().client(|_| None);
        let fences = Arc::new(Fences::new(&client, Arc::clone(&seen.0)));
        Context::new(&client, seen, fences, settings(), stand_in::admin())
    }

    /// Whether each job that is there is enabled, by name.
    fn jobs(&self) -> Vec<(String, bool)> {
        let listed = self.gateway.ask("cron.list", &json!({"includeDisabled": true, "limit": 200}));
        let ours = |job: &&Value| job["declarationKey"].as_str().is_some_and(|key| key.starts_with("k8s:"));
        let jobs = listed["jobs"].as_array().unwrap().iter().filter(ours);
        let mut jobs: Vec<_> = jobs.map(|job| (job["name"].as_str().unwrap().into(), job["enabled"] == true)).collect();
        jobs.sort();
        jobs
    }
}

fn job(name: &str, enabled: bool) -> (String, bool) {
    (name.to_owned(), enabled)
}

#[tokio::test]
async fn the_jobs_of_an_agent_that_is_suspended_rest_before_it_leaves() {
    let mut bench = Bench::new(&[("of-writer", "writer"), ("of-concierge", "concierge")]).await;
    edit(&mut bench.gathered, "writer", |agent| agent.spec.suspend = true);
    let facts = bench.stop_leaving().await;
    assert_eq!(bench.jobs(), [job("of-concierge", true), job("of-writer", false)]);
    let gateway = facts.gateways.of(NAMESPACE, "concierge").known().flatten().unwrap();
    assert_eq!(gateway.agents, ["concierge".to_owned()].into(), "from now on no job is declared for it");
}

#[tokio::test]
async fn the_jobs_of_an_agent_that_is_gone_are_removed_before_it_leaves() {
    let mut bench = Bench::new(&[("of-writer", "writer"), ("of-concierge", "concierge")]).await;
    bench.gathered.joined.clear();
    bench.stop_leaving().await;
    assert_eq!(bench.jobs(), [job("of-concierge", true)]);
}

#[tokio::test]
async fn while_every_agent_stays_the_gateway_is_not_asked() {
    let bench = Bench::new(&[("of-writer", "writer")]).await;
    let _ = bench.gateway.take_methods();
    bench.stop_leaving().await;
    assert_eq!(bench.gateway.take_methods(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reconcile_that_is_cut_off_leaves_the_jobs_to_the_next_one() {
    let mut bench = Bench::new(&[("of-writer", "writer"), ("of-concierge", "concierge")]).await;
    bench.gathered.joined.clear();
    let context = bench.context();
    let plan = plan(&bench.gathered);
    let first = super::stop_leaving(&context, &bench.gathered, &plan);
    assert!(tokio::time::timeout(Duration::ZERO, first).await.is_err());
    assert_eq!(super::stop_leaving(&context, &bench.gathered, &plan).await, None);
    assert_eq!(bench.jobs(), [job("of-concierge", true)]);
}

#[test]
fn a_gateway_that_was_not_asked_because_others_are_is_asked_soon() {
    assert_eq!([RpcError::Busy, RpcError::Crowded].map(|error| wait_after(&error)), [Some(NOT_ASKED); 2]);
    assert_eq!(wait_after(&RpcError::Silent), None);
}

/// OpenClaw takes 30 changes of each kind a minute.
#[tokio::test]
async fn the_configuration_waits_until_none_of_the_jobs_of_an_agent_that_leaves_is_left_to_run() {
    let jobs = (0..100).map(|number| (format!("job-{number}"), "writer"));
    let mut bench = Bench::with_many(jobs).await;
    bench.gateway.pass(Duration::from_mins(1));
    bench.gathered.joined.clear();
    let running = || bench.jobs().into_iter().filter(|(_, enabled)| *enabled).count();
    let (context, mut wait) = bench.begin_to_stop().await;
    assert_eq!((running(), bench.jobs().len()), (40, 70));
    let mut waits = 0;
    while let Some(time) = wait {
        assert!(!time.is_zero() && time <= Duration::from_mins(1), "{time:?}");
        waits += 1;
        bench.gateway.pass(time);
        wait = super::stop_leaving(&context, &bench.gathered, &plan(&bench.gathered)).await;
    }
    assert_eq!((running(), waits), (0, 1));
    assert!(context.leaving.get(NAMESPACE, "concierge").is_none());
}
