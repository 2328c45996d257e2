use gateway_stand_in::{StandIn, Turns};
use kube::runtime::controller::Action;
use serde_json::json;

use super::*;
use crate::declarations::fixtures::cron_job;
use crate::jobs;
use crate::kubernetes::recording_api::RecordingApi;
use crate::tests::small_world::{NAMESPACE, SmallWorld};
use crate::tests::stand_in::{OWNER, admin, document, endpoint, seen, start, world};
use crate::world::runtime::Reconciler;

fn told(request: &str, finished: bool) -> RunNow {
    RunNow { request: request.into(), time: Time(Timestamp::UNIX_EPOCH), after: None, finished }
}

#[test]
fn a_value_is_served_once() {
    let value = |text: &str| text.to_owned();
    assert_eq!(step(None, None), Step::Nothing);
    assert_eq!(step(Some(&value("1")), None), Step::Intend(value("1")));
    assert_eq!(step(Some(&value("1")), Some(&told("1", true))), Step::Nothing);
    assert_eq!(step(Some(&value("2")), Some(&told("1", true))), Step::Intend(value("2")));
    assert_eq!(step(Some(&value("2")), Some(&told("1", false))), Step::Ask(told("1", false)));
    assert_eq!(step(None, Some(&told("1", false))), Step::Ask(told("1", false)));
}

#[test]
fn an_earlier_try_is_known_by_the_run_that_it_brought_about() {
    let run = |entry| serde_json::from_value::<Run>(entry).unwrap();
    let asked = run(json!({"jobId": "1", "runAtMs": 7_063, "runId": "manual:1:7000:1", "status": "ok"}));
    let scheduled = run(json!({"jobId": "1", "runAtMs": 7_063, "status": "ok"}));
    let cut = run(
        json!({"jobId": "1", "runAtMs": 7_063, "status": "error", "error": "cron: job interrupted by gateway restart"}),
    );
    let at = |milliseconds| Some(Timestamp::from_millisecond(milliseconds).unwrap());
    assert!(was_run(std::slice::from_ref(&asked), None));
    assert!(was_run(std::slice::from_ref(&asked), at(7_062)));
    assert!(!was_run(&[asked], at(7_063)));
    assert!(!was_run(&[scheduled], at(1)));
    assert!(was_run(&[cut], at(1)));
}

/// A CronJob with the annotation, its gateway, and an API server that knows the CronJob.
struct Bench {
    gateway: StandIn,
    api: RecordingApi,
    world: SmallWorld,
    context: Context,
}

impl Bench {
    async fn new(spec: &str) -> Self {
        Self::of(vec![cron_job("notes", spec)]).await
    }

    /// The first of these is the one with the annotation.
    async fn of(mut cron_jobs: Vec<CronJob>) -> Self {
        cron_jobs[0].metadata.annotations = Some([(RUN_NOW.to_owned(), "monday".to_owned())].into());
        let (gateway, api) = (start().await, RecordingApi::default());
        gateway.set_callers_remote();
        api.knows(&cron_jobs[0]);
        let world = SmallWorld { cron_jobs, ..world() };
        let context = Self::operator(&gateway, &api, &world);
        let bench = Self { gateway, api, world, context };
        bench.sync().await;
        bench
    }

    fn operator(gateway: &StandIn, api: &RecordingApi, world: &SmallWorld) -> Context {
        let seen = seen(world, endpoint(gateway), OWNER, &[OWNER]);
        Context::new(&api.client(|_| None), seen, admin(), "test")
    }

    /// The jobs of the gateway are brought in line, and looked at.
    async fn sync(&self) {
        let Context { stores, facts, .. } = &self.context;
        let jobs = jobs::context::Context::new((stores.clone(), facts.clone()), admin());
        assert_ne!(jobs.reconcile(self.owner().into()).await.unwrap(), Action::await_change());
    }

    fn owner(&self) -> Agent {
        self.world.agents[0].clone()
    }

    fn found(&self) -> JobFound {
        self.context.facts.jobs.of(NAMESPACE, OWNER).known().unwrap().jobs["notes"].clone()
    }

    /// The CronJob as this process knows it.
    fn job(&self) -> CronJob {
        self.context.up_to_date(&self.world.cron_jobs[0])
    }

    async fn serve(&self) -> Option<Duration> {
        let job = self.job();
        let status = job.status.clone().unwrap_or_default();
        serve(&self.context, &job, &status, &self.owner(), &self.found()).await.unwrap()
    }

    /// The value that was taken up, and whether that is finished.
    fn intent(&self) -> Option<(String, bool)> {
        self.job().status?.run_now.map(|intent| (intent.request, intent.finished))
    }

    /// How the runs of the job ended, newest first.
    fn runs(&self) -> Vec<(String, bool)> {
        let id = self.found().job.unwrap().id;
        let page = self.gateway.ask("cron.runs", &json!({"jobId": id, "limit": 200}));
        let runs = page["entries"].as_array().unwrap().iter();
        runs.map(|run| (run["status"].as_str().unwrap().to_owned(), run["runId"].is_string())).collect()
    }
}

fn monday(finished: bool) -> (String, bool) {
    ("monday".to_owned(), finished)
}

#[tokio::test]
async fn a_run_is_asked_for_once_by_a_device_that_is_approved_for_it() {
    let bench = Bench::new("{every: 24h}").await;
    let _ = bench.gateway.take_methods();
    assert_eq!(bench.serve().await, Some(POLL));
    assert_eq!(bench.intent(), Some(monday(false)));
    let asked = ["cron.get", "cron.runs", "connect", "device.pair.approve", "connect", "cron.run"];
    assert_eq!(bench.gateway.take_methods(), asked);
    assert_eq!(bench.api.take_writes(), ["PATCH notes/status", "POST assistants/secrets"].map(ToOwned::to_owned));

    assert_eq!(bench.serve().await, None);
    assert_eq!((bench.intent(), bench.runs()), (Some(monday(true)), vec![("ok".to_owned(), true)]));
    assert_eq!(bench.api.take_writes(), ["PATCH notes/status"]);
    let _ = bench.gateway.take_methods();
    assert_eq!(bench.serve().await, None);
    assert_eq!(bench.gateway.take_methods(), Vec::<String>::new(), "served");
}

#[tokio::test]
async fn the_intent_is_written_before_the_gateway_is_asked() {
    let bench = Bench::new("{every: 24h}").await;
    let refusing = bench.api.client(|request| request.ends_with("/status").then_some(500));
    let (stores, facts) = (bench.context.stores.clone(), bench.context.facts.clone());
    let bench = Bench { context: Context::new(&refusing, (stores, facts), admin(), "test"), ..bench };
    let job = bench.job();
    let served = serve(&bench.context, &job, &CronJobStatus::default(), &bench.owner(), &bench.found()).await;
    assert!(served.is_err() && bench.runs().is_empty(), "{served:?}");
}

#[tokio::test]
async fn a_run_waits_for_the_end_of_one_that_is_in_progress() {
    let bench = Bench::new("{every: 1h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_hours(1));
    assert_eq!((bench.serve().await, bench.intent()), (Some(POLL), None));
    bench.gateway.set_turns(Turns::Answer);
    bench.serve().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true), ("ok".to_owned(), false)]);
}

#[tokio::test]
async fn a_run_that_the_end_of_the_gateway_cut_off_is_not_asked_for_again() {
    let bench = Bench::new("{every: 24h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.serve().await;
    bench.gateway.kill();
    bench.gateway.set_turns(Turns::Answer);
    assert_eq!((bench.serve().await, bench.intent()), (None, Some(monday(true))));
    assert_eq!(bench.runs(), [("error".to_owned(), false)]);
}

/// Of a run that waits for a slot a gateway that is killed knows nothing.
#[tokio::test]
async fn a_run_that_a_killed_gateway_forgot_is_asked_for_again() {
    let others = (0..8).map(|number| cron_job(&format!("other-{number}"), "{every: 1h}"));
    let bench = Bench::of(std::iter::once(cron_job("notes", "{every: 24h}")).chain(others).collect()).await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_hours(1));
    assert_eq!((bench.serve().await, bench.intent()), (Some(POLL), Some(monday(false))));
    bench.gateway.kill();
    assert_eq!(bench.runs(), []);
    bench.gateway.set_turns(Turns::Answer);
    bench.serve().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true)]);
    assert_eq!((bench.serve().await, bench.intent()), (None, Some(monday(true))));
}

/// Another replica, or one that was restarted, finds the intent in the status.
#[tokio::test]
async fn an_operator_that_was_restarted_does_not_ask_twice() {
    let mut bench = Bench::new("{every: 24h}").await;
    bench.serve().await;
    bench.world.cron_jobs[0] = bench.job();
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    assert_eq!((bench.serve().await, bench.intent()), (None, Some(monday(true))));
    assert_eq!(bench.runs().len(), 1);
}

#[tokio::test]
async fn a_job_whose_one_time_has_passed_can_be_run_again() {
    let tomorrow = Timestamp::now() + Duration::from_hours(24);
    let mut bench = Bench::new(&format!("{{at: '{tomorrow}'}}")).await;
    bench.gateway.pass(Duration::from_hours(25));
    assert_eq!(bench.runs(), [("ok".to_owned(), false)]);
    // The operator's clock is not the test's: so it is the time of the job that moves.
    bench.world.cron_jobs[0].spec.at = Some(Time(Timestamp::now() - Duration::from_hours(1)));
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    assert_eq!(bench.found().state, SyncState::NotDeclared);
    bench.serve().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true), ("ok".to_owned(), false)]);
}

#[tokio::test]
async fn what_the_gateway_does_not_hold_yet_is_not_run() {
    let bench = Bench::new("{every: 24h}").await;
    bench.gateway.configure(&document(&[]).to_string());
    let _ = bench.gateway.take_methods();
    let failed = JobFound { state: SyncState::Failed("no".into()), ..bench.found() };
    let job = bench.job();
    let served = serve(&bench.context, &job, &CronJobStatus::default(), &bench.owner(), &failed).await.unwrap();
    assert_eq!((served, bench.gateway.take_methods()), (None, Vec::new()));
}
