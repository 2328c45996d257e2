//! Whatever a gateway answers, the statuses of its CronJobs and Agents are within the bounds of the schema, so that the API server takes
//! them. Touches the network: the loopback address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use kube::CustomResourceExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::answering;
use super::small_world::{NAMESPACE, SmallWorld};
use super::stand_in::{OWNER, admin, seen, world};
use crate::agent;
use crate::api::{Agent, AgentStatus, CronJob};
use crate::channels;
use crate::cron_job;
use crate::declarations::fixtures;
use crate::devices;
use crate::jobs;
use crate::kubernetes::recording_api::RecordingApi;
use crate::openclaw::config::channels::account_id;
use crate::openclaw::rpc::Endpoint;
use crate::world::facts::Facts;
use crate::world::runtime::Reconciler;
use crate::world::stores::Stores;

const JOB: &str = "notes";

/// What the gateway answers to each method.
type Answers = BTreeMap<String, Value>;

fn leaf() -> impl Strategy<Value = Value> {
    let long = (0..3_usize, 1..100_000_usize).prop_map(|(letter, length)| ["a", "\u{7}", "𝕏"][letter].repeat(length));
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        time(),
        ".*".prop_map(Value::from),
        long.prop_map(Value::from),
        prop::sample::select(vec!["ok", "error", "skipped", "failed", "small", "p-openai"]).prop_map(Value::from),
    ]
}

/// A time from the year -5 to the last one that can be held.
fn time() -> impl Strategy<Value = Value> {
    (-62_300_000_000_000..253_402_207_200_000_i64).prop_map(Value::from)
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 4, |below| {
        prop_oneof![
            prop::collection::vec(below.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,9}", below, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// An object with some of these members.
fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(names), any_json(), 0..8)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn job() -> impl Strategy<Value = Value> {
    let state = some_of(&[
        "nextRunAtMs",
        "runningAtMs",
        "lastRunAtMs",
        "lastRunStatus",
        "lastError",
        "lastErrorReason",
        "lastDurationMs",
        "lastDeliveryStatus",
        "lastDeliveryError",
        "consecutiveErrors",
        "anything",
    ]);
    let stopped = proptest::option::of(some_of(&["reason", "atMs"]));
    let state = (state, proptest::option::of(time())).prop_map(|(mut state, next)| {
        state.as_object_mut().unwrap().extend(next.map(|next| ("nextRunAtMs".to_owned(), next)));
        state
    });
    let keys = prop::sample::select(vec!["k8s:assistants/notes", "heartbeat:writer", "k8s:assistants/gone", "mine"]);
    let fields =
        some_of(&["agentId", "name", "displayName", "schedule", "payload", "delivery", "wakeMode", "anything"]);
    (fields, keys, any::<bool>(), state, stopped, prop_oneof![Just(json!("1")), any_json()]).prop_map(
        |(mut job, key, enabled, mut state, stopped, id)| {
            if let Some(stopped) = stopped {
                state["autoDisabled"] = stopped;
            }
            for (name, value) in
                [("declarationKey", json!(key)), ("enabled", json!(enabled)), ("state", state), ("id", id)]
            {
                job[name] = value;
            }
            job
        },
    )
}

fn run() -> impl Strategy<Value = Value> {
    let fields = some_of(&[
        "runId",
        "runAtMs",
        "durationMs",
        "status",
        "completionStatus",
        "error",
        "errorReason",
        "deliveryError",
        "anything",
    ]);
    let usage = some_of(&["input_tokens", "output_tokens"]);
    (fields, usage, any::<bool>(), proptest::option::of(time())).prop_map(|(mut run, usage, is_priced, began)| {
        run["jobId"] = json!("1");
        run.as_object_mut().unwrap().extend(began.map(|began| ("runAtMs".to_owned(), began)));
        if is_priced {
            run["usage"] = usage;
            run["model"] = json!("m");
            run["provider"] = json!("p-openai");
        }
        run
    })
}

fn page(name: &'static str, entry: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let entry = prop_oneof![8 => entry, 1 => any_json()];
    let page = (prop::collection::vec(entry, 0..6), any_json());
    prop_oneof![
        9 => page.prop_map(move |(entries, more)| json!({name: entries, "hasMore": more})),
        1 => any_json(),
    ]
}

fn devices() -> impl Strategy<Value = Value> {
    let names = &["requestId", "deviceId", "clientId", "platform", "role", "roles", "scopes", "approvedScopes", "ts"];
    let asks = (some_of(names), any::<bool>()).prop_map(|(mut asks, is_known)| {
        if is_known {
            (asks["requestId"], asks["deviceId"]) = (json!("r"), json!("d"));
        }
        asks
    });
    let pending = prop::collection::vec(asks, 0..30);
    (pending, any_json()).prop_map(|(pending, paired)| json!({"pending": pending, "paired": [paired]}))
}

fn channels() -> impl Strategy<Value = Value> {
    let names = &["accountId", "enabled", "configured", "connected", "lifecycle", "lastError"];
    let account = (some_of(names), any::<bool>()).prop_map(|(mut account, is_known)| {
        if is_known {
            account["accountId"] = json!(account_id(OWNER, "main"));
        }
        account
    });
    let accounts = prop::collection::vec(account, 0..5);
    accounts.prop_map(|accounts| json!({"channelAccounts": {"telegram": accounts}}))
}

fn answers() -> impl Strategy<Value = Answers> {
    let error = some_of(&["code", "message", "retryAfterMs", "details"]);
    let lists = (page("jobs", job()), page("entries", run()), devices(), channels());
    (lists, any_json(), error).prop_map(|((jobs, runs, devices, channels), any, error)| {
        let ok = |payload: Value| json!({"id": "1", "ok": true, "payload": payload});
        BTreeMap::from([
            ("cron.list".to_owned(), ok(jobs)),
            ("cron.runs".to_owned(), ok(runs)),
            ("device.pair.list".to_owned(), ok(devices)),
            ("channels.status".to_owned(), ok(channels)),
            ("cron.add".to_owned(), json!({"ok": false, "error": error})),
            ("cron.update".to_owned(), ok(any.clone())),
            ("cron.remove".to_owned(), any),
        ])
    })
}

/// The statuses of the CronJob and its Agent after one reconcile of the gateway's jobs, one of its devices and one of its channels.
async fn statuses(world: &SmallWorld, address: SocketAddr) -> (Value, Value) {
    let endpoint =
        Endpoint { address, token: "a-token".into(), namespace: NAMESPACE.into(), run: "uid-of-the-pod/0".into() };
    let (stores, facts): (Arc<Stores>, Arc<Facts>) = seen(world, endpoint, OWNER, &[OWNER]);
    let jobs = jobs::context::Context::new((Arc::clone(&stores), Arc::clone(&facts)), admin());
    jobs.reconcile(Arc::new(world.agents[0].clone())).await.unwrap();
    let job = &world.cron_jobs[0];
    let gathered = cron_job::gather::gather(job, &stores, &facts);
    let (status, _) = cron_job::status::status(job, &gathered.view(job), Timestamp::now());
    let heartbeat = agent::gather::gather(&stores, &facts, &world.agents[0]).heartbeat();
    let devices = devices::context::Context::new(
        &RecordingApi::default().client(|_| None),
        (stores.clone(), facts.clone()),
        admin(),
    );
    devices.reconcile(Arc::new(world.agents[0].clone())).await.unwrap();
    let found = facts.devices.of(NAMESPACE, OWNER).known().flatten();
    let devices = found.map(|found| found.status.clone());
    let channels = channels::context::Context::new((stores, facts.clone()), admin());
    channels.reconcile(Arc::new(world.agents[0].clone())).await.unwrap();
    let found = agent::channels::Found { gateway: facts.channels.of(NAMESPACE, OWNER), faults: Some(BTreeMap::new()) };
    let mut next = AgentStatus::default();
    agent::channels::put(&mut next, &world.agents[0], &found, Timestamp::now());
    assert_eq!(next.channels.len(), 1);
    let of_agent = json!({"heartbeat": heartbeat, "gateway": devices, "channels": next.channels});
    (serde_json::to_value(status).unwrap(), of_agent)
}

/// The schema of the status of this kind.
fn schema<K: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(K::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
}

/// Fails where the value is not within the bounds of its schema. Texts of a gateway have one.
fn assert_is_within(value: &Value, schema: &Value, path: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                assert_is_within(member, &schema["properties"][name], &format!("{path}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| assert_is_within(item, &schema["items"], path)),
        Value::String(text) => match (schema["format"].as_str(), schema["maxLength"].as_u64()) {
            (Some("date-time"), _) => {
                let time: Timestamp = text.parse().unwrap();
                let year = time.to_zoned(jiff::tz::TimeZone::UTC).year();
                assert!((1970..2200).contains(&year), "{path}: {text}");
            }
            (_, Some(most)) => assert!(text.chars().count() as u64 <= most, "{path}: {} letters", text.chars().count()),
            // What Creel or the user of the CronJob says.
            _ if path.starts_with(".conditions") => assert!(text.chars().count() <= 1000, "{path}"),
            _ => assert!(!schema["enum"].is_null() || path == ".schedule", "{path} has no bound"),
        },
        Value::Number(number) if schema["format"] == "int32" => {
            assert!(number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()), "{path}: {number}");
        }
        _ => {}
    }
}

#[test]
fn whatever_a_gateway_answers_the_statuses_are_within_the_schemas_bounds() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answers_now = Arc::new(Mutex::new(Answers::default()));
    let now = Arc::clone(&answers_now);
    let answer = move |call: &Value| {
        let method = call["method"].as_str().unwrap_or_default();
        now.lock().unwrap().get(method).cloned().unwrap_or_default()
    };
    let address = runtime.block_on(answering::start(Arc::new(answer)));
    let mut world = SmallWorld { cron_jobs: vec![fixtures::cron_job(JOB, "{every: 10m}")], ..world() };
    world.agents[0].spec.heartbeat = serde_json::from_value(json!({"every": "30m"})).unwrap();
    world.agents[0].spec.gateway = serde_json::from_value(json!({"devices": []})).unwrap();
    let bot = json!({"botToken": {"secretKeyRef": {"name": "tg", "key": "token"}}, "allowFrom": ["1"]});
    world.agents[0].spec.channels = serde_json::from_value(json!([{"name": "main", "telegram": bot}])).unwrap();
    world.providers[0].spec.models[0].cost =
        serde_json::from_value(json!({"input": "9999999999999999", "output": "1"})).unwrap();
    let schemas = (schema::<CronJob>(), schema::<Agent>());
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let held = runner.run(&answers(), |answers| {
        *answers_now.lock().unwrap() = answers;
        let (of_job, of_agent) = runtime.block_on(statuses(&world, address));
        assert_is_within(&of_job, &schemas.0, "");
        assert_is_within(&of_agent, &schemas.1, "");
        Ok(())
    });
    held.unwrap();
}
