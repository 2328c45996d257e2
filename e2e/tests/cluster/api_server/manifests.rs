//! What is shipped is what the API server accepts: the chart, install.yaml and the samples.

use e2e::chart::workspace;
use e2e::cluster::{Cluster, RELEASE_NAME, RELEASE_NAMESPACE};
use e2e::command::run;
use e2e::kubectl;
use e2e::suite::in_namespace;

/// What the API server would say to all of it, as `kubectl apply --server-side --dry-run=server` asks.
async fn dry_run(cluster: &Cluster, yaml: &str) -> String {
    let mut kubectl = cluster.kubectl();
    // Helm owns these fields on this cluster; a dry run takes nothing from it.
    kubectl.args(["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"]);
    kubectl::run_with(kubectl, &["--filename", "-"], yaml).await.expect("a dry run")
}

#[tokio::test]
async fn the_api_server_accepts_what_the_chart_renders_with_every_optional_part() {
    let cluster = Cluster::open().await.expect("a cluster");
    let mut helm = cluster.helm();
    helm.args(["template", RELEASE_NAME]).arg(workspace().join("charts/creel"));
    helm.args([
        "--namespace",
        RELEASE_NAMESPACE,
        "--set",
        "operator.replicas=2",
        "--set",
        "operator.podLabels.team=blue",
    ]);
    helm.args([
        "--set",
        "operator.extraEnv[0].name=HTTPS_PROXY",
        "--set",
        "operator.extraEnv[0].value=http://proxy:3128",
    ]);
    helm.args(["--set", "operator.imagePullSecrets[0].name=registry"]);
    helm.args(["--set", "operator.tolerations[0].operator=Exists", "--set", "operator.nodeSelector.zone=a"]);
    let yaml = run(&mut helm).await.expect("helm template");
    let said = dry_run(&cluster, &yaml).await;
    assert!(said.contains("deployment.apps/creel-operator serverside-applied (server dry run)"), "{said}");
    assert!(said.contains("customresourcedefinition.apiextensions.k8s.io/agents.creel.dev"), "{said}");
}

#[tokio::test]
async fn the_api_server_accepts_install_yaml() {
    let cluster = Cluster::open().await.expect("a cluster");
    let yaml = std::fs::read_to_string(workspace().join("manifests/install.yaml")).expect("manifests/install.yaml");
    let said = dry_run(&cluster, &yaml).await;
    assert!(said.contains("namespace/creel-system serverside-applied (server dry run)"), "{said}");
}

#[tokio::test]
async fn the_api_server_accepts_every_sample() {
    in_namespace("samples", async |namespace| {
        let cluster = Cluster::open().await.expect("a cluster");
        let mut files: Vec<_> = ["manifests/samples", "manifests/samples/moving", "manifests/samples/sandboxes"]
            .iter()
            .flat_map(|directory| std::fs::read_dir(workspace().join(directory)).expect(directory))
            .map(|file| file.expect("a file").path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        assert!(!files.is_empty());
        for file in files {
            // A dry run makes no namespace for what is in it.
            let yaml = std::fs::read_to_string(&file).expect("a sample");
            let yaml = yaml.replace("namespace: assistants", &format!("namespace: {}", namespace.name));
            let said = dry_run(&cluster, &yaml).await;
            assert!(said.contains("(server dry run)"), "{}: {said}", file.display());
        }
    })
    .await;
}
