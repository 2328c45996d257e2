//! What helps to understand a failed test: Pods, events, the operator's log, components of the cluster that ended.
//! Talks to the API server and reads logs.

use crate::cluster::{Cluster, RELEASE_NAMESPACE};
use crate::command::{run, tail};

/// So many last lines of each log and of the list of events.
const LINES: usize = 60;

/// Prints the state of the cluster. Never fails: it is called when something else has.
pub async fn print(cluster: &Cluster) {
    let questions: [(&str, &[&str]); 4] = [
        ("agents, providers and Pods", &["get", "agents,providers,pods", "--all-namespaces", "--output=wide"]),
        ("events", &["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"]),
        (
            "operator's log",
            &["logs", "--namespace", RELEASE_NAMESPACE, "--selector=app.kubernetes.io/name=creel", "--tail=60"],
        ),
        (
            "operator's log before its last restart",
            &[
                "logs",
                "--namespace",
                RELEASE_NAMESPACE,
                "--selector=app.kubernetes.io/name=creel",
                "--previous",
                "--tail=60",
            ],
        ),
    ];
    for (title, arguments) in questions {
        match run(cluster.kubectl().args(arguments)).await {
            Ok(said) => println!("--- {title}\n{}", tail(&said, LINES)),
            Err(error) => println!("--- {title}: {error}"),
        }
    }
    for (component, log) in cluster.ended_components() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        println!("--- {component} ended; the end of {}\n{}", log.display(), tail(&text, LINES));
    }
}
