//! `cron.list`.

use serde_json::{Value, json};

use super::document::{OTHER, WRITER};
use super::subject::{Host, Subject, job, with};
use crate::cron::iso;

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

/// By the time of the next run.
pub async fn it_has_pages_and_an_order<H: Host>(subject: &Subject<H>) {
    let now = subject.now().await;
    let later = json!({"schedule": {"kind": "at", "at": iso(now + 7_200_000)}});
    let sooner = json!({"schedule": {"kind": "at", "at": iso(now + 3_600_000)}});
    let later = subject.declare(&with(job("later"), &later)).await;
    let sooner = subject.declare(&with(job("sooner"), &sooner)).await;

    let all = subject.ok("cron.list", json!({"includeDisabled": true, "limit": 200, "offset": 0})).await;
    let all_ids = ids(&all);
    let place = |job: &Value| all_ids.iter().position(|id| job["id"] == *id).expect("it is listed");
    assert!(place(&sooner) < place(&later), "{all_ids:?}");
    assert_eq!((&all["hasMore"], &all["total"]), (&json!(false), &json!(all_ids.len())));

    let mut paged = Vec::new();
    for offset in 0..all_ids.len() {
        let page = subject.ok("cron.list", json!({"includeDisabled": true, "limit": 1, "offset": offset})).await;
        assert_eq!(page["hasMore"], offset + 1 < all_ids.len(), "{page}");
        paged.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(paged, all_ids);
    subject.refused_because("cron.list", json!({"limit": 201}), "at /limit: must be <= 200").await;
    subject.remove(&later).await;
    subject.remove(&sooner).await;
}

pub async fn disabled_jobs_are_listed_on_demand<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&with(job("hidden"), &json!({"enabled": false}))).await;
    let enabled = subject.ok("cron.list", json!({"limit": 200})).await;
    assert!(!ids(&enabled).iter().any(|id| made["id"] == *id));
    let all = subject.ok("cron.list", json!({"limit": 200, "includeDisabled": true})).await;
    assert!(ids(&all).iter().any(|id| made["id"] == *id));
    subject.remove(&made).await;
}

pub async fn it_tells_whose_a_job_is_and_lists_the_gateways_own<H: Host>(subject: &Subject<H>) {
    let made = subject.declare(&with(job("owned"), &json!({"agentId": OTHER}))).await;
    let all = subject.list().await;
    let of_key = |key: &str| all.iter().find(|job| job["declarationKey"] == key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(of_key("k8s:contract/owned")["effectiveAgentId"], OTHER);
    let heartbeat = of_key("heartbeat:writer");
    assert_eq!((&heartbeat["agentId"], &heartbeat["enabled"]), (&json!(WRITER), &json!(false)));
    let dreaming = of_key("memory-core:memory-dreaming-promotion");
    assert_eq!((&dreaming["agentId"], &dreaming["effectiveAgentId"]), (&Value::Null, &json!(WRITER)));
    subject.remove(&made).await;
}
