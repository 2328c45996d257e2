//! The model server as a Pod with a Service in front: the YAML to apply. Pure.

use crate::images::MODEL_SERVER_IMAGE;

/// The Service's name, and its port.
pub const SERVICE: (&str, u16) = ("model-server", 8080);

/// Namespace, Deployment and Service. In the cluster it is `http://model-server.<namespace>.svc.cluster.local:8080`.
/// `digest` is that of the image: a newly built one under the same name replaces the Pod.
#[must_use]
pub fn manifest(namespace: &str, digest: &str) -> String {
    let (name, port) = SERVICE;
    format!(
        r"apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - port: {port}
      targetPort: {port}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
spec:
  # Scripts and requests are in memory: never two at once.
  strategy:
    type: Recreate
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
      annotations:
        image-digest: {digest}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 5
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: model-server
          image: {MODEL_SERVER_IMAGE}
          imagePullPolicy: IfNotPresent
          args: [--listen, '0.0.0.0:{port}']
          ports:
            - containerPort: {port}
          readinessProbe:
            httpGet:
              path: /healthz
              port: {port}
            periodSeconds: 1
          resources:
            requests:
              cpu: 10m
              memory: 16Mi
            limits:
              memory: 256Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde::Deserialize;

    use super::*;

    #[test]
    fn the_manifest_is_three_documents_in_the_namespace() {
        let documents: Vec<serde_yaml::Value> = serde_yaml::Deserializer::from_str(&manifest("models", "sha256:0"))
            .map(|document| serde_yaml::Value::deserialize(document).unwrap())
            .collect();
        let kinds: Vec<_> = documents.iter().map(|document| document["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Namespace", "Service", "Deployment"]);
        assert_eq!(documents[2]["metadata"]["namespace"], "models");
    }
}
