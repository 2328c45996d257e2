use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::*;
use crate::api::sandbox::{Rotation, WorkspaceAccess};
use crate::fence::fences::Fences;
use crate::gateway::fixtures::settings;
use crate::kubernetes::observed::Observed;
use crate::kubernetes::recording_api::RecordingApi;
use crate::sandbox::fixtures::{edit_pod, edit_sandbox, office, plan, pod, run};
use crate::sandbox::step::decide;
use crate::tests::small_world::SmallWorld;
use crate::world::facts::Facts;
use crate::world::queues::queues;

/// What all reconciles of a test share. Requests that write a thing of this name are refused.
fn context(api: &RecordingApi, refused: &'static str) -> Context {
    let client = api.client(move |request| (!request.starts_with("GET") && request.ends_with(refused)).then_some(403));
    let stores = Arc::new(SmallWorld::default().stores());
    let facts = Arc::new(Facts::new(Arc::clone(&stores), queues().0));
    let fences = Arc::new(Fences::new(&client, Arc::clone(&stores)));
    Context::new(&client, (stores, facts), fences, &settings())
}

/// One reconcile.
async fn pass(context: &Context, gathered: &Gathered) -> Applied {
    let (wanted, now) = (pod(gathered, &plan(gathered)), Timestamp::now());
    let decision = decide(gathered, Ok(&wanted), now);
    apply(context, &Pass { gathered, decision: &decision, wanted: Some(&wanted), now }).await.unwrap()
}

/// One reconcile of a sandbox of which nothing is there.
async fn first_pass(api: &RecordingApi, refused: &'static str) -> Applied {
    pass(&context(api, refused), &office()).await
}

/// A running sandbox whose Sandbox was edited; with `drains` it was told to end when idle.
fn edited(rotation: Rotation, drains: bool) -> Gathered {
    let mut office = office();
    run(&mut office);
    edit_sandbox(&mut office, |sandbox| {
        sandbox.spec.rotation = rotation;
        sandbox.spec.runtime_class_name = Some("gvisro".into());
    });
    if drains {
        let drain = [(DRAIN.to_owned(), "true".to_owned()), (DRAIN_SINCE.to_owned(), Timestamp::now().to_string())];
        edit_pod(&mut office, |pod| pod.annotations_mut().extend(drain));
    }
    office
}

/// The requests about Pods that write, once the change has settled.
async fn about_pods(api: &RecordingApi, context: &Context, gathered: &Gathered) -> (Applied, Vec<String>) {
    let mut applied = pass(context, gathered).await;
    while let Some(left) = applied.settles_in {
        tokio::time::sleep(left).await;
        applied = pass(context, gathered).await;
    }
    let writes = api.take_writes().into_iter().filter(|request| request.contains("pods"));
    (applied, writes.collect())
}

const TRIAL: &str = "POST assistants/pods (dry run)";

#[tokio::test]
async fn a_pod_stays_while_its_replacement_is_refused_and_is_not_told_to_end() {
    for (rotation, drains) in [(Rotation::Recreate, false), (Rotation::WhenIdle, false), (Rotation::WhenIdle, true)] {
        let (api, gathered) = (RecordingApi::default(), edited(rotation, drains));
        let context = context(&api, "(dry run)");
        let (applied, writes) = about_pods(&api, &context, &gathered).await;
        let refused = applied.refused.unwrap();
        assert!(refused.words.starts_with("Pod \"writer-sandbox\": not by this API server"), "{refused:?}");
        let undrain = drains.then_some("PATCH pods/writer-sandbox");
        assert_eq!(writes, [TRIAL].into_iter().chain(undrain).collect::<Vec<_>>());
        let again = about_pods(&api, &context, &gathered).await;
        assert!(again.0.refused.is_some() && !again.1.iter().any(|request| request == TRIAL), "{again:?}");
    }
}

#[tokio::test]
async fn a_pod_whose_replacement_is_accepted_gives_way() {
    for (rotation, step) in [(Rotation::Recreate, "DELETE"), (Rotation::WhenIdle, "PATCH")] {
        let api = RecordingApi::default();
        let (applied, writes) = about_pods(&api, &context(&api, "nothing"), &edited(rotation, false)).await;
        assert_eq!(applied.refused, None);
        assert_eq!(writes, [TRIAL.to_owned(), format!("{step} pods/writer-sandbox")]);
    }
}

#[tokio::test]
async fn what_is_withdrawn_is_withdrawn_without_a_trial() {
    let (api, mut gathered) = (RecordingApi::default(), edited(Rotation::WhenIdle, false));
    gathered.used.workspace_access = Some(WorkspaceAccess::None);
    let (_, writes) = about_pods(&api, &context(&api, "(dry run)"), &gathered).await;
    assert_eq!(writes, ["DELETE pods/writer-sandbox"]);
}

#[tokio::test]
async fn the_fence_and_the_policy_are_there_before_the_pod() {
    let api = RecordingApi::default();
    let applied = first_pass(&api, "nothing").await;
    assert!(applied.sent && applied.fault.is_none(), "{applied:?}");
    let order = [
        "PATCH networkpolicies/creel-fence",
        "PATCH networkpolicies/writer-sandbox",
        "PATCH services/writer-sandbox",
        "POST assistants/pods",
    ];
    assert_eq!(api.take_writes(), order);
}

#[tokio::test]
async fn without_the_fence_or_the_policy_there_is_no_pod() {
    for refused in ["networkpolicies/creel-fence", "networkpolicies/writer-sandbox"] {
        let api = RecordingApi::default();
        let applied = first_pass(&api, refused).await;
        assert_eq!(applied.fault.unwrap().reason, reason::CHILD_REJECTED);
        assert!(!api.take().iter().any(|request| request.contains("pods")), "{refused}");
    }
}

#[tokio::test]
async fn a_pod_whose_policy_is_somebody_elses_is_stopped() {
    for (name, writes) in [("writer-sandbox", 2), ("creel-fence", 1)] {
        let (api, mut gathered) = (RecordingApi::default(), office());
        run(&mut gathered);
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        api.holds(&NetworkPolicy { metadata, spec: None });
        let applied = pass(&context(&api, "nothing"), &gathered).await;
        assert_eq!(applied.fault.unwrap().reason, reason::NAME_CONFLICT);
        let done = api.take_writes();
        assert_eq!((done.len(), done.last().map(String::as_str)), (writes, Some("DELETE pods/writer-sandbox")));
        edit_pod(&mut gathered, |pod| pod.metadata.deletion_timestamp = Some(Time(Timestamp::now())));
        pass(&context(&api, "nothing"), &gathered).await;
        assert!(!api.take_writes().iter().any(|request| request.starts_with("DELETE")), "{name}");
    }
}

#[tokio::test]
async fn a_sandbox_is_stopped_while_somebody_keeps_changing_its_policy() {
    let (api, mut gathered) = (RecordingApi::default(), office());
    run(&mut gathered);
    let context = context(&api, "nothing");
    pass(&context, &gathered).await;
    let (names, network) = (SandboxNames::of("writer"), gathered.network().unwrap());
    let policy = network_policy::build(&gathered.agent, &names, "concierge", &network, &[]);
    let edited = |version: u64| {
        let mut policy = policy.clone();
        policy.metadata.uid = Some("uid".to_owned());
        policy.metadata.resource_version = Some(version.to_string());
        let observed = Observed::new(policy, SANDBOX_MANAGER);
        Some(Arc::new(Observed { own: Some(version), writer: "reloader".to_owned(), ..observed }))
    };
    let (restored, stopped) = ("PATCH networkpolicies/writer-sandbox", "DELETE pods/writer-sandbox");
    for version in 0..4 {
        api.take();
        gathered.live.network_policy = edited(version);
        let applied = pass(&context, &gathered).await;
        let contested = applied.fault.is_some_and(|fault| fault.reason == reason::CONTESTED);
        assert_eq!(contested, version == 3);
        let expected = if contested { vec![restored, stopped] } else { vec![restored] };
        assert_eq!(api.take_writes(), expected, "{version}");
    }
    gathered.live.pod = None;
    gathered.live.network_policy = edited(4);
    pass(&context, &gathered).await;
    assert_eq!(api.take_writes(), [""; 0], "no other Pod, and nothing that the policy would confine");
}

fn with_home(gathered: &mut Gathered) {
    edit_sandbox(gathered, |sandbox| sandbox.spec.home = serde_json::from_str(r#"{"size": "5Gi"}"#).ok());
}

#[tokio::test]
async fn a_home_is_there_before_the_pod() {
    let (api, mut gathered) = (RecordingApi::default(), office());
    with_home(&mut gathered);
    assert_eq!(pass(&context(&api, "nothing"), &gathered).await.fault, None);
    let writes = api.take_writes();
    assert_eq!(writes[writes.len() - 2..], ["PATCH persistentvolumeclaims/writer-home", "POST assistants/pods"]);
}

#[tokio::test]
async fn a_home_that_is_refused_or_somebody_elses_stops_nothing_that_runs() {
    for (refused, is_theirs, expected) in
        [("writer-home", false, reason::CHILD_REJECTED), ("nothing", true, reason::NAME_CONFLICT)]
    {
        let (api, mut gathered) = (RecordingApi::default(), office());
        run(&mut gathered);
        with_home(&mut gathered);
        if is_theirs {
            let metadata = ObjectMeta { name: Some("writer-home".to_owned()), ..ObjectMeta::default() };
            api.holds(&PersistentVolumeClaim { metadata, ..PersistentVolumeClaim::default() });
        }
        let applied = pass(&context(&api, refused), &gathered).await;
        assert_eq!(applied.fault.unwrap().reason, expected);
        assert!(!api.take().iter().any(|request| request.contains("pods")), "{refused}");
    }
}

#[tokio::test]
async fn a_home_that_cannot_follow_stays_and_is_told() {
    let (api, mut gathered) = (RecordingApi::default(), office());
    run(&mut gathered);
    with_home(&mut gathered);
    run(&mut gathered);
    let home = gathered.sandbox.as_ref().unwrap().spec.home.clone().unwrap();
    let claim = home::build(&gathered.agent, &SandboxNames::of("writer"), &home);
    gathered.live.home = Some(Arc::new(Observed::new(claim, SANDBOX_MANAGER)));
    let applied = pass(&context(&api, "writer-home"), &gathered).await;
    assert_eq!((applied.rejected_home.unwrap().reason, applied.fault), (reason::CLAIM_CHANGE_REJECTED, None));
}
