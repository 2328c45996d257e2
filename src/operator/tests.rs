#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use kube::client::Body;

use super::*;

/// An API server that holds one Lease and counts how often it was renewed.
#[derive(Clone, Default)]
struct LeaseApi {
    lease: Arc<Mutex<Option<Vec<u8>>>>,
    renewals: Arc<AtomicUsize>,
}

impl LeaseApi {
    fn client(&self) -> Client {
        let this = self.clone();
        let answer = move |request: Request<Body>| {
            let this = this.clone();
            async move {
                let (parts, body) = request.into_parts();
                let written = body.collect().await?.to_bytes().to_vec();
                Ok::<_, kube::Error>(this.answer(&parts.method, written))
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    /// Another replica takes the Lease.
    fn take_over(&self) {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = String::from_utf8(lease.take().unwrap()).unwrap();
        *lease = Some(ours.replace("creel-operator-0", "creel-operator-1").into_bytes());
    }

    fn answer(&self, method: &Method, written: Vec<u8>) -> Response<Body> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if method != Method::GET {
            if *method == Method::PUT {
                self.renewals.fetch_add(1, Ordering::AcqRel);
            }
            *lease = Some(written);
        }
        let Some(lease) = &*lease else {
            let status =
                br#"{"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "", "code": 404}"#;
            let mut response = Response::new(Body::from(status.to_vec()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        Response::new(Body::from(lease.clone()))
    }
}

#[test]
fn the_lease_is_renewed_while_the_work_computes() {
    let api = LeaseApi::default();
    let workers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let watchful = Builder::new_current_thread().enable_all().build().unwrap();
    let renewals = Arc::clone(&api.renewals);
    let computing = async move {
        let started = Instant::now();
        // Without a pause in which anything else could have its turn.
        while renewals.load(Ordering::Acquire) < 3 && started.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        Ok(())
    };
    let worked = watchful.block_on(async {
        let election = LeaderElection::new(api.client(), "creel-system", LEASE, "creel-operator-0");
        let election = election.with_retry_period(Duration::from_millis(20));
        while_leading(&election, workers.handle(), computing).await
    });
    assert!(worked.is_ok(), "{worked:?}");
    assert!(api.renewals.load(Ordering::Acquire) >= 3);
}

#[test]
fn a_lease_that_another_replica_took_ends_the_work() {
    let api = LeaseApi::default();
    let workers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let watchful = Builder::new_current_thread().enable_all().build().unwrap();
    let other = api.clone();
    let work = async move {
        other.take_over();
        future::pending().await
    };
    let worked = watchful.block_on(async {
        let election = LeaderElection::new(api.client(), "creel-system", LEASE, "creel-operator-0");
        let election = election.with_retry_period(Duration::from_millis(20));
        tokio::time::timeout(Duration::from_secs(20), while_leading(&election, workers.handle(), work)).await
    });
    assert!(matches!(worked, Ok(Err(OperatorError::LeaseLost))), "{worked:?}");
}

#[tokio::test]
async fn readiness_names_the_kinds_that_are_not_listed_yet() {
    let health = Health::default();
    let (sender, secrets) = oneshot::channel();
    let store = |kind: &str, filled| Filling { kind: kind.to_owned(), filled };
    let stores = vec![
        store("configmaps", future::ready(Ok(())).boxed()),
        store("configmaps", future::pending().boxed()),
        store("secrets", secrets.map(|_| Ok(())).boxed()),
    ];
    let missing = || health.missing().unwrap();
    let mut filling = std::pin::pin!(fill(stores, &health));
    assert!(futures::poll!(&mut filling).is_pending());
    assert_eq!(missing(), "these kinds are not listed yet: configmaps, secrets");
    sender.send(()).unwrap();
    assert!(futures::poll!(&mut filling).is_pending());
    assert_eq!(missing(), "these kinds are not listed yet: configmaps");
    let stores = vec![store("pods", future::ready(Ok(())).boxed())];
    fill(stores, &health).await.unwrap();
    assert_eq!(health.missing(), None);
}

#[tokio::test]
async fn an_api_server_that_is_away_or_refuses_is_waited_for_and_its_words_are_told() {
    for code in [403, 503] {
        let answer = move |_: Request<Body>| async move {
            let status =
                format!(r#"{{"kind": "Status", "status": "Failure", "message": "said {code}", "code": {code}}}"#);
            let mut response = Response::new(Body::from(status.into_bytes()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok::<_, kube::Error>(response)
        };
        let (client, health) = (Client::new(tower::service_fn(answer), "default"), Health::default());
        let told = async {
            while !health.missing().is_some_and(|words| words.contains(&format!("said {code}"))) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = wait_for_kinds(&client, &health) => panic!("{ended:?}"),
            () = told => {}
        }
    }
}

#[test]
fn only_a_minute_in_which_the_api_server_knows_no_such_kind_ends_the_wait() {
    let (mut absence, start) = (Absence::default(), Instant::now());
    let mut lasts = |is_absent, seconds| absence.lasts(is_absent, start + Duration::from_secs(seconds));
    assert!(!lasts(true, 0) && !lasts(true, 60));
    assert!(!lasts(false, 61), "an outage");
    assert!(!lasts(true, 600) && !lasts(true, 660));
    assert!(lasts(true, 661));
}
