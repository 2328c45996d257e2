//! Sends children: server-side apply of what differs, additions of others taken out, leftovers deleted. Touches the network.

use std::fmt::Debug;
use std::time::Instant;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::conditions::reason;
use super::dispute::Edit;
use super::errors::{brief, is_refusal};
use super::http_route::HttpRoute;
use super::ledger::{Change, ChildKey, Disputed, Due, Ledger, Shown};
use super::managed_fields::{self, Exact};
use super::observed::Observed;
use super::received::{self, Received};
use crate::naming::{LABEL_AGENT, LABEL_GATEWAY, LABEL_MANAGED_BY, controller_of, is_of_predecessor};

/// Why a child could not be brought about.
#[derive(Debug, Error)]
pub enum ApplyError {
    #[error(
        "{kind} \"{name}\" already exists and is not owned by this Agent: delete or rename it, or rename the Agent"
    )]
    NotOurs { kind: String, name: String },
    #[error("{kind} \"{name}\" already exists and does not belong to Creel: delete or rename it")]
    NotCreels { kind: String, name: String },
    #[error("waiting for {kind} \"{name}\" of the deleted Agent of the same name to be removed")]
    BeingDeleted { kind: String, name: String },
    #[error("{kind} \"{name}\" cannot be serialised")]
    Serialise { kind: String, name: String, source: serde_json::Error },
    #[error("{kind} \"{name}\": {}", brief(source))]
    Api { kind: String, name: String, source: Box<kube::Error> },
}

impl ApplyError {
    /// The reason of a condition, unless the next try may help.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::NotOurs { .. } | Self::NotCreels { .. } => Some(reason::NAME_CONFLICT),
            Self::BeingDeleted { .. } => Some(reason::BEING_DELETED),
            Self::Api { source, .. } => is_refusal(source).then_some(reason::CHILD_REJECTED),
            Self::Serialise { .. } => None,
        }
    }

    /// Whether that is an object on which Pods rest: a stranger's must not feed or confine them. A Service only leads to Pods.
    #[must_use]
    pub fn undermines_pods(&self) -> bool {
        let (Self::NotOurs { kind, .. } | Self::NotCreels { kind, .. } | Self::BeingDeleted { kind, .. }) = self else {
            return false;
        };
        kind != "Service"
    }

    /// The API server's answer, if it is one.
    #[must_use]
    pub fn api(&self) -> Option<&kube::Error> {
        if let Self::Api { source, .. } = self { Some(source) } else { None }
    }
}

/// A kind of object that Creel makes.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Exact
    + Serialize
    + DeserializeOwned
    + Default
    + Clone
    + Debug
    + Send
    + Sync
{
    /// Whether one that has no controller and carries our labels may be taken up again. Only claims outlive their owner.
    const ADOPTABLE: bool = false;
    /// Whether the repair of one that somebody keeps changing may wait. By others Pods are reached.
    const MAY_WAIT: bool = false;
    /// Whether it confines or configures Pods, so that none may run while somebody keeps changing it.
    const CONFINES: bool = false;
    /// A merge patch that clears what may not stand beside a value of ours, and which no apply can clear.
    const CLEARS: Option<&'static str> = None;
}

macro_rules! child {
    ($kind:ty, $confines:literal, [$($zone:expr),*], [$($field:ident),*]) => {
        impl Exact for $kind {
            const ZONES: &'static [&'static [&'static str]] = &[$(&$zone),*];

            fn decided(&self) -> impl Serialize {
                ($(&self.$field,)*)
            }
        }
        impl Child for $kind {
            const MAY_WAIT: bool = $confines;
            const CONFINES: bool = $confines;
        }
    };
}

child!(ConfigMap, true, [["f:data"], ["f:binaryData"]], [data, binary_data]);
child!(HttpRoute, false, [["f:spec"]], [spec]);
child!(Ingress, false, [["f:spec"]], [spec]);
child!(NetworkPolicy, true, [["f:spec"]], [spec]);
child!(Service, false, [["f:spec"]], [spec]);
child!(ServiceAccount, true, [], [automount_service_account_token]);

impl Exact for Deployment {
    const ZONES: &'static [&'static [&'static str]] = &[&["f:spec", "f:template", "f:spec"]];

    fn decided(&self) -> impl Serialize {
        self.spec.as_ref().map(|spec| &spec.template.spec)
    }

    /// All of the Pod but its size, its place, and variables of which no program makes much.
    fn confinement(&self) -> impl Serialize {
        let template = self.spec.as_ref().map(|spec| &spec.template);
        let labels = template.and_then(|template| template.metadata.as_ref()?.labels.as_ref());
        let pod = template.and_then(|template| template.spec.clone()).map(|mut pod| {
            (pod.affinity, pod.node_selector, pod.tolerations) = (None, None, None);
            (pod.priority_class_name, pod.topology_spread_constraints) = (None, None);
            for container in pod.init_containers.iter_mut().flatten().chain(&mut pod.containers) {
                container.resources = None;
                let variables = container.env.iter_mut();
                variables.for_each(|variables| variables.retain(|variable| is_of_the_program(&variable.name)));
            }
            pod
        });
        (pod, labels)
    }
}

/// Whether a variable of this name decides what a program loads, or whom it trusts. Others are what controllers of all kinds add.
fn is_of_the_program(name: &str) -> bool {
    ["CREEL_", "GIT_", "LD_", "NODE_", "OPENCLAW_", "SSL_"].iter().any(|prefix| name.starts_with(prefix))
        || ["_PROXY", "_BASE_URL"].iter().any(|suffix| name.to_ascii_uppercase().ends_with(suffix))
        || ["BASH_ENV", "ENV", "HOME", "PATH", "TMPDIR"].contains(&name)
}

impl Child for Deployment {
    const MAY_WAIT: bool = true;
    /// Somebody's `RollingUpdate` brings its parameters, and with them `Recreate` is refused.
    const CLEARS: Option<&'static str> = Some(r#"{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}"#);
}

impl Exact for PersistentVolumeClaim {
    const ZONES: &'static [&'static [&'static str]] = &[];

    /// Kubernetes writes there too.
    fn decided(&self) -> impl Serialize {}
}

impl Child for PersistentVolumeClaim {
    const ADOPTABLE: bool = true;
}

/// Sends the children of one controller.
pub struct Applier {
    client: Client,
    manager: &'static str,
    pub ledger: Ledger,
}

impl Applier {
    #[must_use]
    pub fn new(client: Client, manager: &'static str) -> Self {
        Self { client, manager, ledger: Ledger::default() }
    }

    /// Brings the child about, if it is not as desired already. Returns whether anything was sent.
    ///
    /// `owner` is the UID of the controlling object, or what else the ledger is to know the owner by; a child without a controller is
    /// ours if it carries our labels.
    pub async fn apply<K: Child>(
        &self,
        desired: &K,
        cached: Option<&Observed<K>>,
        owner: &str,
    ) -> Result<bool, ApplyError> {
        let key = key_of(desired);
        let fail = |source: kube::Error| failed(&key, source);
        let body = serde_json::to_vec(desired).map_err(|source| ApplyError::Serialise {
            kind: key.kind.clone(),
            name: key.name.clone(),
            source,
        })?;
        let hash = xxh3_64(&body);
        let api: Api<Received<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        let mut edit = Edit { manager: cached.map(|child| child.writer.clone()), version: cached.and_then(version) };
        match cached {
            Some(child) => check_ours(desired, child, owner)?,
            // The cache holds only what carries our label: look before the first apply takes something over.
            None if self.ledger.is_due(&key, hash, None, Instant::now()) => {
                if let Some(child) = received::get(&api, &key.name).await.map_err(fail)? {
                    let child = Observed::new(child, self.manager);
                    check_ours(desired, &child, owner)?;
                    edit.manager = Some(child.writer);
                }
            }
            None => {}
        }
        let shown = cached.map(shown_of);
        let intruded = cached.is_some_and(|child| child.intruded);
        // What a repair of ours left undone is no edit by somebody else.
        let may_wait = K::MAY_WAIT && edit.manager.as_deref() != Some(self.manager);
        let change = Change { edit: &edit, intruded, may_wait, confines: K::CONFINES };
        let due = self.ledger.due((&key, owner), hash, shown.as_ref(), change, Instant::now());
        if matches!(due, Due::No | Due::Disputed) {
            return Ok(false);
        }
        let (mut sent, mut stays) = (false, None);
        if intruded {
            match self.take_out_additions(&api, &key).await {
                // Set in place of a field of ours that must be there (an image): gone once ours is back.
                Err(error) if error.api().is_some_and(is_refusal) => stays = Some(error),
                taken_out => sent = taken_out?,
            }
        }
        if self.ledger.is_due(&key, hash, shown.as_ref(), Instant::now()) {
            let applied = self.send(&api, &key.name, desired, cached.is_some()).await.map_err(fail)?;
            tracing::info!(kind = key.kind, namespace = key.namespace, name = key.name, "applied");
            let applied = shown_of(&Observed::new(applied, self.manager));
            self.ledger.applied(key.clone(), owner, hash, applied, shown, Instant::now());
            (sent, stays) = (true, None);
        }
        if let (true, Due::Repair { confines }, true) = (sent, due, may_wait) {
            self.ledger.repaired((key, confines), owner, edit, Instant::now());
        }
        stays.map_or(Ok(sent), Err)
    }

    /// Applies with force. What is refused because of values that no apply can clear is tried again once they are cleared.
    async fn send<K: Child>(
        &self,
        api: &Api<Received<K>>,
        name: &str,
        desired: &K,
        exists: bool,
    ) -> Result<K, kube::Error> {
        let params = PatchParams::apply(self.manager).force();
        let applied = match (api.patch(name, &params, &Patch::Apply(desired)).await, K::CLEARS) {
            (Err(refused), Some(clears)) if exists && is_refusal(&refused) => {
                let clears: Value = serde_json::from_str(clears).unwrap_or_default();
                let update = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
                api.patch(name, &update, &Patch::Merge(clears)).await?;
                api.patch(name, &params, &Patch::Apply(desired)).await
            }
            (applied, _) => applied,
        };
        applied?.whole()
    }

    /// Whether somebody edited what we decide on, as far as can be told.
    pub fn was_edited<K: Child>(&self, child: &Observed<K>) -> bool {
        child.intruded || self.ledger.was_edited(&key_of(&child.object), &shown_of(child), Instant::now())
    }

    /// A child of this owner that somebody else keeps changing.
    pub fn disputed(&self, owner: &str) -> Option<Disputed> {
        self.ledger.disputed(owner, Instant::now())
    }

    /// Has the Deployment run no Pod, until it is applied again. Returns whether that was sent.
    pub async fn stop(&self, deployment: &Deployment) -> Result<bool, ApplyError> {
        if deployment.spec.as_ref().is_none_or(|spec| spec.replicas == Some(0)) {
            return Ok(false);
        }
        let key = key_of(deployment);
        let api: Api<Received<Deployment>> = Api::namespaced(self.client.clone(), &key.namespace);
        let patch = json!({"metadata": {"uid": deployment.uid()}, "spec": {"replicas": 0}});
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        match api.patch(&key.name, &params, &Patch::Merge(patch)).await {
            // Another one by now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(false),
            stopped => stopped.map(drop).map_err(|source| failed(&key, source))?,
        }
        tracing::warn!(namespace = key.namespace, name = key.name, "scaled to zero");
        self.ledger.forget_applied(&key);
        Ok(true)
    }

    /// Deletes the child, if it is still the one that was seen.
    pub async fn delete<K: Child>(&self, child: &K) -> Result<(), ApplyError> {
        delete(&self.client, child).await?;
        self.ledger.forget(&key_of(child));
        Ok(())
    }

    /// Writes the object back without what others added. Only removals: a replace that set a value would make us its owner by
    /// update, and a later apply could not drop it any more.
    async fn take_out_additions<K: Child>(&self, api: &Api<Received<K>>, key: &ChildKey) -> Result<bool, ApplyError> {
        let fail = |source: kube::Error| failed(key, source);
        let Some(live) = received::get(api, &key.name).await.map_err(fail)? else { return Ok(false) };
        let additions = managed_fields::additions::<K>(live.managed_fields(), self.manager);
        if additions.is_empty() {
            return Ok(false);
        }
        let serialise = |source| ApplyError::Serialise { kind: key.kind.clone(), name: key.name.clone(), source };
        let mut body = serde_json::to_value(&live).map_err(serialise)?;
        managed_fields::strip(&mut body, &additions);
        let body = Received::Whole(serde_json::from_value(body).map_err(serialise)?);
        let params = PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() };
        api.replace(&key.name, &params, &body).await.map_err(fail)?;
        tracing::info!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            ?additions,
            "removed additions by others"
        );
        Ok(true)
    }
}

/// Deletes the object, if it is still the one that was seen.
pub async fn delete<K>(client: &Client, object: &K) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
{
    let key = key_of(object);
    let api: Api<Received<K>> = Api::namespaced(client.clone(), &key.namespace);
    let only_this = Preconditions { uid: object.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
    match api.delete(&key.name, &params).await {
        Ok(_) => tracing::info!(kind = key.kind, namespace = key.namespace, name = key.name, "deleted"),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
        Err(source) => return Err(failed(&key, source)),
    }
    Ok(())
}

/// A child must have this controller. A retained claim and what never has an owner have none, but our labels, or have lost them by hand, and
/// then we have applied them. The labels alone count too: a restored backup has no managedFields.
fn check_ours<K: Child>(desired: &K, present: &Observed<K>, owner: &str) -> Result<(), ApplyError> {
    let object = &present.object;
    let controller = controller_of(object);
    // These say whose it is; other labels may have been edited, and are put back.
    let same = |key: &str| object.labels().get(key) == desired.labels().get(key);
    let labelled = [LABEL_MANAGED_BY, LABEL_GATEWAY, LABEL_AGENT].into_iter().all(same);
    let is_ownerless = !K::ADOPTABLE && desired.owner_references().is_empty();
    let unowned = (K::ADOPTABLE || is_ownerless) && (labelled || present.own.is_some());
    let ours = controller.map_or(unowned, |controller| controller.uid == owner);
    if ours {
        return Ok(());
    }
    let ChildKey { kind, name, .. } = key_of(object);
    let is_of_predecessor = |owner| is_of_predecessor(object, owner);
    Err(match desired.owner_references().first() {
        _ if is_ownerless => ApplyError::NotCreels { kind, name },
        Some(owner) if is_of_predecessor(owner) => ApplyError::BeingDeleted { kind, name },
        _ => ApplyError::NotOurs { kind, name },
    })
}

fn shown_of<K: Resource>(child: &Observed<K>) -> Shown {
    Shown {
        uid: child.object.meta().uid.clone().unwrap_or_default(),
        own: child.own,
        content: child.content,
        confinement: child.confinement,
    }
}

fn version<K: Resource>(child: &Observed<K>) -> Option<String> {
    child.object.meta().resource_version.clone()
}

/// What the ledger knows the object by.
#[must_use]
pub fn key_of<K: Resource<DynamicType = ()>>(child: &K) -> ChildKey {
    ChildKey {
        kind: K::kind(&()).into_owned(),
        namespace: child.namespace().unwrap_or_default(),
        name: child.name_any(),
    }
}

/// What the API server said of this object.
#[must_use]
pub fn failed(key: &ChildKey, source: kube::Error) -> ApplyError {
    ApplyError::Api { kind: key.kind.clone(), name: key.name.clone(), source: Box::new(source) }
}
