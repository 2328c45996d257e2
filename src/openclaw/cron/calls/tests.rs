use std::sync::{Arc, Mutex};

use super::*;
use crate::tests::answering::start;
use crate::tests::stand_in::admin;

/// A gateway with these jobs or runs, which it gives page by page; and the sizes of the pages that it was asked for.
async fn gateway(list: &'static str, all: Vec<Value>) -> (Endpoint, Arc<Mutex<Vec<usize>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let sizes = Arc::clone(&asked);
    let answer = move |call: &Value| {
        let number = |name: &str| usize::try_from(call["params"][name].as_u64().unwrap_or_default()).unwrap();
        let (limit, offset) = (number("limit"), number("offset"));
        sizes.lock().unwrap().push(limit);
        let page: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
        let more = offset + page.len() < all.len();
        json!({"id": "1", "ok": true, "payload": {list: page, "hasMore": more}})
    };
    let address = start(Arc::new(answer)).await;
    let gateway = Endpoint { address, token: "a-token".into(), namespace: "assistants".into(), run: "pod/0".into() };
    (gateway, asked)
}

fn job(number: usize, key: &str, message: &str) -> Value {
    json!({"id": number.to_string(), "declarationKey": key, "enabled": true, "state": {}, "payload": {"message": message}})
}

#[tokio::test]
async fn a_job_of_ours_is_found_behind_thousands_of_others() {
    let mut all: Vec<Value> = (0..5_200).map(|number| job(number, "mine", "")).collect();
    all.push(job(5_200, "k8s:assistants/notes", ""));
    let (gateway, asked) = gateway("jobs", all).await;
    let jobs = admin().cron_list(&gateway).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["5200"]);
    assert_eq!(asked.lock().unwrap().len(), 27);
}

#[tokio::test]
async fn jobs_without_end_are_not_read_without_end() {
    let all = vec![job(1, "mine", ""); (PAGES + 1) * ENTRIES];
    let (gateway, asked) = gateway("jobs", all).await;
    let error = admin().cron_list(&gateway).await.unwrap_err();
    assert!(error.to_string().contains("more than 20,000 jobs"), "{error}");
    assert_eq!(asked.lock().unwrap().len(), PAGES);
}

#[tokio::test]
async fn a_page_that_is_too_long_is_asked_for_in_parts() {
    let message = "m".repeat(32_768);
    let all = (0..100).map(|number| job(number, "k8s:assistants/notes", &message)).collect();
    let (gateway, asked) = gateway("jobs", all).await;
    assert_eq!(admin().cron_list(&gateway).await.unwrap().len(), 100);
    assert_eq!(*asked.lock().unwrap(), [200, 25, 25, 25, 25]);
}

#[tokio::test]
async fn as_many_runs_are_read_as_were_asked_for_however_long_they_are() {
    let summary = "s".repeat(40_000);
    let all = (0..300).map(|at| json!({"jobId": "1", "runAtMs": at, "summary": summary})).collect();
    let (gateway, asked) = gateway("entries", all).await;
    let runs = admin().cron_runs(&gateway, Some("1"), 60).await.unwrap();
    assert_eq!(runs.len(), 60);
    assert_eq!(*asked.lock().unwrap(), [60, 7, 7, 7, 7, 7, 7, 7, 7, 4]);
}
