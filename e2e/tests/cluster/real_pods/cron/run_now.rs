//! The annotation `creel.dev/run-now`: once for each value, whatever happens in between.

use e2e::suite::{RUN_NOW, START, TestNamespace, in_namespace};

use super::super::devices::are_let_in_and_removed_by_annotations;
use super::{AGENT, RARELY, job, writer};

#[tokio::test]
async fn the_annotation_runs_a_job_once_for_each_value_also_when_its_gateway_restarts_in_between() {
    in_namespace("run-now", async |namespace: TestNamespace| {
        writer(&namespace).await;
        namespace.apply(&job("notes", RARELY, "Compress notes.")).await;
        let id = namespace.declared("notes").await;
        let due = namespace.get("CronJob", "notes").await.data["status"]["nextRunTime"].clone();

        // Only the default agent of a gateway has reminders: its owner.
        namespace.apply(&format!("{}  session: Main\n", job("reminder", RARELY, "Mind the gap."))).await;
        namespace.declared("reminder").await;
        namespace.run_now("reminder", "1").await;

        namespace.run_now("notes", "1").await;
        namespace.ran_for("notes", "1").await;
        let first = namespace.last_run("notes", |run| run["status"] == "Succeeded").await;
        // The same value again, also by somebody who took it away first, is no new wish.
        namespace.run_now("notes", "1").await;
        namespace.annotate("CronJob", "notes", RUN_NOW, None).await;
        namespace.run_now("notes", "1").await;
        namespace.ran_exactly(AGENT, &id, 1).await;

        namespace.run_now("notes", "2").await;
        namespace.ran_for("notes", "2").await;
        namespace.last_run("notes", |run| run["time"] != first["time"] && run["status"] == "Succeeded").await;
        let status = namespace.get("CronJob", "notes").await.data["status"].clone();
        assert_eq!(status["nextRunTime"], due, "a run that was asked for changes nothing of the schedule");

        // It waits in the main session for the Agent's next turn; the run is only that it was put there.
        namespace.last_run("reminder", |run| run["status"] == "Succeeded").await;
        let heard = async || {
            let seen: Vec<_> = namespace.seen().await.into_iter().map(|request| request.text).collect();
            if seen.iter().any(|text| text == "Mind the gap.") { Ok(()) } else { Err(format!("{seen:?}")) }
        };
        namespace.eventually("the reminder reaches the model", START, heard).await;

        let pod = namespace.gateway(AGENT).await;
        namespace.run_now("notes", "3").await;
        namespace.delete_pod(&pod).await;
        namespace.replaced(AGENT, &pod).await;
        namespace.ran_for("notes", "3").await;
        assert_eq!(namespace.declared("notes").await, id);
        namespace.ran_exactly(AGENT, &id, 3).await;
        let asked = namespace.seen().await.into_iter().filter(|request| request.text == "Compress notes.").count();
        // The gateway may end before the third run gets to the model: that run has failed then, and is over.
        assert!((2..=3).contains(&asked), "{asked} times the model was told");

        // The gateway knows the operator's own device now.
        are_let_in_and_removed_by_annotations(&namespace, AGENT).await;
    })
    .await;
}
