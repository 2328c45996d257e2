use gateway_stand_in::{StandIn, Turns};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use serde_json::json;

use super::*;
use crate::api::cron_job::CronJobStatus;
use crate::cron_job::gather::gather;
use crate::cron_job::report::report;
use crate::cron_job::status::status;
use crate::declarations::fixtures::cron_job;
use crate::jobs;
use crate::kubernetes::recording_api::RecordingApi;
use crate::naming::RUN_NOW;
use crate::tests::small_world::{NAMESPACE, SmallWorld};
use crate::tests::stand_in::{OWNER, admin, endpoint, seen, start, world};
use crate::world::runtime::Reconciler;

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
        cron_jobs[0].metadata.resource_version = Some("1".into());
        cron_jobs[0].status = Some(CronJobStatus::default());
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

    /// The CronJob as the API server has it.
    fn job(&self) -> CronJob {
        self.api.known("notes").unwrap()
    }

    /// One look at the CronJob; when the next one is due for the sake of the request.
    async fn look(&self) -> Option<Duration> {
        self.look_at(self.job()).await.unwrap()
    }

    /// The same by a process that knows the CronJob so.
    async fn look_at(&self, job: CronJob) -> Result<Option<Duration>, ReconcileError> {
        let gathered = gather(&job, &self.context.stores, &self.context.facts);
        let view = gathered.view(&job);
        let (owner, found) = (view.served.as_ref().unwrap().owner, view.found.unwrap());
        let (next, _) = status(&job, &view, Timestamp::now());
        let written = report(&job, next, &self.context).await?.unwrap();
        Box::pin(Requested { context: &self.context, job: written, owner }.serve(found)).await
    }

    fn edit(&self, edit: impl FnOnce(&mut CronJob)) {
        let mut job = self.job();
        edit(&mut job);
        self.api.knows(&job);
    }

    fn annotate(&self, request: Option<&str>) {
        let annotations = request.map(|request| [(RUN_NOW.to_owned(), request.to_owned())].into());
        self.edit(|job| job.metadata.annotations = annotations);
    }

    /// Why the request brought no run.
    fn reason(&self) -> Option<String> {
        self.job().status?.run_now?.reason
    }

    /// How many Events were published since this was asked last.
    fn events(&self) -> usize {
        self.api.take().iter().filter(|request| request.ends_with("/events")).count()
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
    assert_eq!(bench.look().await, Some(POLL));
    assert_eq!(bench.intent(), Some(monday(false)));
    let asked = ["cron.get", "cron.runs", "connect", "device.pair.approve", "connect", "cron.run"];
    assert_eq!(bench.gateway.take_methods(), asked);

    assert_eq!(bench.look().await, None);
    assert_eq!((bench.intent(), bench.runs()), (Some(monday(true)), vec![("ok".to_owned(), true)]));
    let (_, _) = (bench.api.take(), bench.gateway.take_methods());
    assert_eq!(bench.look().await, None);
    assert_eq!((bench.gateway.take_methods(), bench.api.take_writes()), (Vec::new(), Vec::<String>::new()), "served");
}

#[tokio::test]
async fn the_intent_is_written_before_the_gateway_is_asked() {
    let bench = Bench::new("{every: 24h}").await;
    let refusing = bench.api.client(|request| request.ends_with("/status").then_some(500));
    let (stores, facts) = (bench.context.stores.clone(), bench.context.facts.clone());
    let bench = Bench { context: Context::new(&refusing, (stores, facts), admin(), "test"), ..bench };
    let looked = bench.look_at(bench.job()).await;
    assert!(looked.is_err() && bench.runs().is_empty(), "{looked:?}");
}

#[tokio::test]
async fn a_run_is_known_by_its_id_though_the_clock_of_the_gateway_goes_back() {
    let bench = Bench::new("{every: 1h}").await;
    bench.gateway.pass(Duration::from_hours(1));
    bench.gateway.turn_back(Duration::from_mins(5));
    for _ in 0..3 {
        bench.look().await;
    }
    assert_eq!(bench.intent(), Some(monday(true)));
    assert_eq!(bench.runs(), [("ok".to_owned(), true), ("ok".to_owned(), false)]);
}

/// Somebody else's, by hand at the gateway, before this one and meanwhile.
#[tokio::test]
async fn a_run_that_somebody_else_requested_is_not_taken_for_it() {
    let bench = Bench::new("{every: 24h}").await;
    let id = bench.found().job.unwrap().id;
    let _ = bench.gateway.ask("cron.run", &json!({"id": id, "mode": "force"}));
    bench.look().await;
    assert_eq!(bench.runs().len(), 2);
    let ours = bench.job().status.unwrap().run_now.unwrap().run_id.unwrap();
    assert!(ours.starts_with(&format!("manual:{id}:")), "{ours}");
}

/// A process that was stopped, and in the meantime another one has taken over.
#[tokio::test]
async fn a_replica_that_was_stopped_goes_on_with_nothing() {
    let bench = Bench::new("{every: 24h}").await;
    let before = bench.job();
    let gathered = gather(&before, &bench.context.stores, &bench.context.facts);
    let (next, _) = status(&before, &gathered.view(&before), Timestamp::now());
    let accepted = report(&before, next, &bench.context).await.unwrap().unwrap();
    bench.look().await;
    bench.look().await;
    assert_eq!(bench.intent(), Some(monday(true)));
    for stopped in [before, accepted] {
        let looked = bench.look_at(stopped).await;
        let is_conflict = |error: &ReconcileError| error.api().is_some_and(crate::kubernetes::errors::is_conflict);
        assert!(looked.as_ref().is_err_and(is_conflict), "{looked:?}");
        assert_eq!((bench.intent(), bench.runs().len()), (Some(monday(true)), 1));
    }
}

#[tokio::test]
async fn a_request_that_the_gateway_has_not_started_in_time_is_given_up_and_an_event_says_so() {
    let bench = Bench::new("{every: 24h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.look().await;
    bench.gateway.kill();
    bench.gateway.set_turns(Turns::Answer);
    // The run was cut off: as one of another job would be, as far as this one knows.
    let id = bench.found().job.unwrap().id;
    let known = crate::cron_job::requests::known(
        &bench.context.admin.cron_runs(&endpoint(&bench.gateway), Some(&id), 9).await.unwrap(),
    );
    bench.edit(|job| {
        let told = job.status.as_mut().unwrap().run_now.as_mut().unwrap();
        (told.known_runs, told.time) = (Some(known), Time(Timestamp::now() - Duration::from_mins(10)));
    });
    let (runs, _) = (bench.runs().len(), bench.api.take());
    assert_eq!(bench.look().await, None);
    assert_eq!((bench.intent(), bench.reason().as_deref()), (Some(monday(true)), Some(reason::RUN_EXPIRED)));
    assert_eq!((bench.runs().len(), bench.events()), (runs, 1));
}

#[tokio::test]
async fn a_request_that_is_withdrawn_before_it_could_be_asked_for_starts_nothing() {
    let bench = Bench::new("{every: 1h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_hours(1));
    assert_eq!((bench.look().await, bench.intent()), (Some(POLL), Some(monday(false))));
    bench.annotate(None);
    bench.gateway.set_turns(Turns::Answer);
    assert_eq!(bench.look().await, None);
    assert_eq!((bench.intent(), bench.reason().as_deref()), (Some(monday(true)), Some(reason::RUN_WITHDRAWN)));
    assert_eq!(bench.runs().len(), 1);
}

#[tokio::test]
async fn another_value_waits_for_the_end_of_the_run_before_and_then_starts_its_own() {
    let bench = Bench::new("{every: 24h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.look().await;
    bench.annotate(Some("tuesday"));
    assert_eq!((bench.look().await, bench.intent()), (Some(POLL), Some(monday(false))));
    bench.gateway.set_turns(Turns::Answer);
    assert_eq!((bench.look().await, bench.intent()), (Some(POLL), Some(monday(true))));
    bench.look().await;
    bench.look().await;
    assert_eq!((bench.intent(), bench.runs().len()), (Some(("tuesday".to_owned(), true)), 2));
}

/// Backups hold the annotations and no status.
#[tokio::test]
async fn a_cron_job_that_was_created_with_the_annotation_starts_no_run() {
    let bench = Bench::new("{every: 24h}").await;
    bench.edit(|job| job.status = None);
    bench.api.take();
    bench.look().await;
    assert_eq!((bench.intent(), bench.reason().as_deref()), (Some(monday(true)), Some(reason::RUN_IGNORED)));
    assert_eq!(bench.runs().len(), 0);
    bench.annotate(Some("tuesday"));
    bench.look().await;
    assert_eq!(bench.runs().len(), 1);
}

#[tokio::test]
async fn a_run_waits_for_the_end_of_one_that_is_in_progress() {
    let bench = Bench::new("{every: 1h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_hours(1));
    assert_eq!((bench.look().await, bench.intent()), (Some(POLL), Some(monday(false))));
    bench.gateway.set_turns(Turns::Answer);
    bench.look().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true), ("ok".to_owned(), false)]);
}

#[tokio::test]
async fn a_run_that_the_end_of_the_gateway_cut_off_is_not_asked_for_again() {
    let bench = Bench::new("{every: 24h}").await;
    bench.gateway.set_turns(Turns::Hold);
    bench.look().await;
    bench.gateway.kill();
    bench.gateway.set_turns(Turns::Answer);
    assert_eq!((bench.look().await, bench.intent()), (None, Some(monday(true))));
    assert_eq!(bench.runs(), [("error".to_owned(), false)]);
}

/// Of a run that waits for a slot a gateway that is killed knows nothing.
#[tokio::test]
async fn a_run_that_a_killed_gateway_forgot_is_asked_for_again() {
    let others = (0..8).map(|number| cron_job(&format!("other-{number}"), "{every: 1h}"));
    // It must not become due by itself in the hour that passes.
    let notes = cron_job("notes", "{schedule: '0 0 29 2 *'}");
    let bench = Bench::of(std::iter::once(notes).chain(others).collect()).await;
    bench.gateway.set_turns(Turns::Hold);
    bench.gateway.pass(Duration::from_hours(1));
    assert_eq!((bench.look().await, bench.intent()), (Some(POLL), Some(monday(false))));
    bench.gateway.kill();
    assert_eq!(bench.runs(), []);
    bench.gateway.set_turns(Turns::Answer);
    bench.look().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true)]);
    assert_eq!((bench.look().await, bench.intent()), (None, Some(monday(true))));
}

/// Another replica, or one that was restarted, finds the intent in the status.
#[tokio::test]
async fn an_operator_that_was_restarted_does_not_ask_twice() {
    let mut bench = Bench::new("{every: 24h}").await;
    bench.look().await;
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    assert_eq!((bench.look().await, bench.intent()), (None, Some(monday(true))));
    assert_eq!(bench.runs().len(), 1);
}

#[tokio::test]
async fn a_job_whose_one_time_has_passed_can_be_run_again() {
    let tomorrow = Timestamp::now() + Duration::from_hours(24);
    let mut bench = Bench::new(&format!("{{at: '{tomorrow}'}}")).await;
    bench.gateway.pass(Duration::from_hours(25));
    assert_eq!(bench.runs(), [("ok".to_owned(), false)]);
    // The operator's clock is not the test's: so it is the time of the job that moves.
    let passed = Some(Time(Timestamp::now() - Duration::from_hours(1)));
    bench.world.cron_jobs[0].spec.at.clone_from(&passed);
    bench.edit(|job| job.spec.at = passed);
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    assert_eq!(bench.found().state, SyncState::NotDeclared);
    bench.look().await;
    assert_eq!(bench.runs(), [("ok".to_owned(), true), ("ok".to_owned(), false)]);
}

#[tokio::test]
async fn a_job_whose_one_time_has_passed_and_that_is_gone_says_so_once() {
    let mut bench = Bench::new("{every: 24h}").await;
    let passed = Some(Time(Timestamp::now() - Duration::from_hours(1)));
    let over = |job: &mut CronJob| (job.spec.at, job.spec.every) = (passed.clone(), None);
    over(&mut bench.world.cron_jobs[0]);
    bench.edit(over);
    let id = bench.found().job.unwrap().id;
    let _ = bench.gateway.ask("cron.remove", &json!({"id": id}));
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    bench.api.take();
    bench.look().await;
    assert_eq!((bench.intent(), bench.reason().as_deref()), (Some(monday(true)), Some(reason::RUN_REJECTED)));
    assert!(bench.events() > 0);
    bench.look().await;
    assert_eq!(bench.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_gateway_does_not_hold_yet_is_not_run() {
    let bench = Bench::new("{every: 24h}").await;
    let _ = bench.gateway.take_methods();
    let failed = JobFound { state: SyncState::Failed("no".into()), ..bench.found() };
    let told = crate::cron_job::requests::new("monday".into(), Timestamp::now());
    let mut job = bench.job();
    job.status = Some(CronJobStatus { run_now: Some(told), ..CronJobStatus::default() });
    let served = Requested { context: &bench.context, job, owner: &bench.owner() }.serve(&failed).await.unwrap();
    assert_eq!((served, bench.gateway.take_methods()), (None, Vec::new()));
}

/// The Agent was suspended, with its job at the gateway stopped before, and is back.
async fn missed(policy: &str) -> Bench {
    let mut bench = Bench::new(&format!("{{every: 24h, missedRuns: {policy}}}")).await;
    bench.annotate(None);
    bench.look().await;
    bench.gateway.pass(Duration::from_mins(1));
    bench.edit(|job| {
        let status = job.status.as_mut().unwrap();
        status.awaited_run_time = Some(Time(Timestamp::now() - Duration::from_hours(1)));
    });
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    bench.api.take();
    bench
}

#[tokio::test]
async fn missed_runs_are_made_up_for_by_one_run_also_by_an_operator_that_is_restarted() {
    let mut bench = missed("RunOnce").await;
    assert_eq!(bench.look().await, Some(POLL));
    assert_eq!(bench.runs(), [("ok".to_owned(), true)]);
    bench.context = Bench::operator(&bench.gateway, &bench.api, &bench.world);
    bench.sync().await;
    assert_eq!(bench.look().await, None);
    let told = bench.job().status.unwrap().last_missed.unwrap();
    assert_eq!((told.count, told.run_once.unwrap().finished), (1, true));
    bench.api.take();
    bench.look().await;
    assert_eq!((bench.runs().len(), bench.api.take_writes()), (1, Vec::new()));
}

#[tokio::test]
async fn missed_runs_that_are_skipped_are_told_and_not_run() {
    let bench = missed("Skip").await;
    assert_eq!(bench.look().await, None);
    let told = bench.job().status.unwrap().last_missed.unwrap();
    assert_eq!((told.count, told.run_once, bench.runs().len()), (1, None, 0));
    assert!(bench.events() > 0);
    bench.look().await;
    assert_eq!(bench.api.take_writes(), Vec::<String>::new());
}
