use std::future::pending;

use futures::future::join_all;

use super::*;

fn endpoint(namespace: &str, run: &str) -> Endpoint {
    Endpoint { address: ([127, 0, 0, 1], 1).into(), token: "a".into(), namespace: namespace.into(), run: run.into() }
}

const METHOD: &str = "config.get";

/// A call that the gateway answers.
async fn answered(places: &Places, namespace: &str, run: &str) -> Result<(), RpcError> {
    places.call(&endpoint(namespace, run), METHOD, async { Ok(()) }, is_silent).await
}

/// A call that runs out of time.
async fn silent(places: &Places, namespace: &str, run: &str) -> Result<(), RpcError> {
    let call = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err(RpcError::Silent)
    };
    places.call(&endpoint(namespace, run), METHOD, call, is_silent).await
}

fn is_silent(error: &RpcError) -> bool {
    matches!(error, RpcError::Silent)
}

#[tokio::test]
async fn hundreds_of_gateways_that_hang_delay_no_reconcile_of_another_namespace() {
    let (room, places) = (Arc::new(Semaphore::new(16)), Arc::new(Places::default()));
    for number in 0..200 {
        let (room, places) = (Arc::clone(&room), Arc::clone(&places));
        tokio::spawn(async move {
            let namespace = format!("bad-{}", number % 40);
            // Each process of it hangs anew.
            for start in 0.. {
                let run = format!("pod-{number}/{start}");
                let _ = in_place(&room, || silent(&places, &namespace, &run)).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let before = Instant::now();
        in_place(&room, || answered(&places, "good", "run")).await.unwrap();
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    }
}

#[tokio::test]
async fn work_that_waits_for_a_gateway_leaves_its_place_and_comes_back_to_it() {
    let room = Arc::new(Semaphore::new(1));
    let (answer, wait) = tokio::sync::oneshot::channel::<()>();
    let waiting = tokio::spawn({
        let room = Arc::clone(&room);
        async move {
            let work = async || {
                out_of_place(wait).await.unwrap();
                room.available_permits()
            };
            in_place(&room, work).await
        }
    });
    tokio::task::yield_now().await;
    let others = in_place(&room, async || room.available_permits()).await;
    answer.send(()).unwrap();
    assert_eq!((others, waiting.await.unwrap()), (0, 0));
    assert_eq!(room.available_permits(), 1);
}

#[tokio::test]
async fn each_gateway_has_one_call_at_a_time_and_each_namespace_two() {
    let places = Arc::new(Places::default());
    let hang = |namespace: &'static str, run: &'static str| {
        let places = Arc::clone(&places);
        tokio::spawn(async move {
            let hung = pending::<Result<(), RpcError>>();
            places.call(&endpoint(namespace, run), METHOD, hung, is_silent).await
        })
    };
    let first = hang("a", "1");
    tokio::task::yield_now().await;
    assert!(matches!(answered(&places, "a", "1").await, Err(RpcError::Busy)));
    assert!(answered(&places, "a", "2").await.is_ok());
    let second = hang("a", "2");
    tokio::task::yield_now().await;
    assert!(matches!(answered(&places, "a", "3").await, Err(RpcError::Busy)));
    assert!(answered(&places, "b", "4").await.is_ok());
    first.abort();
    second.abort();
    assert!(first.await.is_err() && second.await.is_err());
    assert!(answered(&places, "a", "3").await.is_ok());
    assert_eq!(lock(&places.lines).values().filter(|line| Arc::strong_count(line) > 1).count(), 0);
}

#[tokio::test]
async fn calls_to_gateways_that_answer_take_turns() {
    let places = Places::default();
    let runs: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let calls = runs.iter().map(async |run| {
        let call = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, RpcError>(())
        };
        places.call(&endpoint("a", run), METHOD, call, is_silent).await
    });
    assert!(join_all(calls).await.into_iter().all(|answered| answered.is_ok()));
}

#[tokio::test]
async fn a_gateway_that_let_a_call_run_out_of_time_is_not_asked_until_another_process_of_it_runs() {
    let places = Places::default();
    silent(&places, "a", "pod/0").await.unwrap_err();
    assert!(matches!(answered(&places, "a", "pod/0").await, Err(RpcError::Silent)));
    assert!(answered(&places, "a", "pod/1").await.is_ok());
}

#[test]
fn one_slow_method_condemns_no_other_and_two_without_an_answer_in_between_do() {
    let (places, now) = (Places::default(), Instant::now());
    let left_alone = || ["cron.runs", "cron.list", METHOD].map(|method| places.is_left_alone("pod/0", method, now));
    places.keep_silent("pod/0", "cron.runs", now);
    assert_eq!(left_alone(), [true, false, false]);
    places.keep_answered("pod/0", METHOD);
    places.keep_silent("pod/0", "cron.list", now);
    assert_eq!(left_alone(), [true, true, false]);
    places.keep_silent("pod/0", METHOD, now);
    assert_eq!(left_alone(), [true; 3]);
    places.keep_answered("pod/0", "cron.list");
    assert_eq!(left_alone(), [true, false, true]);
}

#[test]
fn a_gateway_that_answers_nothing_is_left_alone_as_a_whole() {
    let (places, now) = (Places::default(), Instant::now());
    places.keep_silent("pod/0", "cron.list", now);
    places.keep_silent("pod/0", METHOD, now);
    assert!(places.is_left_alone("pod/0", "cron.runs", now));
}

#[test]
fn a_silent_gateway_is_left_alone_for_longer_each_time_and_is_forgotten_when_it_is_gone() {
    let (places, mut now) = (Places::default(), Instant::now());
    let mut waits = Vec::new();
    for _ in 0..9 {
        places.keep_silent("pod/0", METHOD, now);
        let mut wait = 0;
        while places.is_left_alone("pod/0", METHOD, now) {
            (wait, now) = (wait + 1, now + Duration::from_secs(1));
        }
        waits.push(wait);
    }
    assert!((4..=6).contains(&waits[0]) && waits[1] >= 8 && (240..=360).contains(&waits[8]), "{waits:?}");
    places.keep_silent("pod/1", METHOD, now + 4 * MOST_SILENCE);
    assert_eq!(lock(&places.silent).keys().collect::<Vec<_>>(), ["pod/1"]);
}
