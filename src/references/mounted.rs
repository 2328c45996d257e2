//! Whether what a Sandbox mounts is there. Touches the network for claims, which are not watched.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client, ResourceExt};
use xxhash_rust::xxh3::xxh3_64;

use super::digests::Fault;
use super::read::Versions;
use super::sources;
use crate::api::Sandbox;
use crate::kubernetes::conditions::reason;
use crate::kubernetes::errors::brief;
use crate::kubernetes::received::{self, Received};

/// What was found of the objects that a Sandbox mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// What keeps a new Pod from starting, files first. A running Pod has it mounted, and goes on.
    pub faults: Vec<Fault>,
    /// Differs when one of the objects in `files` does; `None`: there are none.
    pub version: Option<String>,
}

/// Looks for all of it.
pub async fn look(client: &Client, versions: &impl Versions, namespace: &str, sandbox: &Sandbox) -> Mounted {
    let mut mounted = files(versions, namespace, sandbox);
    mounted.faults.extend(claims(client, namespace, sandbox).await);
    mounted
}

/// Only their versions are looked at: what is in them is between the kubelet and the Pod. Pure.
fn files(versions: &impl Versions, namespace: &str, sandbox: &Sandbox) -> Mounted {
    let (mut faults, mut found) = (Vec::new(), Vec::new());
    for source in sources::of_files(sandbox) {
        let version = versions.of(namespace, &(source.kind, source.name.clone()));
        if version.is_none() {
            faults.push(source.missing());
        }
        found.push(version.unwrap_or_default());
    }
    let version = (!found.is_empty()).then(|| format!("{:016x}", xxh3_64(found.join("\n").as_bytes())));
    Mounted { faults, version }
}

async fn claims(client: &Client, namespace: &str, sandbox: &Sandbox) -> Vec<Fault> {
    let field =
        |path: &str| format!("spec.volumes[{path}].persistentVolumeClaim of Sandbox \"{}\"", sandbox.name_any());
    let named = sandbox.spec.volumes.iter().filter_map(|volume| {
        Some((volume.persistent_volume_claim.as_ref()?.claim_name.clone(), field(&volume.mount_path)))
    });
    // Each once, with the first field that names it.
    let by_name: BTreeMap<_, _> = named.rev().collect();
    let api: Api<Received<PersistentVolumeClaim>> = Api::namespaced(client.clone(), namespace);
    let api = &api;
    let looks = by_name.iter().map(|(name, field)| async move {
        let (reason, why) = match received::get(api, name).await {
            Ok(Some(_)) => return None,
            Ok(None) => (reason::CLAIM_NOT_FOUND, format!("does not exist ({field}): create it, or use another name")),
            Err(error) => (reason::REFERENCE_UNREADABLE, format!("cannot be read ({field}): {}", brief(&error))),
        };
        let message = format!("PersistentVolumeClaim \"{name}\" {why}");
        Some(Fault { reason, message, carried: true })
    });
    join_all(looks).await.into_iter().flatten().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kubernetes::recording_api::RecordingApi;
    use crate::references::digests::{SourceKind, SourceName};

    /// Of a cluster with the Secret `there`.
    struct There(&'static str);

    impl Versions for There {
        fn of(&self, _: &str, source: &SourceName) -> Option<String> {
            (*source == (SourceKind::Secret, "there".to_owned())).then(|| self.0.to_owned())
        }
    }

    fn sandbox(spec: &str) -> Sandbox {
        let yaml = format!(
            "{{apiVersion: creel.dev/v1alpha1, kind: Sandbox, metadata: {{name: box}}, spec: {{image: 'a:1', {spec}}}}}"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn a_missing_object_is_named_with_its_field_and_the_remedy() {
        let box_ =
            sandbox("files: [{mountPath: /a, secretRef: {name: there}}, {mountPath: /b, configMapRef: {name: not}}]");
        let [fault] = &files(&There("1"), "default", &box_).faults[..] else { unreachable!() };
        assert_eq!(fault.reason, reason::CONFIG_MAP_NOT_FOUND);
        let expected = "ConfigMap \"not\" does not exist (spec.files[/b].configMapRef of Sandbox \"box\"): create it";
        assert_eq!(fault.message, expected);
    }

    #[test]
    fn another_version_of_a_file_is_another_version_of_all() {
        let box_ = sandbox("files: [{mountPath: /a, secretRef: {name: there}}]");
        let version = |of| files(&There(of), "default", &box_).version;
        assert_eq!(version("1"), version("1"));
        assert_ne!(version("1"), version("2"));
        assert_eq!(files(&There("1"), "default", &sandbox("files: []")).version, None);
    }

    #[tokio::test]
    async fn a_claim_that_is_not_there_or_cannot_be_read_is_named_once() {
        let volumes = "volumes: [{mountPath: /a, persistentVolumeClaim: {claimName: nas}}, {mountPath: /b, persistentVolumeClaim: {claimName: nas}}]";
        for (code, reason, words) in [
            (
                404,
                reason::CLAIM_NOT_FOUND,
                "does not exist (spec.volumes[/a].persistentVolumeClaim of Sandbox \"box\"): create it",
            ),
            (
                403,
                reason::REFERENCE_UNREADABLE,
                "cannot be read (spec.volumes[/a].persistentVolumeClaim of Sandbox \"box\")",
            ),
        ] {
            let client = RecordingApi::default().client(move |_| Some(code));
            let faults = claims(&client, "default", &sandbox(volumes)).await;
            assert_eq!(faults.iter().map(|fault| fault.reason).collect::<Vec<_>>(), [reason]);
            assert!(faults[0].message.contains("\"nas\"") && faults[0].message.contains(words), "{faults:?}");
        }
    }
}
