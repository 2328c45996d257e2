//! What Creel relies on of a gateway: each clause that the stand-in of its tests holds to is tried against the real one, in a Pod without
//! Creel, so that operators may come and go meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::model_server::Rule;
use e2e::suite::{START, TestNamespace, in_namespace, random};
use gateway_stand_in::Turns;
use gateway_stand_in::contract::{Host, Subject, Surroundings, broken, document};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::Api;
use serde_json::Value;

const POD: &str = "gateway";
const PROVIDER: &str = "main";
const PORT: u16 = 18_789;
/// Longer than it takes to begin the turns of one clause, and to look at them.
const HELD: Duration = Duration::from_mins(5);

/// As Creel runs it, but for its own program and the claim. The configuration is a file that the test can write.
const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: gateway}
spec:
  automountServiceAccountToken: false
  # So that the gateway is not the first process, which nothing inside can kill.
  shareProcessNamespace: true
  enableServiceLinks: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: gateway
    image: ghcr.io/openclaw/openclaw:2026.9.6-slim
    imagePullPolicy: IfNotPresent
    workingDir: /app
    command: [sh, -c, 'printf %s "$CONFIGURATION" > "$OPENCLAW_CONFIG_PATH" && exec node openclaw.mjs gateway run']
    env:
    - {name: CONFIGURATION, value: <configuration>}
    - {name: CONTRACT_KEY, value: a-key}
    - {name: OPENCLAW_GATEWAY_TOKEN, value: <token>}
    - {name: CHOKIDAR_USEPOLLING, value: '1'}
    - {name: HOME, value: /home/node}
    - {name: NODE_OPTIONS, value: --max-old-space-size=1536}
    - {name: OPENCLAW_CONFIG_PATH, value: /tmp/openclaw.json}
    - {name: OPENCLAW_CONFIG_READONLY, value: '1'}
    - {name: OPENCLAW_DISABLE_BONJOUR, value: '1'}
    - {name: OPENCLAW_NO_AUTO_UPDATE, value: '1'}
    - {name: OPENCLAW_STATE_DIR, value: /home/node/.openclaw/state}
    - {name: XDG_CACHE_HOME, value: /tmp/xdg-cache}
    startupProbe: {httpGet: {path: /startupz, port: 18789}, periodSeconds: 1, failureThreshold: 600}
    resources: {requests: {cpu: 250m, memory: 1Gi}, limits: {memory: 2Gi}}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts:
    - {name: state, mountPath: /home/node/.openclaw}
    - {name: tmp, mountPath: /tmp}
  volumes:
  - {name: state, emptyDir: {}}
  - {name: tmp, emptyDir: {}}
"#;

/// The Pod's surroundings: its files, its model, and the clock on the wall.
struct InPod(TestNamespace);

impl Host for InPod {
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn configure(&self, text: &str) {
        let script = format!("cat > /tmp/next.json <<'END'\n{text}\nEND\nmv /tmp/next.json /tmp/openclaw.json");
        self.0.in_container(POD, "gateway", &script).await;
    }

    async fn set_turns(&self, turns: Turns) {
        let answer = match turns {
            Turns::Answer => Rule::text("It is done."),
            Turns::Fail => Rule::error(400),
            Turns::Hold => Rule::text("It is done.").delay(HELD),
        };
        let answer = answer.path_prefix(self.0.prefix(PROVIDER));
        self.0.models.script(&self.0.name, &[answer]).await.expect("the model server takes a script");
    }

    async fn kill(&self) {
        let before = status(&self.0).await.expect("a gateway").restart_count;
        // The script may end with the container; whether it did its work shows below. The brackets keep it from finding itself.
        let _ = self.0.try_in_container(POD, "gateway", "pkill -KILL -f '[o]penclaw|[n]ode'").await;
        let deadline = Instant::now() + START;
        loop {
            match status(&self.0).await {
                Some(now) if now.restart_count > before && now.started == Some(true) => return,
                now => assert!(Instant::now() < deadline, "the gateway does not answer again: {now:?}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// How the gateway's container is.
async fn status(namespace: &TestNamespace) -> Option<ContainerStatus> {
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    pods.get(POD).await.ok()?.status?.container_statuses?.into_iter().next()
}

#[tokio::test]
async fn the_real_gateway_holds_to_the_contract_of_its_stand_in() {
    in_namespace("contract", async |namespace: TestNamespace| {
        let subject = subject(namespace).await;
        let broken = broken(&subject).await;
        assert!(broken.is_empty(), "the stand-in says otherwise than the real gateway: {broken:#?}");
    })
    .await;
}

/// A gateway that answers.
async fn subject(namespace: TestNamespace) -> Subject<InPod> {
    let (bind, workspaces) = ("lan".to_owned(), "/home/node/.openclaw/workspaces".to_owned());
    let configuration = document(&Surroundings { port: PORT, bind, workspaces, models: namespace.base_url(PROVIDER) });
    let token = random(32);
    let text = Value::from(configuration.to_string()).to_string();
    namespace.apply(&MANIFEST.replace("<configuration>", &text).replace("<token>", &token)).await;
    let pods: Api<Pod> = Api::namespaced(namespace.client.clone(), &namespace.name);
    let address = namespace
        .eventually("the gateway answers", START, async || {
            let gateway = status(&namespace).await.filter(|gateway| gateway.started == Some(true)).ok_or("starting")?;
            let pod = pods.get(POD).await.map_err(|error| error.to_string())?;
            let ip = pod.status.and_then(|status| status.pod_ip).ok_or_else(|| format!("{gateway:?}"))?;
            ip.parse().map_err(|_| ip)
        })
        .await;
    Subject::new(SocketAddr::new(address, PORT), &token, InPod(namespace), configuration)
}
