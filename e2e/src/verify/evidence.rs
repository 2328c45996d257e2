//! What helps to understand a failed test, in little space: Pods, warnings, components of the cluster that ended. Talks to the API
//! server and reads logs.

use crate::cluster::{Cluster, RELEASE_NAMESPACE};
use crate::command::{cut, run, tail};

/// So many last lines of what is listed, and of the log of a component that ended.
const LINES: usize = 40;
/// So many last warnings of a kind, and characters of each line.
const WARNINGS: usize = 15;
const WIDTH: usize = 300;
/// Lines of the operator's log that are searched for warnings.
const SEARCHED: &str = "--tail=3000";
const OPERATOR: &str = "--selector=app.kubernetes.io/name=creel";

/// Prints the state of the cluster. Never fails: it is called when something else has.
pub async fn print(cluster: &Cluster) {
    let kinds = "agents,sandboxes,providers,pods";
    print_tail("Agents, Sandboxes, Providers and Pods", cluster, &["get", kinds, "--all-namespaces"], LINES).await;
    let warnings = ["get", "events", "--all-namespaces", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"];
    print_tail("events of type Warning", cluster, &warnings, WARNINGS).await;
    for (title, which) in [("warnings of the operator", "--previous=false"), ("before its last restart", "--previous")]
    {
        let logs = ["logs", "--namespace", RELEASE_NAMESPACE, OPERATOR, SEARCHED, which];
        match run(cluster.kubectl().args(logs)).await {
            Ok(log) => println!("--- {title}\n{}", short(&complaints(&log), WARNINGS)),
            Err(error) => println!("--- {title}: {}", cut(&error.to_string(), WIDTH)),
        }
    }
    for (component, log) in cluster.ended_components() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        println!("--- {component} ended; the end of {}\n{}", log.display(), short(&text, LINES));
    }
}

async fn print_tail(title: &str, cluster: &Cluster, arguments: &[&str], lines: usize) {
    match run(cluster.kubectl().args(arguments)).await {
        Ok(said) => println!("--- {title}\n{}", short(&said, lines)),
        Err(error) => println!("--- {title}: {}", cut(&error.to_string(), WIDTH)),
    }
}

/// The lines of a log that tell of something wrong, whatever its format.
fn complaints(log: &str) -> String {
    let wrong = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    log.lines().filter(wrong).collect::<Vec<_>>().join("\n")
}

/// The last `lines` lines, each cut.
fn short(text: &str, lines: usize) -> String {
    tail(text, lines).lines().map(|line| cut(line, WIDTH)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_is_quoted_and_no_line_is_long() {
        let log = format!("{{\"level\":\"INFO\"}}\n{{\"level\":\"WARN\"}}\nERROR {}\n", "x".repeat(WIDTH));
        let said = short(&complaints(&log), WARNINGS);
        assert_eq!(said.lines().count(), 2);
        assert!(said.ends_with('…') && !said.contains("INFO"), "{said}");
    }
}
