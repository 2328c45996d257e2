//! What `kubectl` shows of the kinds: the manual of each field, short names, the category and columns.

use e2e::cluster::Cluster;
use e2e::kubectl::run;
use e2e::suite::{SOON, in_namespace};
use serde_json::json;

use super::stage::{cron_job, make, provider, reason, resting};

#[tokio::test]
async fn kubectl_explain_prints_the_manual() {
    let cluster = Cluster::open().await.expect("a cluster");
    for (field, words) in [
        ("agents", "An Agent is an OpenClaw agent."),
        ("agents.spec.suspend", "Default: `false`."),
        ("agents.spec.gateway.image", "by a tag that is not `latest`"),
        ("agents.spec.gateway.storage.retention", "Default: `Retain`."),
        ("agents.status.conditions", "`ConfigApplied`: the gateway itself confirmed the configuration;"),
        ("agents.spec.sandbox.workspaceAccess", "`none`, `ro` or `rw`"),
        ("sandboxes", "A Sandbox is a template for the Pods in which Agents run commands."),
        ("sandboxes.spec.network.egress", "Default: `None`."),
        ("agents.spec.heartbeat.every", "Example: `30m`."),
        ("agents.spec.tools.profile", "`minimal`, `messaging`, `coding` or `full`."),
        ("agents.spec.modelProfiles.primary", "The model that is tried first."),
        ("agents.status.activeModelProfile.since", "When Creel switched to it."),
        ("providers.spec.baseURL", "Example: `https://api.openai.com/v1`."),
        ("providers.spec.models.contextWindow", "Default: 128000."),
    ] {
        let manual = run(cluster.kubectl(), &["explain", field]).await.expect(field);
        let manual = manual.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(manual.contains(words), "{field}: {manual}");
    }
    // Kubernetes has a kind of this name too.
    for (field, words) in [
        ("cronjobs", "A CronJob runs an Agent on a schedule."),
        ("cronjobs", "kubectl annotate cronjobs.creel.dev NAME creel.dev/run-now=$(date +%s)"),
        ("cronjobs.spec.schedule", "Example: `0 4 * * *`."),
        ("cronjobs.spec.every", "1 second to 8760 hours;"),
        ("cronjobs.spec.timeZone", "Default: `Etc/UTC`."),
        ("cronjobs.spec.session", "Default: `Isolated`."),
        ("cronjobs.spec.delivery.mode", "Default: `None`."),
        ("cronjobs.status.conditions", "`Declared`: the gateway has exactly this job;"),
    ] {
        let explain = ["explain", field, "--api-version=creel.dev/v1alpha1"];
        let manual = run(cluster.kubectl(), &explain).await.expect(field);
        let manual = manual.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(manual.contains(words), "{field}: {manual}");
    }
}

#[tokio::test]
async fn kubectl_get_shows_columns_short_names_and_the_category() {
    in_namespace("columns", async |namespace| {
        let cluster = Cluster::open().await.expect("a cluster");
        make(&namespace, &provider("p")).await;
        make(&namespace, &resting("a")).await;
        reason(&namespace, "a", "Ready", "Suspended").await;
        let columns = async |arguments: &[&str]| {
            let all = [&["--namespace", &namespace.name, "get"], arguments].concat();
            let text = run(cluster.kubectl(), &all).await.expect("kubectl get");
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let agents = columns(&["cag"]).await;
        assert_eq!(agents[0], "NAME READY REASON MODEL PROFILE GATEWAY SANDBOX AGE");
        assert!(agents[1].starts_with("a True Suspended p/small a "), "{agents:?}");
        assert_eq!(
            columns(&["cag", "-o", "wide"]).await[0],
            "NAME READY REASON MODEL PROFILE GATEWAY SANDBOX MESSAGE AGE"
        );
        let counted = async || {
            let status = namespace.get("Provider", "p").await.data["status"].clone();
            if status["agents"] == 1 { Ok(()) } else { Err(status.to_string()) }
        };
        namespace.eventually("the Provider counts its Agent", SOON, counted).await;
        let providers = columns(&["cpr"]).await;
        assert_eq!(providers[0], "NAME READY REASON API AGENTS AGE");
        assert!(providers[1].starts_with("p True Ready openai-completions 1 "), "{providers:?}");
        let wide = columns(&["cpr", "-o", "wide"]).await;
        assert_eq!(wide[0], "NAME READY REASON API AGENTS MODELS AGE");
        make(&namespace, &cron_job("j", "a")).await;
        namespace.condition("CronJob", "j", "Ready", SOON, |ready| ready.reason == "Suspended").await;
        let jobs = columns(&["ccj"]).await;
        assert_eq!(jobs[0], "NAME AGENT SCHEDULE SUSPEND READY NEXT RUN LAST FAILURES HEALTH SINCE AGE");
        assert!(jobs[1].starts_with("j a 0 4 * * * "), "{jobs:?}");
        let wide = columns(&["ccj", "-o", "wide"]).await;
        assert_eq!(wide[0], "NAME AGENT SCHEDULE SUSPEND READY NEXT RUN LAST FAILURES HEALTH SINCE MESSAGE AGE");
        let all = columns(&["creel"]).await;
        assert!(all.iter().any(|line| line.starts_with("cronjob.creel.dev/j ")), "{all:?}");
        assert!(all.iter().any(|line| line.starts_with("agent.creel.dev/a ")), "{all:?}");
        assert!(all.iter().any(|line| line.starts_with("provider.creel.dev/p ")), "{all:?}");
        // The names belong to nobody else.
        let kinds = run(cluster.kubectl(), &["api-resources", "--no-headers"]).await.expect("api-resources");
        for short in ["cag", "ccj", "cpr", "csb"] {
            let owners = kinds.lines().filter(|line| line.split_whitespace().nth(1) == Some(short));
            assert_eq!(owners.count(), 1, "{short}: {kinds}");
        }
        let status = namespace.get("Agent", "a").await.data["status"].clone();
        assert_eq!(status["gateway"]["tokenSecret"], json!({"name": "a-secret", "key": "token"}));
    })
    .await;
}
