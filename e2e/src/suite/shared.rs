//! Gateways that the tests of a run share: a start of one takes ten seconds of a core, a test that joins takes none. Who tests what
//! recreates a gateway, ends it or fills it has one of its own instead. Touches the network.
//!
//! The names of a test's objects are its own (`TestNamespace::named`), and its Providers have no credentials: a new one would recreate
//! the gateway's Pod under all other tests. For the same reason the first of these gateways has the tokens of two bots from the beginning.

use std::fmt::Write as _;

use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams};

use super::fixtures::{agent, base_url, joined_agent, keyless_provider, provider, secret};
use super::namespace::{START, TestNamespace, apply_namespace, run};
use super::{connection, models, secrets};

/// Where all of them are.
pub const NAMESPACE: &str = "creel-e2e-gateways";
const PROVIDER: &str = "main";
/// The ServiceAccount that sandboxes may run as, in the words of the chart.
pub const SANDBOX_ACCOUNT: &str = "creel-e2e-gateways/reader";

/// Bots whose tokens the gateway for Agents without a shell has, each in the key `token` of the Secret of its name: as a token of Telegram,
/// and one that it does not know unless a test makes it.
pub const BOTS: [(&str, &str); 2] = [("bot", "7:creel-secret-bot"), ("other-bot", "8:creel-secret-other-bot")];

/// A gateway for tests of one kind, so that no single process has to do it all.
#[derive(Clone, Copy, Debug)]
pub enum Shared {
    /// For Agents without a shell.
    Plain,
    /// For Agents whose commands see their workspace.
    Workspace,
    /// For Agents whose commands see nothing of it.
    Sealed,
}

impl Shared {
    fn owner(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Workspace => "workspace",
            Self::Sealed => "sealed",
        }
    }
}

/// Runs a test whose Agents join a shared gateway. What it made is deleted when it ends, well or not; nobody waits for that.
pub async fn on_shared(gateway: Shared, name: &str, test: impl AsyncFnOnce(TestNamespace)) {
    let client = connection::client().await;
    let models = models::model_server(&client).await;
    let scope = format!("{name}-{}", secrets::random(6));
    let namespace = TestNamespace { name: NAMESPACE.to_owned(), scope, host: Some(gateway.owner()), client, models };
    namespace.ensure_host(gateway.owner()).await;
    run(namespace, test).await;
}

impl TestNamespace {
    /// Applied, not created: tests that come at the same time write the same.
    async fn ensure_host(&self, owner: &str) {
        apply_namespace(&self.client, NAMESPACE).await;
        self.make_key().await;
        self.apply(&provider(PROVIDER, &base_url("shared", PROVIDER))).await;
        let mut host = agent(owner, &format!("{PROVIDER}/small"));
        if owner == Shared::Plain.owner() {
            host += "  channels:\n";
            for (name, token) in BOTS {
                self.apply(&secret(name, "token", token)).await;
                let token = format!("{{secretKeyRef: {{name: {name}, key: token}}}}");
                let bot = format!("{{botToken: {token}, dmPolicy: disabled, config: {{enabled: false}}}}");
                let _ = writeln!(host, "  - {{name: {name}, telegram: {bot}}}");
            }
        }
        self.apply(&host).await;
        let answers = |ready: &super::objects::Condition| ready.status == "True";
        self.condition("Agent", owner, "GatewayReady", START, answers).await;
    }

    /// Whoever comes first decides on the key: another one would recreate the gateways.
    async fn make_key(&self) {
        let yaml = secret(PROVIDER, "api-key", &secrets::secret_value("shared"));
        let object = serde_yaml::from_str(&yaml).expect("a Secret");
        match self.api("Secret").create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            made => drop(made.expect("a Secret can be made")),
        }
    }

    /// A Provider of this test on the model server, and an Agent that joins the shared gateway with its model `small`; their names.
    pub async fn join(&self, name: &str) -> String {
        let yaml = self.joining(name).await;
        self.apply(&yaml).await;
        let agent = self.named(name);
        self.ready(&agent).await;
        agent
    }

    /// The same test, for Agents that join another shared gateway as well.
    pub async fn also_on(&self, gateway: Shared) -> Self {
        self.ensure_host(gateway.owner()).await;
        Self { host: Some(gateway.owner()), ..self.clone() }
    }

    /// The same Agent as YAML, for a test that adds to it.
    pub async fn joining(&self, name: &str) -> String {
        let host = self.host.expect("a test on a shared gateway");
        let provider = self.named(PROVIDER);
        self.apply(&keyless_provider(&provider, &self.base_url(PROVIDER))).await;
        joined_agent(&self.named(name), host, &format!("{provider}/small"))
    }

    /// Deletes what this test made. The Agents go first, so that the gateway's configuration names nothing that is missing.
    pub(super) async fn leave(&self) {
        for kind in ["CronJob", "Agent", "Sandbox", "Provider", "Secret", "ConfigMap", "PersistentVolumeClaim"] {
            for object in self.api(kind).list(&ListParams::default()).await.into_iter().flatten() {
                let name = object.name_any();
                if name.starts_with(&self.scope)
                    && let Err(error) = self.api(kind).delete(&name, &DeleteParams::default()).await
                {
                    eprintln!("{kind} {name} stays: {error}");
                }
            }
        }
    }
}
