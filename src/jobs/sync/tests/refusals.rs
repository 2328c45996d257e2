//! What becomes of what the gateway does not take.

use super::*;
use crate::openclaw::rpc::Endpoint;
use crate::tests::stand_in::document;

/// A schedule that the API server accepts and the gateway does not.
fn in_a_hundred_years() -> CronJob {
    cron_job("notes", "{at: '2126-01-01T00:00:00Z'}")
}

#[tokio::test]
async fn what_is_over_the_gateways_limit_waits_and_is_declared_in_the_next_minute() {
    let names: Vec<String> = (0..40).map(|number| format!("job-{number}")).collect();
    let mut bench = Bench::new(names.iter().map(|name| cron_job(name, "{every: 10m}")).collect()).await;
    let (found, again) = bench.reconcile().await;
    let throttled = found.jobs.values().filter(|found| found.state == SyncState::Throttled).count();
    assert_eq!((bench.jobs().len(), throttled), (30, 10));
    assert!(again <= RETRY, "what has run is looked at meanwhile: {again:?}");

    bench.writes();
    bench.world.cron_jobs.push(cron_job("another", "{every: 10m}"));
    bench.reconcile().await;
    assert_eq!(bench.writes(), Vec::<String>::new(), "it said for how long");
    bench.gateway.pass(Duration::from_mins(1));
    let found = bench.after_restart().await;
    assert_eq!((found.jobs.len(), bench.jobs().len()), (41, 41));
}

#[tokio::test]
async fn what_the_gateway_rejects_is_told_in_its_words_and_not_sent_again_at_once() {
    let mut bench = Bench::new(vec![in_a_hundred_years()]).await;
    let (found, again) = bench.reconcile().await;
    let SyncState::Rejected(words) = &found.jobs["notes"].state else { unreachable!("{found:?}") };
    assert!(words.starts_with("schedule.at is too far in the future"), "{words}");
    assert_eq!(again, RETRY);
    bench.writes();
    bench.world.cron_jobs.push(cron_job("other", "{every: 10m}"));
    let (found, _) = bench.reconcile().await;
    assert_eq!(bench.writes(), ["cron.add"], "only the other one");
    assert!(matches!(found.jobs["notes"].state, SyncState::Rejected(_)), "{found:?}");
}

#[tokio::test]
async fn a_job_of_an_agent_that_the_gateway_has_not_confirmed_is_not_declared() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.agents = vec![JOINED];
    assert_eq!(bench.reconcile().await.0.jobs["notes"].state, SyncState::AgentUnknown);
    assert_eq!(bench.gateway.take_methods(), ["cron.list"]);
}

#[tokio::test]
async fn a_job_of_an_agent_that_the_gateway_lost_is_told_as_failed_and_others_are_declared() {
    let of_the_joined = |job: &mut CronJob| job.spec.agent_ref.name = JOINED.into();
    let mut lost = cron_job("lost", "{every: 10m}");
    of_the_joined(&mut lost);
    let mut bench = Bench::new(vec![lost, notes()]).await;
    bench.gateway.configure(&document(&[OWNER]).to_string());
    let (found, again) = bench.reconcile().await;
    let SyncState::Failed(why) = &found.jobs["lost"].state else { unreachable!("{found:?}") };
    assert!(why.contains("503"), "{why}");
    assert_eq!(found.jobs["notes"].state, SyncState::Synced);
    assert!(again <= RETRY, "{again:?}");
}

#[tokio::test]
async fn a_gateway_that_refuses_the_token_is_left_alone_for_a_while_and_what_was_found_stays() {
    let mut bench = Bench::new(vec![notes()]).await;
    bench.reconcile().await;
    let known = bench.after_restart().await;
    let context = Context::new(
        seen(&bench.world, Endpoint { token: "wrong".into(), ..endpoint(&bench.gateway) }, OWNER, &bench.agents),
        admin(),
    );
    context.facts.jobs.publish(NAMESPACE, OWNER, known.clone());
    assert_eq!(reconcile(&bench.world.agents[0], &context).await, UNREACHABLE);
    let found = context.facts.jobs.of(NAMESPACE, OWNER).known().unwrap();
    assert_eq!(found.jobs["notes"].job, known.jobs["notes"].job);
    assert!(matches!(&found.jobs["notes"].state, SyncState::Failed(why) if why.contains("token")), "{found:?}");
}
