//! The plan of a sandbox: what its Pod is made of. Pure values and their hash.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::SandboxSpec;
use crate::api::sandbox::WorkspaceAccess;
use crate::openclaw::layout::Layout;
use crate::pods::fingerprint::{self, hash};
use crate::references::digests::Digests;
use crate::references::reserved;

/// The part that a new key of the gateway changes: a Pod that knows the one before can't be entered any more.
pub const CLIENT_KEY_PART: &str = "the gateway's SSH key";
/// The part that a new host key changes: the gateway doesn't trust a Pod with the one before any more.
pub const HOST_KEY_PART: &str = "the host key";

/// What decides a sandbox's Pod, all of it the user's.
#[derive(Clone, Debug, PartialEq)]
pub struct PodPlan {
    /// The Agent whose commands run in the Pod.
    pub agent: String,
    /// The Agent that owns the gateway.
    pub gateway: String,
    /// The name of the Sandbox. It is no part: what the Pod is made of is its content.
    pub sandbox: String,
    pub spec: SandboxSpec,
    pub access: WorkspaceAccess,
    /// Where the gateway has the Agent's workspace.
    pub layout: Layout,
    /// The gateway's claim; `None` with access `none`.
    pub claim: Option<Claim>,
    /// The public half of the gateway's key.
    pub client_key: String,
    /// The public half of the Pod's own key.
    pub host_key: String,
    pub digests: Digests,
    /// See [`Mounted::version`](crate::references::mounted::Mounted::version). It is no part: the kubelet brings the new files.
    pub files_version: Option<String>,
    /// One short hash per part, so that a replacement can name what changed.
    pub parts: BTreeMap<String, String>,
}

/// The claim of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    /// The user brought it.
    pub existing: bool,
    /// Whether it is bound to one node, so that the sandbox has to be where the gateway is.
    pub one_node: bool,
}

impl PodPlan {
    /// The parts that the user set, hashed. What the network allows is none of them: a policy changes under a running Pod.
    #[must_use]
    pub fn with_parts(mut self) -> Self {
        let spec = &self.spec;
        let access = (self.access != WorkspaceAccess::None).then(|| self.access.as_str());
        let existing = self.claim.as_ref().filter(|claim| claim.existing);
        let adopted = (self.layout != Layout::Creel).then(|| self.layout.workspace(&self.agent));
        self.parts = fingerprint::hashed([
            ("spec.image", json!(spec.image)),
            ("spec.env", json!(spec.env)),
            ("spec.envFrom", json!(spec.env_from)),
            ("spec.resources", json!(spec.resources)),
            ("spec.runtimeClassName", json!(spec.runtime_class_name)),
            ("spec.imagePullSecrets", json!(spec.image_pull_secrets)),
            ("spec.podTemplate", json!(spec.pod_template)),
            ("spec.files", json!(spec.files)),
            ("spec.volumes", json!(spec.volumes)),
            ("spec.serviceAccountName", json!(spec.service_account_name)),
            // The claim can grow under a running Pod.
            ("spec.home", json!(spec.home.as_ref().map(|_| true))),
            ("the workspace access", json!(access)),
            ("the gateway's claim", json!(existing.map(|claim| &claim.name))),
            ("the workspace on the gateway's claim", json!(adopted)),
            ("the gateway", json!((self.gateway != self.agent).then_some(&self.gateway))),
            (CLIENT_KEY_PART, json!(self.client_key)),
            (HOST_KEY_PART, json!(self.host_key)),
        ]);
        self
    }

    /// Reserved variables that `envFrom` would set, with what holds them. They are no part: a Pod that runs with them stays. `HOME` is the
    /// user's, unless there is a home directory.
    #[must_use]
    pub fn overridden(&self) -> BTreeMap<String, String> {
        let mut loaded = reserved::loaded(&self.spec.env_from, &self.digests);
        if self.spec.home.is_none() {
            loaded.remove("HOME");
        }
        loaded
    }

    /// The hash of everything that decides the Pod: 16 hex digits. It holds nothing of the operator's version or of its shell image,
    /// so that an upgrade of Creel replaces no sandbox.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&(&self.parts, &self.digests))
    }

    /// Whether the Pod has to be on the node of its gateway.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.one_node)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::{Claim, PodPlan};
    use crate::api::sandbox::WorkspaceAccess;
    use crate::pods::fingerprint::changed;
    use crate::references::digests::Digests;
    use crate::sandbox::fixtures::{edit_owner, edit_sandbox, office, plan};

    /// A changed hash replaces every sandbox in the world at the next upgrade of Creel: change it only on purpose.
    #[test]
    fn the_hash_of_a_plan_stays_the_same_from_version_to_version() {
        assert_eq!(plan(&office()).hash(), "233eb01fe8fd3fab");
    }

    #[test]
    fn a_changed_part_is_named() {
        let mut office = office();
        let before = plan(&office);
        edit_sandbox(&mut office, |sandbox| sandbox.spec.image = "debian:12".into());
        assert_eq!(changed(&before.parts, &plan(&office).parts), ["spec.image changed"]);
    }

    #[test]
    fn another_workspace_on_the_claim_is_named_also_to_a_pod_that_does_not_mount_it() {
        let mut office = office();
        office.used.workspace_access = Some(WorkspaceAccess::None);
        let before = plan(&office);
        edit_owner(&mut office, |owner| {
            let storage = json!({"storage": {"existingClaim": "openclaw-home-pvc", "adopt": {}}});
            owner.spec.gateway = Some(serde_json::from_value(storage).unwrap());
        });
        assert_eq!(changed(&before.parts, &plan(&office).parts), ["the workspace on the gateway's claim changed"]);
    }

    #[test]
    fn a_home_that_grows_and_files_of_another_version_change_no_plan() {
        let mut office = office();
        let home = |size: &str| serde_json::from_value(json!({"size": size})).unwrap();
        edit_sandbox(&mut office, |sandbox| sandbox.spec.home = Some(home("1Gi")));
        let before = plan(&office).hash();
        edit_sandbox(&mut office, |sandbox| sandbox.spec.home = Some(home("2Gi")));
        office.mounted.version = Some("another".to_owned());
        assert_eq!(plan(&office).hash(), before);
    }

    #[test]
    fn rotation_and_network_change_no_plan() {
        let mut office = office();
        let before = plan(&office).hash();
        edit_sandbox(&mut office, |sandbox| {
            sandbox.spec.rotation = crate::api::sandbox::Rotation::OnDelete;
            sandbox.spec.network.egress = crate::api::sandbox::Egress::All;
        });
        assert_eq!(plan(&office).hash(), before);
    }

    /// Every part of the plan, from a Sandbox with every field set: a field that is renamed or written otherwise changes its part.
    fn full() -> PodPlan {
        let mut office = office();
        let claim = Some(Claim { name: "assistants".into(), existing: true, one_node: false });
        edit_sandbox(&mut office, |sandbox| {
            sandbox.spec = serde_yaml::from_str(include_str!("plan/full_spec.yaml")).unwrap();
        });
        let spec = office.sandbox.unwrap().spec.clone();
        let access = WorkspaceAccess::Ro;
        let digests = Digests([("Secret/gitea/token".to_owned(), "0123456789abcdef".to_owned())].into());
        PodPlan { spec, access, claim, digests, ..plan(&crate::sandbox::fixtures::office()) }.with_parts()
    }

    /// A changed part replaces sandboxes at the next upgrade of Creel: change it only on purpose.
    #[test]
    fn no_part_of_a_full_plan_changes_from_version_to_version() {
        let parts = full().parts;
        let parts: Vec<(&str, &str)> = parts.iter().map(|(part, hash)| (part.as_str(), hash.as_str())).collect();
        assert_eq!(
            parts,
            [
                ("spec.env", "cef0a4817f3e2e59"),
                ("spec.envFrom", "310cdbb5e10a215c"),
                ("spec.files", "30a23da9b8c2cff9"),
                ("spec.home", "b5bea41b6c623f7c"),
                ("spec.image", "ab0e76024f5f136d"),
                ("spec.imagePullSecrets", "3ee5905cbe2b6f22"),
                ("spec.podTemplate", "8c47082a922b1bf6"),
                ("spec.resources", "6e5ad5e31687af7c"),
                ("spec.runtimeClassName", "4270dd59be637c4f"),
                ("spec.serviceAccountName", "1aa0bba1017b6332"),
                ("spec.volumes", "fb0ac0ecbfe7025e"),
                ("the gateway", "cb0cfbeeeb95ccfa"),
                ("the gateway's SSH key", "a5b368c4f67b2c05"),
                ("the gateway's claim", "8a3f24772e7131c7"),
                ("the host key", "1f2230e4ec1c843c"),
                ("the workspace access", "f540d43f10a3fbe3"),
            ]
        );
        assert_eq!(full().hash(), "0bffde3668b22dc1");
    }
}
