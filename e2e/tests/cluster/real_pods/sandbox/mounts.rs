//! What commands see beside the workspace: a Secret as files, a volume, a home directory, the Kubernetes API.

use e2e::suite::{
    SANDBOX_ACCOUNT, SOON, START, Shared, TestNamespace, on_shared, sandbox as template, secret, secret_value,
};
use serde_json::json;

use super::{AGENT, writer};

const FILE: &str = "/home/agent/.claude/token";

/// The account may look at Pods, and at nothing else.
const READER: &str = "
{apiVersion: v1, kind: ServiceAccount, metadata: {name: <account>}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: <account>}
rules: [{apiGroups: [''], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: <account>}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: <account>}
subjects: [{kind: ServiceAccount, name: <account>, namespace: <namespace>}]
";

const CLAIM: &str = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: <claim>}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";

/// What the Kubernetes API answers a program that uses the credentials in its Pod: a status code.
const ASK: &str = r#"python3 -c '
import os, ssl, urllib.error, urllib.request
at = "/var/run/secrets/kubernetes.io/serviceaccount"
host, namespace = os.environ["KUBERNETES_SERVICE_HOST"], open(at + "/namespace").read()
url = f"https://{host}/api/v1/namespaces/{namespace}/<resource>"
asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(at + "/token").read()})
try:
    print(urllib.request.urlopen(asked, context=ssl.create_default_context(cafile=at + "/ca.crt"), timeout=10).status)
except urllib.error.HTTPError as refused:
    print(refused.code)
'"#;

#[tokio::test]
async fn files_follow_their_secret_in_the_running_pod_and_a_home_and_a_volume_outlive_it() {
    on_shared(Shared::Workspace, "mounts", async |namespace: TestNamespace| {
        let [agent, sandbox, login, claim] = [AGENT, "box", "login", "nas"].map(|name| namespace.named(name));
        let values = ["first", "second", "third"].map(secret_value);
        let set = async |value: &str| namespace.apply(&secret(&login, "token", value)).await;
        set(&values[0]).await;
        namespace.apply(&CLAIM.replace("<claim>", &claim)).await;
        let mounts = format!(
            "  home: {{size: 1Gi}}\n  files: [{{mountPath: /home/agent/.claude, secretRef: {{name: {login}}}}}]\n  volumes: [{{mountPath: /data, persistentVolumeClaim: {{claimName: {claim}}}}}]\n"
        );
        let (gateway, pod) = writer(&namespace, &format!("{}{mounts}", template(&sandbox, "rw")), &sandbox).await;
        let said = namespace.run_in_sandbox(&agent, &format!("cat {FILE}")).await;
        assert_eq!(said.replace(&values[0], "<value>"), "<value>");
        for value in &values[1..] {
            set(value).await;
            let seen = async || {
                let seen = namespace.try_in_container(&pod.name, "shell", &format!("cat {FILE}")).await?;
                if seen == *value { Ok(()) } else { Err("another value".to_owned()) }
            };
            namespace.eventually("the running Pod has the new value", START, seen).await;
        }
        assert_eq!(namespace.sandbox_ready(&agent).await, pod, "no Pod is replaced for it");
        let write = format!("echo kept > /home/agent/note && echo shared > /data/note && ! touch {FILE} 2>/dev/null && echo written");
        assert_eq!(namespace.run_in_sandbox(&agent, &write).await, "written");
        assert!(namespace.try_in_container(&pod.name, "shell", "ls /var/run/secrets/kubernetes.io").await.is_err());

        let (in_namespace, account) = SANDBOX_ACCOUNT.split_once('/').expect("a namespace and a name");
        namespace.apply(&READER.replace("<account>", account).replace("<namespace>", in_namespace)).await;
        let volumes = json!([{"mountPath": "/data", "persistentVolumeClaim": {"claimName": claim}, "readOnly": true}]);
        namespace.merge("Sandbox", &sandbox, &json!({"spec": {"volumes": volumes, "serviceAccountName": account}})).await;
        namespace.sandbox_replaced(&agent, &pod).await;
        let look = format!("cat /home/agent/note /data/note {FILE}; ! touch /data/other 2>&1");
        let said = namespace.run_in_sandbox(&agent, &look).await;
        let said = said.replace(&values[2], "<value>");
        assert!(said.starts_with("kept\nshared\n<value>"), "something is lost: {said}");
        assert!(said.contains("Read-only file system"), "the volume could be written: {said}");
        let ask = async |resource: &str| namespace.run_in_sandbox(&agent, &ASK.replace("<resource>", resource)).await;
        assert_eq!((ask("pods").await, ask("secrets").await), ("200".to_owned(), "403".to_owned()));
        let meant = |found: &e2e::suite::Condition| found.message.contains("may reach the Kubernetes API");
        namespace.condition("Agent", &agent, "IsolationVerified", SOON, meant).await;
        assert_eq!(namespace.running(namespace.host_of(&agent)).await, [gateway], "the gateway has no part in it");
    })
    .await;
}
